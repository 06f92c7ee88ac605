"""Glob: paths that match a pattern, newest first."""

import os
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Reads
from workbench.protocol.blocks import Listing
from workbench.tools import files
from workbench.tools.base import Context, Outcome, ToolError, absolute, encodable, text_content
from workbench.tools.globs import GlobError, expression, split_base
from workbench.tools.search import modified
from workbench.tools.threads import stoppable
from workbench.tools.walk import Match, walk

_SHOWN = 100


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
        base, pattern = _base(given, str(context.cwd))
        return await stoppable(lambda stop: _found(context, Path(base), pattern, stop))


def _found(context: Context, named: Path, pattern: str, stop: threading.Event) -> Outcome:
    shown = context.shown(named)
    held = files.hold_folder(context.reached(named), shown)
    if held is None:
        raise ToolError(f"{shown} is a file, not a folder.")
    try:
        wanted = re.compile(expression(pattern), re.DOTALL).fullmatch
        return _listed(context, named, held, wanted, stop)
    except (GlobError, re.error) as error:
        raise ToolError(f"The pattern cannot be read: {error}.") from None
    finally:
        os.close(held)


def _listed(context: Context, base: Path, held: int, wanted: Match, stop: threading.Event) -> Outcome:
    prefix = context.prefix(base)
    paths: Iterable[str] = walk(str(base), held, wanted=wanted, links=True, stopped=stop.is_set)
    if (readable := context.readable) is not None:
        paths = (path for path in paths if readable(f"{base}/{path}"))
    dated = sorted((-modified(f"{base}/{path}"), prefix + path) for path in paths)
    rows = [encodable(path) for _, path in dated[:_SHOWN]]
    total = len(dated)
    notes = [f"[the newest {_SHOWN} of {total}; a narrower pattern shows the others]"] if total > _SHOWN else []
    none = "No files match (those that .gitignore names were left out)."
    return Outcome(
        content=text_content("\n".join([*rows, *notes]) or none),
        display=[Listing(lines=tuple(rows), total=total)],
        summary=f"{total} file{'s' * (total != 1)}",
    )


def _base(given: Any, cwd: str) -> tuple[str, str]:
    """The folder to walk, absolute, and the pattern below it."""
    try:
        start, rest = split_base(given.pattern)
    except GlobError as error:
        raise ToolError(str(error)) from None
    folder = absolute(given.path, cwd) if given.path else cwd
    return (absolute(start, folder) if start else folder), rest or "**"
