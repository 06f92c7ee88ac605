"""The header: who works, where, how full, how dear. Every number has a unit and a place of its own."""

import re
from pathlib import Path
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from workbench.protocol.state import SessionState
from workbench.tui.widgets.line import Line, Part

_BAR = 5  # cells
_AWAY = 40  # cells that it gets elsewhere, where it left
_PATH = 14  # cells that the workspace's path gets before anything else leaves
# What is said of the confinement, by the layer that confines: nothing where that was not told.
_CONFINED: dict[str | None, tuple[str, str]] = {None: ("", ""), "": (" · unconfined", "$warning")}
_PROVIDER = re.compile(r"claude-([a-z]+)-(\d+)(?:-(\d{1,2}))?(?:-20\d{6})?$")


class Facts(NamedTuple):
    """What the state does not say: the branch now, the model's window in tokens, who sits here, whether there is no
    session, how many others are live in this folder, and who drives where others are here."""

    branch: str | None = None
    window: int | None = None
    user: str = ""
    monitor: bool = False
    others: int = 0
    people: str = ""


class Header(Line):
    """One row: agent, model and mode; workspace and branch; context, dollars, who is here."""

    DEFAULT_CSS = """
    Header { background: $surface; }
    """

    def show(self, state: SessionState, facts: Facts) -> str:
        """Draws STATE and FACTS for the width there is; gives workspace and branch where they found no room."""
        left, right, away = header(state, facts, self.room)
        self.put(left, right)
        return away


def header(state: SessionState, facts: Facts, width: int) -> tuple[list[Part], list[Part], str]:
    """The parts at the left and at the right, and workspace and branch in words where they found no room.

    The least important leave first where WIDTH is short.

    What the agent may do stays longest: its mode, and whether its commands are confined; then who drives, where others
    are here.
    """
    agent = Part(f" {state.agent or 'no agent'}", "$agent bold", "agent")
    whose = Part(" (workspace)" if state.agent_in_place_of else "", "$warning", "agent")
    model = Part(f" · {short_model(state.model)}" if state.model else " · …", "$muted", "model")
    if facts.monitor:
        model = Part(" · no session", "$warning", "sessions")
    mode = Part(f" · {state.mode}", "$muted" if state.mode != "bypassPermissions" else "$error", "mode")
    kept = Part(*_CONFINED.get(state.sandbox, (" · confined", "$muted")), "permissions")
    branch = Part(f"  {facts.branch}", "$muted") if facts.branch else Part("")
    fullness, cost = _fullness(state, facts.window), Part(money(state), "", "cost")
    context, short = Part(_context(state, facts.window), fullness), Part(_context(state, facts.window, 0), fullness)
    who = Part(f"  ● {facts.user}", "$muted") if facts.user else Part("")
    if facts.people:
        who = Part(f"  ◉ {facts.people}", "$agent", "who")
    beside = Part(f"  ◉ {facts.others + 1} here", "$warning", "sessions") if facts.others else Part("")
    left, right = [agent, whose, model, mode, kept], [branch, context, cost, beside, who, Part(" ")]
    leaving = (branch, context, None, model, short, who, beside, mode) if facts.people else (
        who, branch, context, None, model, short, beside, mode)  # fmt: skip
    for at, part in enumerate(leaving):
        if _width(left) + _width(right) + (_PATH if at <= leaving.index(None) else 0) <= width:
            break
        if part is context:
            right[right.index(context)] = short
        elif part is not None:  # else the workspace's path leaves
            (left if part in left else right).remove(part)
    room = width - _width(left) - _width(right) - 3
    path = home(state.workspace) if state.workspace else ""
    where = shortened(path, max(0, room))
    if where.endswith(Path(path).name) and branch in right:
        right.insert(0, Part(f"  {where}" if where else "", "$foreground"))
        return left, right, ""
    return left, right, "  ".join(filter(None, (shortened(path, _AWAY), facts.branch)))


def _width(parts: list[Part]) -> int:
    return sum(cell_len(part.text) for part in parts)


def short_model(name: str) -> str:
    """`claude-sonnet-5-5` as `sonnet 5.5`; any other id as it is."""
    if found := _PROVIDER.match(name):
        return f"{found[1]} {found[2]}" + (f".{found[3]}" if found[3] else "")
    return name


def home(path: str) -> str:
    """PATH with the user's home as `~`."""
    own = str(Path.home())
    return f"~{path[len(own) :]}" if own != "/" and (path == own or path.startswith(own + "/")) else path


def shortened(path: str, width: int) -> str:
    """PATH in WIDTH cells, its beginning given up first, whole folders where possible."""
    if cell_len(path) <= width:
        return path
    parts = path.split("/")
    for start in range(1, len(parts)):
        tail = "…/" + "/".join(parts[start:])
        if cell_len(tail) <= width:
            return tail
    name = parts[-1]
    while name and cell_len(name) > width - 1:
        name = name[1:]
    return f"…{name}"


def _context(state: SessionState, window: int | None, bar: int = _BAR) -> str:
    if not window:
        return f"   ctx {count(state.context_tokens):>5}{'    ' if bar else ''}"
    share = min(1.0, state.context_tokens / window)
    full = round(share * bar) if share < 0.02 else min(bar, max(1, round(share * bar)))
    return f"   ctx {'━' * full}{'─' * (bar - full)}{' ' if bar else ''}{share:>4.0%}"


def _fullness(state: SessionState, window: int | None) -> str:
    share = state.context_tokens / window if window else 0.0
    return "$error" if share > 0.9 else "$warning" if share > 0.75 else "$muted"


def money(state: SessionState) -> str:
    """What was spent, and of which budget. `$?` where a price is not known."""
    spent = "$?" if state.cost_usd is None else f"${state.cost_usd:.2f}"
    caps = state.caps
    if caps.max_usd is not None:
        return f"  {spent:>7} / {caps.max_usd:.2f}"
    if caps.max_tokens is not None:
        return f"  {spent:>7} {count(state.usage.total):>5} / {count(caps.max_tokens)} tok"
    return f"  {spent:>7}"


def count(number: int) -> str:
    """NUMBER in at most five characters: 812, 41.2k, 1.2M."""
    if number < 1000:
        return str(number)
    if number < 100_000:
        return f"{number / 1000:.1f}k"
    return f"{number / 1000:.0f}k" if number < 999_500 else f"{number / 1e6:.1f}M"


def pad(text: str, width: int) -> str:
    """TEXT cut or filled to WIDTH cells."""
    return set_cell_size(text, width)
