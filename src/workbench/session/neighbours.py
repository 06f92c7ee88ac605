"""Sessions that are live in the same workspace at the same time, and which files they change."""

import os
from pathlib import Path

import msgspec

from workbench.protocol.events import CallFinished, SessionStarted
from workbench.session import store
from workbench.session.journal import JournalError, Reader, is_live


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """Another live session here. `changed` maps absolute paths to when its calls changed them last (Unix seconds)."""

    id: str
    agent: str = ""
    title: str = ""
    user: str = ""
    pid: int = 0
    changed: dict[str, float] = {}


class Neighbourhood:
    """The other live sessions of WORKSPACE, looked at again and again: journals are only read on. Not thread-safe."""

    def __init__(self, workspace: Path, own: str) -> None:
        self._workspace, self._own = os.path.realpath(workspace), own
        self._strangers: set[str] = set()  # sessions of other workspaces
        self._known: dict[str, tuple[Reader, Neighbour, int]] = {}

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
            self._known[folder.name] = reader, neighbour, 0
        reader, neighbour, seq = self._known[folder.name]
        reader.refresh()
        for envelope in reader.read(after=seq):
            if isinstance(envelope.event, CallFinished):
                for path in envelope.event.changed:
                    neighbour.changed[str(Path(self._workspace) / path)] = envelope.at
        self._known[folder.name] = reader, neighbour, reader.seq
        return neighbour

    def _forget(self, name: str) -> None:
        if known := self._known.pop(name, None):
            known[0].close()

    def close(self) -> None:
        """Lets go of the journals."""
        for name in list(self._known):
            self._forget(name)
