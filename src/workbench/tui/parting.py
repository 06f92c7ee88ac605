"""Leaving a session: what would end with it is said first, and a signal that says to go is heeded as ctrl+q is."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from workbench.protocol.state import SessionState
from workbench.tui.widgets.footer import STILL

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.widgets.attachments import Attachments

Words = tuple[str, "Attachments"]  # at a prompt, with what its chips stand for

_KEPT_S = 2.0  # that leaving waits for a disk to take what was typed
_AGAIN = 3.0  # seconds within which a second ctrl+q quits though something runs


def unfinished(state: SessionState) -> tuple[str, str]:
    """What of STATE's session is under way: words for it, and `it` or `them`. Empty where that is nothing."""
    parts = ["the agent is at work"] if state.phase not in (*STILL, "asking") else []
    if count := len(state.shells):
        parts.append(f"{count} command{'s' * (count > 1)} run{'s' * (count == 1)} in the background")
    return " and ".join(parts), "it" if len(parts) < 2 and count < 2 else "them"


def holds(app: "WorkbenchApp") -> bool:
    """Whether APP stays, for something is under way and quitting was asked for only once."""
    words, those = unfinished(app.state)
    apart = getattr(app.client, "ended", "") or not getattr(app.client, "attended", True)
    if not words or apart or time.monotonic() - app.quitting <= _AGAIN:
        return False
    app.quitting = time.monotonic()
    again = f"{words}; {app.keymap.label('quit')} again"
    if app.client is None or not app.client.outlives:
        app.tell(f"{again} stops {those} and quits", "warning")
    elif words.startswith("the agent"):
        app.tell(f"{again} leaves {those} at work, esc stops the agent", "warning")
    else:
        app.tell(f"{again} leaves {those} running", "warning")
    return True


async def agreed(app: "WorkbenchApp") -> bool:
    """Whether a person gives up what ends with the session here, to go to another. To be awaited in a worker."""
    words, those = unfinished(app.state)
    if not words or (app.client is not None and app.client.outlives):
        return True
    from workbench.tui.screens.leaving import Leaving

    chosen: str | None = await app.push_screen_wait(Leaving(words, those, app.keymap.label("sessions")))
    return chosen == "go"


def keep_words(app: "WorkbenchApp") -> None:
    """What is typed and not sent stays with the session that is left; where nothing was asked yet, it goes along."""
    editor = getattr(app.main.prompt, "editor", None)
    if editor is not None and not editor.empty:
        app.typed[app.state.session if app.state.turns else ""] = editor.text, editor.attachments


def give_words(app: "WorkbenchApp") -> None:
    """What was typed in the session that is open now, or goes along to it, stands at its prompt again."""
    editor, session = getattr(app.main.prompt, "editor", None), app.client.session if app.client is not None else ""
    if editor is not None and editor.empty and (words := app.typed.pop(session, None) or app.typed.pop("", None)):
        editor.set_text(*words)


async def keep_unsent(app: "WorkbenchApp") -> None:
    """What is typed and not sent, here and in sessions that were left, is found among the earlier prompts next time.

    What is marked and written in a review is where it was.
    """
    earlier = getattr(app.main.prompt, "earlier", None)
    if earlier is not None and not earlier.walking:  # an earlier prompt as it was is there already
        keep_words(app)
    with suppress(TimeoutError):  # of a file system that does not answer
        async with asyncio.timeout(_KEPT_S):
            if earlier is not None:
                for words in app.typed.values():
                    await earlier.keep(*words)
            if (diff := app.panes.get("diff")) is not None and hasattr(diff, "keep_last"):
                await diff.keep_last()


def ended(panes: Mapping[str, Any]) -> dict[str, Any]:
    """No panes any more: those of the session that was left, PANES, look no longer."""
    for pane in panes.values():
        pane.end()
    return {}


def farewell(app: "WorkbenchApp") -> str:
    """What the shell is told about the session that was left: whether it goes on, and how to come back to it."""
    state, session = app.state, app.state.session
    lives = bool(app.client is not None and app.client.outlives and getattr(app.client, "lives", False))
    if not session or app.opener.tour is not None or not (state.turns or lives):
        return ""
    far, way_back = getattr(app.opener, "far", ""), getattr(app.opener, "way_back", None)
    if not lives and not getattr(app.client, "owner", True):  # a guest takes nothing up
        return ""
    if not lives:
        return f"{f'on {far}: ' if far else ''}mlwb --resume {session}   goes on with this session"
    back = way_back(session) if way_back is not None else f"mlwb attach {session}"
    if state.approvals:
        return f"{back}   shows it: it waits for an answer"
    return f"{back}   shows it{' at work' if unfinished(state)[0] else '; it is still open'}"


def heed(app: "WorkbenchApp") -> None:
    """Has APP leave in order at SIGHUP and SIGTERM. What was ignored before (nohup) stays ignored."""
    if app.is_headless:
        return
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_DFL:
            asyncio.get_running_loop().add_signal_handler(number, _told, app, number)


def _told(app: "WorkbenchApp", number: signal.Signals) -> None:
    loop = asyncio.get_running_loop()
    if number == signal.SIGTERM:
        loop.remove_signal_handler(number)  # a second one ends it at once
    else:
        loop.add_signal_handler(number, lambda: None)  # a shell passes it on a second time
        if app._driver is not None:
            app._driver.gone = True  # type: ignore[attr-defined]  # of our own driver: what is written is dropped
    app.beside(lambda: _part(app, number), "parting")


async def _part(app: "WorkbenchApp", number: signal.Signals) -> None:
    app.workers.cancel_group(app, "open")
    # A terminal that is gone is a connection that was lost: nobody has left.
    await keep_unsent(app)
    await app.leave(lost=number == signal.SIGHUP)
    if number == signal.SIGHUP:  # no terminal to give back, and nobody to tell
        os._exit(128 + number)
    app.exit(128 + number)
