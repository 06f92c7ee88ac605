"""How wide the dock and how high its panes are, by mouse and by keys; kept in the preferences."""

from typing import TYPE_CHECKING

from workbench.tui import prefs
from workbench.tui.widgets.dock import PANES, WEIGHTS, Dragged

if TYPE_CHECKING:
    from workbench.tui.screens.main import MainScreen


def drag(screen: "MainScreen", event: Dragged) -> None:
    """A line of SCREEN is being moved: the dock's width, or the heights of the panes above and below it."""
    p = screen.bench.prefs
    if event.frame is None:
        body = screen.query_one("#body").region
        p.dock = _within((body.right - event.x) / max(1, body.width), 0.2, 0.8)
    else:
        _move(screen, event.frame, event.y)
    screen.place()
    if event.done:
        prefs.save(p)


def _move(screen: "MainScreen", frame: str, y: int) -> None:
    hidden = screen.hidden()
    shown = [view for view in PANES if view not in hidden]
    at = shown.index(frame) if frame in shown else 0
    if at == 0:
        return
    over, heights = shown[at - 1], screen.bench.prefs.heights
    above, below = screen.frames[over].region, screen.frames[frame].region
    both = above.height + below.height
    upper = _within(y - above.y, 3, both - 3)
    weight = heights.get(over, WEIGHTS[over]) + heights.get(frame, WEIGHTS[frame])
    heights[over] = round(weight * upper / both, 3)
    heights[frame] = round(weight - heights[over], 3)


def step(screen: "MainScreen", dock: float = 0.0, height: float = 1.0) -> None:
    """By keys: the dock wider by DOCK, the focused pane higher by the factor HEIGHT."""
    p = screen.bench.prefs
    p.dock = _within(p.dock + dock, 0.2, 0.8)
    if (view := screen.focused_view) in PANES:
        p.heights[view] = _within(p.heights.get(view, WEIGHTS[view]) * height, 0.1, 20.0)
    prefs.save(p)
    screen.place()


def _within(value: float, least: float, most: float) -> float:
    return min(most, max(least, value))
