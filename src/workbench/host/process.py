"""The process that owns a session: begun by whoever opens one, and at work until the session has ended.

It has no terminal. Clients come and go; without any, and without work, it ends the session after a while, so that it
can be taken up again.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workbench import entry, places
from workbench.host.asked import Asked, Begun

if TYPE_CHECKING:
    from workbench.host.local import LocalClient
    from workbench.host.server import Server

_GRACE_S = 20.0  # for the session's end, once it was asked to stop
_LOOK_S = 1.0
LINGER = "MLWB_LINGER"  # seconds that an idle host waits for a client
_LINGER_S = 900.0


def main() -> int:
    """Hosts what was asked for over the socket that is standard input."""
    entry.import_nothing_from_here()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asking = socket.socket(fileno=os.dup(0))
    _leave_the_terminal()
    asked = _asked(asking)
    if asked is None:
        return 2
    try:
        asyncio.run(_host(asked, asking))
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _leave_the_terminal() -> None:
    """Nothing that this process or its commands do reads from, or writes to, the terminal it was begun in."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)


def _asked(asking: socket.socket) -> Asked | None:
    data = bytearray()
    while not data.endswith(b"\n"):
        if not (chunk := asking.recv(1 << 16)):
            return None  # whoever asked is gone
        data += chunk
    return msgspec.json.decode(data, type=Asked)


async def _host(asked: Asked, asking: socket.socket) -> None:
    from workbench.host import local
    from workbench.host.server import Server
    from workbench.host.sockets import SocketError

    if asked.replay is None:
        local.begin_imports()
    begun, client, server = Begun(), None, None
    try:
        client = await _client(asked)
        _log_to(places.sessions() / client.session / "host.log")
        server = Server(client.hosting)
        server.open()
        begun.session = client.session
    except local.StartError as error:
        begun.subtype, begun.message = error.subtype, error.message
    except (SocketError, OSError) as error:
        begun.subtype, begun.message = "error_during_execution", str(error)
    with contextlib.suppress(OSError):
        asking.sendall(msgspec.json.encode(begun) + b"\n")
    asking.close()
    if client is None or server is None:
        return
    try:
        if begun.session:
            await _until_over(client, server)
    finally:
        await server.close()
        await client.close()


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
    """What goes wrong in this process itself is written there."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(fd, 2)
        os.close(fd)
        sys.stderr = os.fdopen(2, "w", closefd=False)


async def _until_over(client: "LocalClient", server: "Server") -> None:
    """Returns when the session has ended: of itself, by a signal, or because nobody needs it any more."""
    from workbench.protocol.commands import Stop

    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        loop.add_signal_handler(number, told.set)
    following = asyncio.create_task(_follow(client))
    resting = asyncio.create_task(_until_idle(client, server))
    stopping = asyncio.create_task(told.wait())
    await asyncio.wait({following, resting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not following.done():
        await client.send(Stop(id="stop", reason="signal", by=client.state.user))
        await asyncio.wait({following}, timeout=_GRACE_S)
    for task in (following, resting, stopping):
        task.cancel()
    await asyncio.gather(following, resting, stopping, return_exceptions=True)


async def _follow(client: "LocalClient") -> None:
    async for _ in client.events():
        pass


async def _until_idle(client: "LocalClient", server: "Server") -> None:
    """Returns when nobody was here and nothing was at work for a while."""
    linger = float(os.environ.get(LINGER) or _LINGER_S)
    since = time.monotonic()
    while time.monotonic() - since < linger:
        await asyncio.sleep(_LOOK_S)
        if server.connections or is_busy(client):
            since = time.monotonic()


def is_busy(client: "LocalClient") -> bool:
    """Whether something of the session is at work, or waits for a person who may yet come."""
    state = client.state
    if state.phase not in ("idle", "ended") or state.shells or state.approvals:
        return True
    from workbench.session import runs_watch

    return runs_watch.sleeps(client.hosting.session)
