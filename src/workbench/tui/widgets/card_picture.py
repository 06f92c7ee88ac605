"""Pictures in the talk: two pixels a cell by `▀`, which every terminal with colours shows; else a line in words."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from workbench.tui.widgets.blocks import Line

COLUMNS, ROWS = 72, 20  # cells of a preview at most
_PATIENCE_S = 10.0
_DECODER = Path(__file__).with_name("card_png.py")


@dataclass(frozen=True)
class Preview:
    """A picture's size in pixels and bytes, and its few pixels; none where it cannot be drawn."""

    size: int
    width: int = 0
    height: int = 0
    wide: int = 0
    high: int = 0
    pixels: bytes = b""

    def lines(self, width: int) -> list[Line]:
        """Rows of half blocks, WIDTH cells at most (what is beyond is not shown)."""
        return [self._line(y, min(self.wide, width)) for y in range(0, self.high, 2)]

    def _line(self, y: int, wide: int) -> Line:
        line: Line = []
        for x in range(wide):
            upper = self._colour(x, y)
            lower = self._colour(x, y + 1) if y + 1 < self.high else ""
            name = f"{upper}:{lower}"
            if line and line[-1][1] == name:
                line[-1] = (line[-1][0] + "▀", name)
            else:
                line.append(("▀", name))
        return line

    def _colour(self, x: int, y: int) -> str:
        at = 3 * (y * self.wide + x)
        return f"#{self.pixels[at : at + 3].hex()}"

    @property
    def words(self) -> str:
        """Its size."""
        weight = f"{self.size / 1e6:.1f} MB" if self.size >= 1e6 else f"{max(1, self.size // 1000)} KB"
        return f"{self.width} × {self.height}, {weight}" if self.width else weight


def preview(data: bytes) -> Preview:
    """The preview of the picture DATA. Blocks: the decoder is a program of its own."""
    command = [sys.executable, "-I", "-S", str(_DECODER), str(COLUMNS), str(2 * ROWS)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_PATIENCE_S, check=True)
        head, _, pixels = done.stdout.partition(b"\n")
        width, height, wide, high = map(int, head.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return Preview(len(data))
    return Preview(len(data), width, height, wide, high, pixels)
