"""What a call would do, spelled out so that nothing in it can hide: padding, tabs, line ends, control characters."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from rich.cells import split_graphemes
from textual.cache import LRUCache
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.protocol import blocks
from workbench.tui.safe import safe
from workbench.tui.widgets.painted import painted

MOST_CHARACTERS = 200_000  # shown of one call; the rest is said to be missing
DOT, ARROW, RETURN = "·", "→", "↵"
_PADDING = re.compile(r"^ +| {2,}| +$|\t")
_IN_FILES = re.compile(r" +$|(?<=\S) {20,}|^ {60,}|\t")  # indentation is what it is
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")
_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")  # look like a space, are none to a shell


def spelled(line: str, padding: re.Pattern[str] = _PADDING) -> Content:
    """LINE (no line feed in it) with blanks that pad it shown as dots and arrows, dim, and nothing invisible."""
    parts: list[tuple[str, str]] = []
    at = 0
    for found in padding.finditer(line):
        parts.append((_seen(line[at : found.start()]), ""))
        parts.append((ARROW if found[0] == "\t" else DOT * len(found[0]), "$muted"))
        at = found.end()
    parts.append((_seen(line[at:]), ""))
    return Content.assemble(*(part for part in parts if part[0]))


def _seen(text: str) -> str:
    return _BLANKS.sub(lambda found: f"\\u{{{ord(found[0]):04X}}}", safe(text))


def command_lines(command: str) -> list[Content]:
    """A command's lines, each but the last ending with a sign for its line feed."""
    shown, missing = command[:MOST_CHARACTERS], len(command) - MOST_CHARACTERS
    *lines, last = shown.split("\n")
    contents = [spelled(line) + Content.styled(RETURN, "$muted") for line in lines] + [spelled(last)]
    if missing > 0:
        contents.append(Content.styled(f"… {missing:,} more characters are not shown", "$warning"))
    return contents


def input_lines(given: dict[str, Any]) -> list[Content]:
    """A call's input, a name and a value each."""
    lines: list[Content] = []
    for name, value in given.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        first, *others = command_lines(text)
        lines += [Content.styled(f"{safe(name)}  ", "$muted") + first, *others]
    return lines


def display_lines(display: Iterable[blocks.DisplayBlock]) -> list[Content]:
    """Display blocks as lines: a diff in its colours and signs, text as it is."""
    lines: list[Content] = []
    for block in display:
        if isinstance(block, blocks.Diff):
            new = "  new file" if block.created else ""
            lines.append(Content.assemble(safe(block.path), (f"{new}  +{block.added} −{block.removed}", "$muted")))
            lines += _diff_lines(block.text)
            if block.blob:
                lines.append(Content.styled("… the rest of this change is too long to be shown here", "$warning"))
        elif isinstance(block, blocks.Text | blocks.Code | blocks.Output):
            lines += [spelled(line, _IN_FILES) for line in block.text.split("\n")]
        elif isinstance(block, blocks.Listing):
            lines += map(spelled, block.lines)
        elif isinstance(block, blocks.Image):
            lines.append(Content.styled(f"a picture ({safe(block.media_type)})", "$muted"))
    return lines


def _diff_lines(text: str) -> Iterator[Content]:
    """The lines of a unified diff on their grounds, without the head, which was told; hunks by their line numbers."""
    within = 0  # hunks so far: what stands before the first is the head
    for line in text.removesuffix("\n").split("\n"):
        if found := _HUNK.match(line):
            within += 1
            if within > 1 or found[1] not in ("0", "1"):
                yield Content.styled(f"line {found[1]}", "$muted")
        elif within:
            yield _diff_line(line)


def _diff_line(line: str) -> Content:
    role = {"+": "added", "-": "removed"}.get(line[:1])
    if role is None:
        return Content(f"{safe(line[:1])} ") + spelled(line[1:], _IN_FILES)
    sign = Content.styled(f"{line[:1]} ", f"${role}")
    return (sign + spelled(line[1:], _IN_FILES)).stylize_before(f"on ${role}-ground")


class Spelled(ScrollView, can_focus=False):
    """Lines of a call, wrapped at any character, as many as fit and the rest by scrolling."""

    DEFAULT_CSS = """
    Spelled { height: auto; scrollbar-size-vertical: 1; background: transparent; }
    """
    MOST: ClassVar[int] = 12

    class Moved(Message):
        """Other rows are seen now."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Content] = []
        self._rows: list[tuple[int, int, int]] = []  # line, from, to
        self._strips: LRUCache[int, Strip] = LRUCache(256)

    def show(self, lines: list[Content]) -> None:
        """Shows LINES from the first one."""
        self._lines = lines
        self.scroll_home(animate=False, immediate=True)
        self._wrap()

    def on_resize(self) -> None:
        """Wraps anew where the width is another."""
        self._wrap()
        self.post_message(self.Moved())

    def notify_style_update(self) -> None:
        """Colours are the theme's: rows are drawn anew with another one."""
        self._strips.clear()
        super().notify_style_update()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Says that other rows are seen."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Moved())

    @property
    def unseen(self) -> int:
        """Rows below the last one that shows."""
        return max(0, len(self._rows) - self.scroll_offset.y - self.size.height)

    def _wrap(self) -> None:
        width = max(1, (self.size.width or self.app.size.width - 4) - 1)
        self._rows = [(at, begin, end) for at, line in enumerate(self._lines) for begin, end in _cut(line.plain, width)]
        self._strips.clear()
        self.refresh()
        self.virtual_size = Size(width, len(self._rows))
        height = self.app.size.height
        self.styles.height = max(1, min(self.MOST, len(self._rows), height // (3 if height >= 20 else 5)))

    def render_line(self, y: int) -> Strip:
        """One row."""
        at = y + self.scroll_offset.y
        if at >= len(self._rows):
            return Strip.blank(self.size.width, self.rich_style)
        if (strip := self._strips.get(at)) is None:
            line, begin, end = self._rows[at]
            strip = self._strips[at] = painted(self._lines[line][begin:end], self, self.size.width)
        return strip


def _cut(text: str, width: int) -> Iterable[tuple[int, int]]:
    """Where TEXT is cut so that each piece takes WIDTH cells at most."""
    if text.isascii():
        return [(at, min(at + width, len(text))) for at in range(0, max(1, len(text)), width)]
    cuts, begin, taken = [], 0, 0
    for at, _, cells in split_graphemes(text)[0]:
        if taken + cells > width and at > begin:
            cuts.append((begin, at))
            begin, taken = at, 0
        taken += cells
    return [*cuts, (begin, len(text))]
