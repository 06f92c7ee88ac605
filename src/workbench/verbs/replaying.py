"""What a replay asks of the program around it: the session that is played, and others to play."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.protocol.state import SessionState
from workbench.verbs.session_at import folder_of
from workbench.verbs.workbench import Opening
from workbench.verbs.workbench_flags import Asked

if TYPE_CHECKING:
    from workbench.host.client import Client
    from workbench.tui.opening import TurnRow


class Replaying(Opening):
    """Opens the replay of the session in FOLDER, whose first event made STATE."""

    def __init__(self, folder: Path, state: SessionState, speed: float = 1.0, turn: int = 0) -> None:
        workspace = Path(state.workspace)
        super().__init__(Asked(agent=state.agent), workspace if workspace.is_dir() else Path.cwd(), os.environ)
        self._folder, self._speed, self._turn = folder, speed, turn
        self._client: Client | None = None

    async def open(self, agent: str | None = None, model: str | None = None) -> "Client":
        """The replay."""
        if agent or model:
            from workbench.tui.opening import NotOpenedError

            raise NotOpenedError("error_usage", "A replay begins no session; `mlwb` does.")
        return await self._played(self._folder, self._turn)

    async def resume(self, session: str) -> "Client":
        """The replay of another session."""
        return await self._played(await self.tried(lambda: folder_of(session)), 0)

    # What belongs to the session that is played lies in its folder, wherever that is.

    def _at(self, session: str) -> Path:
        return self._folder if self._client and session == self._client.session else folder_of(session)

    async def export(self, session: str, path: Path) -> None:
        """Writes a session as the ending of PATH says."""
        from workbench.verbs.session_export import write

        await self.tried(lambda: write(self._at(session), path))

    async def turns(self, session: str) -> "list[TurnRow]":
        """None: a replay is forked nowhere."""
        return []

    async def fork(self, session: str, seq: int) -> str:
        """Refuses: nothing is begun from a replay."""
        from workbench.tui.opening import NotOpenedError

        raise NotOpenedError("error_usage", f"A replay begins no session; `mlwb --resume {session}` goes on with it.")

    async def _played(self, folder: Path, turn: int) -> "Client":
        from workbench.host.replay import ReplayClient

        client = await self.tried(lambda: ReplayClient(folder, self._speed))
        if turn:
            client.to_turn(turn)
        self._folder, self._client = folder, client
        return client
