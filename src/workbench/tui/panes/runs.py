"""The runs pane: the commands that run beside the talk, with their age."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.content import Content
from textual.timer import Timer

from workbench.host.telemetry import words
from workbench.protocol.events import Envelope, ShellFinished, ShellStarted
from workbench.protocol.state import SessionState
from workbench.tui.panes.rows import Rows, cut, row, wrapped
from workbench.tui.view import Pane

KEPT = 50  # commands that have ended
TEACHES = "none yet: the agent starts what runs long beside the talk, a training or a server"


class _Shell:
    """A command in the background. `since`: when it began, or, where that was not seen, when it was first met."""

    def __init__(self, command: str, since: float, seen: bool) -> None:
        self.command, self.since, self.seen = command, since, seen
        self.ended: float | None = None
        self.exit_code: int | None = None
        self.signal: int | None = None


class RunsPane(Pane, Rows):
    """Background commands: those that run first, the newest on top; then those that have ended."""

    pane_id: ClassVar[str] = "runs"
    title: ClassVar[str] = "runs"
    empty: ClassVar[str] = "background commands"

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._session = ""
        self._shells: OrderedDict[str, _Shell] = OrderedDict()
        self._timer: Timer | None = None

    # --- what the session says -----------------------------------------------------------------------------

    def show_session(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """Takes in what began and what ended; draws nothing where neither did."""
        before = [(shell_id, shell.ended) for shell_id, shell in self._shells.items()]
        self._follow(state)
        for envelope in news:
            self._take(envelope)
        self._tick()
        if not news or before != [(shell_id, shell.ended) for shell_id, shell in self._shells.items()]:
            running = sum(shell.ended is None for shell in self._shells.values())
            self.border_subtitle = f"{running} running" if running else ""
            self.redraw()

    def _follow(self, state: SessionState) -> None:
        """As the state has it. A command that was there when this session was first met may be older than that."""
        known = state.session == self._session
        if not known:
            self._session = state.session
            self._shells.clear()
        for shell_id, command in state.shells.items():
            if (shell := self._shells.get(shell_id)) is None or shell.ended is not None:
                self._shells[shell_id] = _Shell(command, state.updated, seen=known)
        for shell_id, shell in self._shells.items():
            if shell.ended is None and shell_id not in state.shells:
                shell.ended = state.updated
        ended = [shell_id for shell_id, shell in self._shells.items() if shell.ended is not None]
        for shell_id in ended[: max(0, len(ended) - KEPT)]:
            del self._shells[shell_id]

    def _take(self, envelope: Envelope) -> None:
        """What the state does not say: the very times, and how a command ended."""
        event = envelope.event
        if isinstance(event, ShellStarted):
            begun = self._shells.setdefault(event.shell_id, _Shell(event.command, envelope.at, seen=True))
            begun.since, begun.seen = envelope.at, True
        elif isinstance(event, ShellFinished) and (shell := self._shells.get(event.shell_id)):
            shell.ended, shell.exit_code, shell.signal = envelope.at, event.exit_code, event.signal

    def strip(self, state: SessionState) -> Content:
        """The newest command that runs, and how many more."""
        if not state.shells:
            return row(self.empty)
        command = next(reversed(state.shells.values()))
        more = f" +{len(state.shells) - 1}" if len(state.shells) > 1 else ""
        return row(f"● {' '.join(command.split())}{more}")

    def filled(self, state: SessionState) -> bool:
        """Once something runs in the background. Asked at every news, also before the pane is on the screen."""
        self._follow(state)
        return bool(state.shells)

    # --- rows ----------------------------------------------------------------------------------------------

    def build(self, width: int) -> Iterator[Content]:
        """A row a command."""
        if not self._shells:
            yield from wrapped(TEACHES, width)
            return
        shells = list(reversed(self._shells.values()))
        for shell in sorted(shells, key=lambda shell: shell.ended is not None):
            yield self._row(shell, width)

    def _row(self, shell: _Shell, width: int) -> Content:
        about = "" if shell.seen else ">"
        age = about + words.age((shell.ended if shell.ended is not None else self._clock()) - shell.since)
        sign, colour, style, state = _look(shell)
        right = f"{state}  {age:>7}" if state else f"{age:>7}"
        command = cut(" ".join(shell.command.split()), max(8, width - 4 - len(right)))
        gap = " " * max(2, width - 2 - cell_len(command) - len(right))
        return row((f"{sign} ", colour), (command, style), (gap + right, "$muted"))

    # --- the clock -----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Ages grow, once a second, while something runs and someone sees it."""
        wanted = self.is_mounted and self.display and any(shell.ended is None for shell in self._shells.values())
        if wanted and self._timer is None:
            self._timer = self.set_interval(1.0, self.redraw)
        elif not wanted and self._timer is not None:
            self._timer.stop()
            self._timer = None

    def on_show(self) -> None:
        """On the screen again."""
        self._tick()
        self.redraw()

    def on_hide(self) -> None:
        """Off the screen: no clock is needed."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None


def _look(shell: _Shell) -> tuple[str, str, str, str]:
    """Sign, its colour, the command's style, and how it ended."""
    if shell.ended is None:
        return "●", "$agent", "$foreground", ""
    if shell.signal is not None:
        return "■", "$warning", "$muted", f"signal {shell.signal}"
    if shell.exit_code is None:
        return "■", "$muted", "$muted", "ended"
    if shell.exit_code:
        return "✗", "$error", "$muted", f"exit {shell.exit_code}"
    return "✓", "$success", "$muted", "done"
