"""A Messages endpoint on loopback that answers from a list of turns, and refuses what the real service refuses.

    with Endpoint([say("hello"), turn(use("Read", file_path="a"))]) as endpoint:
        ...  # point ANTHROPIC_BASE_URL at endpoint.url
        endpoint.requests[0].body["messages"]

A turn is a dict, or a function from the request's body to one:

    content      blocks as the API returns them; a tool_use may carry `input_raw`, streamed in place of its input
    stop_reason  default: tool_use where a tool_use block is, else end_turn
    usage        overrides of the counted tokens
    delay        seconds before anything is answered
    chunk, pace  characters a delta (24); seconds between deltas (0)
    page         a web page in place of an answer
    events       raw event dicts (or bytes, sent as they are) in place of those made from the content
    fault        one of
                   {"status": 529, "headers": {}, "message": "…"}   an error answer; `times` on the turn repeats it
                   {"cut_after": n}      the connection breaks after n events
                   {"end_after": n}      a clean end of the body after n events
                   {"error_after": n}    an error event in place of the n-th (`kind`, `message`)
                   {"garbage_after": n}  an event that is no JSON in place of the n-th
                   {"stall_after": n, "stall": s}  silence of s seconds after n events

When the turns are spent, `after` answers. Thinking blocks are signed here, over the text and (for models newer than
4.6) the prefix before them: one that comes back changed, or behind a changed prefix, is refused.
"""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from support.service import refusal, signature

Turn = dict[str, Any]
ERROR_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_END = b"0\r\n\r\n"


def say(text: str, **more: Any) -> Turn:
    """A turn that answers with TEXT alone."""
    return turn({"type": "text", "text": text}, **more)


def turn(*blocks: dict[str, Any], **more: Any) -> Turn:
    """A turn of BLOCKS."""
    return {"content": list(blocks), **more}


def use(tool: str, call_id: str | None = None, **parameters: Any) -> dict[str, Any]:
    """A tool_use block; its id is made from the parameters where none is given."""
    digest = hashlib.sha256(json.dumps([tool, parameters]).encode()).hexdigest()[:12]
    return {"type": "tool_use", "id": call_id or f"toolu_{digest}", "name": tool, "input": parameters}


def fault(status: int, times: int = 1, *, headers: dict[str, str] | None = None, message: str = "scripted") -> Turn:
    """A turn that fails TIMES times with STATUS."""
    return {"fault": {"status": status, "headers": headers or {}, "message": message}, "times": times}


@dataclass
class Received:
    """One request as it came in. `gone_at` is when its client hung up before the answer was whole (monotonic)."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    at: float
    status: int = 0
    answering: threading.Event = field(default_factory=threading.Event)  # set once an answer has begun
    gone_at: float | None = None
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def body(self) -> dict[str, Any]:
        """The body, decoded."""
        return dict(json.loads(self.raw or b"{}"))


class Endpoint:
    """A server in a thread of its own, alive inside a `with`. `key`: the only one accepted, any where None.

    `models`: ids that the models listing knows; None means that this server has no such listing (404). Only those
    ids are then answered, too.
    """

    def __init__(
        self,
        turns: Iterable[Turn | Callable[[dict[str, Any]], Turn]] = (),
        *,
        after: Turn | Callable[[dict[str, Any]], Turn] | None = None,
        key: str | None = None,
        models: Iterable[str] | None = None,
    ) -> None:
        self.turns = list(turns)
        self.after = after or say("Done.")
        self.key = key
        self.models = None if models is None else set(models)
        self.received: list[Received] = []
        self.connections = 0
        self.url = ""
        self._position = self._failures = self._answers = 0
        self._loop = asyncio.new_event_loop()
        self._news = threading.Condition()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def wait_for(self, count: int, timeout_s: float = 30) -> Received:
        """Waits until the COUNT-th request for an answer is being answered, and gives it."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.requests) >= count, timeout_s), f"no request {count} came"
        received = self.requests[count - 1]
        assert received.answering.wait(timeout_s), f"request {count} is not being answered"
        return received

    @property
    def requests(self) -> list[Received]:
        """The requests for an answer so far, in order."""
        return [one for one in self.received if one.path.endswith("/v1/messages")]

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _serve(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._loop.close()

    async def _listen(self) -> None:
        self._stopped = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=2**16)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stopped.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while received := await _receive(reader):
                with self._news:
                    self.received.append(received)
                    self._news.notify_all()
                try:
                    await _Exchange(self, received, reader, writer).answer()
                except ConnectionError:
                    received.gone_at = time.monotonic()
                    received.gone.set()
                    raise
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client left, or the endpoint closes
        finally:
            writer.close()

    def next_turn(self, body: dict[str, Any]) -> Turn:
        """The turn that the next request for an answer gets."""
        current = self.turns[self._position] if self._position < len(self.turns) else self.after
        chosen = current(body) if callable(current) else current
        self._failures += 1
        if self._failures >= chosen.get("times", 1):
            self._position, self._failures = self._position + 1, 0
        return chosen

    def next_number(self) -> int:
        """Counts the answers, from 1."""
        self._answers += 1
        return self._answers


async def _receive(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target.partition("?")[0], headers, raw, time.monotonic())


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, endpoint: Endpoint, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.endpoint, self.received, self.reader, self.writer = endpoint, received, reader, writer

    async def answer(self) -> None:
        path = self.received.path
        given = self.received.headers.get("x-api-key") or self.received.headers.get("authorization", "")[7:]
        if self.endpoint.key is not None and given != self.endpoint.key:
            await self.fail(401, "invalid x-api-key")
        elif path.startswith("/v1/models"):
            await self.listing(path.removeprefix("/v1/models").strip("/"))
        elif path == "/v1/messages/count_tokens":
            await self.send(200, {"input_tokens": len(self.received.raw) // 4})
        elif path == "/v1/messages" and self.received.method == "POST":
            await self.message()
        else:
            await self.fail(404, "Not Found")

    async def listing(self, model: str) -> None:
        known = self.endpoint.models
        if known is None or (model and model not in known):
            await self.fail(404, f"model: {model}")
        elif model:
            await self.send(200, _model(model))
        else:
            await self.send(200, {"data": [_model(one) for one in sorted(known)], "has_more": False})

    async def message(self) -> None:
        try:
            body = self.received.body
        except ValueError as error:
            return await self.fail(400, f"The request body is not valid JSON: {error}")
        if self.endpoint.models is not None and body.get("model") not in self.endpoint.models:
            return await self.fail(404, f"model: {body.get('model')}")
        if why := refusal(body):
            return await self.fail(400, why)
        chosen = self.endpoint.next_turn(body)
        await self.wait(chosen.get("delay", 0))
        if "page" in chosen:
            return await self.send_bytes(200, chosen["page"].encode(), {"content-type": "text/html; charset=utf-8"})
        trouble = chosen.get("fault", {})
        if "status" in trouble:
            return await self.fail(trouble["status"], trouble.get("message", "scripted"), trouble.get("headers", {}))
        answer = _answer(chosen, body, self.endpoint.next_number(), len(self.received.raw))
        if body.get("stream"):
            return await self.stream(chosen, answer)
        return await self.send(200, answer)

    async def stream(self, chosen: Turn, answer: dict[str, Any]) -> None:
        self.received.status = 200
        self.received.answering.set()
        self.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n")
        self.writer.write(b"request-id: req_%d\r\n\r\n" % self.endpoint._answers)
        trouble = chosen.get("fault", {})
        count = 0
        async for data in self.events(chosen, answer):
            if trouble.get("cut_after") == count:
                self.writer.write(b"ffff\r\n" + data)
                await self.writer.drain()
                self.writer.transport.abort()
                return
            if trouble.get("end_after") == count:
                break
            if trouble.get("stall_after") == count:
                await self.wait(trouble["stall"])
            if trouble.get("error_after") == count:
                kind = trouble.get("kind", "overloaded_error")
                data = _event(_error(kind, trouble.get("message", "scripted")))
            if trouble.get("garbage_after") == count:
                data = b'event: content_block_delta\ndata: {"type": "content_blo\n\n'
            self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            await self.writer.drain()
            count += 1
        self.writer.write(_END)
        await self.writer.drain()

    async def events(self, chosen: Turn, answer: dict[str, Any]) -> AsyncIterator[bytes]:
        for event in chosen.get("events") or _events(answer, chosen.get("content", []), chosen.get("chunk", 24)):
            yield event if isinstance(event, bytes) else _event(event)
            if chosen.get("pace"):
                await self.wait(chosen["pace"])

    async def wait(self, seconds: float) -> None:
        """Passes SECONDS, or ends the exchange as soon as the client has hung up."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            # a connection that is reset (its client left something unread) comes to no end of what is read
            if self.reader.at_eof() or self.writer.is_closing():
                raise ConnectionError("the client hung up")
            await asyncio.sleep(min(left, 0.005))

    async def fail(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        await self.send(status, _error(ERROR_KINDS.get(status, "api_error"), message), headers)

    async def send(self, status: int, payload: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        kind = {"content-type": "application/json"}
        await self.send_bytes(status, json.dumps(payload).encode(), {**kind, **(headers or {})})

    async def send_bytes(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.received.status = status
        self.received.answering.set()
        lines = {**headers, "content-length": str(len(data))}
        head = f"HTTP/1.1 {status} scripted\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.writer.write(head.encode() + b"\r\n" + data)
        await self.writer.drain()


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _answer(chosen: Turn, body: dict[str, Any], number: int, size: int) -> dict[str, Any]:
    """The whole message; what streams is made from it."""
    content = [_signed(block, body) for block in chosen.get("content", [])]
    calls = any(block["type"] == "tool_use" for block in content)
    usage = {
        "input_tokens": size // 4,
        "output_tokens": sum(len(json.dumps(block)) for block in content) // 4,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        **chosen.get("usage", {}),
    }
    return {
        "id": f"msg_{number:04}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{k: v for k, v in block.items() if k != "input_raw"} for block in content],
        "stop_reason": chosen.get("stop_reason") or ("tool_use" if calls else "end_turn"),
        "stop_sequence": None,
        "usage": usage,
    }


def _events(answer: dict[str, Any], script: list[dict[str, Any]], chunk: int) -> Iterator[dict[str, Any]]:
    opening = {**answer, "content": [], "stop_reason": None, "usage": {**answer["usage"], "output_tokens": 1}}
    yield {"type": "message_start", "message": opening}
    yield {"type": "ping"}
    for index, (block, scripted) in enumerate(zip(answer["content"], script, strict=True)):
        start, deltas = _streamed(block, scripted, chunk)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": answer["usage"]["output_tokens"]}}
    yield {"type": "message_stop"}


def _streamed(
    block: dict[str, Any], scripted: dict[str, Any], chunk: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How BLOCK begins, and the deltas that complete it."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": p} for p in _cut(block["text"], chunk)]
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": p} for p in _cut(block["thinking"], chunk)]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {**block, "thinking": "", "signature": ""}, deltas
        case "tool_use" | "server_tool_use":
            raw = scripted.get("input_raw", json.dumps(block["input"], ensure_ascii=False))
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": p} for p in _cut(raw, chunk)]
        case _:
            return block, []


def _cut(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def _signed(block: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    if block["type"] != "thinking":
        return block
    return {**block, "signature": signature(block["thinking"], body, len(body["messages"]))}
