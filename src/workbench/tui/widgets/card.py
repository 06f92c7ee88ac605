"""A tool call as a card: one line with sign, verb, target, result and time; a second one for what came of it."""

import re

from workbench.protocol import blocks as b
from workbench.protocol.state import Item
from workbench.tui.widgets.blocks import Block, Line, fit, indented, shown, width_of, wrap
from workbench.tui.widgets.card_details import details, todo_lines
from workbench.tui.widgets.transcript_entry import Entry, Scene

_TAGGED = 64  # cells below which no turn is named
_TAG = 5  # cells of a turn's name and the space before it
TODOS = 7  # rows of a to-do list in a closed card
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SIGNS = {
    "ok": ("✓", "ok"), "error": ("✗", "error"), "denied": ("⊘", "warning"), "cancelled": ("■", "muted"),
    "interrupted": ("■", "muted"), "asking": ("?", "warning"), "running": ("●", "agent"),
}  # fmt: skip
_VERBS = {"TodoWrite": "To-do", "MultiEdit": "Edit", "BashOutput": "Output", "KillShell": "Kill"}
_PATHS = ("Read", "Write", "Edit", "MultiEdit", "LS")
_TIMED = re.compile(r"\d s$")


def card(entry: Entry, scene: Scene) -> list[Block]:
    """The blocks of a call."""
    head = Block(lambda width: _closed(entry, scene, width))
    return [head, *details(entry, scene)] if entry.opened else [head]


def sign(entry: Entry, scene: Scene) -> tuple[str, str]:
    """The sign of a call's state, and its style."""
    if entry.item.status == "running" and scene.frame is not None:
        return SPINNER[scene.frame % len(SPINNER)], "agent"
    return _SIGNS.get(entry.item.status, ("○", "muted"))


def took(seconds: float) -> str:
    """SECONDS in a few cells: `0.4 s`, `12 s`, `2m10s`, `3h05m`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def _closed(entry: Entry, scene: Scene, width: int) -> list[Line]:
    item = entry.item
    rows = [_line(entry, scene, width)]
    if item.tool == "TodoWrite" and item.status == "ok" and not entry.opened:
        todos = next((one.todos for one in item.display if isinstance(one, b.Todos)), ())
        return rows + indented(todo_lines(todos, width - 4, TODOS), 4)
    words, style = _second(entry)
    if words:
        rows += indented(
            wrap([(words, style)], width - 4)[:3] if style == "warning" else [[(fit(words, width - 4), style)]], 4
        )
    return rows


def _line(entry: Entry, scene: Scene, width: int) -> Line:
    item = entry.item
    mark, style = sign(entry, scene)
    verb = fit(shown(_VERBS.get(item.tool, item.tool)), 20)
    line: Line = [("  ", ""), (mark, style), (" ", ""), (f"{verb:<6} ", "strong")]
    right = _right(entry, scene)
    if tag := turn_tag(entry, scene, width):
        right += tag
    room = width - width_of(line) - width_of(right) - 2
    target = " ".join(shown(_near(item, scene).replace("\n", " ⏎ ")).split())
    if room < 8:  # no room for both
        right, room = [], width - width_of(line)
    target = fit(target, room, left=item.tool in _PATHS)
    line.append((target, "" if item.status != "cancelled" else "muted"))
    return [*line, (" " * (room - width_of([(target, "")]) + 2), ""), *right] if right else line


def turn_tag(entry: Entry, scene: Scene, width: int) -> Line:
    """The name of the turn that begins with ENTRY, in a column of its own where WIDTH has room for one."""
    if not scene.session or width < _TAGGED:
        return []
    said = entry.heads and entry.item.kind != "answer"  # by the line above
    if not entry.begins or said or not entry.reference:
        return [(" " * _TAG, "")]
    return [(f"{entry.reference:>{_TAG}}", f"muted-2 ~{shown(scene.session)}:{entry.reference}")]


def spread(left: Line, right: Line, width: int) -> Line:
    """LEFT, and RIGHT at the end of WIDTH cells where there is room for both."""
    space = width - width_of(left) - width_of(right)
    return [*left, (" " * space, ""), *right] if right and space > 1 else left


def _near(item: Item, scene: Scene) -> str:
    """What ITEM acts on; a path as seen from the workspace."""
    if item.tool in _PATHS and scene.workspace:
        return item.target.removeprefix(f"{scene.workspace.rstrip('/')}/")
    return item.target


def _right(entry: Entry, scene: Scene) -> Line:
    """Result and time, at the right end of the line."""
    item = entry.item
    words, style = _result(item)
    if item.status == "running" and entry.since is not None:
        time = took(max(0.0, scene.clock() - entry.since)) if scene.clock() - entry.since >= 1 else ""
    else:
        time = took(item.duration_ms / 1000) if item.duration_ms >= 100 else ""
    if _TIMED.search(words):
        time = ""
    line: Line = _counts(words) if words.startswith("+") else [(words, style)] if words else []
    if item.run and item.run not in words:
        run = shown(item.run)
        line = [(run, f"@{run}"), *([("  ", ""), *line] if line else [])]
    if time:
        line += [("  ", ""), (time, "muted-2")] if line else [(time, "muted-2")]
    return line


def _counts(words: str) -> Line:
    """`+14 -5` in the colours of what it counts."""
    added, _, removed = words.partition(" ")
    return [(added, "added"), (" ", ""), (removed.replace("-", "−"), "removed")]


def _result(item: Item) -> tuple[str, str]:
    """One short phrase on what came of it."""
    if item.status == "asking":
        return "waits for you", "warning"
    if item.status == "writing":
        return item.text, "muted"
    if item.status in ("cancelled", "interrupted", "denied"):
        return item.status, "muted"
    text = shown(" ".join(item.text.split()))
    if len(text) > 40 or (item.status == "ok" and text and text == _last_line(item)):
        return ("failed", "error") if item.status == "error" else ("", "")  # the second line says it
    return text, "error" if item.status == "error" else "muted"


def _last_line(item: Item) -> str:
    """The last line of what the call printed."""
    output = next((one.text for one in item.display if isinstance(one, b.Output)), "").rstrip()
    return shown(" ".join(output.rpartition("\n")[2].rpartition("\r")[2][:1000].split()))


def _second(entry: Entry) -> tuple[str, str]:
    """What stands under the line while the card is closed: why not, what came of it, or what was printed last."""
    item = entry.item
    if item.status == "denied" and not entry.opened:
        return shown(" ".join((item.reason or item.text).split())), "warning"
    if entry.opened and (entry.progress or item.display):
        return "", ""
    if item.status == "running" or item.status in ("interrupted", "cancelled"):
        return shown(entry.last_line().strip()), "muted"
    text, line = shown(" ".join(item.text.split())), _last_line(item)
    if line and (item.status != "ok" or len(text) <= 40 or line.startswith(text[:40])):
        return line, "muted"
    return (text, "error" if item.status == "error" else "muted") if len(text) > 40 else ("", "")
