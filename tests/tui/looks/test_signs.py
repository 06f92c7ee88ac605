"""The console of Linux is given the signs that it has, each in the cell of the one it stands for."""

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from workbench.tui import signs


def on_the_console(sign: str) -> bool:
    return sign in signs.CONSOLE or bool(sign.encode("cp437", "ignore"))


def test_what_stands_in_has_one_cell_and_is_in_the_font() -> None:
    for code, plain in signs.TABLE.items():
        assert cell_len(chr(code)) == cell_len(plain) == 1
        assert on_the_console(plain) and not on_the_console(chr(code))


@pytest.mark.parametrize(
    ("drawn", "shown"),
    [
        ("╭─ ✓ Edit ─╮", "┌─ √ Edit ─┐"),
        ("▸ 0.11 … –", "► 0.11 . -"),
        ("日本 é ascii", "日本 é ascii"),
        ("⠉⣀⣿⠁", "▀▄█·"),
    ],
)
def test_a_line_goes_through_it(drawn: str, shown: str) -> None:
    (console,) = signs.filters({"TERM": "linux"})
    (segment,) = console.apply([Segment(drawn)], Color.parse("black"))
    assert segment.text == shown


def test_every_other_terminal_is_left_alone() -> None:
    assert signs.filters({"TERM": "xterm-256color"}) == signs.filters({}) == ()
