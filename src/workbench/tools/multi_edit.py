"""MultiEdit: several replacements in one file, all or none."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Writes
from workbench.tools import changing
from workbench.tools.base import Context, Outcome, absolute
from workbench.tools.threads import finish


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One replacement, with Edit's rules."""

    old_string: str
    new_string: str
    replace_all: bool = False


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file and its replacements."""

    file_path: Annotated[str, msgspec.Meta(min_length=1, description="Absolute, or relative to the working directory")]
    edits: Annotated[list[Change], msgspec.Meta(min_length=1, description="Each works on the result of the last")]


class MultiEdit:
    """Replaces several pieces of text at once."""

    name = "MultiEdit"
    description = "Several Edits of one file, in order; if any of them fails, none is made. Edit's rules hold for each."
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Writes the file."""
        return (Writes(absolute(given.file_path, cwd)),)

    def target(self, given: Any) -> str:
        """The path."""
        return str(given.file_path)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Edits the file."""
        return await finish(changing.edit, context, given.file_path, given.edits)
