"""Lines above the prompt for what others suggest: the oldest is taken with one key."""

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from workbench.protocol.state import Suggestion
from workbench.tui.safe import safe
from workbench.tui.widgets.blocks import fit

_MOST = 3


class Suggestions(Static):
    """Hidden while nothing is suggested. The first line is the one that the key takes."""

    DEFAULT_CSS = """
    Suggestions { height: auto; max-height: 4; padding-left: 3; color: $foreground; display: none; }
    """
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[tuple[Suggestion, ...], str] = ((), "")

    def show(self, suggestions: Sequence[Suggestion], hint: str) -> None:
        """SUGGESTIONS, the oldest first; HINT says how the first one is taken, where it can be."""
        if (shown := (tuple(suggestions), hint)) != self._shown:
            self._shown = shown
            self._draw()

    def on_resize(self) -> None:
        """Another width cuts elsewhere."""
        self._draw()

    def _draw(self) -> None:
        suggestions, hint = self._shown
        self.display = bool(suggestions)
        room = max(20, (self.size.width or self.app.size.width) - 4)
        lines: list[Content] = []
        for at, one in enumerate(suggestions[:_MOST]):
            name = f"{fit(safe(one.by), 16)} suggests  "
            about = f"{fit(safe(one.path), room // 3)}: " if one.path else ""
            end = f"   {hint}" if hint and not at and room > 60 else ""
            words = fit(safe(" ".join(one.text[:500].split())), room - len(name) - len(about) - len(end))
            lines.append(
                Content.assemble((name, "$agent" if not at else "$muted"), (about, "$muted"), words, (end, "$muted-2"))
            )
        if len(suggestions) > _MOST:
            lines.append(Content.styled(f"{len(suggestions) - _MOST} more", "$muted-2"))
        self.update(Content("\n").join(lines))
