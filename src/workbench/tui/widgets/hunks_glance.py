"""Looks now and then whether another program changed something, while a diff pane is open and nothing else asks."""

import itertools
import time
from collections.abc import Callable, Sequence

from workbench.protocol import queries as q
from workbench.tui.widgets.hunks import DiffFile
from workbench.tui.widgets.hunks_feed import Feed
from workbench.tui.widgets.hunks_source import FIRST

EVERY = 3.0  # seconds between two glances
_SHARE = 100.0  # a glance that took long waits this many times as long for the next: a hundredth of the time at most


class Glance:
    """Has FEED ask only where an answer would differ from what is shown; IN_SIGHT names the file that is looked at."""

    def __init__(self, feed: Feed, in_sight: Callable[[], str]) -> None:
        self._feed, self._in_sight = feed, in_sight
        self._next = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return not self._feed.busy and time.monotonic() >= self._next

    async def take(self) -> None:
        """One glance. What cannot be asked is left to the next question, which tells of it."""
        began = time.monotonic()
        self._next = began + 10 * EVERY  # none beside this one
        try:
            await self._compare()
        except Exception:
            return
        finally:
            now = time.monotonic()
            self._next = now + max(EVERY, _SHARE * (now - began))

    async def _compare(self) -> None:
        source = self._feed.source
        since, path = source.since, self._in_sight()
        page = await self._feed.query(q.ChangedFiles(since=since))
        if not isinstance(page, q.Changes) or source is not self._feed.source or since != source.since:
            return
        known = {file.path: file.change for file in source.changes.files}
        told = {change.path: change for change in page.files}
        stale = known != told
        file = source.changes.file(path)
        if not stale and file and file.loaded:
            lines = await self._feed.query(q.DiffPage(path=path, since=since, offset=0, lines=FIRST))
            if isinstance(lines, q.Diff) and _differs(file, lines.lines):  # lines that differ may count the same
                source.touch((path,))
                stale = True
        if stale:
            self._feed.ask()


def _differs(file: DiffFile, lines: Sequence[str]) -> bool:
    """Whether FILE shows other lines than these, the first ones of its diff."""
    first = next((at for at, line in enumerate(lines) if line.startswith("@@")), len(lines))
    now = [line for line in lines[first:] if not line.startswith("@@")]
    shown = itertools.chain.from_iterable(laid.hunk.lines for laid in file.hunks)
    return now != list(itertools.islice(shown, len(now)))
