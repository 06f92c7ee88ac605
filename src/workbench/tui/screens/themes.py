"""Themes to choose from: the one under the cursor is worn at once."""

from collections.abc import Callable, Sequence

from workbench.tui.screens.chooser import Chooser, Row
from workbench.tui.widgets.picks import Picks


class Themes(Chooser):
    """Gives the theme that was chosen; `wear` shows each on the way."""

    TITLE_LINE = "theme"

    def __init__(self, rows: Sequence[Row], wear: Callable[[str], None], worn: str) -> None:
        super().__init__(rows, chosen=worn)
        self._wear = wear

    def on_picks_moved(self, event: Picks.Moved) -> None:
        """Puts it on."""
        event.stop()
        if self.current is not None and self.current != self.app.theme:
            self._wear(self.current)
