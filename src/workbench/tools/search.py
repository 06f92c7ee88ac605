"""Searching file contents: one question, two engines, one answer.

ripgrep where it is installed, else a worker process that answers in ripgrep's place (`search_worker`). Both run as
processes: they can be ended at any moment, and nothing of theirs holds the event loop.
"""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from workbench.tools.base import ToolError
from workbench.tools.ignore import VCS

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


class Answer(msgspec.Struct, kw_only=True):
    """What was found, in the order to show: the same whichever engine found it. `show` makes a row readable."""

    rows: list[Any]
    show: Callable[[Any], str]
    files: int
    matches: int


def engine() -> Engine:
    """The engine that a search uses here."""
    return "rg" if shutil.which("rg") else "re"


async def run(query: Query, folder: Path, using: Engine | None = None) -> tuple[bytes, bool]:
    """What the engine prints about QUERY in FOLDER, and whether it was ended for printing too much.

    Raises ToolError for a pattern, a glob or a type that it cannot read. Cancelling ends the process.
    """
    chosen = using or engine()
    try:
        process = await asyncio.create_subprocess_exec(
            *(_ripgrep(query) if chosen == "rg" else _worker(query)),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
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


async def _rest(stream: asyncio.StreamReader) -> bytes:
    """Reads to the end, and keeps the beginning."""
    kept = b""
    while part := await stream.read(1 << 20):
        kept = (kept + part)[:_SAID]
    return kept


def _ripgrep(query: Query) -> list[str]:
    """The command line; what a person configured for their own rg does not count."""
    command = [shutil.which("rg") or "rg", "--no-config", "--color=never", "--no-heading", "--with-filename", "--null"]
    command += ["--hidden", "--no-require-git", "--no-ignore-global", "--no-messages"]
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
    return [*command, f"--regexp={query.pattern}", "--", f"./{query.file}"]


def _worker(query: Query) -> list[str]:
    """The worker in a bare interpreter (-I): nothing that lies in the searched folder is ever imported."""
    root = str(Path(__file__).parents[2])
    request = msgspec.json.encode(query)
    return [sys.executable, "-I", "-c", _START, root, request.decode()]


def read(query: Query, printed: bytes, folder: Path, name: Callable[[str], str | None]) -> Answer:
    """What the engine PRINTED, in order: files newest first, lines and counts by path.

    NAME turns a path relative to FOLDER into the one to show, or None for a file that is not to be shown. Blocks.
    """
    if query.mode == "files_with_matches":
        return _files(printed, folder, name)
    return _counts(printed, name) if query.mode == "count" else _content(query, printed, name)


def _files(printed: bytes, folder: Path, name: Callable[[str], str | None]) -> Answer:
    dated = []
    for raw in printed.split(b"\0")[:-1]:
        path = os.fsdecode(raw[2:])
        if (shown := name(path)) is not None:
            dated.append((-modified(f"{folder}/{path}"), shown))
    dated.sort()
    return Answer(rows=dated, show=lambda row: str(row[1]), files=len(dated), matches=len(dated))


def modified(path: str) -> int:
    """When PATH was last changed, in nanoseconds; 0 where it is gone."""
    try:
        return os.stat(path, follow_symlinks=False).st_mtime_ns  # noqa: PTH116 - a Path a file would cost more
    except OSError:
        return 0


def _counts(printed: bytes, name: Callable[[str], str | None]) -> Answer:
    rows = []
    for path, count in _COUNTS.findall(printed):
        if (shown := name(os.fsdecode(path[2:]))) is not None:
            rows.append((shown, int(count)))
    rows.sort()
    return Answer(rows=rows, show=lambda row: f"{row[0]}:{row[1]}", files=len(rows), matches=sum(n for _, n in rows))


def _content(query: Query, printed: bytes, name: Callable[[str], str | None]) -> Answer:
    lines: dict[bytes, list[bytes]] = {}
    for line in printed.split(b"\n"):
        path, nul, rest = line.partition(b"\0")
        if nul:  # else it is ripgrep's mark between groups, or its word about a binary file
            lines.setdefault(path, []).append(rest)
    shown = sorted((label, path) for path in lines if (label := name(os.fsdecode(path[2:]))) is not None)
    rows: list[tuple[str, bytes]] = []
    matches = 0
    for label, path in shown:
        found, label = lines[path], "" if query.file else label
        if query.before or query.after:
            groups = list(_with_gaps(found))
            matches += sum(sign == b":" for _, sign, _ in groups)
            rows += [("", b"")] * bool(rows)
            rows += [(label, number + sign + text) if number else ("", b"") for number, sign, text in groups]
        else:
            matches += len(found)
            rows += [(label, rest) for rest in found]
    return Answer(rows=rows, show=partial(_line, query.numbers), files=len(shown), matches=matches)


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


def _line(numbers: bool, row: tuple[str, bytes]) -> str:
    """A row as ripgrep prints it; an empty one is the gap between two groups."""
    label, rest = row
    parts = _LINE.fullmatch(rest)
    if parts is None:
        return "--"
    number, sign = parts[1].decode(), parts[2].decode()
    text = parts[3].decode("utf-8", "replace").removesuffix("\r").replace("\0", "␀")
    if len(text) > _COLUMNS:
        text = text[:_COLUMNS] + "… [cut]"
    return f"{label + sign if label else ''}{number + sign if numbers else ''}{text}"
