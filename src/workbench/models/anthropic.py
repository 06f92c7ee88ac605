"""Answers from the Messages API. The only file that imports the model SDK, and it does so in a thread.

The SDK's client sends the request, so that keys, headers, proxies and time limits are the SDK's. The body is put
together here from bytes that were encoded once, and the answer is read from the raw events: through the SDK's models
either costs several times as much, and a tool's input must be decoded strictly (`assembly.py`). Retries are made here,
each of them visible.
"""

import asyncio
import atexit
import contextlib
import gc
import os
import random as _random
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from workbench.models.assembly import Assembly, StreamError
from workbench.models.base import Answer, ModelError, ModelInfo, Piece, Request, Retry
from workbench.models.failures import AttemptError, Patience, from_event, from_status
from workbench.models.sse import Events
from workbench.models.thinking import thinking_params
from workbench.protocol.result import Usage

PLACEHOLDER_KEY = "no-key"  # for servers on an address of their own, which mostly ask for none
_LINGER_S = 0.5  # for the end of a stream behind its last event, so that the connection can be used again
_LEAVE_S = 5.0  # for certificates that are being read when the process ends


class Check(NamedTuple):
    """What a look at the endpoint found. `ok` is None where it answers and cannot tell about the model.

    `kind` is that of the ModelError that a request would end with.
    """

    ok: bool | None
    detail: str
    fix: str
    kind: str = ""


class _Sdk(NamedTuple):
    """What is used of the SDK."""

    client: Any
    stream: Any
    timeout: Any
    status_error: Any
    connection_error: type[Exception]
    credentials_error: type[Exception]
    http_error: type[Exception]


_importing: threading.Thread | None = None
_import_lock = threading.Lock()
_imported: _Sdk | Exception | None = None
# Held while certificates are read, and for good once the process ends: OpenSSL takes its tables down then, and whoever
# still read some would fall into them (SIGSEGV in place of the exit status).
_reading = threading.Lock()
atexit.register(_reading.acquire, timeout=_LEAVE_S)


def begin_import() -> None:
    """Starts importing the SDK in a thread, if that has not begun: what else a start needs overlaps it."""
    global _importing
    with _import_lock:
        if _importing is None:
            _importing = threading.Thread(target=_import, name="import of the model SDK", daemon=True)
            _importing.start()


def _import() -> None:
    """Imports the SDK. No garbage is collected meanwhile: a sixth of the time goes into looking through new classes."""
    global _imported
    collecting = gc.isenabled()
    gc.disable()
    try:
        _imported = _take_from_sdk()
    except Exception as error:
        _imported = error
    finally:
        gc.freeze()  # what was imported stays: no collection need ever look through it again
        if collecting:
            gc.enable()


def _take_from_sdk() -> _Sdk:
    import importlib

    from workbench.models.lean import import_lean

    if os.environ.get("ANTHROPIC_LOG"):
        importlib.import_module("anthropic")  # its `__init__` sets that logging up
    client = import_lean("anthropic", "_client")
    errors = import_lean("anthropic", "_exceptions")
    return _Sdk(
        client=client.AsyncAnthropic,
        stream=client.AsyncStream,
        timeout=client.Timeout,
        status_error=errors.APIStatusError,
        connection_error=errors.APIConnectionError,
        credentials_error=errors.CredentialsError,
        http_error=importlib.import_module("httpx2").HTTPError,
    )


def _loaded() -> _Sdk:
    """The SDK; waits for its import. Raises ModelError."""
    begin_import()
    assert _importing is not None
    _importing.join()
    if isinstance(_imported, _Sdk):
        return _imported
    raise ModelError("unavailable", f"the model SDK cannot be imported ({_imported}): install mlwb anew")


class AnthropicClient:
    """A ModelClient for the Messages API, wherever ANTHROPIC_BASE_URL says it is.

    ENV gives ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN and ANTHROPIC_BASE_URL. A failing service is tried with at most
    MAX_REQUESTS requests or for MAX_SECONDS. READ_S is the longest silence within an answer.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        *,
        max_requests: int = 6,
        max_seconds: float = 60.0,
        connect_s: float = 10.0,
        read_s: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._env = os.environ if env is None else env
        self._max_requests, self._max_seconds = max_requests, max_seconds
        self._connect_s, self._read_s = connect_s, read_s
        self._clock, self._sleep, self._random = clock, sleep, random
        self._base_url = (self._env.get("ANTHROPIC_BASE_URL") or "").strip()
        self.host = _host(self._base_url)
        self._client: Any = None
        self._failed: ModelError | None = None
        self._opening = threading.Thread(target=self._open, name="model client", daemon=True)
        self._opening.start()

    async def stream(self, request: Request) -> AsyncGenerator[Piece | Usage | Retry | Answer, None]:
        """Pieces as they come, then one Answer. Raises ModelError; closing the iterator closes the connection."""
        body = encode_body(request)
        patience = Patience(self._max_requests, self._max_seconds, self._clock, self._random)
        while True:
            assembly = Assembly()
            try:
                async with contextlib.aclosing(self._attempt(body, request.model.id, assembly)) as items:
                    async for item in items:
                        yield item
                return
            except AttemptError as failure:
                attempt = patience.attempt
                delay = patience.delay(failure, assembly.begun)
                usage = assembly.usage if assembly.begun else None
                yield Retry(attempt=attempt, delay_s=delay, reason=failure.reason, usage=usage)
            await self._sleep(delay)

    async def check(self, info: ModelInfo) -> Check:
        """Whether the endpoint takes the key and knows the model, asked in a way that spends no token."""
        try:
            known = await self._knows(info.id)
        except ModelError as error:
            fix = {"authentication": "set ANTHROPIC_API_KEY to a key that this endpoint takes"}
            return Check(False, str(error), fix.get(error.kind, "check ANTHROPIC_BASE_URL and the network"), error.kind)
        if known is None:
            return Check(None, f"{self.host} answers; it does not tell which models it has", "")
        if not known:
            said = f"{self.host} takes the key and does not know the model {info.id}"
            return Check(False, said, "name another model", "unknown_model")
        return Check(True, f"{self.host} takes the key and knows {info.id}", "")

    async def close(self) -> None:
        """Lets go of connections. Where the SDK is still being imported there are none, and nobody waits for it."""
        if self._client is not None:
            await self._client.close()

    async def _attempt(
        self, body: bytes, model: str, assembly: Assembly
    ) -> AsyncGenerator[Piece | Usage | Answer, None]:
        """One request. Raises AttemptError where another may help, else ModelError."""
        client = await self._ready()
        started = self._clock()
        first: float | None = None
        try:
            response = await self._send(client, body)
            try:
                events, chunks = Events(), response.aiter_bytes()
                async for chunk in chunks:
                    for data in events.feed(chunk):
                        item = None if assembly.whole else assembly.take(data)
                        if isinstance(item, Piece):
                            first = first or self._clock()
                        if item is not None:
                            yield item
                    if assembly.whole:
                        break
                if not assembly.whole:
                    raise AttemptError(f"{self.host} ended the answer before it was whole")
                await _drain(chunks)
            finally:
                await response.aclose()
        except (AttemptError, ModelError):
            raise
        except Exception as error:
            raise self._meaning(error, model) from error
        now = self._clock()
        yield assembly.answer(round((now - started) * 1e3), None if first is None else round((first - started) * 1e3))

    async def _send(self, client: Any, body: bytes) -> Any:
        """The answer's response, its headers read; error answers are raised by the SDK."""
        stream = await client.post(
            "/v1/messages",
            content=body,
            options={"timeout": client.timeout},
            cast_to=object,
            stream=True,
            stream_cls=_loaded().stream[object],
        )
        kind = stream.response.headers.get("content-type", "").partition(";")[0]
        if kind in ("text/html", "application/json"):
            await stream.response.aclose()
            told = f"{self.host} answers with {kind} and not with a stream of events. Check ANTHROPIC_BASE_URL"
            raise ModelError("invalid_request", told)
        return stream.response

    async def _knows(self, model: str) -> bool | None:
        client = await self._ready()
        sdk = _loaded()
        try:
            await client.get(f"/v1/models/{model}", cast_to=object)
        except Exception as error:
            if not _cannot_tell(sdk, error):
                raise _final(self._meaning(error, model)) from error
        else:
            return True
        try:
            listing = await client.get("/v1/models", cast_to=object)
        except Exception as error:
            if _cannot_tell(sdk, error):
                return None
            raise _final(self._meaning(error, model)) from error
        rows = listing.get("data") if isinstance(listing, dict) else None
        ids = [row.get("id") for row in rows or () if isinstance(row, dict)]
        return model in ids if ids else None

    def _meaning(self, error: Exception, model: str) -> AttemptError | ModelError:
        """ERROR as an AttemptError or a ModelError."""
        sdk = _loaded()
        if isinstance(error, sdk.status_error):
            said: Any = error
            return from_status(said.status_code, said.body, said.response.headers, self.host, model)
        if isinstance(error, StreamError):
            return from_event(error.kind, str(error), self.host, model)
        if isinstance(error, sdk.connection_error):
            cause = error.__cause__ or error
            return AttemptError(self._silence(cause) or f"{self.host} cannot be reached: {_words(cause)}")
        if isinstance(error, sdk.http_error):
            broke = f"the connection to {self.host} broke in mid-answer: {_words(error)}"
            return AttemptError(self._silence(error) or broke)
        if isinstance(error, sdk.credentials_error):
            return ModelError("authentication", f"no credentials for {self.host}: {error}")
        return ModelError("invalid_request", f"the request to {self.host} failed: {type(error).__name__}: {error}")

    def _silence(self, error: BaseException) -> str:
        """Words for the time limits of a connection; "" for any other error."""
        kind = type(error).__name__
        if kind == "ConnectTimeout":
            return f"{self.host} cannot be reached: no connection within {self._connect_s:g} s"
        return f"{self.host} has been silent for {self._read_s:g} s" if kind == "ReadTimeout" else ""

    async def _ready(self) -> Any:
        if self._client is None:
            await asyncio.to_thread(self._opening.join)
        if self._failed is not None:
            raise self._failed
        return self._client

    def _open(self) -> None:
        """Makes the SDK's client: in a thread, for it waits for the import and reads certificates."""
        try:
            self._client = self._made()
        except ModelError as error:
            self._failed = error
        except Exception as error:
            kind = "authentication" if isinstance(error, _loaded().credentials_error) else "invalid_request"
            self._failed = ModelError(kind, f"the model client cannot be set up: {error}")

    def _made(self) -> Any:
        if self._base_url and not _is_address(self._base_url):
            wrong = f"ANTHROPIC_BASE_URL is {self.host!r}: it must be an address such as http://127.0.0.1:8000"
            raise ModelError("invalid_request", wrong)
        key = self._secret("ANTHROPIC_API_KEY")
        token = None if key else self._secret("ANTHROPIC_AUTH_TOKEN")
        if key is None and token is None and self._base_url:
            key = PLACEHOLDER_KEY
        sdk = _loaded()
        with _reading:
            client = sdk.client(
                api_key=key,
                auth_token=token,
                base_url=self._base_url or None,
                max_retries=0,
                timeout=sdk.timeout(self._read_s, connect=self._connect_s),
                open_telemetry=False,
            )
        if key is None and token is None and client.credentials is None:
            raise ModelError(
                "authentication",
                "no key for the model service: set ANTHROPIC_API_KEY, or ANTHROPIC_BASE_URL to a server of your own",
            )
        return client

    def _secret(self, name: str) -> str | None:
        value = (self._env.get(name) or "").strip()
        if not value.isascii() or any(character.isspace() or not character.isprintable() for character in value):
            raise ModelError("authentication", f"{name} holds a character that no key has: set it anew")
        return value or None


def encode_body(request: Request) -> bytes:
    """The body of REQUEST. What it carries follows the model: an unknown one gets nothing that it may not take."""
    info = request.model
    fields: dict[str, Any] = {"model": info.id, "max_tokens": request.max_tokens, "stream": True}
    fields |= thinking_params(info, request.thinking, request.max_tokens)
    system = request.system
    if info.caching:
        fields["cache_control"] = {"type": "ephemeral"}
        if system.endswith(b"}]") and b'"cache_control"' not in system[-80:]:
            # A mark of its own for tools and system: it holds where a long turn leaves the moving one behind.
            system = system[:-2] + b',"cache_control":{"type":"ephemeral"}}]'
    parts = [msgspec.json.encode(fields)[:-1]]
    if system not in (b"", b"[]", b'""'):
        parts += [b',"system":', system]
    if request.tools not in (b"", b"[]"):
        parts += [b',"tools":', request.tools]
    parts.append(b',"messages":[')
    for message in request.messages:  # one copy of a history of megabytes, not two
        parts += (message, b",")
    if request.messages:
        parts.pop()
    return b"".join([*parts, b"]}"])


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Reads what is left of a body. The answer is whole: whatever goes wrong here does not matter."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_LINGER_S):
            async for _ in chunks:
                pass


def _cannot_tell(sdk: _Sdk, error: Any) -> bool:
    """Whether ERROR is how a server says that it has no listing of models, or not this one."""
    return isinstance(error, sdk.status_error) and error.status_code in (400, 404, 405, 501)


def _final(meaning: AttemptError | ModelError) -> ModelError:
    return ModelError("unavailable", meaning.reason) if isinstance(meaning, AttemptError) else meaning


def _words(error: BaseException) -> str:
    """What went wrong on the wire: the system's own words where it has some, else those of the HTTP library."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.errno:
            return os.strerror(inner.errno) if inner.errno > 0 else str(inner.strerror)
        inner = inner.__cause__ or inner.__context__
    return str(error).rstrip(".") or type(error).__name__


def _is_address(base_url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(base_url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False


def _host(base_url: str) -> str:
    """Host and port of BASE_URL, fit to be shown: never the name or password that may stand in it."""
    from urllib.parse import urlsplit

    return urlsplit(base_url or "https://api.anthropic.com").netloc.rpartition("@")[2] or base_url
