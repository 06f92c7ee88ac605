"""The wire of a session, spoken raw; and a relay that cuts connections at any byte of either direction."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec

from workbench.host import sockets
from workbench.protocol import wire
from workbench.protocol.codec import decode_ack, decode_envelope, decode_page
from workbench.protocol.commands import Ack, AnyCommand
from workbench.protocol.fold import apply
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.protocol.state import SessionState

Dialled = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Raw:
    """A blocking connection to the socket at PATH, or one that is made already, that says and hears bytes."""

    def __init__(self, path: Path | socket.socket, timeout_s: float = 60.0) -> None:
        if isinstance(path, socket.socket):
            self.socket = path
            self.socket.settimeout(timeout_s)
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout_s)
            self.socket.connect(str(path))
        self._kept = b""

    def say(self, *frames: wire.Frame | bytes) -> None:
        """Sends frames, or bytes as they are."""
        self.socket.sendall(b"".join(one if isinstance(one, bytes) else wire.line(one) for one in frames))

    def line(self) -> bytes | None:
        """The next line; None at the end of the connection."""
        while b"\n" not in self._kept:
            try:
                chunk = self.socket.recv(1 << 16)
            except (ConnectionResetError, BrokenPipeError):
                chunk = b""
            if not chunk:
                return None
            self._kept += chunk
        line, _, self._kept = self._kept.partition(b"\n")
        return line

    def hear(self, *kinds: type) -> Any:
        """The next frame, of one of KINDS where given; None at the end."""
        while (line := self.line()) is not None:
            frame = wire.from_host(line)
            if not kinds or isinstance(frame, kinds):
                return frame
        return None

    def hello(self, session: Path, **more: Any) -> Any:
        """Says hello with the owner's token, or as MORE says; the answer."""
        self.say(wire.Hello(**{"token": sockets.token_of(session), **more}))
        return self.hear(wire.Welcome, wire.Refused)

    def do(self, command: AnyCommand | bytes) -> Ack:
        """What becomes of COMMAND."""
        self.say(wire.Do(command=msgspec.Raw(command) if isinstance(command, bytes) else wire.raw(command)))
        return decode_ack(bytes(self.hear(wire.Done).ack))

    def ask(self, query: AnyQuery, number: int = 1) -> AnyPage:
        """The page that QUERY asks for."""
        self.say(wire.Ask(id=number, query=wire.raw(query)))
        return decode_page(bytes(self.hear(wire.Page).page))

    def close(self) -> None:
        """Hangs up."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Second(Raw):
    """A client of its own making: the least that a program must do to show a session. Begins AFTER a seq with STATE."""

    def __init__(self, path: Path, session: Path, after: int = -1, state: SessionState | None = None) -> None:
        super().__init__(path)
        self.state = state or SessionState()
        self.seqs: list[int] = []  # of what it was told, in order
        self.welcome = self.hello(session, after=after)
        if self.welcome.state:
            self.state = msgspec.json.decode(self.welcome.state, type=SessionState)

    def until(self, seq: int) -> None:
        """Reads until it holds all up to SEQ."""
        while self.state.seq < seq:
            told = self.hear(wire.Told)
            assert told is not None, "the host hung up"
            envelope = decode_envelope(bytes(told.envelope))
            self.seqs.append(envelope.seq)
            apply(self.state, envelope)


class Relay:
    """Carries connections to the socket at PATH. What it is told of the next one holds for that one alone."""

    def __init__(self, path: Callable[[], Path]) -> None:
        self._path = path
        self.up: int | None = None  # bytes from the client after which the next connection breaks
        self.down: int | None = None  # bytes from the host after which it does
        self.pause = 0.0  # seconds between two small pieces from the host
        self.cuts = 0
        self._open: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def dial(self) -> Dialled:
        """What a `RemoteClient` calls."""
        to_host, host = await asyncio.open_unix_connection(str(self._path()))
        near, far = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=near, limit=1 << 18)
        to_client, client = await asyncio.open_unix_connection(sock=far)
        pair = host, client
        self._open.append(pair)
        up, down, pause = self.up, self.down, self.pause
        self.up = self.down = None
        self.pause = 0.0
        for work in (self._carry(to_client, host, up, 0.0, pair), self._carry(to_host, client, down, pause, pair)):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return reader, writer

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        left: int | None,
        pause: float,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        with contextlib.suppress(OSError):
            slow_until = time.monotonic() + 2.0
            while data := await reader.read(512 if pause else 1 << 16):
                if left is not None:
                    data, left = data[:left], left - len(data)
                writer.write(data)
                await writer.drain()
                if left is not None and left <= 0:
                    self.cuts += 1
                    break
                if pause and time.monotonic() < slow_until:
                    await asyncio.sleep(pause)
                elif pause:
                    pause = 0.0
        for one in pair:
            one.close()  # what was carried until here arrives; a SIGKILL of an ssh does not do less

    def cut(self) -> None:
        """Breaks every connection now, and what is on its way is lost."""
        for pair in self._open:
            for one in pair:
                if not one.transport.is_closing():
                    self.cuts += 1
                one.transport.abort()
        self._open.clear()

    async def close(self) -> None:
        """Ends all of it."""
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
