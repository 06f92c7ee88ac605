"""Letters that are typed while the talk has the focus: an action's, or the beginning of words for the prompt."""

import time
from collections import deque
from typing import TYPE_CHECKING

from textual import events
from textual.widget import Widget

from workbench.tui.hold import Hold

if TYPE_CHECKING:
    from workbench.tui.screens.main import MainScreen

HOLD = 0.2  # seconds in which another letter shows that a word is typed
_ON_THE_WAY = 1.0  # seconds in which keys that were typed at once may still arrive
# They move one step, undo themselves by their neighbour, and are held down; or the prompt is where they lead anyway.
_AT_ONCE = ("item_next", "item_previous", "prompt")


class Letters:
    """A sign that does nothing in the talk is typed into the prompt. A letter that does something waits for HOLD
    seconds: with another one right behind it, it began a word."""

    def __init__(self, screen: "MainScreen") -> None:
        self._screen = screen
        self._held = ""
        self._timer: Hold | None = None
        self._written = 0.0  # when the focus went to the prompt with what was typed
        self._passed: deque[events.Key] = deque(maxlen=64)  # events that went on to the prompt

    def take(self, event: events.Key) -> bool:
        """Whether EVENT, which no widget took, is dealt with here."""
        sign = event.character if event.is_printable and event.character else ""
        held = self._release()
        if held and sign and sign != held:
            self._write(events.Key(held, held), event)
            return True
        if held:
            self._act(held)
        screen = self._screen
        if screen.focused_view == "prompt":
            return self._late(event)
        if screen.focused_view != "talk" or not sign or sign == " ":
            return False
        action = screen.bench.keymap.find("talk", sign)
        if action is None or (action.id == "prompt" and sign == "/"):
            self._write(event)
        elif sign.isalpha() and not held and action.id not in _AT_ONCE:
            self._held, self._timer = sign, Hold(screen, HOLD, self._waited)
        else:
            return False
        return True

    def _late(self, event: events.Key) -> bool:
        """A key that was typed to the talk so fast that the focus had not gone yet belongs to the prompt as well."""
        fresh = time.monotonic() - self._written < _ON_THE_WAY and event not in self._passed
        if fresh and (event.is_printable or event.key in ("enter", "backspace")):
            self._write(event)
            return True
        return False

    def _release(self) -> str:
        held, self._held = self._held, ""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        return held

    def _waited(self) -> None:
        if held := self._release():
            self._act(held)

    def _act(self, letter: str) -> None:
        bench = self._screen.bench
        if action := bench.keymap.find("talk", letter):
            bench.do(action.id)

    def _write(self, *typed: events.Key) -> None:
        """TYPED goes to the prompt, with the focus."""
        screen = self._screen
        field = next((one for one in screen.prompt.walk_children(Widget, with_self=True) if one.focusable), None)
        if field is None:
            return
        screen.set_focus(field, scroll_visible=False)
        self._written = time.monotonic()
        for one in typed:
            passed = events.Key(one.key, one.character)
            self._passed.append(passed)
            field.post_message(passed)
