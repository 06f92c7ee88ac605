"""Rows of a window of entries, found from a place on: nothing above or below has to be measured."""

from collections.abc import Iterator

from workbench.tui.widgets.blocks import Block, Line
from workbench.tui.widgets.transcript_entry import Entry
from workbench.tui.widgets.transcript_window import Window

MEASURE = 108  # cells up to which text is set: longer rows are hard to read
WARM = 300  # blocks that keep what they drew: many screens

Place = tuple[int, int, int]  # entry, block, line
Stop = tuple[int, int]  # entry, and which of its stops


class Rows:
    """The rows of WINDOW for a screen of `height` rows with room for `measure` cells of text."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.measure, self.height = MEASURE, 1
        self._warm: dict[Block, None] = {}  # blocks that hold what they drew

    def fit(self, width: int, height: int) -> None:
        """Another size."""
        self.measure, self.height = max(8, min(MEASURE, width)), max(1, height)

    def entry(self, place: Place) -> Entry:
        """The entry at PLACE."""
        return self.window.entries[place[0]]

    def block(self, place: Place) -> Block:
        """The block at PLACE."""
        return self.window.entries[place[0]].blocks[place[1]]

    def lines(self, block: Block) -> list[Line]:
        """What BLOCK draws."""
        if block not in self._warm:
            if len(self._warm) > WARM:
                for cold in list(self._warm)[: WARM // 2]:
                    del self._warm[cold]
                    cold.forget()
            self._warm[block] = None
        return block.lines(self.measure)

    def down(self, place: Place) -> Iterator[Place]:
        """The rows from PLACE on."""
        entry, block, line = place
        entries = self.window.entries
        while entry < len(entries):
            blocks = entries[entry].blocks
            while block < len(blocks):
                count = len(self.lines(blocks[block]))
                while line < count:
                    yield entry, block, line
                    line += 1
                block, line = block + 1, 0
            entry, block = entry + 1, 0

    def up(self, place: Place) -> Iterator[Place]:
        """The rows before PLACE, the nearest first."""
        entry, block, line = place
        entries = self.window.entries
        while True:
            if line > 0:
                line -= 1
                yield entry, block, line
            elif block > 0:
                block -= 1
                line = len(self.lines(entries[entry].blocks[block]))
            elif entry > 0:
                entry -= 1
                block, line = len(entries[entry].blocks), 0
            else:
                return

    def moved(self, place: Place, by: int) -> Place:
        """PLACE moved BY rows (up: negative), as far as there are any."""
        rows, left = (self.down(place), by) if by >= 0 else (self.up(place), -by - 1)
        for at, one in enumerate(rows):
            place = one
            if at >= left:
                break
        return place

    def last_top(self) -> Place:
        """The place at the top of the screen when the end is at its bottom."""
        return self.moved((len(self.window.entries), 0, 0), -self.height)

    def held(self, place: Place) -> Place:
        """PLACE, or the nearest one that is there."""
        entry, block, line = place
        if entry >= len(self.window.entries):
            return self.last_top()
        blocks = self.window.entries[entry].blocks
        if block >= len(blocks):
            return entry, max(0, len(blocks) - 1), 0
        return entry, block, min(line, max(0, len(self.lines(blocks[block])) - 1))

    # --- stops of the cursor ------------------------------------------------------------------------------

    def stop(self, place: Place) -> Stop:
        """The stop that PLACE belongs to."""
        return place[0], self.block(place).stop

    def next_stop(self, stop: Stop, by: int) -> Stop | None:
        """The stop after STOP (BY 1) or before it (-1): each entry is one, and each block of code in an answer."""
        entries = self.window.entries
        found: list[Stop] = []
        for at in range(max(0, stop[0] - 1), min(len(entries), stop[0] + 2)):
            found += [(at, one) for one in sorted({block.stop for block in entries[at].blocks})]
        at = found.index(stop) + by if stop in found else 0
        return found[at] if 0 <= at < len(found) else None

    def span(self, stop: Stop) -> tuple[Place, Place]:
        """The first and the last row of STOP."""
        entry, blocks = stop[0], self.window.entries[stop[0]].blocks
        its = [at for at, block in enumerate(blocks) if block.stop == stop[1]] or [0]
        return (entry, its[0], 0), (entry, its[-1], max(0, len(self.lines(blocks[its[-1]])) - 1))

    def goes_on(self, stop: Stop, edge: Place, by: int) -> bool:
        """Whether STOP, which the row EDGE at the screen's end towards BY is of, has more rows beyond it."""
        beyond = next(self.up(edge), edge) if by < 0 else self.moved(edge, 1)
        return beyond != edge and self.stop(edge) == stop == self.stop(beyond)
