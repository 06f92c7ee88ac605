"""Signs for the console of Linux, whose font has 256 of them: those of code page 437, as the kernel draws them.

Everything else stays: the kernel shows a sign that its font lacks as one of its own, in the cells that it takes.
"""

from collections.abc import Mapping

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

CONSOLE = "☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"  # the kernel's signs 1 to 31
_PLAIN = {
    "╭┏┍┎": "┌", "╮┓┑┒": "┐", "╰┗┕┖": "└", "╯┛┙┚": "┘", "━╸╺╴╶╌┄▔⎯": "─", "┃╹╻╵╷╎┆▏▎▕": "│",
    "╋": "┼", "┣┠": "├", "┫┨": "┤", "┳┯": "┬", "┻┷": "┴",
    "▁▂": "_", "▃▅": "▄", "▆▇▉▊": "█", "▍▋": "▌",
    "✓✔": "√", "✗✘×✕⊘": "x", "●◉◆⬤⏺": "•", "◐◌◯": "○", "▸▶❯": "►", "◂◀⟲": "◄", "▾": "▼", "▴": "▲", "✎": "~", "⚠": "!",
    "›": ">", "‹": "<", "…": ".", "⋯": "·", "–—−‐‑": "-", "“”„": '"', "‘’‚": "'", "⏎↵␍": "¶", "↳": "└", "□▪▫▣": "■",
}  # fmt: skip


def _braille(dots: int) -> str:
    """What is nearest to a cell of braille: `dots` are its eight, 1 to 3 and 7 on the left from the top down."""
    upper, lower = (dots & 0b00011011).bit_count(), (dots & 0b11100100).bit_count()
    if upper + lower <= 1:
        return "·" if dots else " "
    return "█" if upper and lower else "▀" if upper else "▄"


TABLE = {ord(sign): plain for signs, plain in _PLAIN.items() for sign in signs}
TABLE |= {0x2800 + dots: _braille(dots) for dots in range(256)}


class ConsoleSigns(LineFilter):
    """Puts a sign that the console has in the place of each that it has not, cell by cell."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """SEGMENTS of a line, in plain signs."""
        return [
            one if one.text.isascii() else Segment(one.text.translate(TABLE), one.style, one.control)
            for one in segments
        ]


def filters(env: Mapping[str, str]) -> tuple[LineFilter, ...]:
    """What every line goes through on the terminal that ENV describes."""
    return (ConsoleSigns(),) if env.get("TERM", "").strip().lower() == "linux" else ()
