"""The host's side of the wire: a session's socket, at which clients come in."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from workbench.host import sockets
from workbench.host.connection import Connection
from workbench.host.frames import TooLongError
from workbench.host.guests import Guest, Guests
from workbench.host.hosting import Hosting
from workbench.host.hub import BehindError
from workbench.host.repeats import Repeats
from workbench.protocol import wire
from workbench.protocol.codec import MalformedError

_LOOK_S = 5.0  # between two looks at whether the socket is still there
_BUFFER = 1 << 18  # bytes that wait for a slow client in this process


class Server:
    """Lets clients in to HOSTING's session. All of it runs in the session's event loop."""

    def __init__(self, hosting: Hosting, changed: Callable[[], None] = lambda: None) -> None:
        self.hosting = hosting
        self.guests = Guests(hosting)
        self.repeats = Repeats(hosting.carry_out)
        self.connections: set[Connection] = set()
        self._changed = changed  # called when somebody came or left
        self._tasks: set[asyncio.Task[None]] = set()
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
            taken, _ = await loop.sock_accept(self._socket)
            self.take(taken, self.guests.owners)

    def take(self, taken: socket.socket, door: Callable[[sockets.Peer, wire.Hello], Guest]) -> None:
        """Serves a client at TAKEN; DOOR says whether, and as what, it is let in."""
        task = asyncio.create_task(self._serve(taken, door))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
            await connection.serve(peer, door)
        except (OSError, TooLongError, MalformedError, TimeoutError, BehindError):
            pass  # gone, or sent away with a word
        finally:
            self.connections.discard(connection)
            if connection.guest is not None:
                self.guests.left(connection.guest)
            self._changed()
            writer.close()

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
        self.connections.add(connection)
        self._changed()

    async def close(self, code: str = "ended") -> None:
        """Lets every client have what it still misses, a bounded time, and leaves no socket behind."""
        if self._listening is not None:
            self._listening.cancel()
        with contextlib.suppress(OSError, sockets.SocketError):
            if self._is_there():
                sockets.path_of(self.hosting.session.id).unlink()
        if self._socket is not None:
            self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            (self.hosting.session.folder / sockets.TOKEN).unlink()
        for connection in list(self.connections):
            connection.end(code)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.repeats.close()
