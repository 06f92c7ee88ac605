"""What holds now and is not journalled: texts that are being written, who is here. Told to whom it passed by."""

import msgspec

from workbench.protocol import events as e
from workbench.protocol.joining import Delta

MOST = 1 << 18  # characters that are kept of one text, its end
_OVER = (e.AnswerCompleted, e.AnswerDiscarded, e.RequestStarted, e.RequestRetried, e.Idle, e.SessionEnded)


class Drafts:
    """The texts that are under way, each put together from its pieces; and who is here, as it was told last."""

    def __init__(self) -> None:
        self._parts: dict[tuple[object, ...], tuple[e.Envelope, list[str]]] = {}
        self._here: list[e.Envelope] = []

    def push(self, envelope: e.Envelope) -> None:
        """Takes an envelope from the session. Never waits."""
        event = envelope.event
        if isinstance(event, Delta):
            key = (type(event), event.call_id) if isinstance(event, e.CallDelta | e.CallProgress) else (
                type(event), event.turn, event.index)  # fmt: skip
            _, pieces = self._parts.setdefault(key, (envelope, []))
            pieces.append(event.text)
            if len(pieces) > 1000:
                pieces[:] = ["".join(pieces)[-MOST:]]
        elif isinstance(event, e.Presence):
            self._here = [envelope]
        elif isinstance(event, e.CallFinished):
            self._parts.pop((e.CallProgress, event.call_id), None)
        elif isinstance(event, _OVER):
            kept = not isinstance(event, e.Idle | e.SessionEnded)
            self._parts = {key: part for key, part in self._parts.items() if kept and key[0] is e.CallProgress}

    def pending(self) -> list[e.Envelope]:
        """Who is here, and what was written so far of each text, in the order in which they were begun."""
        return self._here + [
            msgspec.structs.replace(
                first, event=msgspec.structs.replace(first.event, text="".join(pieces)[-MOST:], whole=True)
            )
            for first, pieces in self._parts.values()
        ]
