"""When snapshots are taken: at each prompt, while the model answers, and before an answer's first call that writes."""

import asyncio
from typing import Protocol

from workbench.protocol import events as e
from workbench.session.snapshots import Snapshots
from workbench.session.snapshots_held import SnapshotError


class Keeping(Protocol):
    """What this needs of a session."""

    snapshots: Snapshots | None

    def emit(self, event: e.JournalEvent, *, sync: bool = False) -> None:
        """Journals EVENT and tells it."""

    def notice(self, level: str, text: str, about: str = "") -> None:
        """Journals words for the person."""


class Guard:
    """Takes the snapshots of SESSION and journals them. A snapshot that fails is told and holds nothing up."""

    def __init__(self, session: Keeping) -> None:
        self._session = session
        self._prompt: asyncio.Task[None] | None = None
        self._guarded = 0  # the last turn before whose effects a snapshot was taken
        self._told: set[str] = set()

    def prompted(self, turn: int) -> None:
        """Prompts were journalled, and TURN begins: keeps the files as they are. Does not wait."""
        if self._session.snapshots is not None:
            self._prompt = asyncio.create_task(self._keep("prompt", turn))

    async def before_effects(self, turn: int) -> None:
        """Returns once the files are kept as they are before the first call of TURN that may write."""
        await self.settled()
        if self._session.snapshots is not None and self._guarded != turn:
            self._guarded = turn
            await self._keep("answer", turn)

    async def settled(self) -> None:
        """Returns once no snapshot is being taken."""
        if self._prompt is not None:
            await asyncio.shield(self._prompt)

    async def _keep(self, reason: str, turn: int) -> None:
        snapshots = self._session.snapshots
        assert snapshots
        try:
            self._session.emit(await snapshots.take(reason, turn))
            words = list(snapshots.notes)
        except SnapshotError as error:
            words = [f"the files could not be kept, so a rewind cannot bring them back to here: {error}"]
        for text in words:
            if text not in self._told:
                self._told.add(text)
                self._session.notice("warning", text, "snapshots")
