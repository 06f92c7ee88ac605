"""Looking for words in the talk: first in what is held, then page by page."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.protocol.state import Item
from workbench.tui.widgets.blocks import plain
from workbench.tui.widgets.search import SearchBar
from workbench.tui.widgets.transcript_entry import Entry
from workbench.tui.widgets.transcript_pages import SCAN
from workbench.tui.widgets.transcript_words import holds

if TYPE_CHECKING:
    from workbench.tui.panes.talk import Talk

AROUND = 100  # items on each side of a match that are held
YIELD = 20  # items that are looked through in one go: of each some ten thousand characters


class Search:
    """The search of one talk. It goes towards the beginning: what one looks for was said before."""

    def __init__(self, talk: "Talk") -> None:
        self._talk = talk
        self._find = ""

    def look_for(self, words: str) -> None:
        """Looks for WORDS from the last row on the screen upwards. Case does not count."""
        self._find = words.strip().lower()
        transcript = self._talk.transcript
        transcript.find = self._find
        if not self._find:
            self._say("")
            transcript.show()
            return
        start = transcript.cursor[0] if transcript.cursor else len(self._talk.window.entries) - 1
        self._go(start, -1)

    def again(self, by: int) -> None:
        """The next match towards BY: -1 the beginning, 1 the end."""
        if not self._find:
            return
        self._talk.transcript.find = self._find
        cursor = self._talk.transcript.cursor
        start = cursor[0] + by if cursor else len(self._talk.window.entries) - 1
        self._go(start, by)

    def _go(self, start: int, by: int) -> None:
        window, talk = self._talk.window, self._talk
        at = start
        while 0 <= at < len(window.entries):
            if holds(window.entries[at], self._find):
                self._stand(at)
                return
            at += by
        if by < 0 and window.more and talk.client is not None:
            self._say("looking further back…")
            talk.move(self._scan_older())
        elif by > 0 and not window.live and talk.client is not None:
            talk.move(self._scan_newer())
        else:
            self._say("nothing further " + ("up" if by < 0 else "down"))
            talk.transcript.show()

    def _stand(self, at: int) -> None:
        """Puts the cursor on the entry AT, and its first match on the screen."""
        transcript, entry = self._talk.transcript, self._talk.window.entries[at]
        place = _first_match(entry, self._find, transcript.rows.measure)
        if place is None and not entry.opened and entry.item.kind != "answer":
            entry.opened = 1
            self._talk.window.rebuild(entry)
            place = _first_match(entry, self._find, transcript.rows.measure)
        block, line = place or (0, 0)
        stop = entry.blocks[block].stop if entry.blocks else 0
        transcript.cursor = (at, stop)
        transcript.stand((at, block, line))
        here = sum(holds(one, self._find) for one in self._talk.window.entries)
        self._say(f"{here} here · enter further up · esc ends")

    async def _scan_older(self) -> None:
        find, window, pages = self._find, self._talk.window, self._talk.pages()
        before = window.oldest
        while find == self._find and before:
            page = await pages.before(before, SCAN)
            if (at := await _last(page.items, find)) is not None:
                start = max(0, at - AROUND)
                window.replace(page.items[start : at + AROUND], page.more or start > 0)
                self._stand(at - start)
                return
            if not page.more or not page.items:
                break
            before = page.items[0].id
        if find == self._find:
            self._say("nothing further up")

    async def _scan_newer(self) -> None:
        find, window = self._find, self._talk.window
        while find == self._find and not window.live:
            last = window.newest
            await self._talk.load_newer()
            for at, entry in enumerate(window.entries):
                if entry.id > last and holds(entry, find):
                    self._stand(at)
                    return
            if window.newest == last:
                break
        if find == self._find:
            self._say("nothing further down")

    def _say(self, text: str) -> None:
        self._talk.query_one(SearchBar).say(text)


async def _last(items: Sequence[Item], find: str) -> int | None:
    """The last of ITEMS that holds FIND; the screen is let go of in between."""
    for at in range(len(items) - 1, -1, -1):
        if holds(Entry(items[at]), find):
            return at
        if at % YIELD == 0:
            await asyncio.sleep(0)
    return None


def _first_match(entry: Entry, find: str, width: int) -> tuple[int, int] | None:
    """Block and line where FIND is drawn, None where it is folded away or broken over rows."""
    for at, block in enumerate(entry.blocks):
        for number, line in enumerate(block.lines(width)):
            if find in plain(line).lower():
                return at, number
    return None
