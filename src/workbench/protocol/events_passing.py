"""The events that are sent and not journalled: see `events.py`."""

from workbench.protocol.events_base import Ephemeral


class TextDelta(Ephemeral, frozen=True, kw_only=True):
    """Characters of the answer that is being written."""

    turn: int
    index: int
    text: str


class ThinkingDelta(Ephemeral, frozen=True, kw_only=True):
    """Characters of the thinking that is being written."""

    turn: int
    index: int
    text: str


class CallDelta(Ephemeral, frozen=True, kw_only=True):
    """The model is writing a call: its id and name first, then pieces of its input."""

    turn: int
    index: int
    call_id: str
    name: str
    text: str = ""


class CallProgress(Ephemeral, frozen=True, kw_only=True):
    """Output of a running call, as it comes."""

    call_id: str
    text: str


class Tick(Ephemeral, frozen=True, kw_only=True):
    """The session is alive. `activity` is what it does now, in a few words."""

    activity: str
    elapsed_ms: int = 0
