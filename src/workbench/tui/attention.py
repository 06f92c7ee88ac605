"""Calling a person back: a desktop notification where the terminal takes one, else its bell. Only when needed."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.protocol import events as e
from workbench.protocol.words import ended
from workbench.tui import alarms
from workbench.tui.safe import safe

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

AWAY = 60.0  # seconds without a key after which nobody is taken to look, where the terminal tells no focus
_OSC9 = ("iTerm.app", "WezTerm", "ghostty")


def words(news: Sequence[e.Envelope]) -> str | None:
    """What a person must hear of in NEWS, in a few words; None where nothing."""
    said = None
    for envelope in news:
        event = envelope.event
        if isinstance(event, e.ApprovalRequested):
            said = f"approval: {event.tool}"
        elif isinstance(event, e.Notice) and event.about == alarms.ABOUT:
            said = "a protected path was changed" if event.level == "error" else "a protected path appeared"
        elif isinstance(event, e.QuestionsAsked):
            said = "the agent has a question"
        elif isinstance(event, e.Idle):
            said = {"done": "the agent is done", "interrupted": None}.get(
                event.reason, f"the agent stopped: {event.reason}"
            )
        elif isinstance(event, e.SessionEnded):
            said = _end(event.result.subtype)
        elif isinstance(event, e.PromptSubmitted):
            said = None  # it goes on
    return said


def _end(subtype: str) -> str:
    if subtype == "error_retryable":  # left, told to stop, or the service was out of reach
        return "the session stopped; it can go on"
    return "the session ended" if subtype == "success" else f"the session ended: {ended(subtype)}"


def given(app: "WorkbenchApp", news: Sequence[e.Envelope]) -> None:
    """Calls for what NEWS need, where the person looks elsewhere."""
    said = words(news)
    if said is None or app.prefs.notify == "off" or (app.app_focus and time.monotonic() - app.touched < AWAY):
        return
    if app.prefs.notify == "auto" and (sequence := notification(said, os.environ)):
        app.write(sequence)
    if app.prefs.notify == "bell" or not _shown(os.environ):
        app.bell()


def notification(said: str, env: Mapping[str, str]) -> str:
    """The escape sequence that shows SAID on the desktop; empty where the terminal would print it.

    Terminals ignore a sequence that they do not know. tmux passes it on where its `allow-passthrough` is on.
    """
    text = safe(said)[:200].replace(";", ",")
    term = env.get("TERM", "")
    if term in ("", "dumb", "linux"):
        return ""
    if term == "xterm-kitty" or term.startswith(("rxvt", "foot")):
        return f"\x1b]777;notify;mlwb;{text}\x07"
    told = f"\x1b]9;mlwb: {text}\x07"
    return f"\x1bPtmux;\x1b{told}\x1b\\" if env.get("TMUX") else told


def _shown(env: Mapping[str, str]) -> bool:
    """Whether the terminal is known to show notifications: elsewhere the bell rings as well."""
    term = env.get("TERM", "")
    known = env.get("TERM_PROGRAM") in _OSC9 or term == "xterm-kitty" or term.startswith(("rxvt", "foot"))
    return known and not env.get("TMUX")
