"""Where a diff pane's data come from: pages asked of the session, a few at once, what is looked at first."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.blocks import Diff as DiffBlock
from workbench.tui.widgets.hunks import MODES, Changeset, DiffFile, name_of

AT_ONCE = 4  # pages that are under way at a time
FIRST, MORE = 2_000, 20_000  # lines of the first page of a file, and of those that follow
LONGEST = 50_000  # lines of one file's diff that are ever asked for
AHEAD, AHEAD_FILES = 60_000, 300  # lines and files that are read before they are looked at
_READERS = {"Read", "Grep", "Glob", "LS", "WebFetch", "WebSearch", "TodoWrite", "AskUserQuestion"}

Query = Callable[[q.AnyQuery], Awaitable[q.AnyPage]]


class Source:
    """The changes of one session by the moment since when."""

    def __init__(self) -> None:
        self.sets = {since: Changeset(since) for since in MODES}
        self.since = "start"
        self.error = ""
        self.touched: set[str] | None = set()  # names of files that may have changed; None: any may have

    @property
    def changes(self) -> Changeset:
        """What is shown."""
        return self.sets[self.since]

    def notice(self, news: Iterable[e.Envelope]) -> tuple[bool, bool]:
        """Takes in NEWS. Returns (something may differ now, something can be shown at once)."""
        asks = fast = False
        for envelope in news:
            event = envelope.event
            if isinstance(event, e.CallFinished):
                asks |= self._finished(event)
                fast |= self._show_fast(event)
            elif isinstance(event, e.HunksReverted):
                self.touch((event.path,))
                asks = True
            elif isinstance(event, _ANY):
                self.touch(None)
                asks = True
        return asks, fast

    def _finished(self, event: e.CallFinished) -> bool:
        if event.changed:
            self.touch(event.changed)
        elif event.tool in _READERS or event.status == "denied":
            return False
        else:
            self.touch(None)
        return True

    def touch(self, paths: Iterable[str] | None) -> None:
        """The files PATHS may have changed; None: any file may have."""
        # Names alone: a call says where a file really is, the session where it lies in the workspace.
        known = None if paths is None or self.touched is None else self.touched
        self.touched = None if known is None else known | {name_of(path) for path in paths or ()}

    def _show_fast(self, event: e.CallFinished) -> bool:
        shown = False
        for block in event.display:
            if isinstance(block, DiffBlock) and event.status == "ok":
                lines = block.text.removesuffix("\n").split("\n")
                self.sets["start"].show_fast(block.path, lines, block.created, (block.added, block.removed))
                shown = True
        return shown

    async def refresh(self, query: Query) -> None:
        """Asks which files differ. What was touched is stale from then on, for every moment."""
        since, touched = self.since, self.touched
        self.touched = set()
        try:
            page = await query(q.ChangedFiles(since=since))
        except Exception as error:
            self.error, self.touched = f"the changes cannot be told: {error or type(error).__name__}", touched
            return
        if isinstance(page, q.Changes):
            self.error = ""
            self.sets[since].update(page.files, page.notes, touched)
            for other in (one for one in self.sets.values() if one.since != since):
                for file in other.files:
                    file.stale = file.stale or touched is None or name_of(file.path) in touched

    def wanted(self, seen: Iterable[str]) -> list[DiffFile]:
        """Files whose lines are to be read: those SEEN first, then from the top as far as is worth it."""
        changes, looked_at = self.changes, set(seen)
        first = [file for file in changes.files if file.path in looked_at and file.stale and not file.asked]
        open_ones = [file for file in changes.files[:AHEAD_FILES] if file.stale and not file.asked]
        room = AHEAD - sum(_lines(file) for file in changes.files if file.loaded)
        for file in (one for one in open_ones if one.path not in looked_at):
            room -= 0 if file.loaded else _lines(file)
            if room < 0:
                break
            first.append(file)
        return first

    async def load(self, query: Query, file: DiffFile) -> None:
        """Reads the diff of FILE, page by page up to the limit."""
        file.asked, since = True, self.since
        try:
            lines: list[str] = []
            total = 1
            while len(lines) < min(total, LONGEST):
                size = MORE if lines else FIRST
                page = await query(q.DiffPage(path=file.path, since=since, offset=len(lines), lines=size))
                if not isinstance(page, q.Diff):
                    break
                total = page.total
                lines += page.lines
                if not page.lines:
                    break
            missing = max(0, total - len(lines)) if lines else 0
            if len(lines) > FIRST:
                await asyncio.to_thread(file.take, lines, missing)
            else:
                file.take(lines, missing)
        except Exception as error:
            file.error, file.loaded, file.stale = (
                f"its lines cannot be read: {error or type(error).__name__}",
                True,
                False,
            )
        finally:
            file.asked = False


_ANY = (e.Rewound, e.ShellRan, e.Idle, e.ShellFinished, e.SessionEnded, e.SessionResumed, e.PromptSubmitted)


def _lines(file: DiffFile) -> int:
    return (file.change.added or 0) + (file.change.removed or 0)
