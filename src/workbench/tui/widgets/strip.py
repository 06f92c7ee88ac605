"""The strip: one line for what is not on the screen, each part saying its news or what will fill it."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from workbench.tui.widgets.line import Line, Part


class Told(NamedTuple):
    """A view that is not shown: its action and key, its name, its news, and whether it has any yet."""

    action: str
    key: str
    title: str
    news: str = ""
    filled: bool = False


class Strip(Line):
    """One row of equal places, so that nothing moves when one part's news grow."""

    DEFAULT_CSS = """
    Strip { color: $muted; }
    """

    def show(self, told: Sequence[Told]) -> None:
        """Draws TOLD in the width there is."""
        self.put(strip(told, self.size.width))


def strip(told: Sequence[Told], width: int) -> list[Part]:
    """The parts of the line: whole words where they fit side by side, else the news of those that have some."""
    if not told or width <= 2:
        return []
    wanted = [_width(one, one.news) for one in told]
    if sum(wanted) + 1 <= width:
        spare = (width - 1 - sum(wanted)) // len(told)
        return _parts([(one, one.news, wide + spare) for one, wide in zip(told, wanted, strict=True)])
    short = [(one, one.news if one.filled else "–") for one in told]
    taken = sum(_width(one, news) for one, news in short)
    if taken + 1 <= width:  # what is left goes to the first that is cut, from the left
        left, parts = width - 1 - taken, []
        for one, news in short:
            whole = one.news if cell_len(one.news) - cell_len(news) <= left else news
            left -= cell_len(whole) - cell_len(news)
            parts.append((one, whole, _width(one, whole)))
        return _parts(parts)
    each = (width - 1) // len(told)
    return _parts([(one, news, each) for one, news in short])


def _width(one: Told, news: str) -> int:
    return cell_len(f"{one.key} {one.title} {news}") + 3


def _parts(placed: Sequence[tuple[Told, str, int]]) -> list[Part]:
    parts = [Part(" ")]
    for one, news, width in placed:
        head = f"{one.key} {one.title}"
        room = width - cell_len(head) - 1
        if room < 2:
            parts.append(Part(set_cell_size(head, width), "$muted", one.action))
            continue
        if cell_len(news) > room - 1:
            news = set_cell_size(news, max(1, room - 2)).rstrip() + "…"
        style = "$foreground" if one.filled else "$muted-2"
        parts += [Part(f"{one.key} ", "$muted-2", one.action), Part(f"{one.title} ", "$muted", one.action),
                  Part(set_cell_size(news, room), style, one.action)]  # fmt: skip
    return parts
