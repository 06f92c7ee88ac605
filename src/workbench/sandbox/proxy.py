"""A proxy on the host through which confined commands reach the domains that a user named, and nothing else.

It speaks CONNECT, and forwards plain HTTP requests by their absolute address (RFC 9110, 7.6; RFC 9112, 3.2.2). It looks
names up itself, and connects to the addresses that it has looked at: a name that leads into the private network is
refused unless that address is named too. What a TLS client says inside the tunnel is not looked at.
"""

import asyncio
import base64
import contextlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable

import msgspec

_HEAD = 16_384  # bytes of a request's head
_HEAD_S, _CONNECT_S = 30.0, 30.0
_MOST = 256  # connections at once
_PIECE = 65_536
_PORTS = frozenset((80, 443))
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NetworkRange = ipaddress.IPv4Network | ipaddress.IPv6Network


class _Refused(Exception):  # noqa: N818 - an answer, not an error
    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


class Allowed(msgspec.Struct, frozen=True):
    """The domains, addresses and ranges of the setting `sandbox.domains`."""

    names: tuple[tuple[str, frozenset[int]], ...]
    ranges: tuple[tuple[NetworkRange, frozenset[int]], ...]

    @classmethod
    def read(cls, entries: Iterable[str]) -> "Allowed":
        """Reads `lab.test`, `*.example.org`, `10.0.0.0/8`, each with `:port` or without. Raises ValueError."""
        names, ranges = [], []
        for entry in entries:
            host, ports = _entry(entry)
            try:
                ranges.append((ipaddress.ip_network(host, strict=False), ports))
            except ValueError:
                if not _NAME.fullmatch(host.removeprefix("*.")):
                    raise ValueError(f"sandbox.domains: {entry!r} is no domain, address or range") from None
                names.append((host, ports))
        return cls(tuple(names), tuple(ranges))

    def name(self, host: str, port: int) -> bool:
        """Whether the domain HOST may be asked for, at PORT; `*.x` stands for every domain below x, not for x."""
        return any(
            port in ports and (host == name or (name[:2] == "*." and host.endswith(name[1:])))
            for name, ports in self.names
        )

    def address(self, address: Address, port: int) -> bool:
        """Whether the address itself was named."""
        return any(port in ports and address in range_ for range_, ports in self.ranges)


def _entry(entry: str) -> tuple[str, frozenset[int]]:
    text = entry.strip().lower().rstrip(".")
    match = re.fullmatch(r"\[([0-9a-f:.]+)\](/\d+)?(?::(\d+))?", text)
    if match:
        return match[1] + (match[2] or ""), frozenset((int(match[3]),)) if match[3] else _PORTS
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and ":" not in host:
        return host, frozenset((int(port),))
    return text, _PORTS


class Proxy:
    """One for a session. REFUSED is told of each host and port that was not reached. Not to be shared by users."""

    def __init__(self, domains: Iterable[str], refused: Callable[[str, int], None]) -> None:
        self._allowed = Allowed.read(domains)
        self._refused = refused
        self._servers: list[asyncio.Server] = []
        self._running: set[asyncio.Task[None]] = set()
        self._token = ""

    async def at_path(self, path: str) -> None:
        """Listens at a Unix socket. Raises OSError."""
        self._servers.append(await asyncio.start_unix_server(self._accept, path, limit=_HEAD))

    async def at_port(self) -> tuple[int, str]:
        """Listens on loopback; the port, and the user and password without which nobody is served. Raises OSError."""
        self._token = f"mlwb:{secrets.token_urlsafe(24)}"
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_HEAD)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1]), self._token

    async def close(self) -> None:
        """Ends it, with the connections that it holds."""
        for server in self._servers:
            server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._running) >= _MOST:
            writer.close()
            return
        self._running.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self._running.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_S)
            host, port, forwarded = _request(head)
            self._may_use(head)
            there = await self._connect(host, port)
        except asyncio.LimitOverrunError:
            await _answer(writer, "431 Request Header Fields Too Large", "the request's head is too long")
            return
        except _Refused as refused:
            await _answer(writer, refused.status, str(refused))
            return
        try:
            if forwarded is None:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                there[1].write(forwarded)
            await _relay((reader, writer), there)
        finally:
            there[1].close()

    def _may_use(self, head: bytes) -> None:
        if not self._token:
            return
        found = re.search(rb"\r\nproxy-authorization: *basic ([a-z0-9+/=]+)", head, re.IGNORECASE)
        expected = base64.b64encode(self._token.encode())
        if not found or not hmac.compare_digest(found[1], expected):
            raise _Refused("407 Proxy Authentication Required", "this proxy serves the session's commands alone")

    async def _connect(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        addresses = await self._addresses(host, port)
        problem: OSError = OSError("no address")
        for address in addresses:
            try:
                return await asyncio.wait_for(asyncio.open_connection(str(address), port), _CONNECT_S)
            except OSError as error:
                problem = error
        raise _Refused("502 Bad Gateway", f"{host}:{port} could not be reached: {problem.strerror or problem}")

    async def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            literal: Address | None = ipaddress.ip_address(host)
        except ValueError:
            literal = None
        if literal is not None:
            if not self._allowed.address(_plain(literal), port):
                raise self._told(host, port)
            return [literal]
        if not self._allowed.name(host, port):
            raise self._told(host, port)
        try:
            found = await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo(host, port, type=1), _CONNECT_S)
        except OSError as error:
            raise _Refused("502 Bad Gateway", f"{host} was not found: {error.strerror or error}") from None
        addresses = [ipaddress.ip_address(one[4][0]) for one in found]
        public = [one for one in addresses if _is_public(one) or self._allowed.address(_plain(one), port)]
        if not public:
            raise self._told(str(addresses[0]) if addresses else host, port)
        return public

    def _told(self, host: str, port: int) -> _Refused:
        self._refused(host, port)
        name = f"{host}:{port}" if port not in _PORTS else host
        return _Refused("403 Forbidden", f"{host}:{port} is not in the user's setting sandbox.domains: [{name}]")


def _request(head: bytes) -> tuple[str, int, bytes | None]:
    """Host, port, and what is to be sent there first (None for a tunnel). Raises _Refused."""
    line, _, rest = head.partition(b"\r\n")
    words = line.decode("ascii", "replace").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _Refused("400 Bad Request", "this proxy takes CONNECT and plain HTTP")
    method, target, version = words
    if method == "CONNECT":
        host, port = _authority(target, 0)
        return host, port, None
    match = re.fullmatch(r"http://([^/?#@]+)([/?][^#]*)?", target, re.IGNORECASE)
    if not match:
        raise _Refused("400 Bad Request", "this proxy takes CONNECT and http:// addresses")
    host, port = _authority(match[1], 80)
    # One request for each connection: what follows in the same one would go to the same host unseen.
    kept = re.sub(rb"(?im)^(?:proxy-[a-z-]+|connection|host):[^\r\n]*\r\n", b"", rest)
    path = match[2] or "/"
    path = path if path.startswith("/") else f"/{path}"
    first = f"{method} {path} {version}\r\nHost: {match[1]}\r\nConnection: close\r\n"
    return host, port, first.encode() + kept


def _authority(text: str, default: int) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:]+))(?::(\d{1,5}))?", text.lower())
    port = int(match[3]) if match and match[3] else default
    host = ((match[1] or match[2]) if match else "").rstrip(".")
    if not 0 < port < 65536 or not (match and (match[1] or _NAME.fullmatch(host))):
        raise _Refused("400 Bad Request", "no host and port")
    return host, port


def _plain(address: Address) -> Address:
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _is_public(address: Address) -> bool:
    """Whether ADDRESS is nobody's own network, in none of the forms in which IPv6 writes IPv4."""
    plain = _plain(address)
    if isinstance(plain, ipaddress.IPv6Address) and (plain.sixtofour or plain.teredo or plain in _NAT64):
        return False
    return plain.is_global and not plain.is_multicast


async def _answer(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    body = f"mlwb: {why}\n".encode()
    more = 'Proxy-Authenticate: Basic realm="mlwb"\r\n' if status.startswith("407") else ""
    head = f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _relay(here: Pair, there: Pair) -> None:
    """Both ways, until both have ended; never more than a piece is held."""
    await asyncio.gather(_pump(here[0], there[1]), _pump(there[0], here[1]))


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(_PIECE):
            target.write(piece)
            await target.drain()
    with contextlib.suppress(OSError, RuntimeError):
        target.write_eof()
