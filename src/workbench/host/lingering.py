"""When a host is not needed any more: nobody is here, nothing is at work, and nobody came for a while."""

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import places

if TYPE_CHECKING:
    from workbench.host.connection import Connection
    from workbench.host.hosting import Hosting
    from workbench.host.server import Server

VARIABLE = "MLWB_LINGER"  # in place of the setting `host.linger`, in seconds
_LOOK_S = 5.0  # between two looks at whether something is at work while nobody is here


class Lingering:
    """Follows who is here and what is at work in HOSTING's session. `server` is to be set before anything is asked."""

    server: "Server"

    def __init__(self, hosting: "Hosting") -> None:
        self._hosting = hosting
        self._changed = asyncio.Event()
        self._left = asyncio.Event()
        self.came = False  # whether there ever was a client

    def changed(self) -> None:
        """Somebody came or left."""
        self.came = self.came or bool(self.server.connections)
        self._changed.set()

    async def over(self) -> None:
        """Returns when the session is to be ended. Nobody is let in from then on."""
        leaving, idle = asyncio.create_task(self._left.wait()), asyncio.create_task(self._idle())
        try:
            await asyncio.wait({leaving, idle}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            idle.cancel()

    async def left(self, connection: "Connection") -> bool:
        """Whether the session ends because CONNECTION's client, an owner's, has left and nobody needs it."""
        if connection.guest is None or not connection.guest.owner or await self.busy():
            return False
        if self.server.connections:
            return False
        self.server.shut = True
        self._left.set()
        return True

    def deserted(self) -> None:
        """Whoever had the session begun is gone: where nobody came, nobody will."""
        if not self.came and not self.server.connections:
            self.server.shut = True
            self._left.set()

    async def _idle(self) -> None:
        while True:
            while self.server.connections:
                await self._change(None)
            linger = await asyncio.to_thread(linger_s, Path(self._hosting.session.task.workspace))
            since = time.monotonic()
            while not self.server.connections and (left := since + linger - time.monotonic()) > 0:
                await self._change(min(left, _LOOK_S))
                if await self.busy():
                    since = time.monotonic()
            if not await self.busy() and not self.server.connections:  # in this order: that may take a while
                self.server.shut = True
                return

    async def _change(self, within: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(within):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def busy(self) -> bool:
        """Whether something of the session is at work, waits for a person who may yet come, or is shared."""
        session, state = self._hosting.session, self._hosting.session.state
        if state.phase not in ("idle", "ended") or state.shells or state.approvals or self._hosting.busy:
            return True
        now = time.time()
        if any(not share.until or share.until > now for share in state.shares.values()):
            return True
        from workbench.session import runs_watch

        return bool(session.tally.runs) and await asyncio.to_thread(runs_watch.sleeps, session)


def linger_s(workspace: Path) -> float:
    """How many seconds a host in WORKSPACE waits while nobody is here and nothing is at work. Blocks."""
    from workbench.settings.load import load
    from workbench.settings.types import Settings, SettingsError

    if given := os.environ.get(VARIABLE, ""):
        try:
            return float(given)
        except ValueError:
            pass
    try:
        return load(workspace, Path.home(), places.config()).host.linger_s
    except SettingsError:
        return Settings().host.linger_s
