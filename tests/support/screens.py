"""Pictures of the screen, to look at: of an app under a Pilot, or of a terminal's own cells.

    async with app.run_test(size=(120, 40)) as pilot:
        await picture(pilot, "screen.png")       # or .svg, .txt

    picture_of_ansi(tmux.ansi(), "screen.png")   # what a real terminal shows

SVG needs nothing but Textual. PNG is made by `rsvg-convert` or Chromium, whichever is installed: tools for looking,
which no test depends on.
"""

import html
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual.app import App
from textual.pilot import Pilot

FONT = 15  # pixels
CELL = FONT * 1233 / 2048  # the advance of DejaVu Sans Mono
LINE = 18.0
Rows = list[list[Segment]]


@dataclass(frozen=True)
class Paper:
    """What a terminal draws with where nothing else is said."""

    foreground: str = "#d7d7d7"
    background: str = "#141414"

    def theme(self) -> TerminalTheme:
        """The sixteen colours of xterm on this paper."""
        normal = "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5"
        bright = "7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff"
        sixteen = ([_rgb(one) for one in row.split()] for row in (normal, bright))
        return TerminalTheme(_rgb(self.background), _rgb(self.foreground), *sixteen)


PAPER = Paper()


async def picture(source: Pilot[Any] | App[Any], path: str | Path) -> Path:
    """Draws the screen of SOURCE into PATH: .png, .svg or .txt."""
    app = source.app if isinstance(source, Pilot) else source
    if isinstance(source, Pilot):
        await source.pause()
    return _write(rows_of(app), app.size.width, Path(path), PAPER)


def picture_of_ansi(ansi: str, path: str | Path, *, paper: Paper = PAPER) -> Path:
    """Draws what a terminal's capture with escapes (`tmux capture-pane -pe`) shows into PATH."""
    console = Console(color_system="truecolor")
    texts = AnsiDecoder().decode(ansi)  # tmux lets a style go on in the next row
    rows = [[part for part in text.render(console) if part.text != "\n"] for text in texts]
    return _write(rows, max((_width(row) for row in rows), default=1), Path(path), paper)


def text_of(app: App[Any]) -> str:
    """The screen of APP as plain text, a line a row, without blanks at the ends of rows."""
    return "\n".join("".join(part.text for part in row).rstrip() for row in rows_of(app))


def rows_of(app: App[Any]) -> Rows:
    """The cells of the whole screen, what lies under a modal screen included."""
    width, height = app.size
    console = Console(
        width=width, height=height, file=StringIO(), force_terminal=True, color_system="truecolor",
        record=True, legacy_windows=False, safe_box=False,
    )  # fmt: skip
    whole = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    console.print(whole)
    segments = Segment.filter_control(console._record_buffer)
    return [list(row) for row in Segment.split_and_crop_lines(segments, width, pad=False, include_new_lines=False)]


def svg(rows: Rows, width: int, paper: Paper = PAPER) -> str:
    """ROWS of cells as SVG, each run of cells at its own place so that no renderer shifts the columns."""
    looks = _Looks(paper)
    grounds: list[str] = []
    texts: list[str] = []
    for y, row in enumerate(rows):
        x = 0
        for part in row:
            look, ground = looks.of(part.style or Style())
            cells = cell_len(part.text)
            if ground != paper.background:
                size = f'width="{cells * CELL + 0.4:.2f}" height="{LINE + 0.4:g}"'
                grounds.append(f'<rect x="{x * CELL:.2f}" y="{y * LINE:g}" {size} fill="{ground}"/>')
            for at, run in _runs(part.text):
                place = f'x="{(x + at) * CELL:.2f}" y="{y * LINE + FONT - 0.7:.1f}"'
                texts.append(f'<text class="{look}" {place}>{html.escape(run)}</text>')
            x += cells
    high, wide = len(rows) * LINE, width * CELL
    box = f'width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.1f} {high:.1f}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} shape-rendering="crispEdges">',
        f'<style>text{{font:{FONT}px "DejaVu Sans Mono",Menlo,monospace;white-space:pre}}{looks.css()}</style>',
        f'<rect width="100%" height="100%" fill="{paper.background}"/>', *grounds, *texts, "</svg>\n",
    ])  # fmt: skip


class _Looks:
    """The styles met so far, each one class."""

    def __init__(self, paper: Paper) -> None:
        self.paper, self.theme = paper, paper.theme()
        self.names: dict[str, str] = {}

    def of(self, style: Style) -> tuple[str, str]:
        """(class, background) of STYLE."""
        front = _hex(style.color, self.theme, foreground=True)
        ground = _hex(style.bgcolor, self.theme, foreground=False)
        if style.reverse:
            front, ground = ground, front
        rules = [f"fill:{front}"]
        rules += ["font-weight:bold"] * bool(style.bold) + ["font-style:italic"] * bool(style.italic)
        rules += ["opacity:.6"] * bool(style.dim)
        lines = ["underline"] * bool(style.underline) + ["line-through"] * bool(style.strike)
        rules += [f"text-decoration:{' '.join(lines)}"] * bool(lines)
        return self.names.setdefault(";".join(rules), f"s{len(self.names)}"), ground

    def css(self) -> str:
        """The rules of all classes."""
        return "".join(f".{name}{{{rules}}}" for rules, name in self.names.items())


def _runs(text: str) -> Iterable[tuple[int, str]]:
    """TEXT as (cell, run): words of ASCII, and everything else a character at a time, for its font may differ."""
    at, run, start = 0, "", 0
    for character in text:
        if "!" <= character <= "~":
            start = start if run else at
            run += character
        else:
            if run:
                yield start, run
                run = ""
            if not character.isspace():
                yield at, character
        at += cell_len(character)
    if run:
        yield start, run


def _write(rows: Rows, width: int, path: Path, paper: Paper) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".txt":
        path.write_text("\n".join("".join(part.text for part in row).rstrip() for row in rows) + "\n")
    elif path.suffix == ".svg":
        path.write_text(svg(rows, width, paper))
    else:
        _png(svg(rows, width, paper), path)
    return path


def _png(text: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "screen.svg"
        source.write_text(text)
        if shutil.which("rsvg-convert"):
            subprocess.run(["rsvg-convert", "-o", path, source], check=True, capture_output=True)
        elif browser := shutil.which("chromium") or shutil.which("google-chrome"):
            wide, high = (text.partition(f'{side}="')[2].partition('"')[0] for side in ("width", "height"))
            subprocess.run(
                [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 f"--window-size={wide},{high}", f"--screenshot={path.resolve()}", source.as_uri()],
                check=True, capture_output=True,
            )  # fmt: skip
        else:
            raise RuntimeError("a PNG needs rsvg-convert (Debian: librsvg2-bin) or Chromium; write .svg instead")


def _width(row: list[Segment]) -> int:
    return sum(cell_len(part.text) for part in row)


def _hex(color: Color | None, theme: TerminalTheme, *, foreground: bool) -> str:
    return (color or Color.default()).get_truecolor(theme, foreground=foreground).hex


def _rgb(text: str) -> tuple[int, int, int]:
    return tuple(bytes.fromhex(text.removeprefix("#")))  # type: ignore[return-value]
