"""The runs of a session on an exported page: how each ended, and a small curve where the ledger is on this machine."""

import asyncio
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from workbench.protocol import queries as q
from workbench.protocol.visible import visible

_COLUMNS = 240
_HEIGHT = 60.0
_MOST = 40  # runs with a curve


def figures(workspace: Path, session: str, told: dict[str, str]) -> Iterator[str]:
    """HTML for each run of SESSION. TOLD: run -> what the journal says of it. The ledger of WORKSPACE adds a curve."""
    rows = _rows(workspace, session) if workspace.is_dir() else {}
    curves = _Curves(workspace)
    for place, (run, words) in enumerate(told.items()):
        caption = f"<b>{_text(run)}</b> {_text(words)}"
        row = rows.get(run)
        drawn = curves.drawn(row) if row is not None and place < _MOST else ""
        note = "" if row is not None else '<div class="quiet">its numbers are not on this machine</div>'
        yield f"<figure><figcaption>{caption}</figcaption>{drawn}{note}</figure>"


def _text(text: str) -> str:
    return f"<bdi>{escape(visible(' '.join(text.split())))}</bdi>"


def _rows(workspace: Path, session: str) -> dict[str, q.RunRow]:
    """Of this session alone: another one's run may bear the same name."""
    from workbench.session.run_pages import RunPages

    page = RunPages(workspace).table.listed(q.ListRuns())
    return {row.id: row for row in page.rows if row.session == session}


class _Curves:
    def __init__(self, workspace: Path) -> None:
        from workbench.session.run_pages import RunPages

        self._pages = RunPages(workspace)

    def drawn(self, row: q.RunRow) -> str:
        """ROW's most telling metric as a line, with its last and best value."""
        key = next(iter(_by_telling(row.metrics)), None)
        if key is None:
            return '<div class="quiet">it logged no numbers</div>'
        page = asyncio.run(self._pages.answer(q.SeriesPage(run=row.id, key=key, width=_COLUMNS)))
        metric = row.metrics[key]
        words = f"{key} {_value(metric.last)}, best {_value(metric.best)}, from the ledger as of the export"
        line = _line(page.points) if isinstance(page, q.Series) else ""
        return f'{line}<div class="quiet">{_text(words)}</div>'


def _by_telling(keys: Iterable[str]) -> list[str]:
    from workbench.experiments.compare import telling

    return sorted(keys, key=telling)


def _value(value: float | None) -> str:
    return "NaN" if value is None else f"{value:.4g}"


def _line(points: Iterable[tuple[float, float | None]]) -> str:
    """POINTS as an SVG; it is broken where there is a NaN."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((x, value))
    known = [point for piece in pieces for point in piece]
    if len(known) < 2:
        return ""
    left, right = min(x for x, _ in known), max(x for x, _ in known)
    low, high = min(y for _, y in known), max(y for _, y in known)
    wide, tall = right - left or 1.0, high - low or 1.0
    drawn = "".join(
        '<polyline points="'
        + " ".join(f"{(x - left) / wide * _COLUMNS:.1f},{_HEIGHT - (y - low) / tall * _HEIGHT:.1f}" for x, y in piece)
        + '"/>'
        for piece in pieces
        if len(piece) > 1
    )
    box = f"-2 -3 {_COLUMNS + 4} {_HEIGHT + 6:.0f}"
    words = f"a curve from {_value(known[0][1])} to {_value(known[-1][1])}"
    return f'<svg viewBox="{box}" preserveAspectRatio="none" role="img" aria-label="{words}">{drawn}</svg>'
