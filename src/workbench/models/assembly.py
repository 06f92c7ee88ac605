"""An answer put together from the events of a stream: https://platform.claude.com/docs/en/build-with-claude/streaming.

The events are read here and not by the SDK's models because a tool's input must be decoded strictly: what is not
whole, valid JSON must never run. Blocks, deltas and events of unknown kinds are kept or passed over.
"""

import json
from typing import Any

import msgspec

from workbench.models.base import Answer, Piece
from workbench.protocol.result import Usage


class StreamError(Exception):
    """The stream said that it failed, or made no sense. `kind` is the service's word for it, if it gave one."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Message(msgspec.Struct):
    id: str = ""
    model: str = ""
    usage: _Usage | None = None


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Event(msgspec.Struct):
    """The fields of every event kind in one shape: one pass decodes it, and an unknown kind is no error."""

    type: str = ""
    index: int = 0
    delta: dict[str, Any] | None = None
    content_block: dict[str, Any] | None = None
    message: _Message | None = None
    usage: _Usage | None = None
    error: _Error | None = None


class _Block:
    """A block that is being written: as it began, and what came since."""

    __slots__ = ("called", "ended", "parts", "start")

    def __init__(self, start: dict[str, Any]) -> None:
        self.start = start
        self.parts: dict[str, list[str]] = {}
        self.ended = False
        self.called = start.get("type") in ("tool_use", "server_tool_use", "mcp_tool_use")


# delta kind -> the field that it carries; the block's own field has the same name
_GROWING = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
_SHOWN = {"text": "text", "thinking": "thinking"}
_decoder = msgspec.json.Decoder(_Event)


class Assembly:
    """One answer on its way. `whole` turns true at the event that ends it; only then is there an `answer`."""

    def __init__(self) -> None:
        self.whole = False
        self.usage = Usage()
        self._blocks: dict[int, _Block] = {}
        self._message = _Message()
        self._stop_reason = ""

    @property
    def begun(self) -> bool:
        """Whether anything of a message has come."""
        return bool(self._message.id or self._blocks)

    def take(self, data: bytes) -> Piece | Usage | None:
        """Takes the data of one event; what it shows, or says was used by now, if anything. Raises StreamError."""
        try:
            event = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StreamError(f"an event of the stream is not valid JSON ({error})") from error
        match event.type:
            case "content_block_delta":
                return self._grow(event.index, event.delta or {})
            case "content_block_start":
                return self._begin(event.index, event.content_block or {})
            case "content_block_stop":
                self._at(event.index).ended = True
            case "message_start":
                self._message = event.message or _Message()
                return self._count(self._message.usage)
            case "message_delta":
                self._stop_reason = (event.delta or {}).get("stop_reason") or self._stop_reason
                return self._count(event.usage)
            case "message_stop":
                if not self._stop_reason:
                    raise StreamError("the answer ended without a stop reason")
                self.whole = True
            case "error":
                said = event.error or _Error()
                raise StreamError(said.message or said.type or "an error without words", said.type)
        return None

    def answer(self, duration_ms: int, ttft_ms: int | None) -> Answer:
        """The whole answer. Blocks of empty text are left out: the API does not take them back."""
        broken: dict[str, str] = {}
        last = max(self._blocks, default=None)
        content = []
        for index, block in sorted(self._blocks.items()):
            cut = not block.ended or (index == last and self._stop_reason in _CUT)
            made = _made(block, cut, broken)
            if made.get("type") != "text" or (made.get("text") or "").strip():
                content.append(made)
        return Answer(
            message_id=self._message.id,
            model=self._message.model,
            content=content,
            stop_reason=self._stop_reason,
            usage=self.usage,
            duration_ms=duration_ms,
            ttft_ms=ttft_ms,
            broken=broken,
        )

    def _at(self, index: int) -> _Block:
        try:
            return self._blocks[index]
        except KeyError:
            raise StreamError(f"the stream goes on with block {index}, which never began") from None

    def _begin(self, index: int, start: dict[str, Any]) -> Piece | None:
        taken = {known.start.get("id") for at, known in self._blocks.items() if known.called and at != index}
        block = self._blocks[index] = _Block(start)
        if block.called and start["type"] == "tool_use":
            call_id, name = start.get("id"), start.get("name")
            if not (isinstance(call_id, str) and call_id and isinstance(name, str) and name):
                raise StreamError(f"a call begins without an id and a name (block {index})")
            while call_id in taken:  # some servers number calls anew: each needs a result of its own
                call_id = start["id"] = f"{call_id}_{index}"
            return Piece(kind="call", index=index, call_id=call_id, name=name)
        kind = _SHOWN.get(start.get("type", ""))
        return Piece(kind=kind, index=index, text=start[kind]) if kind and start.get(kind) else None

    def _grow(self, index: int, delta: dict[str, Any]) -> Piece | None:
        block = self._at(index)
        kind = delta.get("type", "")
        if kind == "input_json_delta":
            piece = delta.get("partial_json") or ""
            block.parts.setdefault("input", []).append(piece)
            return Piece(kind="call", index=index, text=piece) if piece and block.start["type"] == "tool_use" else None
        field = _GROWING.get(kind)
        if field is None:
            _keep(block, kind, delta)
            return None
        text = delta.get(field) or ""
        block.parts.setdefault(field, []).append(text)
        return Piece(kind=field, index=index, text=text) if text and field in _SHOWN else None

    def _count(self, usage: _Usage | None) -> Usage | None:
        """The counts of a stream are cumulative: a later one replaces an earlier one. What they are now."""
        if usage is None:
            return None
        for field in usage.__struct_fields__:
            value = getattr(usage, field)
            if value is not None:
                setattr(self.usage, field, value)
        return msgspec.structs.replace(self.usage)


# stop reasons after which the last block may be cut short
_CUT = ("max_tokens", "model_context_window_exceeded")


def _keep(block: _Block, kind: str, delta: dict[str, Any]) -> None:
    """A delta of a kind that this program does not know: text grows, lists grow by one, the rest is replaced."""
    for field, value in delta.items():
        if field == "type":
            continue
        if kind == "citations_delta" and field == "citation":
            block.start["citations"] = [*(block.start.get("citations") or []), value]
        elif isinstance(value, str) and isinstance(block.start.get(field) or "", str):
            block.parts.setdefault(field, []).append(value)
        else:
            block.start[field] = value


def _made(block: _Block, cut: bool, broken: dict[str, str]) -> dict[str, Any]:
    """BLOCK complete. A call whose input cannot be read has `{}` for it, and why is put into BROKEN."""
    made = dict(block.start)
    for field, parts in block.parts.items():
        if field != "input" or not block.called:
            made[field] = (made.get(field) or "") + "".join(parts)
    if block.called:
        raw = "".join(block.parts.get("input", ()))
        began = made.get("input") or {}
        if not raw and not isinstance(began, dict):
            raw = msgspec.json.encode(began).decode()
        made["input"], why = (began, "") if not raw and not cut else strict_object(raw)
        if why:
            broken[str(made.get("id", ""))] = f"the answer was cut off: {why}" if cut else why
    return made


def strict_object(raw: str) -> tuple[dict[str, Any], str]:
    """RAW as a JSON object, and "" or else why it is none that may be acted on: with that, the object is empty.

    Refused: text before or after the object, a repeated key, NaN and numbers too large, half a surrogate pair.
    """
    try:
        value = json.loads(raw, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        return {}, "the input is nested too deeply"
    except ValueError as error:
        return {}, f"the input is not valid JSON: {error}"
    if not isinstance(value, dict):
        return {}, "the input is not a JSON object"
    try:
        msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError, RecursionError, ValueError) as error:
        return {}, f"the input holds a value that cannot be written again: {error}"
    return value, ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return value


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large a number")
    return value
