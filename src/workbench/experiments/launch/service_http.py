"""Requests to a service under test, as HTTP/1.1 through the standard library: no proxy, connections kept alive.

Requests are written as HTTP messages (RFC 9112), several apart by a line of `###`, as editors' `.http` files have them.
"""

import contextlib
import http.client
import re
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

TIMEOUT_S = 60.0  # of a request, between two pieces of its answer
_PROBE_S = 2.0
_CHUNK = 1 << 16
_APART = re.compile(r"^###.*$", re.MULTILINE)
_TOKENS = re.compile(rb'"completion_tokens"\s*:\s*(\d+)')  # as OpenAI's API tells them
_LOOPBACK = re.compile(r"(?i)localhost|127\.[\d.]+|::1")
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class RequestError(Exception):
    """What was given makes no request; the message says why."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request: METHOD and absolute URL, headers, body."""

    method: str
    url: SplitResult
    headers: dict[str, str] = {}
    body: bytes = b""

    @property
    def target(self) -> str:
        """What the request line names."""
        return (self.url.path or "/") + (f"?{self.url.query}" if self.url.query else "")


class Answer(msgspec.Struct, frozen=True):
    """How a request was answered: status, seconds from FIRST byte of a stream's body (None: no stream), tokens."""

    status: int
    first: float | None = None  # when, by time.perf_counter
    tokens: int = 0


def address(url: str) -> SplitResult:
    """URL in its parts. Raises RequestError for one that no probe can ask."""
    try:
        found = urlsplit(url)
        known = found.scheme in ("http", "https") or (found.scheme == "tcp" and found.port is not None)
    except ValueError:
        known = False
    if not known or not found.hostname:
        raise RequestError(
            f"{url!r} is no address of a service, such as http://127.0.0.1:8000/health or tcp://host:1234"
        )
    return found


def requests_of(given: str, base: str) -> list[Request]:
    """The requests of GIVEN, a file of them or a URL to GET; paths alone are of the service at BASE.

    Raises RequestError.
    """
    if given.startswith(("http://", "https://")):
        return [Request(method="GET", url=address(given))]
    try:
        text = Path(given).read_bytes().decode(errors="surrogateescape")
    except OSError as error:
        raise RequestError(f"{given} cannot be read: {error.strerror}") from None
    found = [_message(part, given, base) for part in _APART.split(text.replace("\r\n", "\n")) if part.strip()]
    if not found:
        raise RequestError(f"{given} holds no request")
    return found


def _message(text: str, name: str, base: str) -> Request:
    head, _, body = text.lstrip("\n").partition("\n\n")
    first, *lines = [line for line in head.split("\n") if not line.startswith(("#", "//"))] or [""]
    words = first.split()
    if len(words) not in (2, 3) or not words[0].isalpha() or not words[1].startswith(("/", "http://", "https://")):
        raise RequestError(f"{name}: {first[:80]!r} is no request line, such as POST /v1/completions")
    headers = {}
    for line in filter(str.strip, lines):
        key, colon, value = line.partition(":")
        if not colon:
            raise RequestError(f"{name}: {line[:80]!r} is no header")
        headers[key.strip()] = value.strip()
    url = address(urljoin(base.replace("tcp://", "http://"), words[1]))
    data = body.rstrip("\n").encode(errors="surrogateescape")
    return Request(method=words[0].upper(), url=url, headers=headers, body=data)


class Client:
    """One caller: a connection that is kept from request to request."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._kept: http.client.HTTPConnection | None = None
        self._to: tuple[str, str] = ("", "")
        self._body = b""  # of the last answer

    def send(self, request: Request) -> Answer:
        """The answer to REQUEST, read to its end. Raises OSError, http.client.HTTPException."""
        to = request.url.scheme, request.url.netloc
        reused = self._kept is not None and to == self._to
        if not reused:
            self.close()
            self._kept, self._to = _connection(request.url, self._timeout_s), to
        try:
            return self._exchange(request)
        except _STALE:
            self.close()
            if not reused:
                raise
        except BaseException:
            self.close()
            raise
        return self.send(request)  # the server had closed a connection that lay idle

    def _exchange(self, request: Request) -> Answer:
        assert self._kept is not None
        self._kept.request(request.method, request.target, request.body or None, request.headers)
        answer = self._kept.getresponse()
        streams = answer.headers.get_content_type() == "text/event-stream"
        first, end = None, b""
        while piece := answer.read1(_CHUNK):
            if first is None and streams:
                first = time.perf_counter()
            end = (end + piece)[-_CHUNK:]
        if answer.length:  # what the headers promised and nobody sent
            raise http.client.IncompleteRead(end, answer.length)
        answer.read()  # nothing more: only now the connection is free for the next request
        if answer.will_close:
            self.close()
        tokens = _TOKENS.findall(end)
        return Answer(answer.status, first, int(tokens[-1]) if tokens else 0)

    def close(self) -> None:
        """Lets go of the connection."""
        if self._kept is not None:
            self._kept.close()
        self._kept = None


def _connection(url: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "http":
        return http.client.HTTPConnection(host, url.port, timeout=timeout_s)
    context = ssl.create_default_context()
    if _LOOPBACK.fullmatch(host):  # a certificate that one made for oneself
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, url.port, timeout=timeout_s, context=context)


def listens(url: str) -> bool:
    """Whether somebody takes connections at URL."""
    at = address(url)
    port = at.port or (443 if at.scheme == "https" else 80)
    try:
        socket.create_connection((at.hostname or "", port), _PROBE_S).close()
    except OSError:
        return False
    return True


def answers(url: str) -> str:
    """Empty where the service at URL answers without an error (a status below 400), else why not."""
    at = address(url)
    if at.scheme == "tcp":
        return "" if listens(url) else "nobody listens there"
    client = Client(_PROBE_S)
    with contextlib.closing(client):
        try:
            status = client.send(Request(method="GET", url=at)).status
        except (OSError, http.client.HTTPException) as error:
            return words(error)
    return "" if status < 400 else f"it answers with status {status}"


def words(error: Exception) -> str:
    """ERROR of an exchange in a few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
