"""Edit: one exact replacement in a file."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Writes
from workbench.tools import changing
from workbench.tools.base import Context, Outcome, absolute
from workbench.tools.threads import finish


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to replace by what."""

    file_path: Annotated[str, msgspec.Meta(min_length=1, description="Absolute, or relative to the working directory")]
    old_string: Annotated[str, msgspec.Meta(description="Exact text to replace, indentation included")]
    new_string: Annotated[str, msgspec.Meta(description="Text to put there")]
    replace_all: Annotated[bool, msgspec.Meta(description="Replace every occurrence")] = False


class Edit:
    """Replaces one piece of text."""

    name = "Edit"
    description = (
        "Replaces old_string by new_string in a file that was read before. old_string must occur exactly once, "
        "character for character and without the line numbers that Read shows: add surrounding lines until it is "
        "unique, or set replace_all. An empty old_string creates a new file."
    )
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Writes the file."""
        return (Writes(absolute(given.file_path, cwd)),)

    def target(self, given: Any) -> str:
        """The path."""
        return str(given.file_path)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Edits the file."""
        return await finish(changing.edit, context, given.file_path, [given])
