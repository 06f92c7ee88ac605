"""Lines above the editor for what is on its way: a person's own commands that run, prompts that are queued."""

from collections.abc import Sequence

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from workbench.tui.safe import safe
from workbench.tui.widgets.blocks import fit

_MOST = 3  # lines of each kind


class Waiting(Static):
    """Hidden while there is nothing on its way. A click takes the newest queued prompt back."""

    DEFAULT_CSS = """
    Waiting { height: auto; max-height: 6; padding-left: 3; color: $muted; display: none; }
    """
    ALLOW_SELECT = False

    class Pressed(Message):
        """It was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[list[str], list[str]] = ([], [])

    def show(self, running: Sequence[str], queued: Sequence[str]) -> None:
        """RUNNING are commands of a person, QUEUED prompts; the newest last."""
        if (list(running), list(queued)) != self._shown:
            self._shown = list(running), list(queued)
            self._draw()

    def on_resize(self) -> None:
        """Another width cuts elsewhere."""
        self._draw()

    def _draw(self) -> None:
        running, queued = self._shown
        self.display = bool(running or queued)
        lines = self._lines("running ", running, "esc stops it", "!")
        lines += self._lines("queued  ", queued, "↑ takes it back")
        self.update(Content("\n").join(lines))

    def _lines(self, name: str, texts: Sequence[str], hint: str, sign: str = "") -> list[Content]:
        """A line each of the newest TEXTS, the HINT at the end of the last one."""
        room = max(20, (self.size.width or self.app.size.width) - 4)
        lines: list[Content] = []
        for at, text in enumerate(texts[-_MOST:], 1):
            end = f"   {hint}" if at == min(_MOST, len(texts)) and room > 40 else ""
            words = fit(safe(f"{sign}{' '.join(text[:500].split())}"), room - len(name) - len(end))
            lines.append(Content.assemble((name, "$muted-2"), words, (end, "$muted-2")))
        if len(texts) > _MOST:
            lines[0] = Content.assemble((name, "$muted-2"), f"{len(texts) - _MOST + 1} earlier ones")
        return lines

    def on_click(self) -> None:
        """Says so."""
        self.post_message(self.Pressed())
