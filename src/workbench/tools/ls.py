"""LS: a folder as a tree."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Reads
from workbench.tools.base import Context, Outcome, absolute


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which folder, and what to leave out."""

    path: Annotated[str, msgspec.Meta(description="Folder; default: working directory")] | None = None
    ignore: Annotated[list[str], msgspec.Meta(description="Globs to leave out")] | None = None


class LS:
    """Lists a folder."""

    name = "LS"
    description = "Lists a folder as a tree, 1000 entries at most, the upper levels first."
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Reads the folder."""
        return (Reads(absolute(given.path or ".", cwd)),)

    def target(self, given: Any) -> str:
        """The folder."""
        return str(given.path or ".")

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Lists the folder."""
        raise NotImplementedError
