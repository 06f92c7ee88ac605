"""Other users of this machine, as clients: a connection whose peer is another uid. Needs root.

The kernel tells who connected, not who speaks: a child that has become somebody else connects, and hands it over.
"""

import asyncio
import os
import socket

import pytest

from workbench import __version__
from workbench.host.remote import LIMIT, RemoteClient
from workbench.protocol import wire

# Ids that no machine has in its lists: the kernel does not mind, and their names are their numbers.
LI, MO, STRANGER, TEAM = 61_001, 61_002, 61_003, 61_777

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming other users needs root")


def connected_as(uid: int, path: str, gid: int | None = None) -> socket.socket:
    """A socket connected to PATH by a process of UID. Raises OSError where it could not be."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(*[uid if gid is None else gid] * 3)
            os.setresuid(uid, uid, uid)
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.connect(path)
            socket.send_fds(theirs, [b"x"], [made.fileno()])
        except OSError as error:
            theirs.send(b"-" + str(error.errno).encode())
        finally:
            os._exit(0)
    theirs.close()
    told, fds, _, _ = socket.recv_fds(ours, 100, 1)
    ours.close()
    os.waitpid(child, 0)
    if not fds:
        number = int(told[1:] or b"5")
        raise OSError(number, os.strerror(number), path)
    return socket.socket(fileno=fds[0])


async def visitor(
    uid: int, path: str, token: str, role: str = "driver", gid: int | None = None, retry_s: float = 5.0
) -> RemoteClient:
    """A client of UID's at the door PATH for guests. Raises NotAttachedError."""

    async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        made = connected_as(uid, path, gid)
        made.setblocking(False)
        return await asyncio.open_unix_connection(sock=made, limit=LIMIT)

    client = RemoteClient(dial, lambda: wire.Hello(token=token, role=role, program=__version__, place="tests"), retry_s)
    await client.begin()
    return client
