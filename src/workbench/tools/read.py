"""Read: a file as the model sees it."""

import errno
import os
import shlex
import threading
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Reads
from workbench.protocol.blocks import Code, Image
from workbench.protocol.blocks import Text as Shown
from workbench.protocol.words import counted
from workbench.tools import files, images, kinds, notebook
from workbench.tools.base import Context, Outcome, ToolError, absolute, text_content
from workbench.tools.ledger import Seen
from workbench.tools.output import begun
from workbench.tools.text import Text, decode, lines_of, looks_binary, marked, numbered, shorten
from workbench.tools.threads import stoppable

_LINES = 2000  # shown where no limit is given
_PAGE = 100_000  # characters of one answer
_INLINE = 16_000  # characters that travel with the event; more lies in a blob
_CHUNK = 1 << 20
_WINDOW = 8_000_000  # bytes looked at from the first line on, in files too large to load


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
        return await stoppable(lambda stop: _read(given, context, stop))


def _read(given: Any, context: Context, stop: threading.Event) -> Outcome:
    named = context.absolute(given.file_path)
    path, shown = context.reached(named), context.shown(named)
    with files.opened(path, shown) as (fd, state):
        head = os.pread(fd, 8192, 0)
        if images.sniff(head):
            return _picture(context, shown, fd, state)
        if kinds.is_pdf(head) or (looks_binary(head) and not marked(head)):
            raise ToolError(f"{shown} ({files.size(state.st_size)}) is {kinds.explain(path, head, shlex.quote(shown))}")
        if state.st_size > files.WHOLE:
            page = _window(fd, given, stop, shown)
            context.files.saw(path, Seen(state.st_mtime_ns, state.st_size, b""))
            return page.outcome(context, shown, f"a file of {files.size(state.st_size)}")
        source = files.Source(path, state, files.read(fd, files.WHOLE))
    outcome = _notebook(given, source, shown) or _text(given, context, source, shown)
    context.files.saw(path, source.seen())
    return outcome


class Page(msgspec.Struct, frozen=True):
    """Some lines of a file. `more` says whether others follow."""

    start: int
    lines: list[str]
    more: bool
    note: str = ""

    def outcome(self, context: Context, shown: str, whole: str) -> Outcome:
        """The page as the call's result; WHOLE names what it is a part of."""
        rows, room = [], _PAGE
        for row in numbered(self.lines, self.start):
            room -= len(row) + 1
            if room < 0:
                break
            rows.append(row)
        last = self.start + len(rows) - 1
        if self.more or len(rows) < len(self.lines):
            rows.append(f"[lines {self.start}-{last} of {whole}; offset={last + 1} goes on]")
        elif self.start > 1:
            rows.append(f"[lines {self.start}-{last} of {whole}: the end]")
        if self.note:
            rows.append(f"[{self.note}]")
        text = "\n".join(map(shorten, self.lines[: last - self.start + 1]))
        blob = context.put_blob(text.encode(errors="surrogatepass")) if len(text) > _INLINE else None
        return Outcome(
            content=text_content("\n".join(rows)),
            display=[Code(path=shown, text=begun(text, _INLINE), start=self.start, blob=blob)],
            summary=counted(last - self.start + 1, "line"),
        )


def _text(given: Any, context: Context, source: files.Source, shown: str) -> Outcome:
    text = decode(source.data)
    if text is None:
        raise ToolError(f"{shown} begins like a text in Unicode but is none. Look at it with xxd in Bash.")
    lines = lines_of(text.shown)
    start, limit = max(given.offset or 1, 1), given.limit or _LINES
    if start > len(lines):
        count = f"{len(lines)} line{'s' * (len(lines) != 1)}"
        words = f"{shown} has {count}; line {start} is past its end." if lines else f"{shown} is empty."
        return Outcome(content=text_content(words), display=[Shown(text=words)], summary=words)
    end = start - 1 + limit
    page = Page(start, lines[start - 1 : end], end < len(lines), text.note)
    return page.outcome(context, shown, f"{len(lines)}")


def _window(fd: int, given: Any, stop: threading.Event, shown: str) -> Page:
    """The lines asked for of a file too large to load: what comes before is counted, what comes after not touched."""
    start, limit = max(given.offset or 1, 1), given.limit or _LINES
    if (marked(os.pread(fd, 4, 0)) or "utf-8") != "utf-8":
        raise ToolError(f"{shown} is UTF-16 or UTF-32 and too large to be shown so. Convert it to UTF-8 with iconv.")
    at = _start_of(fd, start, stop)
    data = b"" if at is None else os.pread(fd, _WINDOW, at)
    if not data:
        raise ToolError(f"{shown} has fewer than {start} lines.")
    whole, ended = data.split(b"\n"), len(data) < _WINDOW
    if len(whole) > 1 and (whole[-1] == b"" or not ended):
        whole.pop()  # behind the last newline is no line; at the window's edge there is half of one
    lines = whole[:limit]
    try:
        decoded, note = [line.decode("utf-8-sig").removesuffix("\r") for line in lines], ""
    except UnicodeDecodeError:
        decoded, note = [line.decode("latin-1").removesuffix("\r") for line in lines], Text("", "latin-1").note
    return Page(start, decoded, len(lines) < len(whole) or not ended, note)


def _start_of(fd: int, line: int, stop: threading.Event) -> int | None:
    """The byte where LINE begins, None past the end."""
    at, missing = 0, line - 1
    while missing:
        if stop.is_set():
            raise ToolError("Reading was interrupted.")
        at = _past_hole(fd, at)
        chunk = os.pread(fd, _CHUNK, at)
        if not chunk:
            return None
        found = chunk.count(b"\n")
        if found >= missing:
            place = -1
            for _ in range(missing):
                place = chunk.index(b"\n", place + 1)
            return at + place + 1
        missing -= found
        at += len(chunk)
    return at


def _past_hole(fd: int, at: int) -> int:
    """The next byte that is really stored: a hole in a sparse file has no lines to count."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:  # ENXIO: nothing but a hole up to the end
        return os.fstat(fd).st_size if error.errno == errno.ENXIO else at


def _notebook(given: Any, source: files.Source, shown: str) -> Outcome | None:
    """The notebook's cells; None where it is none, or where its lines are asked for."""
    if source.path.suffix != ".ipynb" or given.offset is not None or given.limit is not None:
        return None
    content = notebook.render(source.data, shown)
    if content is None:
        return None
    text = "\n".join(part["text"] for part in content if part["type"] == "text")
    return Outcome(content=content, display=[Code(path=shown, text=begun(text, _INLINE))], summary="notebook")


def _picture(context: Context, shown: str, fd: int, state: os.stat_result) -> Outcome:
    if state.st_size > images.MAX_BYTES:
        raise images.too_large(shown, files.size(state.st_size))
    data = files.read(fd, images.MAX_BYTES)
    width, height = images.measure(data, shown)
    media_type = images.sniff(data) or ""
    return Outcome(
        content=[images.content(data)],
        display=[Image(media_type=media_type, blob=context.put_blob(data))],
        summary=f"{width}x{height} {media_type.removeprefix('image/')}",
    )
