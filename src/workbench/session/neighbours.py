"""Sessions that are live in the same workspace at the same time, and which files they change."""

import os
from pathlib import Path

import msgspec

from workbench.protocol.events import (
    CallFinished,
    ClientJoined,
    ClientLeft,
    Idle,
    PromptQueued,
    RequestStarted,
    SessionResumed,
    SessionStarted,
)
from workbench.session import store
from workbench.session.journal import JournalError, Reader, is_live


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """Another live session here. `changed` maps absolute paths to when its calls changed them last (Unix seconds).

    `rests`: nobody is at it and its agent has nothing to do; its host only waits for somebody to come back.
    """

    id: str
    agent: str = ""
    title: str = ""
    user: str = ""
    pid: int = 0
    rests: bool = False
    changed: dict[str, float] = {}


class _Known:
    """A neighbour's journal as far as it was read, and what it told."""

    def __init__(self, reader: Reader, told: Neighbour) -> None:
        self.reader, self.told, self.seq = reader, told, 0
        self._here: set[str] = set()
        self._asks = self._idle = False  # a person begins what it does; it waits for that

    def read_on(self, workspace: str) -> Neighbour:
        """The neighbour as it is now."""
        self.reader.refresh()
        for envelope in self.reader.read(after=self.seq):
            match envelope.event:
                case CallFinished(changed=changed):
                    self.told.changed.update({str(Path(workspace) / path): envelope.at for path in changed})
                case ClientJoined(client=client):
                    self._here.add(client)
                case ClientLeft(client=client):
                    self._here.discard(client)
                case SessionStarted(task=task):
                    self._idle = self._asks = task.interactive
                case SessionResumed():
                    self._idle = self._asks
                    self._here.clear()
                case Idle() | PromptQueued() | RequestStarted():
                    self._idle = isinstance(envelope.event, Idle)
        self.seq = self.reader.seq
        return msgspec.structs.replace(self.told, rests=self._idle and not self._here)


class Neighbourhood:
    """The other live sessions of WORKSPACE, looked at again and again: journals are only read on. Not thread-safe."""

    def __init__(self, workspace: Path, own: str) -> None:
        self._workspace, self._own = os.path.realpath(workspace), own
        self._strangers: set[str] = set()  # sessions of other workspaces
        self._known: dict[str, _Known] = {}

    def look(self) -> tuple[Neighbour, ...]:
        """Who is live now, by id. A journal that cannot be read is passed over. Blocks."""
        found = []
        for folder in store.folders():
            if folder.name == self._own or folder.name in self._strangers:
                continue
            if not is_live(folder):
                self._forget(folder.name)
                continue
            try:
                if (neighbour := self._seen(folder)) is not None:
                    found.append(neighbour)
            except (JournalError, OSError):
                self._forget(folder.name)
        return tuple(sorted(found, key=lambda one: one.id))

    def _seen(self, folder: Path) -> Neighbour | None:
        if folder.name not in self._known:
            reader = Reader(folder)
            first = next(reader.read(until=1)).event
            if not isinstance(first, SessionStarted) or os.path.realpath(first.workspace) != self._workspace:
                reader.close()
                self._strangers.add(folder.name)
                return None
            told = store.summary(folder)
            neighbour = Neighbour(
                id=folder.name, agent=first.agent, title=told.title, user=first.user, pid=first.pid, changed={}
            )
            self._known[folder.name] = _Known(reader, neighbour)
        return self._known[folder.name].read_on(self._workspace)

    def _forget(self, name: str) -> None:
        if known := self._known.pop(name, None):
            known.reader.close()

    def close(self) -> None:
        """Lets go of the journals."""
        for name in list(self._known):
            self._forget(name)
