"""`mlwb attach --stdio`: stands between a client behind ssh and a live session of this user.

It adds the token, which never leaves this machine; it holds no more than two buffers, and ends when either side does.
"""

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import msgspec

from workbench.host import finding, sockets
from workbench.host.frames import Lines, TooLongError
from workbench.protocol import wire
from workbench.protocol.codec import MalformedError

_CHUNK = 1 << 16
_LIMIT = 1 << 18


class _GoneError(Exception):
    """There is no session to be a client of; the message says why."""

    def __init__(self, why: str, code: str = "gone") -> None:
        super().__init__(why)
        self.code = code


def relay(prefix: str) -> int:
    """Serves the client at standard input and output; the exit status. PREFIX names the session, or is empty."""
    try:
        return asyncio.run(_relay(prefix))
    except (OSError, TooLongError, KeyboardInterrupt):  # one of the two sides is gone
        return 1


async def _relay(prefix: str) -> int:
    reader, writer = await _standard()
    try:
        if prefix:
            await asyncio.to_thread(_found, prefix)
        elif not await asyncio.to_thread(finding.live_sessions):
            raise _GoneError(await asyncio.to_thread(finding.none_live))
        writer.write(wire.line(wire.Beat()))  # a shell may have said something before; frames begin here
        lines = Lines(reader, wire.MOST_HELLO)
        folder, hello = await _asked(prefix, lines, writer)
        to_session, session = await _reached(folder)
    except _GoneError as gone:
        writer.write(wire.line(wire.Refused(code=gone.code, why=str(gone))))
        await writer.drain()
        return 2
    session.write(wire.line(msgspec.structs.replace(hello, token=sockets.token_of(folder))))
    session.write(lines.rest())
    ways = [asyncio.create_task(_copy(reader, session)), asyncio.create_task(_copy(to_session, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        session.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(5.0):
            await writer.drain()
    return 0


async def _standard() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Standard input and output: two pipes, or one socket for both, as some sshd has it."""
    inward, outward = os.fstat(0), os.fstat(1)
    if (inward.st_dev, inward.st_ino) == (outward.st_dev, outward.st_ino):
        both = socket.socket(fileno=os.dup(0))
        both.setblocking(False)
        opening = asyncio.open_unix_connection if both.family == socket.AF_UNIX else asyncio.open_connection
        return await opening(sock=both, limit=_LIMIT)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb"))
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop=loop),
        os.fdopen(os.dup(1), "wb"),
    )
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


async def _asked(prefix: str, lines: Lines, writer: asyncio.StreamWriter) -> tuple[Path, wire.Hello]:
    """The session that the client means, and its hello. Raises _GoneError."""
    while True:
        try:
            line = await lines.next()
            hello = wire.from_client(line) if line is not None else None
        except (TooLongError, MalformedError):
            raise _GoneError("this is no hello of mlwb", "malformed") from None
        if not isinstance(hello, wire.Hello):
            raise _GoneError("a client begins with a hello", "malformed")
        if wanted := hello.session or prefix:
            return await asyncio.to_thread(_found, wanted), hello
        live = await asyncio.to_thread(finding.live_sessions)
        if len(live) == 1:
            return await asyncio.to_thread(_found, live[0].id), hello
        if not live:
            raise _GoneError(await asyncio.to_thread(finding.none_live))
        writer.write(wire.line(wire.Which(sessions=tuple(live))))


def _found(prefix: str) -> Path:
    try:
        return finding.live_folder(prefix)
    except LookupError as error:
        raise _GoneError(str(error)) from None


async def _reached(folder: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_unix_connection(str(sockets.path_of(folder.name)), limit=_LIMIT)
    except sockets.SocketError as error:
        raise _GoneError(str(error)) from None
    except OSError as error:
        raise _GoneError(f"{folder.name} does not answer: {error.strerror}") from None
