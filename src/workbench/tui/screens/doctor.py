"""What works here and what does not, as `mlwb doctor` says it, each finding as soon as it is there."""

from collections.abc import AsyncIterator, Callable

from textual.content import Content

from workbench.tui.opening import FindingRow
from workbench.tui.safe import content, safe
from workbench.tui.screens.sheet import Sheet, hanging

SIGNS = {True: ("✓", "$success"), None: ("·", "$muted"), False: ("✗", "$error")}
_NAME = 12  # cells


class Doctor(Sheet):
    """FINDINGS begins a look around; `r` another one."""

    def __init__(self, findings: Callable[[], AsyncIterator[FindingRow]]) -> None:
        super().__init__("doctor", "r looks again   esc closes")
        self._findings = findings
        self.rows: list[FindingRow] = []
        self.looking = False

    def on_mount(self) -> None:
        """Looks."""
        self._look()

    def letter(self, key: str) -> bool:
        """`r` looks again."""
        if key == "r" and not self.looking:
            self._look()
        return key == "r"

    def _look(self) -> None:
        self.rows, self.looking = [], True
        self.on_resize()
        self.run_worker(self._follow(), exclusive=True, exit_on_error=False)

    async def _follow(self) -> None:
        try:
            async for finding in self._findings():
                self.rows.append(finding)
                self.draw()
        except Exception as error:  # what it met; the rest is shown
            self.rows.append(FindingRow(name="doctor", ok=False, detail=str(error) or type(error).__name__))
        self.looking = False
        self.draw()

    def lines(self, width: int) -> list[Content]:
        """The findings so far, and what they come to."""
        lines = [line for row in self.rows for line in _told(row, width)]
        if self.looking:
            return [*lines, content("  looking…", "$muted")]
        bad = sum(row.ok is False for row in self.rows)
        words = f"{bad} to mend" if bad else "nothing that is needed is missing"
        return [*lines, Content(""), content(f"  {words}", "$warning" if bad else "$muted")]


def _told(row: FindingRow, width: int) -> list[Content]:
    """What was found beside its name, and under it how to mend it."""
    sign, style = SIGNS[row.ok]
    name = safe(row.name)[: _NAME - 1]
    lines = hanging(Content.assemble((f"{sign} ", style), (f"{name:<{_NAME}}", "bold")), content(row.detail), width)
    if row.fix:
        lines += hanging(Content.assemble(" " * (_NAME + 2), ("→ ", "$agent")), content(row.fix, "$muted"), width)
    return lines
