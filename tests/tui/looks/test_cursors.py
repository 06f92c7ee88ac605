"""Where one is can be seen also in 16 colours and in none: the cell that is typed at, the row that would be taken."""

import asyncio

import pytest
from rich.color import Color
from rich.style import Style
from textual.app import App, ComposeResult
from textual.content import Content

from support.screens import rows_of
from workbench import resources
from workbench.tui import colours, themes
from workbench.tui.widgets.attachments import Attachments
from workbench.tui.widgets.entry import Entry
from workbench.tui.widgets.picks import Pick, Picks
from workbench.tui.widgets.prompt_editor import Editor
from workbench.tui.widgets.table import Cell, Column, Table

FEW = [{"TERM": "linux"}, {"TERM": "xterm-256color", "NO_COLOR": "1"}]


class Places(App[None]):
    """A line, an editor, a list and a table in a theme of the project's."""

    CSS = "Entry, Editor, Picks { height: 1; border: none; } Table { height: 2; }"

    def __init__(self, env: dict[str, str], theme: str = "mlwb-dark") -> None:
        super().__init__(ansi_color=themes.ansi(env))
        themes.Looks([resources.folder("themes")], env).wear(self, theme)
        self.table = Table([Column("name")])

    def compose(self) -> ComposeResult:
        yield Entry("ab", compact=True)
        yield Editor(placeholder="", hints="")
        yield Picks()
        yield self.table

    def on_mount(self) -> None:
        self.query_one(Picks).put([Pick("one", Content("one"))])
        self.table.put([[Cell("r-1", "$success")]])


def seen(style: Style | None) -> tuple[object, ...]:
    """How a cell looks: its ground, and whether it is bold or underlined."""
    style = style or Style()
    default = Color.default()
    ground = (style.color if style.reverse else style.bgcolor) or default
    dark = ground.name in ("black", "default") and not (style.reverse and ground.is_default)
    return (dark, bool(style.bold), bool(style.underline))


@pytest.mark.parametrize("env", FEW, ids=["16", "none"])
def test_where_one_is_can_be_seen(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if "NO_COLOR" in env:
        monkeypatch.setenv("NO_COLOR", env["NO_COLOR"])

    async def main() -> None:
        app = Places(env)
        async with app.run_test(size=(20, 5)) as pilot:
            for widget, row in ((app.query_one(Entry), 0), (app.query_one(Editor), 1), (app.table, 4)):
                widget.focus()
                await pilot.pause()
                lines = rows_of(app)
                assert any(not seen(part.style)[0] for part in lines[row]), type(widget)
            plain, chosen = (seen(rows_of(app)[row][0].style) for row in (3, 2))
            assert plain != chosen, "the row of a list that is searched"

    asyncio.run(main())


@pytest.mark.parametrize("theme", ["mlwb-dark", "mlwb-light", "blue-orange-light", "contrast-dark"])
def test_the_letter_under_the_cursor_can_be_read(theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)

    async def main() -> None:
        app = Places({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, theme)
        async with app.run_test(size=(20, 5)) as pilot:
            app.query_one(Editor).set_text("lr", Attachments())
            app.query_one(Editor).move_cursor((0, 0))
            for widget, row in ((app.query_one(Entry), 0), (app.query_one(Editor), 1)):
                widget.focus()
                await pilot.press("home")
                await pilot.pause()
                style = rows_of(app)[row][0].style
                assert style is not None and style.color is not None and style.bgcolor is not None
                ink, ground = style.color.get_truecolor(), style.bgcolor.get_truecolor(foreground=False)
                assert colours.ratio(tuple(ink), tuple(ground)) >= 4.5, type(widget)

    asyncio.run(main())
