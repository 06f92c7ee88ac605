"""Searching file contents: one question, two engines, one answer.

ripgrep where it is installed, else a worker process that answers in ripgrep's place (`search_worker`). Both run as
processes: they can be ended at any moment, and nothing of theirs holds the event loop. They start in the folder that is
held open, one file is given to them open, and what they found in many is looked at again (`search_confirm`).
"""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from workbench import programs
from workbench.tools import search_confirm
from workbench.tools.base import ToolError
from workbench.tools.ignore import VCS
from workbench.tools.output import begun

Engine = Literal["rg", "re"]
Mode = Literal["files_with_matches", "content", "count"]

_GATHERED = 64_000_000  # bytes of an engine's output; beyond that the search is ended
_FLAG = "--multiline flag (or -U for short)"  # in ripgrep's own advice
_SAID = 10_000  # bytes of an engine's complaint
_COLUMNS = 500  # characters of a line that are shown
_START = """import sys
sys.path.insert(0, sys.argv.pop(1))
from workbench.tools.search_worker import main
sys.exit(main())"""
_LINE = re.compile(rb"(\d+)([:-])(.*)", re.DOTALL)
_COUNTS = re.compile(rb"([^\0\n]+)\0(\d+)\n")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for. `file`: the name of the one file to search in, empty for the whole folder."""

    pattern: str
    mode: Mode
    file: str = ""
    globs: tuple[str, ...] = ()
    type: str = ""
    ignore_case: bool = False
    multiline: bool = False
    before: int = 0
    after: int = 0
    numbers: bool = True
    unignored: bool = False  # the folder is itself ignored: what lies in it is searched all the same


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look: the absolute folder PATH as it is shown, held open, and the one file in it where it is one."""

    path: Path
    held: int
    file: int | None = None


class Answer(msgspec.Struct, kw_only=True):
    """What was found, in the order to show: the same whichever engine found it. `show` makes a row readable; `confirm`
    leaves out the rows of files that cannot be found to hold them (it blocks)."""

    rows: list[Any]
    show: Callable[[Any], str]
    confirm: Callable[[list[Any]], list[Any]]
    files: int
    matches: int


def engine() -> Engine:
    """The engine that a search uses here."""
    return "rg" if programs.find("rg") else "re"


async def run(query: Query, place: Place, using: Engine | None = None) -> tuple[bytes, bool]:
    """What the engine prints about QUERY in PLACE, and whether it was ended for printing too much.

    Raises ToolError for a pattern, a glob or a type that it cannot read. Cancelling ends the process.
    """
    chosen = using or engine()
    try:
        process = await asyncio.create_subprocess_exec(
            *(_ripgrep(query) if chosen == "rg" else _worker(query)),
            cwd=_way_to(place),
            stdin=asyncio.subprocess.DEVNULL if place.file is None else place.file,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
    except (OSError, ValueError) as error:  # the folder is gone; a NUL in the pattern
        raise ToolError(f"The search could not start: {error}.") from None
    assert process.stdout and process.stderr
    errors = asyncio.create_task(_rest(process.stderr))
    parts, size = [], 0
    try:
        while (part := await process.stdout.read(1 << 20)) and size <= _GATHERED:
            parts.append(part)
            size += len(part)
        if size <= _GATHERED:
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await _rest(process.stdout)  # else a full pipe would keep asyncio from seeing the end
            await process.wait()
        said = (await errors).decode(errors="replace").strip()
    if process.returncode not in (0, 1) and not parts and said:
        raise ToolError(f"The search failed: {said.replace(_FLAG, '`multiline` parameter')}")
    return b"".join(parts), size > _GATHERED


def _way_to(place: Place) -> str:
    """A path that leads to the held folder, whatever its own path leads to by now."""
    held = f"/proc/self/fd/{place.held}"
    return held if sys.platform == "linux" and os.path.exists(held) else str(place.path)  # noqa: PTH110


async def _rest(stream: asyncio.StreamReader) -> bytes:
    """Reads to the end, and keeps the beginning."""
    kept = b""
    while part := await stream.read(1 << 20):
        kept = (kept + part)[:_SAID]
    return kept


def _ripgrep(query: Query) -> list[str]:
    """The command line; what a person configured for their own rg does not count."""
    command = [programs.find("rg") or "rg", "--no-config", "--color=never", "--no-heading", "--with-filename", "--null"]
    command += ["--hidden", "--no-follow", "--no-require-git", "--no-ignore-global", "--no-messages"]
    command += ["--no-ignore"] * query.unignored
    command += [f"--max-columns={8 * _COLUMNS}", "--max-columns-preview"]
    command.append(
        {"files_with_matches": "--files-with-matches", "count": "--count", "content": "--line-number"}[query.mode]
    )
    command += ["--ignore-case"] * query.ignore_case + ["--multiline", "--multiline-dotall"] * query.multiline
    if query.mode == "content":
        command += [f"--before-context={query.before}", f"--after-context={query.after}"]
    command += [f"--type={query.type}"] * bool(query.type)
    command += [f"--glob={glob}" for glob in (*query.globs, *(f"!{name}" for name in VCS))]
    return [*command, f"--regexp={query.pattern}", "--", "-" if query.file else "./"]


def _worker(query: Query) -> list[str]:
    """The worker in a bare interpreter (-I): nothing that lies in the searched folder is ever imported."""
    root = str(Path(__file__).parents[2])
    request = msgspec.json.encode(query)
    return [sys.executable, "-I", "-c", _START, root, request.decode()]


def read(query: Query, printed: bytes, place: Place, name: Callable[[str], str | None]) -> Answer:
    """What the engine PRINTED, in order: files newest first, lines and counts by path.

    NAME turns a path relative to PLACE into the one to show, or None for a file that is not to be shown. Blocks.
    """

    def named(raw: bytes) -> tuple[str, str] | None:
        path = query.file or os.fsdecode(raw[2:])
        shown = name(path)
        return None if shown is None else (shown, path)

    if query.mode == "files_with_matches":
        return _files(printed, place, named)
    return _counts(printed, place, named) if query.mode == "count" else _content(query, printed, place, named)


_Named = Callable[[bytes], tuple[str, str] | None]  # a path as printed -> the one to show, the one in the folder


def _files(printed: bytes, place: Place, named: _Named) -> Answer:
    found = [both for raw in printed.split(b"\0")[:-1] if (both := named(raw)) is not None]
    dated = sorted((-modified(f"{place.path}/{path}"), shown, path) for shown, path in found)
    return Answer(
        rows=dated, show=lambda row: str(row[1]), confirm=partial(_there, place), files=len(dated), matches=len(dated)
    )


def _there(place: Place, rows: list[Any]) -> list[Any]:
    return [row for row in rows if place.file is not None or search_confirm.is_there(place.held, row[-1])]


def modified(path: str) -> int:
    """When PATH was last changed, in nanoseconds; 0 where it is gone."""
    try:
        return os.stat(path, follow_symlinks=False).st_mtime_ns  # noqa: PTH116 - a Path a file would cost more
    except OSError:
        return 0


def _counts(printed: bytes, place: Place, named: _Named) -> Answer:
    counted = [(named(raw), int(count)) for raw, count in _COUNTS.findall(printed)]
    rows = sorted((both[0], count, both[1]) for both, count in counted if both is not None)
    return Answer(
        rows=rows,
        show=lambda row: f"{row[0]}:{row[1]}",
        confirm=partial(_there, place),
        files=len(rows),
        matches=sum(row[1] for row in rows),
    )


def _content(query: Query, printed: bytes, place: Place, named: _Named) -> Answer:
    lines: dict[bytes, list[bytes]] = {}
    for line in printed.split(b"\n"):
        raw, nul, rest = line.partition(b"\0")
        if nul:  # else it is ripgrep's mark between groups, or its word about a binary file
            lines.setdefault(raw, []).append(rest)
    shown = sorted((both, raw) for raw in lines if (both := named(raw)) is not None)
    rows: list[tuple[str, bytes, str]] = []
    matches = 0
    for (label, path), raw in shown:
        found, label = lines[raw], "" if query.file else label
        if query.before or query.after:
            groups = list(_with_gaps(found))
            matches += sum(sign == b":" for _, sign, _ in groups)
            rows += [("", b"", "")] * bool(rows)
            rows += [(label, number + sign + text, path) if number else ("", b"", "") for number, sign, text in groups]
        else:
            matches += len(found)
            rows += [(label, rest, path) for rest in found]
    show, confirm = partial(_line, query.numbers), partial(_held_to, place)
    return Answer(rows=rows, show=show, confirm=confirm, files=len(shown), matches=matches)


def _held_to(place: Place, rows: list[Any]) -> list[Any]:
    """ROWS without those of files that do not have these lines; gaps stay."""
    if place.file is not None:
        return rows
    wanted: dict[str, dict[int, bytes]] = {}
    for _, rest, path in rows:
        if parts := _LINE.fullmatch(rest):
            wanted.setdefault(path, {})[int(parts[1])] = parts[3]
    true = {path for path, lines in wanted.items() if search_confirm.has_lines(place.held, path, lines)}
    return [row for row in rows if not row[2] or row[2] in true]


def _with_gaps(found: list[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The lines of one file, taken apart, with an empty one wherever line numbers jump."""
    last = None
    for rest in found:
        parts = _LINE.fullmatch(rest)
        assert parts
        if last is not None and int(parts[1]) != last + 1:
            yield b"", b"", b""
        last = int(parts[1])
        yield parts[1], parts[2], parts[3]


def _line(numbers: bool, row: tuple[str, bytes, str]) -> str:
    """A row as ripgrep prints it; an empty one is the gap between two groups."""
    label, rest, _ = row
    parts = _LINE.fullmatch(rest)
    if parts is None:
        return "--"
    number, sign = parts[1].decode(), parts[2].decode()
    text = parts[3].decode("utf-8", "replace").removesuffix("\r").replace("\0", "␀")
    if len(text) > _COLUMNS:
        text = begun(text, _COLUMNS) + "… [cut]"
    return f"{label + sign if label else ''}{number + sign if numbers else ''}{text}"
