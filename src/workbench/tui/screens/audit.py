"""The audit of a session: each call, who let it pass and by which rule, how it was confined and what it changed."""

import time
from collections.abc import Iterator, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from workbench.protocol.words import counted
from workbench.tui.opening import AuditRows, CallRow
from workbench.tui.safe import content, safe
from workbench.tui.screens.steady import Steady
from workbench.tui.widgets.entry import Entry
from workbench.tui.widgets.table import Cell, Column, Table

COLUMNS = (
    Column("turn", 5, rank=2),
    Column("tool", 12),
    Column("target", share=3, least=18),
    Column("verdict", 15),
    Column("rule or reason", share=2, least=22, rank=3),
    Column("by", 10, rank=4),
    Column("sandbox", 10, rank=1),
    Column("end", 11),
    Column("files", 5, rank=5),
)
_REMARKS = 3  # of the watch, that stand above the table


class Audit(Steady, ModalScreen[int | None]):
    """Gives the event of the call that is to be shown in the talk, None when it is closed without one."""

    DEFAULT_CSS = """
    Audit { align: center middle; background: $background 60%; }
    Audit > Vertical {
        width: 96%; max-width: 200; height: 90%; background: $surface; border: round $border-dim; padding: 0 1;
        border-title-color: $foreground; border-subtitle-color: $muted;
    }
    Audit Input { background: $surface; margin: 0 0 1 0; }
    Audit Static { height: auto; }
    Audit #details { border-top: solid $border-dim; min-height: 5; max-height: 9; }
    Audit #remarks { max-height: 6; margin-bottom: 1; }
    Audit.-low #remarks { max-height: 1; margin: 0; text-wrap: nowrap; text-overflow: ellipsis; }
    Audit.-low #details { min-height: 3; max-height: 4; }
    Audit.-low Input { margin: 0; }
    """

    def __init__(self, rows: AuditRows) -> None:
        super().__init__()
        self._found = rows
        self._shown: Sequence[CallRow] = rows.calls
        self._texts: list[str] = []  # what is searched of each call, from the first search on

    def compose(self) -> ComposeResult:
        """What the watch said, a search, the calls, and all of one call."""
        with Vertical() as box:
            box.border_title = "audit"
            box.border_subtitle = "enter shows it in the talk   / search   esc closes"
            yield Static(Content("\n").join(_remarks(self._found)), id="remarks")
            yield Entry(placeholder="search: a command, a rule, denied, outside, a file", compact=True)
            yield Table(COLUMNS)
            yield Static(id="details")

    def on_mount(self) -> None:
        """The newest call is looked at first."""
        self.on_resize()
        self.query_one(Input).cursor_blink = False
        self.query_one("#remarks").display = bool(self._found.remarks or self._found.damaged)
        self._fill()
        self.query_one(Table).focus()

    def on_resize(self) -> None:
        """A low screen keeps its rows for the calls."""
        self.set_class(self.app.size.height < 24, "-low")

    def _fill(self) -> None:
        words = self.query_one(Input).value.lower().split()
        if words and not self._texts:
            self._texts = [_searched(row) for row in self._found.calls]
        found = zip(self._found.calls, self._texts, strict=True) if words else ()
        hits = [row for row, text in found if all(word in text for word in words)]
        self._shown = hits if words else self._found.calls
        table = self.query_one(Table)
        table.put([_cells(row) for row in self._shown], len(self._shown) - 1)
        count, whole = len(self._shown), len(self._found.calls)
        told = f"{count:,} of {whole:,}" if words else f"{whole:,}"
        self.query_one(Vertical).border_title = f"audit   {told} call{'s' * (whole != 1)}"

    @property
    def current(self) -> CallRow | None:
        """The call at the cursor."""
        return self._shown[self.query_one(Table).cursor] if self._shown else None

    def on_table_moved(self, event: Table.Moved) -> None:
        """All of another call."""
        event.stop()
        row = self.current
        nothing = "no call was made in this session yet" if not self._found.calls else "no call has these words"
        lines = _details(row, self.size.width) if row else [content(nothing, "$muted")]
        self.query_one("#details", Static).update(Content("\n").join(lines))

    def on_table_chosen(self, event: Table.Chosen) -> None:
        """To the call in the talk."""
        event.stop()
        self._take()

    def _take(self) -> None:
        if (row := self.current) is not None:
            self.dismiss(row.seq)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Searches as one types."""
        event.stop()
        self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the search takes the call at the cursor."""
        event.stop()
        self._take()

    def on_key(self, event: events.Key) -> None:
        """Arrows move the table also from the search; escape closes."""
        table, searching = self.query_one(Table), isinstance(self.focused, Input)
        if event.key == "escape":
            event.stop()
            self.dismiss(None)
        elif searching and event.key in ("up", "down", "pageup", "pagedown"):
            event.stop()
            event.prevent_default()
            step = -1 if event.key.endswith("up") else 1
            (table.action_page if event.key.startswith("page") else table.action_by)(step)
        elif not searching and event.character == "/":
            event.stop()
            event.prevent_default()
            self.query_one(Input).focus()


# --- words -------------------------------------------------------------------------------------------------------


def verdict(row: CallRow) -> Cell:
    """Whether it passed, in a word or two; the sign tells it without colour."""
    if row.decision == "no" and row.verdict == "allow":  # it ran confined, and was not let run again outside
        return Cell("✓ not outside", "$muted")
    if row.status == "denied" or row.verdict == "deny" or row.decision == "no":
        return Cell("✗ refused" if row.decision == "no" else "✗ denied", "$error")
    if row.asked and row.decision in ("once", "session", "always"):
        return Cell(f"? {row.decision}", "$warning")
    if row.asked:
        return Cell("? " + {"gone": "cancelled"}.get(row.decision or "", "unanswered"), "$warning")
    return Cell("✓ allowed", "$muted") if row.verdict == "allow" else Cell("· not judged", "$muted")


def end(row: CallRow) -> Cell:
    """How it ended."""
    if row.signal is not None:
        return Cell(f"signal {row.signal}", "$error")
    if row.exit_code is not None:
        return Cell(f"exit {row.exit_code}", "$error" if row.exit_code else "$muted")
    return Cell(row.status, "$muted" if row.status in ("ok", "running") else "$error")


def sandbox(row: CallRow) -> Cell:
    """What confined it; `outside` catches the eye."""
    return Cell(row.sandbox or "–", "$warning" if row.sandbox == "outside" else "$muted")


def _cells(row: CallRow) -> tuple[Cell, ...]:
    return (
        Cell(f"t{row.turn}" if row.turn else "", "$muted"),
        Cell(row.tool, "bold"),
        Cell(" ".join(row.target.split()) or "–"),
        verdict(row),
        Cell(row.rule or row.reason or "–", "" if row.rule else "$muted"),
        Cell(row.by or "–", "$muted"),
        sandbox(row),
        end(row),
        Cell(str(len(row.files_changed)) if row.files_changed else "–", "$muted"),
    )


def _searched(row: CallRow) -> str:
    said = (row.tool, row.target, verdict(row).text, row.rule, row.reason, row.by, row.sandbox, end(row).text)
    return " ".join((f"t{row.turn}", *(one or "" for one in said), *row.files_changed)).lower()


def _details(row: CallRow, width: int) -> list[Content]:
    """All of one call, a few lines."""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.at))
    files = ", ".join(row.files_changed)
    most = 3 * max(20, width - 20)
    facts = (
        ("rule", row.rule or ""),
        ("why", row.reason),
        ("files", files if len(files) <= most else f"{files[:most]}… ({counted(len(row.files_changed), 'file')})"),
    )
    by = {None: "", "": "", "nobody": ": nobody could be asked"}.get(row.by, f" by {row.by}")
    head = f"{at}   {row.duration_ms / 1000:,.1f} s   {verdict(row).text[2:]}{by}"
    head += {"": "", "outside": "   outside the sandbox"}.get(row.sandbox, f"   confined ({row.sandbox})")
    lines = [content(head, "$muted"), _fact("", f"{row.tool}  {row.target[:most]}")]
    return lines + [_fact(name, said[:most]) for name, said in facts if said]


def _fact(name: str, said: str) -> Content:
    return Content.assemble((f"{name:<6}" if name else "", "$muted-2"), safe(said))


def _remarks(found: AuditRows) -> Iterator[Content]:
    """What the watch over protected paths said, the newest last; and what of the journal is damaged."""
    left = len(found.remarks) - _REMARKS
    if left > 0:
        yield content(f"! {left} more remarks of the watch stand in the talk", "$muted")
    for remark in found.remarks[-_REMARKS:]:
        yield content(f"! {remark.partition(chr(10))[0]}", "$warning")
    if found.damaged:
        yield content(
            f"! {counted(len(found.damaged), 'line')} of the journal cannot be read: {found.damaged[0]}", "$error"
        )
