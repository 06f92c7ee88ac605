"""The strip: one line for what is not on the screen, each part saying its news or what will fill it."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from workbench.tui.widgets.line import Line, Part

_GAP = 3  # cells between one part's words and the next part
_SPREAD = 12  # cells that a part gets beyond that where there is room
_HINT = 18  # cells below which a hint that must be cut says nothing
_NONE = "–"  # stands for such a hint


class Told(NamedTuple):
    """A view that is not shown: its action and key, its name, its news, and whether it has any yet."""

    action: str
    key: str
    title: str
    news: str = ""
    filled: bool = False


class Strip(Line):
    """One row; what room there is too much is shared out, so that little moves when one part's news grow."""

    DEFAULT_CSS = """
    Strip { color: $muted; }
    """

    def show(self, told: Sequence[Told]) -> None:
        """Draws TOLD in the width there is."""
        self.put(strip(told, self.room))


def strip(told: Sequence[Told], width: int) -> list[Part]:
    """The parts of the line. Where not all fits hints give way to a dash, the longest first; then news are cut."""
    if not told or width <= 2:
        return []
    words = [one.news for one in told]
    while (wanted := [_width(one, news) for one, news in zip(told, words, strict=True)]) and sum(wanted) > width - 1:
        hints = [at for at, one in enumerate(told) if not one.filled and words[at] not in ("", _NONE)]
        longest = max(hints, key=wanted.__getitem__, default=None)
        if longest is None:
            break
        room = width - 1 - sum(wanted) + cell_len(words[longest])
        if room >= _HINT:
            words[longest] = set_cell_size(words[longest], room - 1).rstrip(" ,;:") + "…"
        else:
            words[longest] = _NONE
    parts = [Part(" ")]
    for one, news, room in zip(told, words, _shared(wanted, width - 1), strict=True):
        parts += _parts(one, news, room)
    return parts


def _shared(wanted: Sequence[int], width: int) -> list[int]:
    """WIDTH shared out: what is over goes to all alike, what is missing is taken from the longest."""
    if (over := width - sum(wanted)) >= 0:
        return [wide + min(_SPREAD, over // len(wanted)) for wide in wanted]
    most = max(wanted)
    while sum(min(wide, most) for wide in wanted) > width and most > 1:
        most -= 1
    return [min(wide, most) for wide in wanted]


def _width(one: Told, news: str) -> int:
    return cell_len(f"{one.key} {one.title} {news}") + _GAP


def _parts(one: Told, news: str, width: int) -> list[Part]:
    head = f"{one.key} {one.title}"
    room = width - cell_len(head) - 1
    if room < 2:
        return [Part(set_cell_size(head, width), "$muted", one.action)]
    if cell_len(news) > room - _GAP:
        news = set_cell_size(news, max(1, room - _GAP - 1)).rstrip(" ,;:") + "…"
    style = "$foreground" if one.filled else "$muted-2"
    return [Part(f"{one.key} ", "$muted-2", one.action), Part(f"{one.title} ", "$muted", one.action),
            Part(set_cell_size(news, room), style, one.action)]  # fmt: skip
