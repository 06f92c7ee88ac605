"""A client of a session that another process hosts, on this machine or far away. It comes back by itself."""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from workbench import __version__
from workbench.host import sockets
from workbench.host.client import seat
from workbench.host.frames import Lines, TooLongError
from workbench.protocol import codec, wire
from workbench.protocol.commands import Ack, AnyCommand, At
from workbench.protocol.events import Envelope
from workbench.protocol.fold import PLACES, apply
from workbench.protocol.joining import Delta
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.protocol.state import SessionState

# Makes a connection; raises OSError where there is none now, NotAttachedError where there will be none.
Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
Choose = Callable[[Sequence[wire.Live]], Awaitable[str]]

LIMIT = 1 << 18
_HELLO_S = 20.0
_LEAVE_S = 2.5  # for the host's answer to a goodbye, and for the end of a session that nobody needs
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.2, 10.0
_STOOD_S = 5.0  # a connection that stood so long is made again at once
_SLEPT_S = 30.0  # by which the clock is ahead when the machine has slept
HELD = 2_000  # envelopes that wait here for whoever draws; beyond that the host is left to wait
_LET_GO = "the session's host has let go of this client"
MOST_WAITING = 200  # commands that wait here for a connection
_TOO_MUCH = "too much waits for the connection"


class NotAttachedError(Exception):
    """There is no session to be a client of; the message says why, the code is the wire's."""

    def __init__(self, message: str, code: str = "gone") -> None:
        super().__init__(message)
        self.code = code


class _Asked:
    """A command that was not answered yet. SENT: it was written to a connection, so that it may have been done."""

    def __init__(self, command: AnyCommand) -> None:
        self.command, self.sent = command, False
        self.line = wire.line(wire.Do(command=wire.raw(command)))
        self.answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()


class RemoteClient:
    """A view of a session behind a socket. Made by `attach`; `ended` says why its events ended (see `wire.Bye`).

    A connection that is lost is made again for RETRY_S seconds (None: for ever). What is asked for meanwhile waits, and
    a command whose answer was lost is asked again; the host does none of them twice. HANG_UP ends what carried the
    connection. FAR: it may lie dead after this machine has slept. HELLO is made anew for each connection: another host
    process has another token. CHOOSE is asked where several sessions are live.
    """

    outlives = True

    def __init__(
        self,
        dial: Dial,
        hello: Callable[[], wire.Hello],
        retry_s: float | None,
        hang_up: Callable[[], None] = lambda: None,
        far: bool = False,
        choose: Choose | None = None,
    ) -> None:
        self._dial, self._hello, self._retry_s, self._hang_up, self._far = dial, hello, retry_s, hang_up, far
        self._choose = choose
        self.session = self.user = self.role = self._id = ""
        self.owner, self.attended = False, True
        self.state = SessionState()
        self.renewed = 0  # how often a whole new state took the place of `state`: what was drawn is drawn anew
        self.ended = self.why = ""
        self.lives = True  # whether the session goes on without this client
        self.lost_since: float | None = None  # monotonic time since when there is no connection
        self.trouble = ""  # what the last attempt to connect failed of
        self.on_line: Callable[[], None] = lambda: None  # called when the connection is lost, and when it is back
        self._lines: Lines | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._held: deque[Envelope] = deque()
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._asked: dict[str, _Asked] = {}
        self._pages: dict[int, tuple[AnyQuery, asyncio.Future[wire.Page]]] = {}
        self._numbers = itertools.count(1)
        self._last: Envelope | None = None  # the ephemeral envelope that `More` goes on with
        self._received = -1  # seq of the last journalled envelope that came; -1: a state is wanted
        self._heard = self._sent = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    # --- the connection ------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Connects for the first time. Raises NotAttachedError."""
        try:
            await self._connect()
        except OSError as error:
            self._hang_up()
            raise NotAttachedError(f"the session does not answer: {error.strerror or error}") from None
        except BaseException:
            self._hang_up()
            raise
        self._tasks = [asyncio.create_task(work) for work in (self._stay(), self._beat())]
        await asyncio.sleep(0)  # it is read from here on, so that one who leaves at once hears the answer

    async def _connect(self) -> None:
        reader, writer = await self._dial()
        lines = Lines(reader, wire.MOST_FROM_HOST)
        hello = msgspec.structs.replace(self._hello(), after=self._received, again=self._id, session=self.session)
        try:
            answer = await _greeted(lines, writer, hello)
            if isinstance(answer, wire.Which) and self._choose is not None:
                named = msgspec.structs.replace(hello, session=await self._choose(answer.sessions))
                answer = await _greeted(lines, writer, named)
            if isinstance(answer, wire.Refused) and answer.code == "full" and self._id:
                raise ConnectionError(answer.why)  # who was here comes back as soon as there is room
            if isinstance(answer, wire.Refused):
                raise NotAttachedError(answer.why, answer.code)
            if not isinstance(answer, wire.Welcome):
                raise ConnectionError("it went away")
            state = codec.decode_state(bytes(answer.state)) if answer.state else None
        except TimeoutError:
            writer.close()
            raise ConnectionError("it says nothing") from None
        except (codec.MalformedError, TooLongError):
            writer.close()
            raise NotAttachedError("what answers there is no session of mlwb") from None
        except BaseException:
            writer.close()
            raise
        self._lines, self._writer, self.lost_since, self.trouble = lines, writer, None, ""
        self._heard = self._sent = time.monotonic()
        self._take(answer, state)

    def _take(self, answer: wire.Welcome, state: SessionState | None) -> None:
        known, self._id = bool(self._id) and answer.client == self._id, answer.client
        if state is not None:
            self.renewed += bool(self.session)
            self._held.clear()
            self._room.set()
            self.state = state
        first = state.items[0].id // PLACES if state and state.items else answer.seq + 1  # from there on it is told
        self._last, self._received = None, min(first - 1, answer.seq)
        self.session, self.user, self.role, self.owner = answer.session, answer.user, answer.role, answer.owner
        self.attended = answer.attended
        for asked in list(self._asked.values()):
            if isinstance(asked.command, At):  # where a person looked before it broke is nobody's matter now
                _fail(asked.answer, "the connection broke")
            elif asked.sent and not known:  # another process hosts the session by now, and knows nothing of it
                _fail(asked.answer, "the connection broke before it was answered, so it may have been done or not")
            else:
                self._write_command(asked)
        for number, (query, _) in self._pages.items():
            self._write(wire.line(wire.Ask(id=number, query=wire.raw(query))))

    async def _stay(self) -> None:
        """Takes in what comes, and connects again when the connection is lost, until the host says goodbye."""
        pause, since = _FIRST_PAUSE_S, time.monotonic()
        while not self.ended:
            try:
                if self._lines is None:
                    await self._connect()
                    since = time.monotonic()
                    self.on_line()
                await self._read()
            except NotAttachedError as error:
                self.ended, self.why = error.code, str(error)
            except (TooLongError, codec.MalformedError) as error:
                self.ended, self.why = "malformed", f"the session's host said what no mlwb says: {error}"
            except OSError as error:
                self.trouble = str(error)
            if not self.ended:
                if self._lines is not None and time.monotonic() - since > _STOOD_S:
                    pause = _FIRST_PAUSE_S
                pause = await self._lost(pause)
        self._drop()
        self._give_up(self.why or _LET_GO)
        self.on_line()
        self._news.set()

    async def _lost(self, pause: float) -> float:
        """Waits before the next attempt; how long to wait after that one."""
        self._drop()
        if self.lost_since is None:
            self.lost_since = time.monotonic()
            self.on_line()
        if self._retry_s is not None and time.monotonic() - self.lost_since > self._retry_s:
            self.ended, self.why = "gone", "the session's host does not answer any more"
            return pause
        await asyncio.sleep(pause)
        return min(_LAST_PAUSE_S, pause * 2)

    def _drop(self) -> None:
        self._lines = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._hang_up()

    def _give_up(self, why: str) -> None:
        waiting: list[asyncio.Future[Any]] = [one.answer for one in self._asked.values()]
        for one in waiting + [page for _, page in self._pages.values()]:
            _fail(one, why)

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
            elif isinstance(frame, wire.More) and self._last is not None and isinstance(self._last.event, Delta):
                event = msgspec.structs.replace(self._last.event, text=frame.text, whole=False)
                await self._hold(msgspec.structs.replace(self._last, event=event, at=time.time()))
            elif isinstance(frame, wire.Done):
                ack = codec.decode_ack(bytes(frame.ack))
                if (asked := self._asked.get(ack.id)) and not asked.answer.done():
                    asked.answer.set_result(ack)
            elif isinstance(frame, wire.Page):
                if (wanted := self._pages.get(frame.id)) and not wanted[1].done():
                    wanted[1].set_result(frame)
            elif isinstance(frame, wire.Bye):
                self._parted(frame)
                if self.lives:
                    return

    def _parted(self, bye: wire.Bye) -> None:
        if self.ended:  # the answer to our own; with the session its host ends, and the connection
            self.lives = bye.code in ("left", "behind")
        elif bye.code == "behind":  # too much was missed to be told one by one: on from the state as it is now
            self._received = -1
        else:
            self.ended, self.why = bye.code, bye.why

    async def _hold(self, envelope: Envelope) -> None:
        self._held.append(envelope)
        self._news.set()
        if len(self._held) > HELD and not self.ended:
            self._room.clear()
            await self._room.wait()
            self._heard = time.monotonic()  # nothing was read meanwhile

    async def _beat(self) -> None:
        """Shows that this client is there; a host that was silent for too long counts as lost."""
        while True:
            before, clock = time.monotonic(), time.time()
            await asyncio.sleep(wire.BEAT_S / 2)
            now = time.monotonic()
            if now - before > wire.BEAT_S:  # this process was stopped: what came meanwhile is yet to be read
                self._heard = now
            if self._writer is None:
                continue
            slept = self._far and time.time() - clock - (now - before) > _SLEPT_S
            if slept or (now - self._heard > wire.SILENT_S and len(self._held) <= HELD):
                self._writer.transport.abort()
            elif now - self._sent >= wire.BEAT_S:
                self._write(wire.line(wire.Beat()))

    def _write(self, line: bytes) -> None:
        if self._writer is not None:
            self._sent = time.monotonic()
            self._writer.write(line)

    def _write_command(self, asked: _Asked) -> None:
        if self._writer is not None:
            asked.sent = True
            self._write(asked.line)

    # --- what a view does with it --------------------------------------------------------------------------

    @property
    def me(self) -> str:
        """This client's id, as the host names it to the others."""
        return self._id

    @property
    def waiting(self) -> int:
        """Commands that were not answered yet."""
        return sum(not isinstance(one.command, At) for one in self._asked.values())

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
        """Asks for something, now or as soon as there is a connection again. An id is used for one command alone."""
        if self.ended or len(self._asked) >= MOST_WAITING:
            return Ack(id=command.id, ok=False, error=(self.why or _LET_GO) if self.ended else _TOO_MUCH)
        asked = _Asked(command)
        if len(asked.line) > wire.MOST_FROM_CLIENT:  # a host lets go of whoever sends that, each time anew
            return Ack(id=command.id, ok=False, error=f"more than {wire.MOST_FROM_CLIENT / 1e6:.1f} MB cannot be sent")
        self._asked[command.id] = asked
        try:
            self._write_command(asked)
            return await asked.answer
        except ConnectionError as error:
            return Ack(id=command.id, ok=False, error=str(error))
        finally:
            if self._asked.get(command.id) is asked:
                del self._asked[command.id]

    async def query(self, query: AnyQuery) -> AnyPage:
        """A page of what the state does not hold. Raises ConnectionError, and LookupError where the host has none."""
        if self.ended:
            raise ConnectionError(self.why or _LET_GO)
        number = next(self._numbers)
        answer: asyncio.Future[wire.Page] = asyncio.get_running_loop().create_future()
        self._pages[number] = query, answer
        try:
            self._write(wire.line(wire.Ask(id=number, query=wire.raw(query))))
            found = await answer
        finally:
            self._pages.pop(number, None)
        if not found.page:
            raise LookupError(found.why)
        try:
            return codec.decode_page(bytes(found.page))
        except codec.MalformedError as error:
            raise LookupError(f"the session's host answers what this mlwb does not know: {error}") from None

    async def close(self) -> None:
        """Leaves; `lives` says whether the session goes on. Where it does not, it is free when this returns."""
        if self.ended != "left":
            self.lives = not self.ended
        self.ended, self.why = self.ended or "left", self.why or "this client has left"
        self._room.set()
        with contextlib.suppress(OSError, TimeoutError):
            if self._writer is not None and self.lives:
                self._write(wire.line(wire.Bye()))
                async with asyncio.timeout(_LEAVE_S):
                    await self._writer.drain()
                    await asyncio.wait({self._tasks[0]})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._drop()
        self._give_up(self.why)
        self._news.set()


async def _greeted(lines: Lines, writer: asyncio.StreamWriter, hello: wire.Hello) -> wire.FromHost | None:
    writer.write(wire.line(hello))
    async with asyncio.timeout(_HELLO_S):
        line = await lines.next()
    return wire.from_host(line) if line is not None else None


def _fail(waiting: "asyncio.Future[Any]", why: str) -> None:
    if not waiting.done():
        waiting.set_exception(ConnectionError(why))


async def attach(session: Path, role: str = "driver", place: str = "", retry_s: float = 30.0) -> RemoteClient:
    """A client of the live session of this user whose folder is SESSION. Raises NotAttachedError."""

    async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(str(sockets.path_of(session.name)), limit=LIMIT)
        except sockets.SocketError as error:
            raise NotAttachedError(str(error)) from None
        except OSError:
            from workbench.session.journal import is_live

            if not is_live(session):
                raise NotAttachedError("the process that hosted the session is gone") from None
            raise

    def hello() -> wire.Hello:
        return wire.Hello(token=sockets.token_of(session), role=role, program=__version__, place=place or seat())

    client = RemoteClient(dial, hello, retry_s)
    await client.begin()
    return client
