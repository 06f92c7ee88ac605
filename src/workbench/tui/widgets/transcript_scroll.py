"""Lets the terminal itself move rows that only moved, so that a new line costs a line and not the whole screen.

Textual draws every row anew when its content moved. Where the rows of a widget are whole rows of the screen, setting
the scroll region (DECSTBM) around them and feeding lines does the same in a few bytes, in tmux and on the Linux
console as well.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.geometry import Region
from textual.strip import Strip

if TYPE_CHECKING:
    from textual.widget import Widget

_WORTH = 4  # rows that must be saved
_EDGE = 4  # cells beside the widget that are the same in each row: borders and padding


def shift(old: Sequence[Strip], new: Sequence[Strip]) -> int:
    """By how many rows what OLD showed moved up in NEW (down: negative); 0 where moving saves too little."""
    if len(old) != len(new):
        return 0
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


def possible(widget: "Widget") -> bool:
    """Whether the rows of WIDGET are whole rows of a real terminal, with nothing above them."""
    app, screen = widget.app, widget.screen
    if app.is_headless or app._driver is None or screen is not app.screen or app.is_inline:
        return False
    region = widget.content_region
    width = screen.size.width
    if region.x > _EDGE or width - region.right > _EDGE or region.height < 2:
        return False
    inside = {widget, *widget.ancestors}
    visible = screen._compositor.visible_widgets
    if widget not in visible or visible[widget][1].intersection(region) != region:
        return False
    return not any(
        other not in inside and where.intersection(clip).overlaps(region) for other, (where, clip) in visible.items()
    )


def move(widget: "Widget", by: int) -> Region:
    """Moves the rows of WIDGET up BY rows (down: negative) on the terminal; returns the screen's rows to draw anew."""
    region = widget.content_region
    top, bottom, count = region.y + 1, region.bottom, min(abs(by), region.height)
    feed = f"\x1b[{bottom};1H" + "\n" * count if by > 0 else f"\x1b[{top};1H" + "\x1bM" * count
    driver = widget.app._driver
    assert driver is not None
    # Reset colours first: what scrolls in takes the ground that is set.
    driver.write(f"\x1b7\x1b[0m\x1b[{top};{bottom}r{feed}\x1b[r\x1b8")
    first = region.bottom - count if by > 0 else region.y
    return Region(0, first, widget.screen.size.width, count)
