"""Commands that run beside the talk and are no runs: what is known of each."""

from collections import OrderedDict
from collections.abc import Sequence

from workbench.protocol.events import Envelope, ShellFinished, ShellStarted
from workbench.protocol.state import SessionState

KEPT = 50  # commands that have ended


class Shell:
    """A command in the background. `since`: when it began, or, where that was not `seen`, when it was first met."""

    def __init__(self, id: str, command: str, since: float, seen: bool) -> None:  # noqa: A002
        self.id, self.command, self.since, self.seen = id, command, since, seen
        self.ended: float | None = None
        self.exit_code: int | None = None
        self.signal: int | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.ended is None

    @property
    def how(self) -> str:
        """How it ended."""
        if self.ended is None:
            return ""
        if self.signal is not None:
            return f"signal {self.signal}"
        return "ended" if self.exit_code is None else f"exit {self.exit_code}" if self.exit_code else "done"


class Shells:
    """Follows a session's commands. Those that it has at a resume are in its state; when they began is not."""

    def __init__(self) -> None:
        self._session = ""
        self._shells: OrderedDict[str, Shell] = OrderedDict()

    def all(self) -> list[Shell]:
        """Those that run first, the newest on top; then those that have ended."""
        newest_first = list(self._shells.values())[::-1]
        return sorted(newest_first, key=lambda shell: not shell.runs)

    def follow(self, state: SessionState, news: Sequence[Envelope] = ()) -> None:
        """As STATE has it, and what NEWS say besides: the very times, and how a command ended."""
        known = state.session == self._session
        if not known:
            self._session = state.session
            self._shells.clear()
        for shell_id, command in state.shells.items():
            if (shell := self._shells.get(shell_id)) is None or not shell.runs:
                self._shells[shell_id] = Shell(shell_id, command, state.updated, seen=known)
        for shell_id, shell in self._shells.items():
            if shell.runs and shell_id not in state.shells:
                shell.ended = state.updated
        ended = [shell_id for shell_id, shell in self._shells.items() if not shell.runs]
        for shell_id in ended[: max(0, len(ended) - KEPT)]:
            del self._shells[shell_id]
        for envelope in news:
            self._take(envelope)

    def _take(self, envelope: Envelope) -> None:
        event = envelope.event
        if isinstance(event, ShellStarted):
            begun = Shell(event.shell_id, event.command, envelope.at, seen=True)
            begun = self._shells.setdefault(event.shell_id, begun)
            begun.since, begun.seen = envelope.at, True
        elif isinstance(event, ShellFinished) and (shell := self._shells.get(event.shell_id)):
            shell.ended, shell.exit_code, shell.signal = envelope.at, event.exit_code, event.signal
