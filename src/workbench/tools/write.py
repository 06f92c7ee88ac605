"""Write: a whole new text for a file."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Writes
from workbench.tools.base import Context, Outcome, absolute


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to write, and where."""

    file_path: Annotated[str, msgspec.Meta(min_length=1, description="Absolute, or relative to the working directory")]
    content: Annotated[str, msgspec.Meta(description="The whole text")]


class Write:
    """Creates a file or replaces its text."""

    name = "Write"
    description = (
        "Creates a file (missing folders too) or replaces its whole text. A file that exists must have been read "
        "before. To change a part, use Edit."
    )
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Writes the file."""
        return (Writes(absolute(given.file_path, cwd)),)

    def target(self, given: Any) -> str:
        """The path."""
        return str(given.file_path)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Writes the file."""
        raise NotImplementedError
