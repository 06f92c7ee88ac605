"""A list with a search box: palette, help, sessions, agents, models and modes are all this one screen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from workbench.tui.safe import content, safe
from workbench.tui.screens.steady import Steady
from workbench.tui.widgets.entry import Entry
from workbench.tui.widgets.picks import Pick, Picks

_KEYS, _LABELS = 16, 32  # cells that the first column takes at most; that the second may take from long notes
_WIDE = 0.8, 110  # of the terminal, and cells, that a box has at most
_MOVES = {"up": -1, "down": 1, "pageup": -1, "pagedown": 1}
_HIGH = 0.85  # of the terminal, that a box has at most


@dataclass(frozen=True)
class Row:
    """One line: `id` is what choosing it gives. `key` and `note` stand before and after the label."""

    id: str
    label: str
    key: str = ""
    note: str = ""
    group: str = ""
    words: str = ""  # searched as well, not shown

    def text(self) -> str:
        """All that is searched."""
        return f"{self.key} {self.label} {self.note} {self.group} {self.words}".lower()


def found(rows: Sequence[Row], query: str) -> list[Row]:
    """The rows that hold every word of QUERY, those whose label begins with it first; else its letters in order."""
    words = query.lower().split()
    if not words:
        return list(rows)
    hits = [row for row in rows if all(word in row.text() for word in words)]
    if not hits:
        hits = [row for row in rows if _in_order(query.lower().replace(" ", ""), row.label.lower())]
    return sorted(hits, key=lambda row: (not row.label.lower().startswith(words[0]), words[0] not in row.label.lower()))


def _in_order(letters: str, text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in letters)


class Chooser(Steady, ModalScreen[str | None]):
    """Gives the id of the row that was chosen, None when it is closed without one."""

    DEFAULT_CSS = """
    Chooser { align: center middle; background: $background 60%; }
    Chooser > Vertical {
        width: 80%; max-width: 110; min-width: 40; height: auto; max-height: 85%;
        background: $surface; border: round $border-dim; border-title-color: $foreground; padding: 0 1;
        border-subtitle-color: $muted;
    }
    Chooser Input { background: $surface; margin: 0 0 1 0; }
    Chooser Static { height: auto; color: $muted; }
    """
    TITLE_LINE: ClassVar[str] = ""
    HINT: ClassVar[str] = "enter chooses   esc closes"
    SEARCH_FIRST: ClassVar[bool] = True
    NONE_LEFT: ClassVar[str] = "nothing has these words"

    def __init__(self, rows: Sequence[Row], title: str = "", chosen: str | None = None) -> None:
        super().__init__()
        self.rows, self._heading, self._chosen = list(rows), title or self.TITLE_LINE, chosen

    def compose(self) -> ComposeResult:
        """Box, search, list."""
        with Vertical() as box:
            box.border_title, box.border_subtitle = content(self._heading), self.HINT
            yield Entry(placeholder="search", id="search", compact=True)
            yield Picks(id="rows")
            yield Static(self.NONE_LEFT, id="none")

    def on_mount(self) -> None:
        """Fills the list; the cursor starts at the search box, or at the list where letters do something there."""
        self.query_one(Input).cursor_blink = False
        self.fill()
        # Said here: a screen that opens while the terminal is not looked at gets no focus by itself.
        (self.query_one(Input) if self.SEARCH_FIRST else self.query_one(Picks)).focus()

    def on_resize(self) -> None:
        """The list takes what border and search leave of the box at its highest, so that its last row is in sight."""
        self.query_one(Picks).styles.max_height = max(1, int(self.app.size.height * _HIGH) - 4)
        self.fill(stay=True)

    def fill(self, stay: bool = False) -> None:
        """Draws the rows that the search leaves, with the cursor on the best of them; STAY: where it is."""
        query = self.query_one(Input).value
        rows = [*self.offered(query), *found(self.rows, query)]
        keep = self.current or self._chosen
        share, most = _WIDE
        picks = _picks(rows, self.label_width, min(most, int(self.app.size.width * share)) - 5)  # border, bar
        at = next((n for n, pick in enumerate(picks) if keep is not None and pick.id == keep), None)
        self.query_one(Picks).put(picks, None if query and not stay else at)
        self.query_one("#none").display = not rows

    @property
    def label_width(self) -> int:
        """Cells that a label may take where the note behind it is cut for them."""
        return _LABELS

    def offered(self, query: str) -> list[Row]:
        """Rows that QUERY itself makes, before those that it finds."""
        return []

    @property
    def current(self) -> str | None:
        """The id of the highlighted row."""
        return self.query_one(Picks).current

    def on_input_changed(self, event: Input.Changed) -> None:
        """Searches as one types."""
        event.stop()
        self.fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the search box takes the highlighted row."""
        event.stop()
        if self.current is not None:
            self.choose(self.current)

    def on_picks_chosen(self, event: Picks.Chosen) -> None:
        """Enter or a click on a row."""
        event.stop()
        self.choose(event.id)

    def choose(self, row: str) -> None:
        """Closes with ROW."""
        self.dismiss(row)

    def on_key(self, event: events.Key) -> None:
        """Arrows move the list also from the search box; escape closes."""
        picks, searching = self.query_one(Picks), isinstance(self.focused, Input)
        if event.key == "escape":
            event.stop()
            self.dismiss(None)
        elif searching and event.key in _MOVES:
            event.stop()
            event.prevent_default()
            (picks.action_page if event.key.startswith("page") else picks.action_step)(_MOVES[event.key])
        elif not searching and event.character == "/":
            event.stop()
            self.query_one(Input).focus()
        elif not searching and event.is_printable and event.key not in ("j", "k"):
            event.stop()
            self.letter(event.key)

    def letter(self, key: str) -> None:
        """What KEY does to the highlighted row while nothing is searched."""


def _picks(rows: Sequence[Row], most: int, room: int) -> list[Pick]:
    """Labels get MOST cells, and what the longest note leaves of ROOM."""
    keys = min(_KEYS, max((cell_len(safe(row.key)) for row in rows), default=0))
    notes = max((cell_len(safe(row.note)) for row in rows), default=0)
    most = max(most, room - keys - notes - 4)
    labels = min(most, max((cell_len(safe(row.label)) for row in rows if row.note), default=0))
    picks: list[Pick] = []
    group = ""
    for row in rows:
        if row.group and row.group != group:
            group = row.group
            if picks:
                picks.append(Pick(None, Content("")))
            picks.append(Pick(None, content(group, "$muted-2 bold")))
        picks.append(Pick(row.id, _line(row, keys, labels)))
    return picks


def _line(row: Row, keys: int, labels: int) -> Content:
    key = content(set_cell_size(safe(row.key), keys) + "  ", "$agent") if keys else Content("")
    label = safe(row.label)
    if not row.note:
        return Content.assemble(key, content(label))
    label = set_cell_size(label, labels - 1) + "…" if cell_len(label) > labels else set_cell_size(label, labels)
    return Content.assemble(key, content(label), content(f"  {safe(row.note)}", "$muted"))
