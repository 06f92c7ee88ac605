"""Themes to choose from: the one under the cursor is worn at once."""

from collections.abc import Callable, Sequence

from textual.widgets import OptionList

from workbench.tui.screens.chooser import Chooser, Row


class Themes(Chooser):
    """Gives the theme that was chosen; `wear` shows each on the way."""

    TITLE_LINE = "theme"

    def __init__(self, rows: Sequence[Row], wear: Callable[[str], None], worn: str) -> None:
        super().__init__(rows, chosen=worn)
        self._wear = wear

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Puts it on."""
        event.stop()
        if event.option.id is not None and event.option.id != self.app.theme:
            self._wear(event.option.id)
