"""Begins a process that hosts a session, and becomes its client."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench import places
from workbench.host.asked import Asked, Begun
from workbench.host.remote import NotAttachedError, RemoteClient, attach

_BEGIN_S = 60.0


class NotBegunError(Exception):
    """The session could not be begun; `subtype` is the contract's word for why."""

    def __init__(self, subtype: str, message: str) -> None:
        super().__init__(message)
        self.subtype, self.message = subtype, message


class Spawned:
    """A host process of the environment ENV that waits to be told what to host; it imports what it needs meanwhile."""

    def __init__(self, workspace: Path, env: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        try:
            # -E -P: nothing is imported from the workspace, whatever PYTHONPATH names. A process session of its own: a
            # terminal that closes, or ctrl+c in it, does not reach it.
            self._process = subprocess.Popen(
                [sys.executable, "-E", "-P", "-m", "workbench.host"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=workspace,
                start_new_session=True,
                env=dict(env),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._asking = ours

    async def begin(self, asked: Asked, place: str = "") -> RemoteClient:
        """Has it host what is ASKED; the client of it. Raises NotBegunError."""
        reader, writer = await asyncio.open_unix_connection(sock=self._asking)
        try:
            begun = await _begun(reader, writer, asked)
            if not begun.session:
                raise NotBegunError(begun.subtype, begun.message)
            return await attach(places.sessions() / begun.session, place=place)
        except NotAttachedError as error:
            raise NotBegunError("error_during_execution", str(error)) from None
        finally:
            writer.close()  # not before: a host that nobody came to ends when it is

    def give_up(self) -> None:
        """Nothing is to be hosted."""
        self._asking.close()


async def _begun(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Asked) -> Begun:
    try:
        writer.write(msgspec.json.encode(asked) + b"\n")
        async with asyncio.timeout(_BEGIN_S):
            await writer.drain()
            line = await reader.readline()
        if line:
            return msgspec.json.decode(line, type=Begun)
        words = f"the process that hosts the session ended at once; {places.state() / 'host.log'} may say why"
    except (TimeoutError, OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        words = f"the process that hosts the session did not answer: {str(error) or 'nothing came for a minute'}"
    raise NotBegunError("error_during_execution", words)
