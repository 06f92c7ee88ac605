"""Read: a file as the model sees it."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Reads
from workbench.tools.base import Context, Outcome, absolute


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to read."""

    file_path: Annotated[str, msgspec.Meta(min_length=1, description="Absolute, or relative to the working directory")]
    offset: Annotated[int, msgspec.Meta(ge=0, description="First line, counted from 1")] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, description="How many lines; default 2000")] | None = None


class Read:
    """Shows a file."""

    name = "Read"
    description = (
        "Shows a file: text as numbered lines (number, →, line), png/jpeg/gif/webp as the image, .ipynb cell by cell. "
        "Gives 2000 lines from the start unless offset and limit say otherwise; lines over 2000 characters are cut. "
        "A file must be read before it is edited. Read several files in one go. For folders use LS."
    )
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Reads the file."""
        return (Reads(absolute(given.file_path, cwd)),)

    def target(self, given: Any) -> str:
        """The path, with the lines asked for."""
        if given.offset is None and given.limit is None:
            return str(given.file_path)
        first = max(given.offset or 1, 1)
        return f"{given.file_path}:{first}-{first + given.limit - 1 if given.limit else ''}"

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Shows the file."""
        raise NotImplementedError
