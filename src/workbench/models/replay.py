"""Answers on record: `--record FILE` writes them as they come, `--replay FILE` plays them against real tools.

The format is documented in docs/models.md: lines of JSON, a header first, then one line for each thing that a model
client gave. Only answers are recorded, so no key and no prompt is in it; paths become placeholders.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from workbench.models.base import Answer, ModelClient, ModelError, Piece, Request, Retry
from workbench.protocol.result import Usage

FORMAT, VERSION = "mlwb-replay", 1
_WORDS = re.compile(r"\S+\s*|\s+")


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """First line of a recording. `placeholders` are the names that stand in it for what differs between machines."""

    format: str
    version: int
    placeholders: tuple[str, ...] = ()
    note: str = ""


class RecordedError(msgspec.Struct, kw_only=True):
    """A `ModelError`."""

    kind: str
    message: str


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line after the header: an answer, which has `content`, or one of `retry`, `error` and `discarded`.

    Of an answer a person needs to write its content only; `discarded` says why one came to nothing.
    """

    content: list[dict[str, Any]] | None = None
    stop_reason: str = ""
    message_id: str = ""
    model: str = ""
    usage: Usage = msgspec.field(default_factory=Usage)
    duration_ms: int = 0
    ttft_ms: int | None = None
    broken: dict[str, str] = {}
    retry: Retry | None = None
    error: RecordedError | None = None
    discarded: str | None = None


class Recorder:
    """A ModelClient that passes on what INNER gives and writes it to PATH, each answer a line, flushed.

    PLACEHOLDERS: `{{workspace}}` -> its path here. A recording that is there already is gone on with; any other file
    is left alone: ModelError.
    """

    def __init__(self, inner: ModelClient, path: Path, placeholders: Mapping[str, str]) -> None:
        self._inner = inner
        pairs = sorted(placeholders.items(), key=lambda pair: -len(pair[1]))
        self._names = [(_as_path(value), name) for name, value in pairs if value]
        self._file = _open_recording(path, tuple(placeholders))

    async def stream(self, request: Request) -> AsyncGenerator[Piece | Usage | Retry | Answer, None]:
        """What the inner client gives. Raises what it raises."""
        ended = False
        try:
            async with contextlib.aclosing(self._inner.stream(request)) as items:
                async for item in items:
                    if isinstance(item, Answer):
                        ended = True
                        self._write(self._recorded(item))
                    elif isinstance(item, Retry):
                        self._write(Line(retry=item))
                    yield item
        except ModelError as error:
            ended = True
            self._write(Line(error=RecordedError(kind=error.kind, message=str(error))))
            raise
        finally:
            if not ended:
                self._write(Line(discarded="the session stopped before the answer was whole"))

    async def close(self) -> None:
        """Closes the file and the inner client."""
        self._file.close()
        await self._inner.close()

    def _recorded(self, answer: Answer) -> Line:
        return Line(**{**msgspec.structs.asdict(answer), "content": _each_string(answer.content, self._named)})

    def _named(self, text: str) -> str:
        for pattern, name in self._names:
            text = pattern.sub(name.replace("\\", r"\\"), text)
        return text

    def _write(self, line: Line) -> None:
        if not self._file.closed:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()


class ReplayClient:
    """A ModelClient that gives the answers of a recording in their order, whatever is asked.

    SUBSTITUTIONS: `{{workspace}}` -> what to put in its place, in text and in tool inputs. PACE: words a second, None
    for all at once. Raises ModelError for a file that is no recording.
    """

    def __init__(
        self,
        path: Path,
        substitutions: Mapping[str, str],
        pace: float | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._path = path
        self._substitutions = dict(substitutions)
        self._pause = 1 / pace if pace else 0.0
        self._sleep = sleep
        self._lines = iter(_read(path))
        self._given = 0

    async def stream(self, request: Request) -> AsyncGenerator[Piece | Usage | Retry | Answer, None]:
        """The next answer, word by word and then whole. Raises ModelError at the end of the recording."""
        for line in self._lines:
            if line.retry is not None:
                yield line.retry
            elif line.error is not None:
                raise ModelError(line.error.kind, line.error.message)
            elif line.content is not None:
                self._given += 1
                answer = self._answer(line, line.content)
                for piece in _pieces(answer.content):
                    if self._pause and piece.text:
                        await self._sleep(self._pause)
                    yield piece
                yield answer
                return
        count = "its one answer is" if self._given == 1 else f"its {self._given} answers are"
        raise ModelError(
            "unavailable", f"the recording {self._path} is at its end: {count} given, and one more is asked"
        )

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _answer(self, line: Line, content: list[dict[str, Any]]) -> Answer:
        called = any(block["type"] == "tool_use" for block in content)
        return Answer(
            content=_each_string(content, self._filled),
            stop_reason=line.stop_reason or ("tool_use" if called else "end_turn"),
            message_id=line.message_id or f"replay_{self._given:04}",
            model=line.model or "replay",
            usage=line.usage,
            duration_ms=line.duration_ms,
            ttft_ms=line.ttft_ms,
            broken=line.broken,
        )

    def _filled(self, text: str) -> str:
        for name, value in self._substitutions.items():
            text = text.replace(name, value)
        return text


def _each_string(value: Any, change: Callable[[str], str]) -> Any:
    """VALUE with CHANGE made to every string in it, keys aside."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each_string(one, change) for key, one in value.items()}
    return [_each_string(one, change) for one in value] if isinstance(value, list) else value


def _as_path(path: str) -> re.Pattern[str]:
    """PATH where it stands for itself or for what lies in it, not as the beginning of a longer name."""
    return re.compile(re.escape(path.rstrip("/") or "/") + r"(?![\w-]|\.\w)")


def _pieces(content: list[dict[str, Any]]) -> Iterator[Piece]:
    for index, block in enumerate(content):
        kind = block.get("type")
        if kind == "tool_use":
            yield Piece(kind="call", index=index, call_id=block["id"], name=block["name"])
            text = msgspec.json.encode(block.get("input", {})).decode()
            yield Piece(kind="call", index=index, text=text)
        elif kind in ("text", "thinking"):
            for word in _WORDS.findall(block.get(kind, "")):
                yield Piece(kind=kind, index=index, text=word)


def _open_recording(path: Path, names: tuple[str, ...]) -> IO[bytes]:
    """PATH, ready for lines to be added; a new file gets its header, readable to its owner alone."""
    try:
        if path.exists() and path.stat().st_size:
            _read(path)
            return path.open("ab")
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    except OSError as error:
        raise ModelError("invalid_request", f"cannot record to {path}: {error.strerror}") from error
    file.write(msgspec.json.encode(Header(format=FORMAT, version=VERSION, placeholders=names)) + b"\n")
    file.flush()
    return file


def _read(path: Path) -> list[Line]:
    """The lines of a recording. Raises ModelError naming the line that is wrong."""
    try:
        first, *rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ModelError("invalid_request", f"cannot read the recording {path}: {error.strerror}") from error
    try:
        header = msgspec.json.decode(first, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        header = Header(format="", version=0)
    if header.format != FORMAT:
        raise ModelError("invalid_request", f"{path} is no recording: its first line is not a {FORMAT} header")
    if header.version > VERSION:
        newer = f"{path} is a recording of version {header.version}; this mlwb reads up to {VERSION}: use a newer one"
        raise ModelError("invalid_request", newer)
    return [_line(raw, f"{path}, line {number}") for number, raw in enumerate(rest, 2) if raw.strip()]


def _line(raw: bytes, where: str) -> Line:
    try:
        line = msgspec.json.decode(raw, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError("invalid_request", f"{where}: {error}") from error
    for number, block in enumerate(line.content or ()):
        if not isinstance(block.get("type"), str):
            raise ModelError("invalid_request", f"{where}: block {number} has no type")
        if block["type"] == "tool_use" and not (block.get("id") and block.get("name")):
            raise ModelError("invalid_request", f"{where}: block {number}, a tool_use, needs an id and a name")
    ids = [block["id"] for block in line.content or () if block["type"] == "tool_use"]
    if twice := [one for one in ids if ids.count(one) > 1]:
        raise ModelError("invalid_request", f"{where}: two calls have the id {twice[0]!r}")
    return line
