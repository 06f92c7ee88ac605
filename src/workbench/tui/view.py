"""What a part of the screen that draws the session has in common."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.content import Content

from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState


class View:
    """Mixed into a widget. The app tells every mounted view what is new, at most 20 times a second.

    A view reads the state and never changes it; what is older or larger it asks `self.app.client` for, by query.
    """

    failed = False  # whether it is told nothing any more, for it failed of what it was told

    def show_session(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """STATE is the fold of everything up to and with NEWS (deltas included, in order). Must return quickly."""

    def do(self, action: str) -> None:
        """Carries out an action of `actions.py` whose `on` names this view."""

    def naming(self) -> Mapping[str, str]:
        """Action -> what the footer calls it here and now, where not as the table does; empty: it does nothing."""
        return {}


class Pane(View):
    """A view beside the talk. `pane_id` is what actions, keys and the strip call it by."""

    pane_id: ClassVar[str]
    title: ClassVar[str]
    empty: ClassVar[str]  # one line: what will fill it

    def strip(self, state: SessionState) -> Content:
        """One line for when the pane is closed: its news, or what will fill it."""
        return Content(self.empty)

    def appears(self) -> None:
        """It is on the screen, perhaps again: what nobody could see until now is drawn."""

    def on_show(self) -> None:
        """Textual tells it of most that appear, not of each: what asks for a place before a layout takes it away."""
        self.appears()

    def end(self) -> None:
        """Its session was left: nothing is asked for and nothing scheduled any more, though it was never mounted."""

    def filled(self, state: SessionState) -> bool:
        """Whether there is something to show; the pane opens by itself when this first becomes true."""
        return False
