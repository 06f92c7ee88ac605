"""The host's side of the wire: a session's socket, at which clients come in."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable

from workbench.host import sockets
from workbench.host.connection import MOST_CLIENTS, Connection
from workbench.host.drafts import Drafts
from workbench.host.frames import TooLongError
from workbench.host.guests import Guest, Guests
from workbench.host.hosting import Hosting
from workbench.host.hub import BehindError
from workbench.host.repeats import Repeats
from workbench.protocol import wire
from workbench.protocol.codec import MalformedError

_LOOK_S = 5.0  # between two looks at whether the socket is still there
_BUFFER = 1 << 18  # bytes that wait for a slow client in this process
_CLOSE_S = 2.0
_MOST_TURNED_AWAY = 16  # who are told why at the same time: a flood must not use up this process's files
_BREATH_S = 0.5  # before another try where a connection cannot be taken: no more files may be open

Parting = Callable[[Connection], Awaitable[bool]]


async def _goes_on(connection: Connection) -> bool:
    return False


class Server:
    """Lets clients in to HOSTING's session. All of it runs in the session's event loop.

    CHANGED is called when somebody came or left. PARTING is asked when a client has said goodbye: whether the session
    is ended by it. Such a client's connection then lasts until `release`, so that who waits for its end knows when the
    session is free.
    """

    def __init__(
        self, hosting: Hosting, changed: Callable[[], None] = lambda: None, parting: Parting = _goes_on
    ) -> None:
        self.hosting = hosting
        self.guests = Guests(hosting)
        self.guests.take, self.guests.part = self.take, self._show_out
        self.repeats = Repeats(self.guests.carry_out)
        self.drafts = Drafts()
        hosting.session.listeners.append(self.drafts.push)
        self.connections: set[Connection] = set()
        self.shut = False  # nobody is let in any more
        self._changed, self._parting = changed, parting
        self._released = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept: set[asyncio.Task[None]] = set()  # of those who wait for the session's end
        self._turned_away: deque[socket.socket] = deque()
        self._listening: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None
        self._inode = 0

    def open(self) -> None:
        """Listens from now on. Raises SocketError."""
        sockets.made_folder()
        self._bind()
        self.guests.token = sockets.new_token(self.hosting.session.folder)
        self._listening = asyncio.create_task(self._keep_listening())

    def _bind(self) -> None:
        path = sockets.path_of(self.hosting.session.id)
        self._socket = sockets.bound(path)
        self._inode = path.stat().st_ino

    async def _keep_listening(self) -> None:
        """Takes connections; makes the socket anew when something deletes it."""
        while True:
            accepting = asyncio.create_task(self._accept())
            try:
                while self._is_there() and not accepting.done():
                    await asyncio.wait({accepting}, timeout=_LOOK_S)
            finally:
                accepting.cancel()
            if self._socket is not None:
                self._socket.close()
            with contextlib.suppress(sockets.SocketError, OSError):
                sockets.made_folder()
                self._bind()
                continue
            await asyncio.sleep(_LOOK_S)

    def _is_there(self) -> bool:
        try:
            return sockets.path_of(self.hosting.session.id).stat().st_ino == self._inode
        except OSError:
            return False

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while self._socket is not None:
            try:
                taken, _ = await loop.sock_accept(self._socket)
            except OSError:
                await asyncio.sleep(_BREATH_S)
                continue
            self.take(taken, self.guests.owners)

    def take(self, taken: socket.socket, door: Callable[[sockets.Peer, wire.Hello], Guest]) -> None:
        """Serves a client at TAKEN; DOOR says whether, and as what, it is let in."""
        # Guests who only connect leave room for the owner.
        most = 2 * MOST_CLIENTS if door == self.guests.owners else MOST_CLIENTS
        if self.shut:
            taken.close()
            return
        if len(self._tasks) >= most:
            self._turn_away(taken, f"more than {most} connections at once: try again in a moment")
            return
        task = asyncio.create_task(self._serve(taken, door))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _turn_away(self, taken: socket.socket, why: str) -> None:
        """Says WHY; the connection stays for a moment, so that it is read. Of many at once the first are let go of."""
        with contextlib.suppress(OSError):
            taken.send(wire.line(wire.Refused(code="full", why=why)))
        self._turned_away.append(taken)
        asyncio.get_running_loop().call_later(_CLOSE_S, taken.close)
        if len(self._turned_away) > _MOST_TURNED_AWAY:
            self._turned_away.popleft().close()

    async def _serve(self, taken: socket.socket, door: Callable[[sockets.Peer, wire.Hello], Guest]) -> None:
        try:
            peer = sockets.peer_of(taken)
            reader, writer = await asyncio.open_unix_connection(sock=taken, limit=_BUFFER)
        except OSError:
            taken.close()
            return
        writer.transport.set_write_buffer_limits(_BUFFER)
        connection = Connection(self, reader, writer)
        try:
            await self._attend(connection, peer, door)
            if connection.left and await self._parting(connection):
                self._kept.add(task := _this())
                task.add_done_callback(self._kept.discard)
                await connection.part("ended")
                await self._released.wait()
            elif connection.left:
                await connection.part("left")
        finally:
            writer.close()

    async def _attend(
        self, connection: Connection, peer: sockets.Peer, door: Callable[[sockets.Peer, wire.Hello], Guest]
    ) -> None:
        try:
            await connection.serve(peer, door)
        except (OSError, TooLongError, MalformedError, TimeoutError, BehindError):
            pass  # gone, or sent away with a word
        finally:
            self.connections.discard(connection)
            if connection.guest is not None:
                connection.guest.leaving = connection.guest.leaving or connection.left
                self.guests.left(connection.guest)
            self._changed()

    def came(self, connection: Connection, again: str) -> str:
        """The id of CONNECTION's client; one that was here as AGAIN is that one still, and is here only once."""
        assert connection.guest is not None
        found = self.repeats.came(connection.id, again, connection.guest.user)
        for other in self.connections:
            if other.id == found:
                other.abort()
        return found

    def joined(self, connection: Connection) -> None:
        """CONNECTION's client is in."""
        assert connection.guest is not None
        self.connections.add(connection)
        connection.guest.client = connection.id
        self.guests.joined(connection.guest)
        self._changed()

    def _show_out(self, guest: Guest, why: str) -> None:
        for connection in self.connections:
            if connection.guest is guest:
                connection.end("stopped", why)
                asyncio.get_running_loop().call_later(_CLOSE_S, connection.abort)

    async def close(self, code: str = "ended", why: str = "", within: float = _CLOSE_S) -> None:
        """Lets every client have what it still misses, WITHIN so many seconds, and leaves no socket behind."""
        self.shut = True
        if self._listening is not None:
            self._listening.cancel()
        with contextlib.suppress(OSError, sockets.SocketError):
            if self._is_there():
                sockets.path_of(self.hosting.session.id).unlink()
        if self._socket is not None:
            self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            (self.hosting.session.folder / sockets.TOKEN).unlink()
        for taken in self._turned_away:
            taken.close()
        for connection in list(self.connections):
            connection.end(code, why)
        if serving := self._tasks - self._kept:
            await asyncio.wait(serving, timeout=within)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await self.repeats.close()
        self.guests.close()

    async def release(self) -> None:
        """Lets go of those who wait for the session's end."""
        self._released.set()
        await asyncio.gather(*self._kept, return_exceptions=True)


def _this() -> "asyncio.Task[None]":
    task = asyncio.current_task()
    assert task is not None
    return task
