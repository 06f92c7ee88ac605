"""LS: a folder as a tree."""

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Reads
from workbench.protocol.blocks import Listing
from workbench.tools import beneath, files
from workbench.tools.base import Context, Outcome, ToolError, absolute, encodable, text_content
from workbench.tools.globs import GlobError
from workbench.tools.ignore import VCS, Scope
from workbench.tools.threads import stoppable
from workbench.tools.walk import Overrides

_ENTRIES = 1000
_PAGE = 40_000  # characters of one answer
_LISTED = 200  # rows that travel with the event
_CLOSED = frozenset((*VCS, "__pycache__", "node_modules", ".venv"))


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
        return await stoppable(lambda stop: _listed(given, context, stop))


_Test = Callable[[str, str, bool], bool]  # of an entry's path below the base, its name, whether it is a folder


class _Folder(msgspec.Struct):
    """A folder of the tree: its path relative to the base (with a slash at the end), its rows, folders by row."""

    path: str
    rows: list[str] = []
    folders: dict[int, "_Folder"] = {}
    closed: bool = False  # not looked into


def _listed(given: Any, context: Context, stop: threading.Event) -> Outcome:
    base = Path(absolute(given.path or ".", str(context.cwd)))
    shown = context.shown(base)
    try:
        left_out = Overrides([f"!{glob}" for glob in given.ignore or ()])
    except (GlobError, re.error) as error:
        raise ToolError(f"An ignore glob cannot be read: {error}.") from None

    def unwanted(path: str, name: str, folder: bool) -> bool:
        concealed = context.readable is not None and not context.readable(f"{base}/{path}")
        return concealed or bool(left_out.verdict(path, name, folder))

    held = files.hold_folder(context.reached(base), shown)
    if held is None:
        raise ToolError(f"{shown} is a file, not a folder. Use Read.")
    try:
        tree, count, closed = _gather(str(base), held, unwanted, stop)
    finally:
        os.close(held)
    rows = [f"{base}/".replace("//", "/")]
    room = _PAGE
    for row in map(encodable, _rows(tree, "  ")):
        room -= len(row) + 1
        if room < 0:
            break
        rows.append(row)
    if count > _ENTRIES or room < 0:
        rows.append(f"[{len(rows) - 1} entries of more; list a folder below, or use Glob]")
    if closed:
        rows.append("[… marks folders that were not opened: ignored by git, or beyond the limit]")
    return Outcome(
        content=text_content("\n".join(rows) if count else f"{shown} is an empty folder."),
        display=[Listing(lines=tuple(rows[:_LISTED]), total=len(rows))],
        summary=f"{min(count, _ENTRIES)} entries",
    )


def _gather(base: str, held: int, left_out: _Test, stop: threading.Event) -> tuple[_Folder, int, bool]:
    """The tree below BASE, which HELD holds open, level by level until there are enough entries; how many there were,
    and whether any folder stayed closed. Raises ToolError where BASE itself cannot be read."""
    tree = _Folder("")
    queue, count, closed = deque([(tree, Scope.around(base))]), 0, False
    while queue:
        folder, scope = queue.popleft()
        if count >= _ENTRIES or stop.is_set():
            folder.closed = closed = True
            continue
        try:
            with beneath.listing(held, folder.path) as listing:
                entries = sorted((e.name, e.is_dir(follow_symlinks=False), e.is_symlink()) for e in listing)
        except OSError as error:
            if folder is tree:
                raise ToolError(f"{base} cannot be listed: {error.strerror}.") from None
            folder.closed = closed = True
            continue
        if folder.path:
            scope = scope.within(f"{base}/{folder.path[:-1]}", frozenset(name for name, _, _ in entries))
        for name, is_folder, is_link in entries:
            path = folder.path + name
            if left_out(path, name, is_folder):
                continue
            count += 1
            if count > _ENTRIES:
                break
            if is_folder:
                inner = _Folder(path + "/")
                folder.folders[len(folder.rows)] = inner
                if name in _CLOSED or scope.ignored(f"{base}/{path}", name, True):
                    inner.closed = closed = True
                else:
                    queue.append((inner, scope))
            folder.rows.append(_label(held, path, name) if is_link else name)
    return tree, count, closed


def _label(held: int, path: str, name: str) -> str:
    try:
        return f"{name} -> {beneath.link_target(held, path)}"
    except OSError:
        return name


def _rows(folder: _Folder, indent: str) -> Iterator[str]:
    for at, row in enumerate(folder.rows):
        inner = folder.folders.get(at)
        if inner is None:
            yield f"{indent}{row}"
        else:
            yield f"{indent}{row}/{' …' * inner.closed}"
            yield from _rows(inner, indent + "  ")
