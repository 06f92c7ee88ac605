"""A session as `show` and the export for programs tell it."""

import json
from pathlib import Path
from typing import Any

import msgspec

from workbench.protocol.codec import encode
from workbench.protocol.events import SessionEnded, SessionStarted
from workbench.protocol.result import Result
from workbench.protocol.state import SessionState
from workbench.session import store
from workbench.session.journal import Reader


def listed(one: store.SessionSummary) -> dict[str, Any]:
    """A session in a list, for programs."""
    from workbench.session.transcript import moment

    told: dict[str, Any] = msgspec.to_builtins(one)
    return told | {"started": moment(one.started), "updated": moment(one.updated)}


class Told:
    """A session read once: its fold, its task and its last result."""

    def __init__(self, folder: Path) -> None:
        from workbench.protocol.fold import apply

        self.folder, self.state = folder, SessionState()
        self.first: SessionStarted | None = None
        self.result: Result | None = None
        with Reader(folder) as reader:
            for envelope in reader.read():
                apply(self.state, envelope)
                if isinstance(envelope.event, SessionStarted):
                    self.first = envelope.event
                elif isinstance(envelope.event, SessionEnded):
                    self.result = envelope.event.result

    def builtins(self) -> dict[str, Any]:
        """Summary, state and result (null while the session has not ended)."""
        result = self.result if self.state.end is not None else None
        parts = {"summary": listed(store.summary(self.folder)), "state": self.state, "result": result}
        told: dict[str, Any] = json.loads(encode(parts))
        return told
