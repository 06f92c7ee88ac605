"""The events that are sent and not journalled: see `events.py`.

A piece of a text that says `whole` is all of it so far (its end, where that is much), in place of what was told before:
so it is told to a client that has missed pieces.
"""

from workbench.protocol.events_base import Ephemeral


class TextDelta(Ephemeral, frozen=True, kw_only=True):
    """Characters of the answer that is being written."""

    turn: int
    index: int
    text: str
    whole: bool = False


class ThinkingDelta(Ephemeral, frozen=True, kw_only=True):
    """Characters of the thinking that is being written."""

    turn: int
    index: int
    text: str
    whole: bool = False


class CallDelta(Ephemeral, frozen=True, kw_only=True):
    """The model is writing a call: its id and name first, then pieces of its input."""

    turn: int
    index: int
    call_id: str
    name: str
    text: str = ""
    whole: bool = False


class CallProgress(Ephemeral, frozen=True, kw_only=True):
    """Output of a running call, as it comes."""

    call_id: str
    text: str
    whole: bool = False


class Tick(Ephemeral, frozen=True, kw_only=True):
    """The session is alive. `activity` is what it does now, in a few words."""

    activity: str
    elapsed_ms: int = 0
