"""The lines of a change in one long page that is drawn where it is looked at, with a cursor over lines and hunks."""

import asyncio

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.tui.widgets.diffview_layout import Page
from workbench.tui.widgets.diffview_marks import Key, Marks
from workbench.tui.widgets.diffview_paint import LONGEST, Palette
from workbench.tui.widgets.diffview_rows import Rows, Spot
from workbench.tui.widgets.diffview_syntax import Syntax
from workbench.tui.widgets.hunks import Changeset, DiffFile, Laid
from workbench.tui.widgets.hunks_review import Review

SIDE_WIDTH = 100  # cells from which two columns are wide enough to read


class DiffView(ScrollView, can_focus=True):
    """The change of many files. `show` gives it what to draw; it tells which rows are looked at and chosen."""

    DEFAULT_CSS = """
    DiffView { height: 1fr; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    """

    class Moved(Message):
        """The cursor stands in another file or hunk."""

    class Wanted(Message):
        """Lines of these files are looked at and not there, or may not be the newest."""

        def __init__(self, paths: tuple[str, ...]) -> None:
            super().__init__()
            self.paths = paths

    class Act(Message):
        """A word in the page was clicked that stands for an action."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.cursor = 0
        self.aside = 0
        self.wide = False  # whether two columns are wanted
        self._changes, self._review = Changeset("start"), Review()
        self._rows = Rows(Marks(Syntax(), self._read_later))
        self._strips: dict[tuple[int, Spot], Strip] = {}  # rows as they were drawn for the last frame
        self._reading: set[Key] = set()
        self._missing: dict[str, None] = {}
        self.empty: tuple[str, ...] = ()  # what is said where there is nothing to show

    # --- what is shown -------------------------------------------------------------------------------------

    @property
    def columns(self) -> int:
        """Cells of a row, the scroll bar's not among them."""
        return self.scrollable_content_region.width

    @property
    def side(self) -> bool:
        """Whether old and new stand side by side: wanted, and wide enough."""
        return self.wide and self.columns >= SIDE_WIDTH

    def show(self, changes: Changeset, review: Review) -> None:
        """Draws CHANGES. The cursor and what is looked at stay where they are, whatever grows or goes above."""
        top, cursor = self.page.anchor(round(self.scroll_y)), self.page.anchor(self.cursor)
        fresh = self._changes.since != changes.since or not self.page.blocks
        below = self.cursor - round(self.scroll_y)
        self._changes, self._review = changes, review
        self.page = self._rows.page = Page(changes, review, self.side)
        self._rows.review = review
        self._strips.clear()
        self.virtual_size = Size(0, self.page.height)
        if fresh:
            self.cursor = next(self.page.stops(), 0)
            self.scroll_to(y=0, animate=False, force=True, immediate=True)
            self._keep_seen()
        else:
            self.cursor = self.page.find(cursor)
            stays = self._changes.file(cursor.path) is not None
            row = self.cursor - below if stays else self.page.find(top)
            self.scroll_to(y=max(0, row), animate=False, force=True, immediate=True)
        self.refresh()
        self.post_message(self.Moved())

    def chosen(self) -> tuple[DiffFile, Laid | None] | None:
        """The file at the cursor, and the hunk if it stands in one."""
        if (file := self.page.file_at(self.cursor)) is None:
            return None
        found = self.page.hunk_at(self.cursor)
        return file, found[1] if found else None

    def line(self) -> tuple[int, int, str]:
        """(place in its hunk, number, text) of the line at the cursor; the hunk's first change on a head."""
        block, offset = self.page.at(self.cursor)
        laid = block.laid
        if laid is None:
            return -1, 0, ""
        at = block.first + offset if block.kind == "rows" else block.first if block.kind == "comment" else -1
        if self.page.side and at >= 0:
            old, new = laid.pairs[at]
            at = new if new >= 0 else old
        if at < 0:
            at = laid.first_change
        row = laid.rows[at]
        return at, row.new or row.old, row.sign + row.text

    def line_to_open(self) -> int:
        """The number in the new file of the line at the cursor, or of where it was."""
        block, _ = self.page.at(self.cursor)
        if block.laid is None:
            return 1
        at = self.line()[0]
        return next((row.new for row in block.laid.rows[at:] if row.new), block.laid.hunk.new) or 1

    def below_cursor(self) -> Region:
        """The row of the screen below the cursor's; the cursor's own where there is none."""
        region = self.scrollable_content_region
        y = min(region.height - 1, max(0, self.cursor - round(self.scroll_y) + 1))
        return Region(region.x, region.y + y, region.width, 1)

    # --- the cursor ----------------------------------------------------------------------------------------

    def move_to(self, y: int, *, top: bool = False) -> None:
        """Puts the cursor into row Y and shows it; at the TOP of the view if wanted."""
        before = self.page.anchor(self.cursor)[:2] if self.page.blocks else None
        self.cursor = max(0, min(y, self.page.height - 1))
        if top:
            self.scroll_to(y=max(0, self.cursor - 1), animate=False, immediate=True)
        self._keep_seen()
        self.refresh()
        if before != self.page.anchor(self.cursor)[:2]:
            self.post_message(self.Moved())

    def move_to_file(self, path: str) -> None:
        """Puts the cursor on the head of the file PATH."""
        if (start := self.page.start_of_file(path)) is not None:
            self.move_to(start)
            self.scroll_to(y=start, animate=False, immediate=True)

    def next_hunk(self, step: int, *, skip: set[str] | None = None) -> bool:
        """Moves to the next hunk (STEP 1) or the one before (-1), passing over those named in SKIP."""
        stops = [stop for stop in self.page.stops() if (stop > self.cursor if step > 0 else stop < self._start())]
        for stop in stops if step > 0 else reversed(stops):
            found = self.page.hunk_at(stop)
            if not (skip and found and found[1].digest in skip):
                self.move_to(stop)
                self._show_hunk(stop)
                return True
        return False

    def _start(self) -> int:
        """The first row of what the cursor stands in."""
        found = self.page.hunk_at(self.cursor)
        return self.page.span(found[1])[0] if found else self.cursor

    def _show_hunk(self, start: int) -> None:
        """Scrolls so that all of the hunk is seen if it fits, else as much as does."""
        if found := self.page.hunk_at(start):
            first, end = self.page.span(found[1])
            height = self.size.height
            if end > self.scroll_y + height:
                self.scroll_to(y=min(first - 1, end - height), animate=False, immediate=True)

    def _keep_seen(self) -> None:
        """Scrolls as little as shows the cursor, below the head that stays at the top."""
        above = 0 if self.page.blocks and self.page.at(self.cursor)[0].kind == "file" else 1
        if self.cursor - above < self.scroll_y:
            self.scroll_to(y=max(0, self.cursor - above), animate=False, immediate=True)
        elif self.cursor >= self.scroll_y + self.size.height:
            self.scroll_to(y=self.cursor - self.size.height + 1, animate=False, immediate=True)

    def step(self, by: int) -> None:
        """Moves BY lines."""
        self.move_to(self.cursor + by)

    def pages(self, by: int) -> None:
        """Moves BY screens."""
        self.move_to(self.cursor + by * max(1, self.size.height - 2))

    def go(self, y: int) -> None:
        """To row Y; -1 is the last."""
        self.move_to(self.page.height - 1 if y < 0 else y)

    def sideways(self, by: int) -> None:
        """Shows long lines from BY cells further on."""
        self.aside = max(0, min(self.aside + by, LONGEST))
        self.refresh()

    def fold(self) -> None:
        """Folds the file at the cursor to its head, or opens it."""
        if file := self.page.file_at(self.cursor):
            file.folded = not file.folded
            start = self.page.start_of_file(file.path) or 0
            self.move_to(start)
            self.show(self._changes, self._review)

    def next_file(self, by: int) -> None:
        """To the head of the next file, or of this one and then the one before."""
        heads = [start for start, block in zip(self.page.starts, self.page.blocks, strict=True) if block.kind == "file"]
        ahead = [start for start in heads if (start > self.cursor if by > 0 else start < self.cursor)]
        if ahead:
            self.move_to_file(self.page.at(ahead[0 if by > 0 else -1])[0].file.path)

    async def on_click(self, event: events.Click) -> None:
        """Chooses the row; on the head of a file also folds it, and on a word of a hunk's head does what it says."""
        y = round(self.scroll_y) + event.y
        if event.y == 0 and (stuck := self._stuck()):
            self.move_to_file(stuck.path)
            return
        if y >= self.page.height:
            return
        action = event.style.meta.get("act")
        block, _ = self.page.at(y)
        self.move_to(y)
        if action:
            self.post_message(self.Act(str(action)))
        elif block.kind == "file" and event.x < 3:
            self.fold()

    # --- drawing -------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        """The theme is another one."""
        super().notify_style_update()
        self._rows.palette = Palette({})

    def _repaint(self) -> None:
        """Takes the theme's colours where they, or the ground that others give, are others than before."""
        ground = self.background_colors[1]
        if self._rows.palette.ground != ground:
            self._rows.palette = Palette(self.app.theme_variables, ground)
            self._strips.clear()

    def on_resize(self) -> None:
        """Lays out anew where the number of columns changes."""
        self._strips.clear()
        if self.page.blocks and self.page.side != self.side:
            self.show(self._changes, self._review)
        elif self.page.blocks:
            self._keep_seen()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draws what is looked at, then asks for what was missing."""
        self._rows.marks.begin_frame()
        self._repaint()
        top, end = round(self.scroll_y), round(self.scroll_y) + self.size.height
        # No more than what is seen: whatever a strip was drawn with waits for the garbage collector once it goes.
        self._strips = {key: strip for key, strip in self._strips.items() if top <= key[0] < end}
        strips = super().render_lines(crop)
        if self._missing:
            self.post_message(self.Wanted(tuple(self._missing)))
            self._missing.clear()
        return strips

    def render_line(self, y: int) -> Strip:
        """Row Y of the screen."""
        row = round(self.scroll_y) + y
        spot = Spot(self.columns, self.aside, focus=self.has_focus)
        if y == 0 and (stuck := self._stuck()):
            return self._rows.file(stuck, spot)
        if not self.page.blocks:
            return self._rows.words(self.empty, y, spot)
        if row >= self.page.height:
            return self._rows.words((), 0, spot)
        block, offset = self.page.at(row)
        if not block.file.loaded or block.file.stale:
            self._missing[block.file.path] = None
        chosen = self.page.hunk_at(self.cursor)
        within = block.laid is not None and chosen is not None and chosen[1] is block.laid
        spot = spot._replace(here=self.has_focus and row == self.cursor, within=within)
        if (row, spot) not in self._strips:
            self._strips[row, spot] = self._rows.draw(block, offset, spot)
        return self._strips[row, spot]

    def _stuck(self) -> DiffFile | None:
        """The file whose head is scrolled away while its lines are looked at."""
        if self.scroll_y < 1 or round(self.scroll_y) >= self.page.height:
            return None
        block, _ = self.page.at(round(self.scroll_y))
        return None if block.kind in ("file", "gap") else block.file

    def _read_later(self, path: str, laid: Laid, key: Key) -> None:
        if key not in self._reading and self.is_running:
            self._reading.add(key)
            self.run_worker(self._read(path, laid, key), group="read", exit_on_error=False)

    async def _read(self, path: str, laid: Laid, key: Key) -> None:
        self._rows.marks.keep(await asyncio.to_thread(self._rows.marks.read, path, laid, key))
        self._reading.discard(key)
        self._strips.clear()
        self.refresh()
