"""A run's output beside its curve: the last lines as they come, and any page of a million lines."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.protocol.queries import AnyPage, AnyQuery, RunLog, RunLogPage
from workbench.tui.safe import safe

PAGE = 200  # lines that are asked for at once
KEPT = 20_000  # lines that are held
LONGEST = 2_000  # characters of a line that are ever drawn


class RunsLog(ScrollView, can_focus=True):
    """Lines of one run. At its end it follows; scrolled up, nothing moves, whatever comes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"runs-log--line", "runs-log--match", "runs-log--note"}
    DEFAULT_CSS = """
    RunsLog {
        width: 1fr; height: 1fr; background: transparent; scrollbar-size: 1 1; overflow-x: hidden;
        & > .runs-log--line { color: $foreground; }
        & > .runs-log--match { color: $background; background: $warning; }
        & > .runs-log--note { color: $muted; }
    }
    """
    ALLOW_SELECT = False

    def __init__(self, ask: Callable[[AnyQuery], Awaitable[AnyPage]]) -> None:
        super().__init__()
        self._ask = ask
        self.run = ""
        self.find = ""
        self.match: int | None = None  # the line that was found
        self.total = 0
        self.following = True
        self._lines: dict[int, str] = {}
        self._asked: set[int] = set()  # pages that are on their way
        self._known = False  # whether anything was heard of the run's output
        self._trouble = ""  # why nothing is heard of it

    def show(self, run: str) -> None:
        """The output of RUN from now on, at its end."""
        if run == self.run:
            return
        self.run, self.total, self.following, self.match, self._known = run, 0, True, None, False
        self._trouble = ""
        self._lines.clear()
        self._asked.clear()
        self._sized()
        self.refresh()

    async def tail(self) -> None:
        """Asks for the last lines, which also tells how many there are by now."""
        if run := self.run:
            try:
                page = await self._ask(RunLogPage(run=run, n=PAGE))
            except Exception as error:  # what is held stays; the curve beside it is no worse for it
                if run == self.run:
                    self._trouble = f"it cannot be read: {error}"
                    self.refresh()
                return
            if isinstance(page, RunLog) and run == self.run:
                self._trouble = ""
                self._take(page)

    def _take(self, page: RunLog) -> None:
        if page.total < self.total:  # written anew
            self._lines.clear()
        news = dict(enumerate(page.lines, page.first))
        changed = page.total != self.total or any(self._lines.get(at) != line for at, line in news.items())
        self._lines.update(news)
        self.total, known, self._known = page.total, self._known, True
        if not changed and known:
            return
        if len(self._lines) > KEPT:
            near = round(self.scroll_y)
            for at in [at for at in self._lines if abs(at - near) > KEPT // 4 and at not in news]:
                del self._lines[at]
        self._sized()
        self.refresh()

    def _sized(self) -> None:
        self.virtual_size = Size(max(1, self.size.width - 1), max(1, self.total))
        if self.following:
            self.scroll_to(y=max(0, self.total - self.size.height), animate=False, immediate=True, force=True)
        self.call_after_refresh(self._align_bar)

    def _align_bar(self) -> None:
        """A bar that has only just come does not know where the lines are."""
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.position = self.scroll_y

    def on_resize(self) -> None:
        """The end stays in sight."""
        self._sized()

    def watch_scroll_y(self, old: float, new: float) -> None:
        """At the end it follows, elsewhere it does not."""
        super().watch_scroll_y(old, new)
        if self.size.height:
            self.following = new >= self.total - self.size.height - 0.5

    def to(self, line: int) -> None:
        """Shows LINE in the upper third."""
        self.following = False
        self.scroll_to(y=max(0, line - self.size.height // 3), animate=False, immediate=True, force=True)
        self.refresh()

    def by(self, lines: int) -> None:
        """LINES further down."""
        self.scroll_to(y=min(max(0, round(self.scroll_y) + lines), self.max_scroll_y), animate=False, immediate=True)

    # --- looking for words -----------------------------------------------------------------------------------

    async def search(self, words: str, backwards: bool, again: bool = False) -> str:
        """Shows the next line that has WORDS in it, or says that there is none. AGAIN: behind the one found before;
        else words that are not found one way are looked for the other way, too.
        """
        if words != self.find or not again:
            self.find, self.match = words, None
        self.refresh()
        if not words:
            return ""
        first, last = round(self.scroll_y), min(self.total, round(self.scroll_y) + self.size.height)
        start = (last if backwards else first) if self.match is None else self.match + (not backwards)
        found = await self._found(words, start, backwards)
        if found is None and not again:
            found = await self._found(words, start, not backwards)
        if words != self.find:
            return ""
        if found is None:
            return "nothing further " + ("up" if backwards else "down") if again else "nothing has these words"
        self._take(found)
        self.match = found.first
        self.to(found.first)
        return f"line {found.first + 1:,} of {found.total:,}"

    async def _found(self, words: str, start: int, backwards: bool) -> RunLog | None:
        run = self.run
        page = await self._ask(RunLogPage(run=run, line=max(0, start), n=PAGE, find=words, backwards=backwards))
        return page if isinstance(page, RunLog) and page.lines and run == self.run else None

    # --- drawing ---------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """The line at Y, blank until its page is there."""
        at, width = y + round(self.scroll_y), self.scrollable_content_region.width
        line = self.get_component_rich_style("runs-log--line")
        if at >= self.total or width <= 0:
            words = safe(self._trouble) or ("no output" if self._known else "reading…")
            style = self.get_component_rich_style("runs-log--note")
            told = words if y == 0 and self.run and not self.total else ""
            return Strip([Segment(told, style)]).adjust_cell_length(max(0, width), self.rich_style)
        text = self._lines.get(at)
        if text is None:
            self._fetch(at // PAGE)
            text = ""
        shown = safe(text[:LONGEST].expandtabs(4))
        if cell_len(shown) > width:
            shown = set_cell_size(shown, max(0, width - 1)) + "…"
        return Strip(self._marked(shown, line)).adjust_cell_length(width, self.rich_style)

    def _marked(self, text: str, style: Style) -> list[Segment]:
        find, low = self.find, text
        if find == find.lower():  # as it is looked for: a capital letter means itself
            low = text.lower()
        if not find or find not in low or len(low) != len(text):
            return [Segment(text, style)]
        match = self.get_component_rich_style("runs-log--match")
        segments, at = [], 0
        while (found := low.find(find, at)) >= 0:
            segments += [Segment(text[at:found], style), Segment(text[found : found + len(find)], match)]
            at = found + len(find)
        return [*segments, Segment(text[at:], style)]

    def _fetch(self, page: int) -> None:
        if page in self._asked:
            return
        self._asked.add(page)
        run = self.run

        async def fetch() -> None:
            try:
                got = await self._ask(RunLogPage(run=run, line=page * PAGE, n=PAGE))
            finally:
                self._asked.discard(page)
            if isinstance(got, RunLog) and run == self.run and got.lines:
                self._take(got)

        self.run_worker(fetch(), group="runs-log", exit_on_error=False)
