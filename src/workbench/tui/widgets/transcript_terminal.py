"""Writes changed cells of a widget straight to the terminal, and lets the terminal move rows that only moved.

Textual writes each row that changed from its beginning, and every row when the content moved: ten times the bytes of
what is new, and a pass through the whole screen. Here only the cells that differ are written, and rows are moved by
setting the scroll region (DECSTBM) and feeding lines, which tmux and the Linux console do as well. What stands beside
the widget moves along and is put back, where that is less than to write the widget's rows anew (left and right margins,
DECSLRM, would spare it; tmux and many terminals lack them). It is done only where nothing lies over the widget; else
Textual draws as always.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, split_graphemes
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip

if TYPE_CHECKING:
    from textual.widget import Widget

_WORTH = 4  # rows that moving must save
_EDGE = 4  # cells beside the widget that its rows may share with borders
_BLANKS = re.compile(" {12,}")
_LOST = Strip([], 0)  # what stands in a row that scrolled in


def paint(widget: "Widget", old: Sequence[Strip], new: Sequence[Strip]) -> bool:
    """Makes the rows of WIDGET on the terminal NEW, where they are OLD; False where that is Textual's to do."""
    region = widget.content_region
    if not _uncovered(widget, region):
        return False
    fresh: range = range(0)
    out: list[str] = []
    by = shift(old, new) if region.height > 1 else 0
    sides = _sides(widget, region) if by else None
    if sides is None or not _pays(old, new, sides, by):
        by, sides = 0, []
    if by:
        out.append(_moving(region, by))
        gone = [_LOST] * min(abs(by), len(new))
        old = [*old[by:], *gone] if by > 0 else [*gone, *old[:by]]
        fresh = range(len(new) - len(gone), len(new)) if by > 0 else range(len(gone))
    # A later pass of Textual's must find the rows as they are now, though it was not told to draw them.
    widget._styles_cache.clear()
    out += _whole(widget, region, fresh)
    kept = [y for y in range(len(new)) if y not in fresh]
    out += [_put_back(widget, x, region.y + y, rows[y + by], rows[y]) for x, rows in sides for y in kept]
    out += [_cells(widget, region, y, old[y], new[y]) for y in kept]
    if data := "".join(out):
        _write(widget, data)
    return True


def shift(old: Sequence[Strip], new: Sequence[Strip]) -> int:
    """By how many rows what OLD showed moved up in NEW (down: negative); 0 where moving saves too little."""
    where = {id(strip): at for at, strip in enumerate(old)}
    votes: Counter[int] = Counter()
    still = 0
    for at, strip in enumerate(new):
        before = where.get(id(strip))
        if strip is old[at] or strip == old[at]:
            still += 1
        elif before is not None:
            votes[before - at] += 1
    if not votes:
        return 0
    by, saved = votes.most_common(1)[0]
    return by if saved - still >= _WORTH else 0


def _uncovered(widget: "Widget", region: Region) -> bool:
    """Whether WIDGET is on a real terminal, whole and with nothing over it."""
    app, screen = widget.app, widget.screen
    if app.is_headless or app._driver is None or app.is_inline or screen is not app.screen:
        return False
    visible = screen._compositor.visible_widgets
    if widget not in visible or visible[widget][1].intersection(region) != region:
        return False
    inside = {widget, *widget.ancestors}
    return not any(
        other not in inside and where.intersection(clip).overlaps(region) for other, (where, clip) in visible.items()
    )


def _sides(widget: "Widget", region: Region) -> list[tuple[int, list[Strip]]] | None:
    """(column, rows) of what stands left and right of WIDGET, borders not; None where some of it waits to be drawn."""
    screen, sides = widget.screen, []
    for x, end in ((0, region.x), (region.right, screen.size.width)):
        beside = Region(x, region.y, end - x, region.height)
        if beside.width <= _EDGE:
            continue
        if screen._layout_required or any(
            (other._repaint_required or other in screen._dirty_widgets) and where.intersection(clip).overlaps(beside)
            for other, (where, clip) in screen._compositor.visible_widgets.items()
            if other is not screen
        ):
            return None
        chops = screen._compositor._render_chops(beside, lambda y: True)
        rows = [
            _bare(Strip.join([part for at, part in chops[y].items() if part is not None and x <= at < end]))
            for y in beside.line_range
        ]
        if any(row.cell_length != beside.width for row in rows):
            return None
        sides.append((x, rows))
    return sides


def _bare(strip: Strip) -> Strip:
    """STRIP as it looks: what a click on it would mean makes no two cells differ."""
    return Strip([Segment(text, style and style.clear_meta_and_links()) for text, style, _ in strip], strip.cell_length)


def _pays(old: Sequence[Strip], new: Sequence[Strip], sides: list[tuple[int, list[Strip]]], by: int) -> bool:
    """Whether moving rows BY, and putting back what stands at the SIDES, writes fewer cells than writing them anew."""
    rows = range(max(0, -by), len(new) - max(0, by))
    back = sum(_width(side[y + by], side[y]) for _, side in sides for y in rows)
    return not sides or back < sum(_width(old[y], new[y]) for y in rows)


def _width(old: Strip, new: Strip) -> int:
    start, end = (0, 0) if old is new else changed(old, new) or (0, 0)
    return end - start


def _put_back(widget: "Widget", x: int, y: int, old: Strip, new: Strip) -> str:
    """The cells of NEW, which stands at (X, Y) of the screen, in which it differs from OLD."""
    if old is new or (span := changed(old, new)) is None:
        return ""
    return f"\x1b[{y + 1};{x + span[0] + 1}H{new.crop(*span).simplify().render(widget.app.console)}"


def _moving(region: Region, by: int) -> str:
    top, bottom, count = region.y + 1, region.bottom, min(abs(by), region.height)
    feed = f"\x1b[{bottom};1H" + "\n" * count if by > 0 else f"\x1b[{top};1H" + "\x1bM" * count
    return f"\x1b[0m\x1b[{top};{bottom}r{feed}\x1b[r"


def _whole(widget: "Widget", region: Region, rows: range) -> list[str]:
    """The screen's rows at ROWS of WIDGET, borders beside it included."""
    if not rows:
        return []
    console, width = widget.app.console, widget.screen.size.width
    first, last = region.y + rows.start, region.y + rows.stop
    chops = widget.screen._compositor._render_chops(Region(0, first, width, last - first), lambda y: first <= y < last)
    out = []
    for y in range(first, last):
        strip = Strip.join([part for part in chops[y].values() if part is not None]).simplify()
        out.append(f"\x1b[{y + 1};1H{strip.render(console)}")
    return out


def _cells(widget: "Widget", region: Region, y: int, old: Strip, new: Strip) -> str:
    """The cells of row Y in which NEW differs from OLD."""
    if old is new or (span := changed(old, new)) is None:
        return ""
    strip = new.crop(*span)
    for line_filter in widget.get_line_filters():
        strip = strip.apply_filter(line_filter, widget.background_colors[1])
    return f"\x1b[{region.y + y + 1};{region.x + span[0] + 1}H{strip.simplify().render(widget.app.console)}"


def changed(old: Strip, new: Strip) -> tuple[int, int] | None:
    """From which cell up to which NEW differs from OLD; None where they are the same."""
    if old == new:
        return None
    if old.cell_length != new.cell_length:
        return 0, new.cell_length
    start, before, now = 0, list(old), list(new)
    at = 0
    while at < min(len(before), len(now)) and before[at] == now[at]:
        start += now[at].cell_length
        at += 1
    end = new.cell_length
    while len(before) > at and len(now) > at and before[-1] == now[-1]:
        end -= now.pop().cell_length
        before.pop()
    if at < len(before) and at < len(now) and before[at].style == now[at].style:
        start += cell_len(_common(before[at].text, now[at].text))
    if len(now) > at and len(before) > at and (text := now[-1].text).isspace() and before[-1].style == now[-1].style:
        blanks = len(before[-1].text) - len(before[-1].text.rstrip(" "))
        end -= min(len(text), blanks)
    return (start, end) if end > start else (0, new.cell_length)


def _common(one: str, two: str) -> str:
    """What both begin with, in whole signs: an accent belongs to the letter before it."""
    pairs = enumerate(zip(one, two, strict=False))
    end = next((at for at, (first, second) in pairs if first != second), min(len(one), len(two)))
    if one.isascii() and two.isascii():
        return one[:end]
    edges = _edges(one) & _edges(two)
    return one[: max(edge for edge in edges if edge <= end)]


def _edges(text: str) -> set[int]:
    """Where signs of TEXT begin and end."""
    return {0, len(text), *(first for first, _, _ in split_graphemes(text)[0])}


def _fills() -> bool:
    """Whether erased cells take the ground that is set (bce); GNU screen leaves them in its own."""
    return bool(os.environ.get("TMUX")) or not os.environ.get("TERM", "").startswith("screen")


def _write(widget: "Widget", data: str) -> None:
    app = widget.app
    if _fills():
        data = _BLANKS.sub(lambda found: f"\x1b[{len(found[0])}X\x1b[{len(found[0])}C", data)
    assert app._driver is not None
    app._begin_update()
    app._driver.write(f"\x1b7{data}\x1b8")
    app._end_update()
    app._driver.flush()
