"""The process that owns a session: begun by whoever opens one, and at work until the session has ended.

It has no terminal. Clients come and go; without any, and without work, it ends the session after a while, so that it
can be taken up again.
"""

import asyncio
import contextlib
import faulthandler
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workbench import entry, faults, places
from workbench.host.asked import Asked, Begun

if TYPE_CHECKING:
    from workbench.host.lingering import Lingering
    from workbench.host.local import LocalClient

LOG = "host.log"  # in the session's folder: what goes wrong in this process itself
_MOST_LOG = 1 << 20
_GRACE_S = 20.0  # for the session's end, once it was asked to stop


def main() -> int:
    """Hosts what was asked for over the socket that is standard input."""
    entry.import_nothing_from_here()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asking = socket.socket(fileno=os.dup(0))
    _leave_the_terminal()
    threading.Thread(target=_prepare, daemon=True).start()
    asked = _asked(asking)
    if asked is None:
        return 2
    try:
        asyncio.run(_host(asked, asking))
    except Exception as error:
        faults.kept(error, places.state() / LOG)
        return 1
    return 0


def _leave_the_terminal() -> None:
    """Nothing that this process or its commands do reads from, or writes to, the terminal it was begun in."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _prepare() -> None:
    """Imports what a session needs, while whoever began this process makes up its mind."""
    with contextlib.suppress(Exception):  # whoever needs it meets the error, and tells it
        from workbench.host import local, server  # noqa: F401

        local.begin_imports()


def _asked(asking: socket.socket) -> Asked | None:
    data = bytearray()
    while not data.endswith(b"\n"):
        if not (chunk := asking.recv(1 << 16)):
            return None  # whoever asked is gone
        data += chunk
    return msgspec.json.decode(data, type=Asked)


async def _host(asked: Asked, asking: socket.socket) -> None:
    from workbench.host import local, sockets
    from workbench.host.lingering import Lingering
    from workbench.host.server import Server

    begun, client = Begun(), None
    try:
        sockets.sweep()
        client = await _client(asked)
        log = places.sessions() / client.session / LOG
        _log_to(log)
        lingering = Lingering(client.hosting)
        server = lingering.server = Server(client.hosting, lingering.changed, lingering.left)
        server.open()
        begun.session = client.session
    except local.StartError as error:
        begun.subtype, begun.message = error.subtype, error.message
    except sockets.SocketError as error:
        begun.subtype, begun.message = "error_during_execution", str(error)
    except OSError as error:
        where = error.filename or places.state()
        begun.subtype, begun.message = "error_during_execution", f"{where}: {error.strerror or error}"
    with contextlib.suppress(OSError):
        asking.sendall(msgspec.json.encode(begun) + b"\n")
    if client is None:
        return
    if not begun.session:
        await client.close()
        return
    why = ""
    try:
        await _until_over(client, lingering, asking)
    except Exception as error:
        faults.kept(error, log, redacted=client.hosting.redactor.text)
        why = f"its host has failed: {type(error).__name__}: {str(error)[:200]} (see {log})"
    finally:
        await server.close("stopped" if why else "ended", why)
        await client.close()
        await server.release()


async def _client(asked: Asked) -> "LocalClient":
    from workbench.host import local

    options = local.Options(
        env=dict(os.environ),
        record=asked.record,
        replay=asked.replay,
        pace=asked.pace,
        placeholders=asked.placeholders,
        allow_bypass=asked.allow_bypass,
        trust_workspace=asked.trust_workspace,
        attended=True if asked.resume else None,
    )
    if asked.task is not None:
        return await local.start(asked.task, options)
    return await local.resume(asked.resume, asked.caps, None, options, asked.mode)


def _log_to(path: Path) -> None:
    """What goes wrong in this process itself is written there, however it goes wrong."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if os.fstat(fd).st_size > _MOST_LOG:
            os.ftruncate(fd, 0)
        os.dup2(fd, 2)
        os.close(fd)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        faulthandler.enable(2)


async def _until_over(client: "LocalClient", lingering: "Lingering", asking: socket.socket) -> None:
    """Returns when the session has ended: of itself, by a signal, or because nobody needs it any more."""
    from workbench.protocol.commands import Stop

    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        loop.add_signal_handler(number, told.set)
    following = asyncio.create_task(_follow(client))
    resting = asyncio.create_task(lingering.over())
    stopping = asyncio.create_task(told.wait())
    asker = asyncio.create_task(_deserted(asking, lingering))
    try:
        done, _ = await asyncio.wait({following, resting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
        if not following.done():
            await client.send(Stop(id="stop", reason="signal", by=client.state.user))
            await asyncio.wait({following}, timeout=_GRACE_S)
    finally:
        for task in (following, resting, stopping, asker):
            task.cancel()
        await asyncio.gather(following, resting, stopping, asker, return_exceptions=True)


async def _follow(client: "LocalClient") -> None:
    async for _ in client.events():
        pass


async def _deserted(asking: socket.socket, lingering: "Lingering") -> None:
    """Notices when whoever began this process is gone before it was a client."""
    asking.setblocking(False)
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().sock_recv(asking, 1)
    asking.close()
    lingering.deserted()
