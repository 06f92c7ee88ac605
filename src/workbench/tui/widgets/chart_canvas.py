"""A canvas of braille characters, two by four dots a cell; each cell has the colour of who drew there last."""

from itertools import groupby

NOBODY = 255
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column and row in the cell, Unicode block Braille
# The dots from row A to row B of one side.
_RUNS = [[[sum(side[a : b + 1]) for b in range(4)] for a in range(4)] for side in _BITS]
_WHOLE = [side[0][3] for side in _RUNS]
_ADD_WHOLE = [bytes(dots | whole for dots in range(256)) for whole in _WHOLE]
_OWNED = [bytes([owner]) for owner in range(256)]
BRAILLE = " " + "".join(chr(0x2800 + dots) for dots in range(1, 256))


class Canvas:
    """WIDTH by HEIGHT cells. Dots are counted from the top left; what lies outside is left out.

    Cells are kept column by column: what a line through many values draws is mostly upright.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._across, self._lowest = width * 2, height * 4 - 1  # dots
        self._dots = bytearray(width * height)
        self._owners = bytearray([NOBODY]) * (width * height)
        self._marks: dict[tuple[int, int], tuple[str, int]] = {}  # (row, column) -> character, owner

    def upright(self, x: int, top: int, bottom: int, owner: int) -> None:
        """Dots of column X from TOP to BOTTOM, in either order."""
        if top > bottom:
            top, bottom = bottom, top
        if not 0 <= x < self._across or bottom < 0 or top > self._lowest:
            return
        # Comparisons, no calls: a chart of ten curves draws thousands of these.
        if top < 0:
            top = 0
        if bottom > self._lowest:
            bottom = self._lowest
        side, start = x & 1, (x >> 1) * self.height
        first, last = start + (top >> 2), start + (bottom >> 2)
        dots, owners, runs = self._dots, self._owners, _RUNS[side]
        if first == last:
            dots[first] |= runs[top & 3][bottom & 3]
            owners[first] = owner
            return
        dots[first] |= runs[top & 3][3]
        dots[last] |= runs[0][bottom & 3]
        owners[first] = owners[last] = owner
        between = last - first - 1
        if between == 1:
            dots[first + 1] |= _WHOLE[side]
            owners[first + 1] = owner
        elif between:
            dots[first + 1 : last] = dots[first + 1 : last].translate(_ADD_WHOLE[side])
            owners[first + 1 : last] = _OWNED[owner] * between

    def line(self, x0: int, y0: int, x1: int, y1: int, owner: int) -> None:
        """Dots from (X0, Y0), which is there already, to (X1, Y1)."""
        reach = x1 - x0
        if reach <= 0:
            self.upright(x1, y0, y1, owner)
            return
        before = y0
        first = max(x0 + 1, 0)
        if first > x0 + 1:
            before = y0 + (y1 - y0) * (first - 1 - x0) // reach
        for x in range(first, min(x1, self.width * 2 - 1) + 1):
            y = y0 + (y1 - y0) * (x - x0) // reach
            # From just behind the dot before: no gap, and no thicker line.
            self.upright(x, y if y == before else before + (1 if y > before else -1), y, owner)
            before = y

    def mark(self, row: int, column: int, character: str, owner: int) -> None:
        """CHARACTER in place of the dots of a cell."""
        if 0 <= row < self.height and 0 <= column < self.width:
            self._marks[row, column] = character, owner

    def rows(self) -> list[list[tuple[str, int]]]:
        """Each row as runs of (text, owner)."""
        drawn = []
        for y in range(self.height):
            dots, owners = self._dots[y :: self.height], self._owners[y :: self.height]
            marked = [(column, *mark) for (row, column), mark in self._marks.items() if row == y] if self._marks else []
            text = "".join([BRAILLE[one] for one in dots])
            if marked:
                characters = list(text)
                for column, character, owner in marked:
                    characters[column], owners[column] = character, owner
                text = "".join(characters)
            runs, at = [], 0
            for owner, group in groupby(owners):
                length = sum(1 for _ in group)
                runs.append((text[at : at + length], owner))
                at += length
            drawn.append(runs)
        return drawn
