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


class Replaying(Opening):
    """Opens the replay of the session in FOLDER, whose first event made STATE."""

    def __init__(self, folder: Path, state: SessionState, speed: float = 1.0, turn: int = 0) -> None:
        workspace = Path(state.workspace)
        super().__init__(Asked(agent=state.agent), workspace if workspace.is_dir() else Path.cwd(), os.environ)
        self._folder, self._speed, self._turn = folder, speed, turn

    async def open(self, agent: str | None = None, model: str | None = None) -> "Client":
        """The replay."""
        if agent or model:
            from workbench.tui.opening import NotOpenedError

            raise NotOpenedError("error_usage", "A replay begins no session; `mlwb` does.")
        return await self._played(self._folder, self._turn)

    async def resume(self, session: str) -> "Client":
        """The replay of another session."""
        return await self._played(await self.tried(lambda: folder_of(session)), 0)

    async def _played(self, folder: Path, turn: int) -> "Client":
        from workbench.host.replay import ReplayClient

        client = await self.tried(lambda: ReplayClient(folder, self._speed))
        if turn:
            client.to_turn(turn)
        return client
