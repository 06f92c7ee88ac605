"""The footer: what is done now, and the keys that work here."""

import time
from collections.abc import Mapping

from textual.timer import Timer

from workbench.protocol.state import SessionState
from workbench.tui.actions import ACTIONS
from workbench.tui.clocks import seconds_since
from workbench.tui.keys import Keymap
from workbench.tui.widgets.line import Line, Part

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_WORDS = {"thinking": "thinking", "calling": "working", "checking": "checking", "asking": "waits for you"}
STILL = ("idle", "ended")


class Footer(Line):
    """One row. Its spinner and clock move only while something is alive; otherwise nothing is scheduled."""

    DEFAULT_CSS = """
    Footer { background: $surface; }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._timer: Timer | None = None
        self._since = 0.0
        self._phase = "idle"
        self._view, self._keymap, self._named = "prompt", Keymap(), dict[str, str]()
        self._still = False
        self.message = ""  # said while nothing works: `opening…`
        self.whom = "you"  # who is waited for
        self.lost = ""  # said in place of all else: there is no connection to the session

    def show(
        self, state: SessionState, view: str, keymap: Keymap, still: bool, named: Mapping[str, str] | None = None
    ) -> None:
        """Draws STATE and the keys of VIEW, NAMED as the view has it. STILL: without a spinner (reduced motion)."""
        alive = state.phase not in STILL
        if alive and self._phase in STILL:
            self._since = time.monotonic()
        self._phase, self._view, self._keymap, self._named = state.phase, view, keymap, dict(named or {})
        if alive and (self._timer is None or still != self._still):
            self._stop()
            self._timer = self.set_interval(1.0 if still else 0.125, self._draw)
        elif not alive:
            self._stop()
        self._still = still
        self._draw()

    def joined(self, state: SessionState) -> None:
        """STATE's session may have been at work before this screen came to it: the clock goes on from there."""
        self._since, self._phase = time.monotonic() - seconds_since(state.resumed_at), state.phase

    @property
    def ticking(self) -> bool:
        """Whether anything is scheduled here."""
        return self._timer is not None

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _draw(self) -> None:
        self.put(self._activity(), self._keys())

    def _activity(self) -> list[Part]:
        if self.lost:
            return [Part(f" ● {self.lost}", "$warning")]
        if self._phase in STILL:
            return [Part(f" {self.message}", "$muted")]
        seconds = time.monotonic() - self._since
        sign = "●" if self._still or self._phase == "asking" else _FRAMES[int(seconds * 8) % len(_FRAMES)]
        style = "$warning" if self._phase == "asking" else "$agent"
        words = f"{_WORDS.get(self._phase, self._phase).replace('you', self.whom)} {clock(seconds)}"
        return [Part(f" {sign} ", style, "stop"), Part(words, "$muted", "stop")]

    def _keys(self) -> list[Part]:
        room = self.room - sum(len(part.text) for part in self._activity()) - 1
        parts: list[Part] = []
        named, typing = self._named, self._view == "prompt"
        if not typing and self._phase in STILL:  # else esc stops the agent, as is said at the prompt
            named = {"stop": "back", **named}
        here = [one for one in ACTIONS if (one.footer or one.id in named) and one.on in (self._view, "app")]
        for action in sorted(here, key=lambda one: (one.id != "stop", one.on == "app")):
            label, title = self._keymap.label(action.id, typing=typing), named.get(action.id, action.title)
            if not (label and title):
                continue
            hint = [Part(f"  {label}", "", action.id), Part(f" {title}", "$muted", action.id)]
            room -= sum(len(part.text) for part in hint)
            if room < 0:
                break
            parts += hint
        return [*parts, Part(" ")]


def clock(seconds: float) -> str:
    """SECONDS as `12 s`, `2:05` or `1:02:05`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole:>2} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
