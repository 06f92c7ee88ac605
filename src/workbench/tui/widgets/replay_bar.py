"""Where a replay is, in the place of the prompt: there is nobody to prompt."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual import events

from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState
from workbench.tui import keys
from workbench.tui.view import View
from workbench.tui.widgets.footer import clock
from workbench.tui.widgets.line import Line, Part

if TYPE_CHECKING:
    from workbench.host.replay import Place, ReplayClient
    from workbench.tui.app import WorkbenchApp

KEYS = (("replay_pause", "pause"), ("replay_next", "next turn"), ("replay_previous", "previous"),
        ("replay_faster", "faster"), ("replay_slower", "slower"))  # fmt: skip
_WIDE = 24  # columns of the line that shows how far it is


class ReplayBar(View, Line, can_focus=True):
    """One row: turn, time, speed, and the keys. Its actions are those of the table whose `on` is `replay`."""

    DEFAULT_CSS = """
    ReplayBar { background: $surface; }
    """

    def on_mount(self) -> None:
        """The replay's place once a second: its clock moves on while it waits."""
        self.set_interval(1.0, self.draw)

    def show_session(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """Draws where it is now."""
        self.draw()

    def on_resize(self) -> None:
        """Other keys fit."""
        self.draw()

    @property
    def _client(self) -> "ReplayClient | None":
        client = cast("WorkbenchApp", self.app).client
        return cast("ReplayClient", client) if hasattr(client, "place") else None

    def draw(self) -> None:
        """Draws where the replay is."""
        if (client := self._client) is None:
            self.put([Part(" opening the journal…", "$muted")])
            return
        place, bench = client.place, cast("WorkbenchApp", self.app)
        bench.main.footer.lost = "the end of what there is" if place.ended else "paused" if place.paused else ""
        parts = [*_sign(place), Part(words(place))]
        if self.room >= 100:
            parts += [Part("  "), *_line(place, self.room // 5)]
        if asking := next(iter(client.state.approvals.values()), None):
            parts += [Part(f"  a person is asked: {asking.tool}", "$warning")]
        room = self.room - sum(len(part.text) for part in parts) - 1
        hints: list[Part] = []
        for action, title in KEYS:
            if action == "replay_pause" and (place.ended or place.paused):
                title = "again" if place.ended else "go on"
            new = [Part(f"  {bench.keymap.label(action)}", "$agent", action), Part(f" {title}", "$muted", action)]
            room -= sum(len(part.text) for part in new)
            if room < 0:
                break
            hints += new
        self.put(parts, [*hints, Part(" ")])

    def on_key(self, event: events.Key) -> None:
        """The replay's own keys; the others move the talk, as if it had the focus."""
        if self.take(event):
            event.stop()
            event.prevent_default()

    def take(self, event: events.Key) -> bool:
        """Whether EVENT is a key of the replay, and was carried out."""
        bench = cast("WorkbenchApp", self.app)
        name = keys.name_of(event.key, event.character)
        found = bench.keymap.find("replay", name)
        if found is None or found.on != "replay":
            found = bench.keymap.find("talk", name)
        if found is None or found.on not in ("replay", "talk"):
            return False
        bench.do(found.id)
        return True

    def do(self, action: str) -> None:
        """Carries out an action of the replay."""
        if (client := self._client) is None:
            return
        if action == "replay_pause":
            client.pause()
        elif action in ("replay_next", "replay_previous"):
            client.step(1 if action == "replay_next" else -1)
        elif action in ("replay_faster", "replay_slower"):
            client.faster(1 if action == "replay_faster" else -1)
        elif action in ("replay_start", "replay_end"):
            client.go_to(1 if action == "replay_start" else client.last)
        self.draw()


def _sign(place: "Place") -> list[Part]:
    sign = "■" if place.ended else "‖" if place.paused else "▶"
    return [Part(f" {sign} ", "$agent bold", "replay_pause")]


def words(place: "Place") -> str:
    """PLACE in words: `turn 12/40, 3:10 of 12:00, 4x`."""
    speed = f"{place.speed:g}x"
    end = ", the end" if place.ended else ", paused" if place.paused else ""
    return f"turn {place.turn}/{place.turns}, {_clock(place.at)} of {_clock(place.length)}, {speed}{end}"


def _clock(seconds: float) -> str:
    whole = clock(seconds) if seconds >= 60 else f"0:{int(seconds):02}"
    return whole.strip()


def _line(place: "Place", width: int) -> list[Part]:
    """How far it is, as a line."""
    done = round(width * (place.at / place.length if place.length else 1.0))
    return [Part("━" * done, "$agent"), Part("─" * (width - done), "$border-dim")]
