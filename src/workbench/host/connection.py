"""One client of a session, at the host's side of the wire."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from workbench import __version__
from workbench.host import sockets
from workbench.host.frames import Lines, TooLongError
from workbench.host.guests import Guest, RefusedError
from workbench.host.hub import BehindError, Feed
from workbench.protocol import wire
from workbench.protocol.codec import MalformedError, decode_command, decode_query, encode
from workbench.protocol.commands import Ack, AnyCommand, At
from workbench.protocol.events import Envelope
from workbench.protocol.fold import PLACES
from workbench.protocol.joining import goes_on, joined
from workbench.protocol.queries import Diff
from workbench.protocol.version import PROTOCOL, readable

if TYPE_CHECKING:
    from workbench.host.server import Server

MOST_CLIENTS = 64
MISSED = 5_000  # journalled envelopes that a client which comes back is told one by one
_BATCH = 32  # envelopes: what a client that does not read makes this process hold
_PACE, _SLOWEST = 0.05, 1.0  # seconds in which deltas are gathered, and the most that a client may ask for
_HELLO_S = 10.0
_PARTING_S = 2.0  # for the last word to one who leaves
MOST_DOING = 64  # of what one client asks for, that is under way; the rest is read when some of it is done


class Connection:
    """One client, from its hello to its end."""

    def __init__(self, server: "Server", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self._writer = server, writer
        self._lines = Lines(reader, wire.MOST_HELLO)
        self.guest: Guest | None = None
        self.id = f"c-{secrets.token_hex(4)}"
        self._feed: Feed | None = None
        self._last: object = None  # the ephemeral event that was sent last
        self._doing: set[asyncio.Task[None]] = set()
        self._heard = self._sent = 0.0
        self._pace = _PACE
        self._ending = self._why = ""
        self.left = False  # it said goodbye: it did not merely lose its connection

    # --- coming in -----------------------------------------------------------------------------------------

    async def serve(self, peer: sockets.Peer, door: Callable[[sockets.Peer, wire.Hello], Guest]) -> None:
        """All of it. Raises what a connection fails of."""
        try:
            hello = await self._hello()
            if self.server.shut:
                raise RefusedError("gone", "this session is just ending")
            self.guest = door(peer, hello)
            if len(self.server.connections) >= MOST_CLIENTS:
                raise RefusedError("full", f"{MOST_CLIENTS} clients are here already")
        except RefusedError as refused:
            self._write(wire.line(wire.Refused(code=refused.code, why=str(refused))))
            await self._writer.drain()
            return
        self._lines.most = wire.MOST_FROM_CLIENT
        self._welcome(hello)
        self.server.joined(self)
        hosting, feed = self.server.hosting, self._feed
        assert feed is not None
        parts = [asyncio.create_task(part) for part in (self._read(), self._tell(feed), self._beat())]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            hosting.leave(feed)
            for part in (*parts, *self._doing):
                part.cancel()
            await asyncio.gather(*parts, *self._doing, return_exceptions=True)

    async def _hello(self) -> wire.Hello:
        try:
            async with asyncio.timeout(_HELLO_S):
                line = await self._lines.next()
            hello = wire.from_client(line) if line is not None else None
        except (TooLongError, MalformedError):
            raise RefusedError("malformed", "this is no hello of mlwb") from None
        if not isinstance(hello, wire.Hello):
            raise RefusedError("malformed", "a client begins with a hello")
        if not readable(hello.protocol):
            raise RefusedError(
                "version",
                f"this session speaks protocol {PROTOCOL} (mlwb {__version__}), this client {hello.protocol[:20]} "
                f"(mlwb {hello.program[:20]}): use the same major version of mlwb on both sides",
            )
        return hello

    def _welcome(self, hello: wire.Hello) -> None:
        """Says where the client begins: where it left, or with the state, and what its items were made from."""
        guest, hosting = self.guest, self.server.hosting
        assert guest is not None
        state, journal = hosting.session.state, hosting.session.journal
        self.id = self.server.came(self, hello.again)
        self._pace = min(max(hello.pace, _PACE), _SLOWEST)
        # A client of another host process: what that one told last may not have reached the disk.
        unknown = hello.again != "" and self.id != hello.again
        anew = unknown or not 0 <= hello.after <= journal.seq or journal.seq - hello.after > MISSED
        after = hello.after
        if anew:
            after = min(journal.seq, state.items[0].id // PLACES - 1) if state.items else journal.seq
            after = max(after, journal.seq - MISSED // 2)  # with room for what comes while these are told
        self._feed = hosting.feed(after, MISSED, self.server.drafts.pending)
        self._write(
            wire.line(
                wire.Welcome(
                    session=hosting.session.id,
                    client=self.id,
                    user=guest.user,
                    role=guest.role,
                    owner=guest.owner,
                    seq=journal.seq if anew else after,
                    program=__version__,
                    attended=hosting.session.task.interactive,
                    state=wire.raw(state) if anew else wire.NOTHING,
                )
            )
        )

    # --- what it asks --------------------------------------------------------------------------------------

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while (line := await self._lines.next()) is not None:
            self._heard = loop.time()
            try:
                frame = wire.from_client(line)
                if isinstance(frame, wire.Do):
                    self._do(frame)
                elif isinstance(frame, wire.Ask):
                    self._beside(self._answer(frame))
                elif isinstance(frame, wire.Bye):
                    self.left = True
                    return
                await self._writer.drain()  # who does not read answers is not listened to
                while len(self._doing) >= MOST_DOING:
                    await asyncio.wait(self._doing, return_when=asyncio.FIRST_COMPLETED)
                self._heard = loop.time()  # what it says meanwhile is yet to be read
            except MalformedError as error:
                self._write(wire.line(wire.Bye(code="malformed", why=str(error)[:200])))
                return

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    def _do(self, frame: wire.Do) -> None:
        """Carries a command out, whose name is on it: the one of this connection, whatever the client says."""
        assert self.guest is not None
        try:
            command = decode_command(bytes(frame.command))
        except MalformedError as error:
            found = _id_of(frame.command)
            if found is None:
                raise
            self._done(Ack(id=found, ok=False, error=f"this host does not know this command: {str(error)[:200]}"))
            return
        command = msgspec.structs.replace(command, by=self.guest.user)
        if isinstance(command, At):
            self._done(self.server.guests.looks(self.guest, command))
            return
        again = self.server.repeats.knows(self.id, command.id)
        if why := not again and self.server.guests.refusal(self.guest, command):
            self._done(Ack(id=command.id, ok=False, error=why))
            return
        # Begun here, in the order in which commands came; what takes long goes on beside the next one.
        self._beside(self._carried_out(command))

    async def _carried_out(self, command: AnyCommand) -> None:
        self._done(await self.server.repeats.done(self.id, command))

    def _done(self, ack: Ack) -> None:
        self._write(wire.line(wire.Done(ack=wire.raw(ack))))

    async def _answer(self, frame: wire.Ask) -> None:
        try:
            query = decode_query(bytes(frame.query))
            page = await self.server.hosting.query(query)
            if isinstance(page, Diff) and self.guest is not None and not self.guest.owner:
                page = msgspec.structs.replace(page, lines=self.server.hosting.redactor.lines(page.lines))
        except Exception as error:  # one page that fails must not end the client
            answer = wire.Page(id=frame.id, why=f"{type(error).__name__}: {str(error)[:200]}")
        else:
            answer = wire.Page(id=frame.id, page=wire.raw(page))
        self._write(wire.line(answer))
        await self._writer.drain()

    def _over(self) -> str:
        """What the client says of the session once that has ended."""
        again = f"; `mlwb --resume {self.server.hosting.session.id}` takes it up again"
        return "the session has ended" + (again if self.guest is not None and self.guest.owner else "")

    # --- what it is told -----------------------------------------------------------------------------------

    async def _tell(self, feed: Feed) -> None:
        try:
            async for batch in feed.batches(_BATCH):
                self._write(b"".join(self._lines_of(batch)))
                await self._writer.drain()
                if not batch[-1].seq:
                    await feed.gather(self._pace)
                elif len(batch) == _BATCH:
                    await asyncio.sleep(0)
        except BehindError:
            self.end("behind")
        self._write(wire.line(wire.Bye(code=self._ending or "ended", why=self._why if self._ending else self._over())))
        await self._writer.drain()

    def _lines_of(self, batch: list[Envelope]) -> Iterator[bytes]:
        whole: list[Envelope] = []
        for envelope in batch:
            if whole and (one := joined(whole[-1], envelope)):
                whole[-1] = one
            else:
                whole.append(envelope)
        for envelope in whole:
            event, last = envelope.event, self._last
            if envelope.seq:
                self._last = None
                yield b'{"type":"told","envelope":%b}\n' % encode(envelope)
            elif last is not None and goes_on(last, event):
                yield wire.line(wire.More(text=event.text))  # type: ignore[union-attr]
            else:
                self._last = event
                yield wire.line(wire.Passing(event=wire.raw(event)))

    async def _beat(self) -> None:
        """Shows that the host is there, and ends when the client has not shown the same for long."""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        while loop.time() - self._heard < wire.SILENT_S:
            await asyncio.sleep(wire.BEAT_S)
            if loop.time() - self._sent >= wire.BEAT_S * 0.9 and not self._writer.transport.get_write_buffer_size():
                self._write(wire.line(wire.Beat()))

    def _write(self, data: bytes) -> None:
        self._sent = asyncio.get_running_loop().time()
        self._writer.write(data)

    def abort(self) -> None:
        """Lets go of the connection at once."""
        self._writer.transport.abort()

    async def part(self, code: str) -> None:
        """The answer to a goodbye: the session is ended by it (`ended`), or goes on (`left`)."""
        with contextlib.suppress(OSError, TimeoutError):
            self._write(wire.line(wire.Bye(code=code)))
            async with asyncio.timeout(_PARTING_S):
                await self._writer.drain()

    def end(self, code: str, why: str = "") -> None:
        """Has the client leave, with this code, once it has been told what there is."""
        self._ending, self._why = self._ending or code, self._why or why
        if self._feed is not None and code != "ended":
            self._feed.close()


class _Named(msgspec.Struct):
    id: str


def _id_of(command: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(command, type=_Named).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
