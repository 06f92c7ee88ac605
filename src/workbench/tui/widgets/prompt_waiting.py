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
    Waiting { height: auto; max-height: 7; padding-left: 3; color: $muted; display: none; }
    """
    ALLOW_SELECT = False

    class Pressed(Message):
        """It was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[list[str], list[str], str, str] = ([], [], "", "")

    @property
    def queued(self) -> list[str]:
        """The queued prompts that are shown."""
        return self._shown[1]

    def show(self, running: Sequence[str], queued: Sequence[str], printed: str = "", hint: str = "") -> None:
        """RUNNING are commands of a person, which have PRINTED a line; QUEUED prompts with a HINT; the newest last."""
        if (shown := (list(running), list(queued), printed if running else "", hint)) != self._shown:
            self._shown = shown
            self._draw()

    def on_resize(self) -> None:
        """Another width cuts elsewhere."""
        self._draw()

    def _draw(self) -> None:
        running, queued, printed, hint = self._shown
        self.display = bool(running or queued)
        lines = self._lines("running ", running, "esc stops it", "!")
        if running:  # a line is kept for it from the start, so that nothing jumps
            lines.append(Content.styled(fit(safe(printed), max(20, self.app.size.width - 6)), "$muted-2"))
        lines += self._lines("queued  ", queued, hint)
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


def last_line(text: str) -> str:
    """What TEXT's last line with anything in it comes to on a terminal, where a carriage return begins it anew."""
    return next((line for line in reversed(text.replace("\r", "\n").split("\n")) if line.strip()), "")
