"""The files of a change as a tree of folders, with counts; one row a file, drawn where it is looked at."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.protocol.words import counted
from workbench.tui.widgets.diffview_paint import Palette, shorten, spread
from workbench.tui.widgets.diffview_rows import counts
from workbench.tui.widgets.hunks import Changeset, DiffFile
from workbench.tui.widgets.hunks_review import Review

_SIGNS = {"A": "added", "D": "removed", "R": "agent"}


class Node(NamedTuple):
    """A row: a folder, or a file of it. `path` is the whole path, `label` what is shown behind DEPTH steps."""

    depth: int
    label: str
    path: str
    files: tuple[DiffFile, ...]
    folder: bool = False


def tree(files: Sequence[DiffFile], closed: frozenset[str] = frozenset()) -> list[Node]:
    """FILES as rows; a folder with one thing in it shares its row, and those in CLOSED hide what they hold."""
    root: dict[str, Any] = {}
    for file in files:
        *folders, name = file.path.split("/")
        at = root
        for folder in folders:
            at = at.setdefault(folder + "/", {})
        at[name] = file
    return list(_nodes(root, 0, "", closed))


def _nodes(level: dict[str, Any], depth: int, above: str, closed: frozenset[str]) -> Iterator[Node]:
    for name, held in level.items():
        label, path = name, above + name
        while isinstance(held, dict) and len(held) == 1:
            (more, held), *_ = held.items()
            label, path = label + more, path + more
        if isinstance(held, dict):
            yield Node(depth, label, path, tuple(_files(held)), folder=True)
            if path not in closed:
                yield from _nodes(held, depth + 1, path, closed)
        else:
            yield Node(depth, label, path, (held,))


def _files(level: dict[str, Any]) -> Iterator[DiffFile]:
    for held in level.values():
        if isinstance(held, dict):
            yield from _files(held)
        else:
            yield held


class DiffTree(ScrollView, can_focus=False):
    """Rows of files. It takes the focus only when asked for, so that the lines are what a key reaches first."""

    DEFAULT_CSS = """
    DiffTree { dock: top; height: 3; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
        scrollbar-gutter: stable; }
    """

    class Chosen(Message):
        """A file was chosen; with ENTER its lines are wanted."""

        def __init__(self, path: str, enter: bool) -> None:
            super().__init__()
            self.path, self.enter = path, enter

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.cursor = 0
        self._folded: set[str] = set()
        self._changes, self._review = Changeset("start"), Review()
        self._palette = Palette({})

    def show(self, changes: Changeset, review: Review) -> None:
        """Draws the files of CHANGES; the cursor stays on its file."""
        path = self.chosen.path if self.chosen else ""
        self._changes, self._review = changes, review
        self.nodes = tree(changes.files, frozenset(self._folded))
        self.virtual_size = Size(0, len(self.nodes))
        self.cursor = max(0, min(self.cursor, len(self.nodes) - 1))
        self.point(path)
        self.refresh()

    @property
    def chosen(self) -> Node | None:
        """The row at the cursor."""
        return self.nodes[self.cursor] if self.cursor < len(self.nodes) else None

    def point(self, path: str) -> None:
        """Puts the cursor on the file PATH, or on the closed folder that holds it."""
        for at, node in enumerate(self.nodes):
            if node.path == path or (node.folder and node.path in self._folded and path.startswith(node.path)):
                if at != self.cursor:
                    self.cursor = at
                    self.refresh()
                break
        self._keep_seen()

    def step(self, by: int) -> None:
        """Moves BY rows; the lines follow."""
        self.cursor = max(0, min(self.cursor + by, len(self.nodes) - 1))
        self._keep_seen()
        self.refresh()
        self._tell(enter=False)

    def enter(self) -> None:
        """Opens or closes a folder; goes to the lines of a file."""
        node = self.chosen
        if node and node.folder:
            self._folded ^= {node.path}
            self.show(self._changes, self._review)
        else:
            self._tell(enter=True)

    def on_click(self, event: events.Click) -> None:
        """Chooses the row."""
        at = round(self.scroll_y) + event.y
        if at < len(self.nodes):
            self.cursor = at
            self.refresh()
            self.enter()

    def on_blur(self) -> None:
        """Out of the way of those who look for what takes the focus."""
        self.can_focus = False

    def notify_style_update(self) -> None:
        """The theme is another one."""
        super().notify_style_update()
        self._palette = Palette({})

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draws in the theme's colours, on the ground that others give."""
        if self._palette.ground != (ground := self.background_colors[1]):
            self._palette = Palette(self.app.theme_variables, ground)
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Row Y of the screen."""
        at, width = round(self.scroll_y) + y, self.scrollable_content_region.width
        if at >= len(self.nodes):
            return Strip.blank(width, self._palette.style())
        node, style = self.nodes[at], self._palette.style
        ground = "selected" if at == self.cursor and self.has_focus else ""  # else bold is enough, so near to heads
        done, of = self._review.counts(node.files)
        right = self._right(node, ground)
        if done:
            mark = f"{'✓' if done == of else '●'} {done}/{of}  "
            right = [Segment(mark, style("muted", ground)), *right]
        left = [Segment(" " * (1 + 2 * node.depth), style("muted", ground))]
        room = width - sum(part.cell_length for part in [*left, *right]) - 4
        if node.folder:
            sign = "▸ " if node.path in self._folded else "▾ "
            left.append(Segment(sign, style("muted-2", ground)))
            left.append(Segment(shorten(node.label, max(8, room)), style("muted", ground)))
        else:
            letter = node.files[0].letter
            left.append(Segment(f"{letter} ", style(_SIGNS.get(letter, "muted-2"), ground)))
            bold = "bold" if at == self.cursor else ""
            left.append(Segment(shorten(node.label, max(8, room)), style("foreground", ground, bold)))
        return spread(left, [*right, Segment(" ", style("muted", ground))], width, style("muted", ground))

    def _right(self, node: Node, ground: str) -> list[Segment]:
        if node.folder and node.path not in self._folded:
            return []
        if node.folder:
            return [Segment(counted(len(node.files), "file"), self._palette.style("muted", ground))]
        return [Segment(text, self._palette.style(role, ground)) for text, role in counts(node.files[0])]

    def _keep_seen(self) -> None:
        if not self.scroll_y <= self.cursor < self.scroll_y + max(1, self.size.height):
            self.scroll_to(y=max(0, self.cursor - self.size.height // 2), animate=False, immediate=True)

    def _tell(self, enter: bool) -> None:
        if (node := self.chosen) and node.files:
            self.post_message(self.Chosen(node.files[0].path, enter))
