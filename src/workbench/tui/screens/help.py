"""Help: every key, by where it works, made from the table of actions."""

from dataclasses import replace

from workbench.tui.actions import ACTIONS
from workbench.tui.keys import Keymap, groups
from workbench.tui.screens.chooser import Chooser, Row
from workbench.tui.screens.palette import rows


class Help(Chooser):
    """A list to read and to search; enter on a row does it."""

    TITLE_LINE = "keys and help"
    HINT = "type to search   enter does it   esc closes"

    def __init__(self, keymap: Keymap) -> None:
        by_id = {row.id: row for row in rows(keymap)}
        listed: list[Row] = []
        for title, actions in groups(ACTIONS).items():
            listed += [replace(by_id[action.id], group=title) for action in actions if action.id in by_id]
        super().__init__(listed)
