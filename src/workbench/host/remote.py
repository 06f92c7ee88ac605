"""A client of a session that another process hosts, on this machine or far away. It comes back by itself."""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from workbench import __version__
from workbench.host import sockets
from workbench.host.frames import Lines, TooLongError
from workbench.protocol import codec, wire
from workbench.protocol.commands import Ack, AnyCommand
from workbench.protocol.events import Envelope
from workbench.protocol.fold import apply
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.protocol.state import SessionState

# Makes a connection; raises OSError where there is none.
Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

LIMIT = 1 << 18
_HELLO_S = 20.0
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.2, 10.0
HELD = 2_000  # envelopes that wait here for whoever draws; beyond that the host is left to wait


class NotAttachedError(Exception):
    """There is no session to be a client of; the message says why."""

    def __init__(self, message: str, code: str = "gone") -> None:
        super().__init__(message)
        self.code = code


class RemoteClient:
    """A view of a session behind a socket. Made by `attach`; `ended` says why its events ended (see `wire.Bye`)."""

    def __init__(self, dial: Dial, hello: wire.Hello, retry_s: float) -> None:
        self._dial, self._hello, self._retry_s = dial, hello, retry_s
        self.session = self.user = self.role = ""
        self.owner = False
        self.state = SessionState()
        self.ended = ""
        self.lost_since: float | None = None  # monotonic time since when there is no connection
        self.on_line: Callable[[], None] = lambda: None  # called when the connection is lost, and when it is back
        self._id = ""
        self._lines: Lines | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._held: deque[Envelope] = deque()
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._acks: dict[str, asyncio.Future[Ack]] = {}
        self._pages: dict[int, asyncio.Future[wire.Page]] = {}
        self._numbers = itertools.count(1)
        self._last: Envelope | None = None  # the ephemeral envelope that `More` goes on with
        self._received = 0  # seq of the last journalled envelope that came
        self._heard = self._sent = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    # --- the connection ------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Connects for the first time. Raises NotAttachedError."""
        try:
            await self._connect()
        except OSError as error:
            raise NotAttachedError(f"the session does not answer: {error.strerror or error}") from None
        self._tasks = [asyncio.create_task(work) for work in (self._stay(), self._beat())]

    async def _connect(self) -> None:
        reader, writer = await self._dial()
        lines = Lines(reader, wire.MOST_FROM_HOST)
        held = bool(self.session)
        hello = msgspec.structs.replace(self._hello, after=self._received if held else -1, again=self._id)
        try:
            writer.write(wire.line(hello))
            async with asyncio.timeout(_HELLO_S):
                line = await lines.next()
            answer = wire.from_host(line) if line is not None else None
        except TimeoutError:
            writer.close()
            raise ConnectionError("it says nothing") from None
        except (codec.MalformedError, TooLongError):
            writer.close()
            raise NotAttachedError("what answers there is no session of mlwb") from None
        if isinstance(answer, wire.Refused):
            writer.close()
            raise NotAttachedError(answer.why, answer.code)
        if not isinstance(answer, wire.Welcome):
            writer.close()
            raise ConnectionError("it went away")
        self._take(answer, held)
        self._lines, self._writer, self.lost_since = lines, writer, None
        self._heard = self._sent = time.monotonic()

    def _take(self, answer: wire.Welcome, held: bool) -> None:
        if held and answer.state:  # too much was missed to be told one by one
            raise NotAttachedError("too much happened meanwhile; it is attached anew", "behind")
        if answer.state:
            self.state = msgspec.json.decode(answer.state, type=SessionState)
        self._last, self._received = None, answer.seq
        self.session, self.user, self.role, self.owner = answer.session, answer.user, answer.role, answer.owner
        self._id = answer.client

    async def _stay(self) -> None:
        """Takes in what comes, and connects again when the connection is lost, until the host says goodbye."""
        pause = _FIRST_PAUSE_S
        while not self.ended:
            try:
                if self._lines is None:
                    await self._connect()
                    pause = _FIRST_PAUSE_S
                    self.on_line()
                await self._read()
            except NotAttachedError as error:
                self.ended = error.code
            except (OSError, TooLongError, codec.MalformedError):
                pass
            if not self.ended:
                pause = await self._lost(pause)
        self._give_up("the session's host has let go of this client")
        self._news.set()

    async def _lost(self, pause: float) -> float:
        """Waits before the next attempt; how long to wait after that one."""
        self._drop()
        self._give_up("the connection to the session was lost before it answered")
        if self.lost_since is None:
            self.lost_since = time.monotonic()
            self.on_line()
        if time.monotonic() - self.lost_since > self._retry_s:
            self.ended = "gone"
            return pause
        await asyncio.sleep(pause)
        return min(_LAST_PAUSE_S, pause * 2)

    def _drop(self) -> None:
        self._lines = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _give_up(self, why: str) -> None:
        asked: list[asyncio.Future[Any]] = [*self._acks.values(), *self._pages.values()]
        for waiting in asked:
            if not waiting.done():
                waiting.set_exception(ConnectionError(why))
        self._acks.clear()
        self._pages.clear()

    async def _read(self) -> None:
        assert self._lines is not None
        while (line := await self._lines.next()) is not None:
            self._heard = time.monotonic()
            frame = wire.from_host(line)
            if isinstance(frame, wire.Told):
                envelope = codec.decode_envelope(bytes(frame.envelope))
                self._last, self._received = None, max(self._received, envelope.seq)
                await self._hold(envelope)
            elif isinstance(frame, wire.Passing):
                head = b'{"seq":0,"session":"%b","at":%r,"event":' % (self.session.encode(), time.time())
                self._last = codec.decode_envelope(head + bytes(frame.event) + b"}")
                await self._hold(self._last)
            elif isinstance(frame, wire.More) and self._last is not None:
                event = msgspec.structs.replace(self._last.event, text=frame.text)
                await self._hold(msgspec.structs.replace(self._last, event=event, at=time.time()))
            elif isinstance(frame, wire.Done):
                ack = codec.decode_ack(bytes(frame.ack))
                if (asked := self._acks.pop(ack.id, None)) and not asked.done():
                    asked.set_result(ack)
            elif isinstance(frame, wire.Page):
                if (wanted := self._pages.pop(frame.id, None)) and not wanted.done():
                    wanted.set_result(frame)
            elif isinstance(frame, wire.Bye):
                self.ended = frame.code
                return

    async def _hold(self, envelope: Envelope) -> None:
        self._held.append(envelope)
        self._news.set()
        if len(self._held) > HELD:
            self._room.clear()
            await self._room.wait()

    async def _beat(self) -> None:
        """Shows that this client is there; a host that was silent for too long counts as lost."""
        while not self.ended:
            await asyncio.sleep(wire.BEAT_S / 2)
            now = time.monotonic()
            if self._writer is None:
                continue
            if now - self._heard > wire.SILENT_S and len(self._held) <= HELD:
                self._writer.transport.abort()
            elif now - self._sent >= wire.BEAT_S:
                self._write(wire.Beat())

    def _write(self, frame: wire.Frame) -> None:
        if self._writer is None:
            raise ConnectionError("the connection to the session is lost; it is being made again")
        self._sent = time.monotonic()
        self._writer.write(wire.line(frame))

    # --- what a view does with it --------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Envelope]:
        """Envelopes, also such as the state has in it already; ends when the host or `close` lets go."""
        while True:
            while self._held:
                envelope = self._held.popleft()
                apply(self.state, envelope)
                yield envelope
            self._room.set()
            if self.ended:
                return
            await self._news.wait()
            self._news.clear()

    async def send(self, command: AnyCommand) -> Ack:
        """Asks for something. A command whose answer was lost with the connection is told as such."""
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        try:
            self._acks[command.id] = answer
            self._write(wire.Do(command=wire.raw(command)))
            return await answer
        except ConnectionError as error:
            return Ack(id=command.id, ok=False, error=str(error))
        finally:
            self._acks.pop(command.id, None)

    async def query(self, query: AnyQuery) -> AnyPage:
        """A page of what the state does not hold. Raises ConnectionError, and LookupError where the host has none."""
        number = next(self._numbers)
        answer: asyncio.Future[wire.Page] = asyncio.get_running_loop().create_future()
        self._pages[number] = answer
        try:
            self._write(wire.Ask(id=number, query=wire.raw(query)))
            found = await answer
        finally:
            self._pages.pop(number, None)
        if not found.page:
            raise LookupError(found.why)
        return codec.decode_page(bytes(found.page))

    async def close(self) -> None:
        """Leaves; the session goes on."""
        with contextlib.suppress(OSError):
            self._write(wire.Bye())
            if self._writer is not None:
                async with asyncio.timeout(0.5):
                    await self._writer.drain()
        self.ended = self.ended or "left"
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._drop()
        self._give_up("this client has left")
        self._news.set()


async def attach(
    session: Path, role: str = "driver", place: str = "", retry_s: float = 30.0, after: int = -1
) -> RemoteClient:
    """A client of the live session of this user whose folder is SESSION. Raises NotAttachedError."""

    async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(str(sockets.path_of(session.name)), limit=LIMIT)

    hello = wire.Hello(token=sockets.token_of(session), role=role, program=__version__, place=place, after=after)
    client = RemoteClient(dial, hello, retry_s)
    await client.begin()
    return client
