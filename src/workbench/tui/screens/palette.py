"""The palette: every action that can be done, by its name."""

from workbench.tui.actions import ACTIONS
from workbench.tui.keys import Keymap, shown
from workbench.tui.references import parse
from workbench.tui.screens.chooser import Chooser, Row


class Palette(Chooser):
    """Gives the id of the action that was chosen."""

    TITLE_LINE = "all commands"
    HINT = "enter does it   esc closes"

    def __init__(self, keymap: Keymap) -> None:
        super().__init__(rows(keymap))

    def offered(self, query: str) -> list[Row]:
        """A reference can be opened from here as well."""
        if not query.startswith(("s-", "r-")) or parse(query) is None:
            return []
        return [Row(id=f"open_reference {query.strip()}", label=f"open {query.strip()}")]


def rows(keymap: Keymap, grouped: str = "") -> list[Row]:
    """One row an action, as palette and help show it; what leaves is not the first that enter does."""
    return [
        Row(
            id=action.id,
            label=action.title,
            key=" ".join(map(shown, keymap.keys(action.id))),
            note=f"/{action.slash}" if action.slash else "",
            words=f"{action.id} {action.group}",
        )
        for action in sorted(ACTIONS, key=lambda one: one.id == "quit")
        if action.id != "palette"
    ]
