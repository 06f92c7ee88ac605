"""What happened in a session since a moment, in a few words: for a person who comes back to it."""

from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.protocol import events as e
from workbench.session.journal import Reader

_WORD = 120


class _Happened:
    """Counts events into words. A kind of event that matters gets a step in `_STEPS` and a line in `words`."""

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self.approvals: dict[str, None] = {}
        self.shells: dict[str, str] = {}
        self.runs: dict[str, None] = {}
        self.turns = self.questions = self.denied = 0
        self.checks: dict[str, int] = {}
        self.end = ""

    def words(self) -> tuple[str, ...]:
        """The phrases, what needs a person first."""
        said = [_count(len(self.approvals), "approval", "waiting")] if self.approvals and not self.end else []
        said += [_count(self.questions, "question", "to answer")] if self.questions else []
        said += [f"it ended: {self.end}"] if self.end else []
        said += [_count(len(self.files), "file", "changed by the agent")] if self.files else []
        said += [_count(len(self.runs), "run", "linked")] if self.runs else []
        said += list(self.shells.values())[-2:]
        said += [f"check {command} {_exit(code)}" for command, code in list(self.checks.items())[-2:]]
        said += [_count(self.denied, "call", "denied")] if self.denied else []
        return tuple([*said, _count(self.turns, "turn")] if said or self.turns else said)


def happened(folder: Path, after: float, until: float | None = None) -> tuple[str, ...]:
    """Phrases on what happened in the session in FOLDER after Unix time AFTER (up to and with UNTIL); none if nothing.

    Only the lines since are read. Blocks. Raises JournalError.
    """
    told = _Happened()
    with Reader(folder) as journal:
        start = bisect_right(range(1, journal.seq + 1), after, key=lambda seq: next(journal.read(seq - 1, seq)).at)
        for envelope in journal.read(after=start):
            if until is not None and envelope.at > until:
                break
            if step := _STEPS.get(type(envelope.event)):
                step(told, envelope.event)
    return told.words()


def _count(number: int, thing: str, what: str = "") -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}{f' {what}' if what else ''}"


def _exit(code: int | None) -> str:
    return "passed" if code == 0 else f"failed with exit code {code}"


def _finished(told: _Happened, event: e.CallFinished) -> None:
    told.files.update(dict.fromkeys(event.changed))
    told.denied += event.status == "denied"


def _shell(told: _Happened, event: e.ShellFinished) -> None:
    how = f"exit code {event.exit_code}" if event.signal is None else f"signal {event.signal}"
    told.shells[event.shell_id] = f"background shell {event.shell_id[:_WORD]} ended with {how}"


def _resumed(told: _Happened) -> None:
    told.end, told.questions = "", 0
    told.approvals.clear()


_STEPS: dict[type, Callable[[_Happened, Any], None]] = {
    e.CallFinished: _finished,
    e.ShellFinished: _shell,
    e.ApprovalRequested: lambda told, event: told.approvals.update({event.request_id: None}),
    e.ApprovalResolved: lambda told, event: told.approvals.pop(event.request_id, None),
    e.QuestionsAsked: lambda told, event: setattr(told, "questions", len(event.questions)),
    e.PromptSubmitted: lambda told, event: setattr(told, "questions", 0),
    e.RequestStarted: lambda told, event: setattr(told, "turns", told.turns + 1),
    e.CheckFinished: lambda told, event: told.checks.update(
        {event.check.command[:_WORD]: event.check.exit_code},
    ),
    e.RunLinked: lambda told, event: told.runs.update({event.run: None}),
    e.SessionEnded: lambda told, event: setattr(told, "end", event.result.subtype.replace("_", " ")),
    e.SessionResumed: lambda told, event: _resumed(told),
}
