"""Glob: paths that match a pattern, newest first."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Reads
from workbench.tools.base import Context, Outcome, absolute
from workbench.tools.globs import split_base


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which paths, and where."""

    pattern: Annotated[str, msgspec.Meta(min_length=1, description="'**/*.py', 'src/**/*.{ts,tsx}'")]
    path: Annotated[str, msgspec.Meta(description="Folder; default: working directory")] | None = None


class Glob:
    """Finds files by name."""

    name = "Glob"
    description = "Finds files by name, newest first, 100 at most. Leaves out what .gitignore names."
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Reads the folder that the pattern reaches."""
        return (Reads(_base(given, cwd)[0]),)

    def target(self, given: Any) -> str:
        """The pattern, and where it is looked for."""
        return f"{given.pattern} in {given.path}" if given.path else str(given.pattern)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Looks for the files."""
        raise NotImplementedError


def _base(given: Any, cwd: str) -> tuple[str, str]:
    """The folder to walk, absolute, and the pattern below it."""
    start, rest = split_base(given.pattern)
    folder = absolute(given.path, cwd) if given.path else cwd
    return (absolute(start, folder) if start else folder), rest
