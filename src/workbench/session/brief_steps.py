"""How a brief is gathered: each kind of event that matters has a step, for what holds at the end or happened since."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from workbench.protocol import events as e
from workbench.protocol.blocks import Diff, Output
from workbench.protocol.items import share_line, wheel_line
from workbench.protocol.result import CheckResult, FileChange, Usage
from workbench.session.brief_types import (
    Brief,
    Changed,
    Command,
    Decision,
    Denied,
    Prompt,
    RunTold,
    Suggestion,
    Waiting,
)
from workbench.session.rewind_talk import is_prompt
from workbench.session.summary import TARGETS

_KEPT = 1_000  # entries of each list; `cut` says that there were more
_TEXT = 400  # characters of a text
_WAIT = "mlwb exp wait"  # its result is the session's own words; that of a run holds what the run printed
_SLOW_MS = 30_000  # a command that took longer is of note
# As `runs_words` writes it into what the agent is told; a line behind `|` is a run's own output.
_VERDICT = re.compile(
    r"  against (\S{1,80}) \((.{1,120}?)\): (better|worse|within noise|not enough seeds|only seed changed)\. (.*)"
)


class _Edit(msgspec.Struct):
    seq: int
    path: str
    added: int | None
    removed: int | None


class Gathering:
    """Takes envelopes; those up to START count only for what still waits."""

    def __init__(self, session: str, since: float, start: int) -> None:
        self.brief = Brief(session=session, since=since)
        self.waiting: dict[str, Waiting] = {}
        self.suggested: dict[str, Suggestion] = {}
        self.calls: dict[str, e.CallDecided] = {}
        self.requests: dict[str, tuple[str, str]] = {}  # approval -> tool, target
        self.edits: list[_Edit] = []
        self.back: dict[int, int] = {}  # rewind that put files back -> the event from which on
        self.changed: list[FileChange] = []  # as the end tells it
        self.runs: dict[str, RunTold] = {}
        self.waited: dict[str, tuple[str, ...]] = {}  # call that waits for runs -> those that its result tells of
        self.checks: dict[str, CheckResult] = {}
        self._start = start

    def take(self, envelope: e.Envelope) -> None:
        """Takes ENVELOPE in."""
        kind = type(envelope.event)
        if step := _STANDS.get(kind):
            step(self, envelope, envelope.event)
        if envelope.seq <= self._start:
            return
        self.brief.events += 1
        self.brief.until = envelope.at
        if step := _SINCE.get(kind):
            step(self, envelope, envelope.event)

    def add(self, to: list[Any], entry: Any) -> None:
        """ENTRY to the list TO, the newest of which are kept."""
        to.append(entry)
        if len(to) > _KEPT:
            del to[0]
            self.brief.cut = True

    def spend(self, usage: Usage | None, cost: float | None) -> None:
        """Counts what a request used."""
        if usage is not None:
            self.brief.usage.add(usage)
            unknown = cost is None or self.brief.cost_usd is None
            self.brief.cost_usd = None if unknown else (self.brief.cost_usd or 0.0) + (cost or 0.0)

    def run(self, name: str) -> RunTold:
        """What is gathered of the run NAME."""
        return self.runs.setdefault(name, RunTold(run=name))

    def done(self) -> Brief:
        """All of it."""
        told = self.brief
        told.approvals, told.suggestions = list(self.waiting.values()), list(self.suggested.values())
        files: dict[str, Changed] = {}
        for edit in self.edits:
            if any(start <= edit.seq < rewind for rewind, start in self.back.items()):
                continue
            file = files.setdefault(edit.path, Changed(path=edit.path))
            file.edits += 1
            known = edit.added is not None and edit.removed is not None
            file.added = file.added + (edit.added or 0) if known and file.added is not None else None
            file.removed = file.removed + (edit.removed or 0) if known and file.removed is not None else None
        for change in self.changed:  # what the end tells beyond the edits
            if change.path not in files and f"{told.workspace}/{change.path}" not in files:
                files[change.path] = Changed(path=change.path, added=change.added, removed=change.removed)
        told.files, told.runs, told.checks = list(files.values()), list(self.runs.values()), list(self.checks.values())
        return told


# --- what holds as of the end ------------------------------------------------------------------------------


def _requested(told: Gathering, envelope: e.Envelope, event: e.ApprovalRequested) -> None:
    decided = told.calls.get(event.call_id)
    target = decided.target if decided else _target(event.input)
    told.requests[event.request_id] = event.tool, target[:_TEXT]
    told.waiting[event.request_id] = Waiting(
        at=envelope.at, tool=event.tool, target=target[:_TEXT], reason=event.reason[:_TEXT], again=event.again
    )
    told.brief.phase = "asking"


def _target(given: dict[str, Any]) -> str:
    return next((str(given[key]) for key in TARGETS if given.get(key)), "")


def _resolved(told: Gathering, envelope: e.Envelope, event: e.ApprovalResolved) -> None:
    told.waiting.pop(event.request_id, None)


def _works(told: Gathering, envelope: e.Envelope, event: e.RequestStarted | e.SessionResumed) -> None:
    brief = told.brief
    brief.end, brief.idle, brief.questions, brief.errors = None, "", (), []
    brief.phase = "at work" if isinstance(event, e.RequestStarted) else "idle"
    told.waiting.clear()


def _prompted(told: Gathering, envelope: e.Envelope, event: e.PromptSubmitted) -> None:
    told.brief.questions, told.brief.idle = (), ""


def _questions(told: Gathering, envelope: e.Envelope, event: e.QuestionsAsked) -> None:
    told.brief.questions, told.brief.asked_at = event.questions, envelope.at


def _idle(told: Gathering, envelope: e.Envelope, event: e.Idle) -> None:
    told.brief.phase, told.brief.idle = "idle", event.reason or "done"
    if event.message:
        told.brief.errors = [event.message[:_TEXT]]
    told.waiting.clear()


def _ended(told: Gathering, envelope: e.Envelope, event: e.SessionEnded) -> None:
    brief, result = told.brief, event.result
    brief.phase, brief.end, brief.verified = "ended", result.subtype, result.verified
    brief.errors = [error[:_TEXT] for error in result.errors[:20]]
    told.waiting.clear()


def _decided(told: Gathering, envelope: e.Envelope, event: e.CallDecided) -> None:
    told.calls[event.call_id] = event


def _suggested(told: Gathering, envelope: e.Envelope, event: e.Suggested) -> None:
    told.suggested[event.suggestion] = Suggestion(at=envelope.at, by=event.by, text=event.text[:_TEXT], path=event.path)


def _taken(told: Gathering, envelope: e.Envelope, event: e.SuggestionTaken) -> None:
    told.suggested.pop(event.suggestion, None)


_Step = Callable[[Gathering, e.Envelope, Any], None]
_STANDS: dict[type, _Step] = {
    e.ApprovalRequested: _requested,
    e.ApprovalResolved: _resolved,
    e.RequestStarted: _works,
    e.SessionResumed: _works,
    e.PromptSubmitted: _prompted,
    e.QuestionsAsked: _questions,
    e.Idle: _idle,
    e.SessionEnded: _ended,
    e.CallDecided: _decided,
    e.Suggested: _suggested,
    e.SuggestionTaken: _taken,
    e.TodosChanged: lambda told, envelope, event: setattr(told.brief, "todos", event.todos),
}


# --- what happened since -----------------------------------------------------------------------------------


def _said_by_people(told: Gathering, envelope: e.Envelope, event: e.PromptSubmitted) -> None:
    if is_prompt(event):
        prompt = Prompt(at=envelope.at, by=event.by, origin=event.origin, text=event.text.strip()[:_TEXT])
        told.add(told.brief.prompts, prompt)


def _answered(told: Gathering, envelope: e.Envelope, event: e.AnswerCompleted) -> None:
    told.spend(event.usage, event.cost_usd)
    texts = [str(block.get("text") or "") for block in event.content if block.get("type") == "text"]
    told.brief.said = next(filter(None, (event.text.strip(), "\n".join(texts).strip())), told.brief.said)[:_TEXT]


def _finished(told: Gathering, envelope: e.Envelope, event: e.CallFinished) -> None:
    decided = told.calls.pop(event.call_id, None)
    target = (decided.target if decided else event.summary)[:_TEXT]
    if runs := told.waited.pop(event.call_id, ()):
        _judge(told, "\n".join(str(block.get("text") or "") for block in event.content), runs)
    counts = {block.path: (block.added, block.removed) for block in event.display if isinstance(block, Diff)}
    for path in event.changed:
        added, removed = counts.get(path) or (next(iter(counts.values())) if len(counts) == 1 else (None, None))
        told.add(told.edits, _Edit(envelope.seq, path, added, removed))
    if event.status == "denied":
        reason, by = (decided.reason, decided.by or "") if decided else (event.summary, "")
        denied = Denied(at=envelope.at, tool=event.tool, target=target, reason=reason[:_TEXT], by=by)
        told.add(told.brief.denied, denied)
    elif event.tool == "Bash" and (note := _of_note(envelope, event, decided, target)):
        told.add(told.brief.commands, note)


def _of_note(envelope: e.Envelope, event: e.CallFinished, decided: e.CallDecided | None, target: str) -> Command | None:
    output = next((block for block in event.display if isinstance(block, Output)), Output(text=""))
    outside, by = (decided.sandbox == "outside", decided.by or "") if decided else (False, "")
    failed = event.status != "ok" or output.exit_code or output.signal
    if not (failed or outside or event.duration_ms > _SLOW_MS):
        return None
    return Command(
        at=envelope.at, command=target, status=event.status, exit_code=output.exit_code, signal=output.signal,
        duration_ms=event.duration_ms, outside=outside, by=by,
    )  # fmt: skip


def _own(told: Gathering, envelope: e.Envelope, event: e.ShellRan) -> None:
    ran = Command(
        at=envelope.at, command=event.command[:_TEXT], exit_code=event.exit_code, by=event.by, outside=True, own=True
    )
    told.add(told.brief.commands, ran)


def _decision(told: Gathering, envelope: e.Envelope, event: e.ApprovalResolved) -> None:
    tool, target = told.requests.get(event.request_id, ("", ""))
    decision = Decision(
        at=envelope.at, by=event.by, decision=event.decision, tool=tool, target=target, reason=event.reason[:_TEXT],
        rule=event.rule,
    )  # fmt: skip
    told.add(told.brief.decisions, decision)


def _shell(told: Gathering, envelope: e.Envelope, event: e.ShellFinished) -> None:
    how = f"exit code {event.exit_code}" if event.signal is None else f"signal {event.signal}"
    told.brief.shells[event.shell_id[:_TEXT]] = how


def _linked(told: Gathering, envelope: e.Envelope, event: e.RunLinked) -> None:
    told.run(event.run).linked = True


def _heard(told: Gathering, envelope: e.Envelope, event: e.RunsTold) -> None:
    decided = told.calls.get(event.call_id or "")
    if decided is not None and decided.target.startswith(_WAIT):
        told.waited[decided.call_id] = tuple(one.run for one in event.runs)
    for one in event.runs:
        run = told.run(one.run)
        run.status, run.exit_code = one.status or run.status, one.exit_code if one.status else run.exit_code
        run.alerts = tuple(dict.fromkeys((*run.alerts, *one.alerts)))
    _judge(told, event.text, [one.run for one in event.runs])


def _judge(told: Gathering, text: str, runs: Iterable[str]) -> None:
    """Takes the verdicts on RUNS from what the session itself has told of them."""
    for name, (verdict, words) in verdicts_of(text, runs).items():
        run = told.run(name)
        run.verdict, run.words = verdict, words


def verdicts_of(text: str, runs: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Run -> verdict and words, as TEXT tells the agent of RUNS: a headline, its name, and what came of it."""
    found: dict[str, tuple[str, str]] = {}
    names, at, behind = set(runs), "", 0
    for line in text.splitlines():
        first = line.partition(" ")[0]
        behind += 1
        if first:  # not indented: another run, or the session's own words
            at, behind = first if first in names else "", 0
        # The line behind the headline is the run's name, which whoever began it has chosen.
        if at and behind > 1 and at not in found and (match := _VERDICT.fullmatch(line)):
            found[at] = match[3], f"against {match[1]} ({match[2]}): {match[4]}"[:_TEXT]
    return found


def _rewound(told: Gathering, envelope: e.Envelope, event: e.Rewound) -> None:
    if event.undone:
        told.back.pop(event.undone, None)
    elif event.files:
        told.back[envelope.seq] = event.seq
    what = " and ".join(name for name, back in (("talk", event.talk), ("files", event.files)) if back)
    words = f"{event.by} undid a rewind" if event.undone else f"{event.by} rewound {what} to before an earlier prompt"
    told.add(told.brief.reverted, words)


def _warned(told: Gathering, envelope: e.Envelope, event: e.Notice) -> None:
    if event.level in ("warning", "error"):
        told.add(told.brief.warnings, event.text[:_TEXT])


def _ended_since(told: Gathering, envelope: e.Envelope, event: e.SessionEnded) -> None:
    told.changed = event.result.files_changed[:_KEPT]


def _came(told: Gathering, envelope: e.Envelope, event: e.ClientJoined) -> None:
    words = f"{event.user} was here as {event.role}"
    if not event.owner and words not in told.brief.people:
        told.add(told.brief.people, words[:_TEXT])


def _turn(told: Gathering, envelope: e.Envelope, event: e.RequestStarted) -> None:
    told.brief.turns += 1


def _person_step(words: Callable[[Any], str]) -> _Step:
    return lambda told, envelope, event: told.add(told.brief.people, words(event)[:_TEXT])


_SINCE: dict[type, _Step] = {
    e.PromptSubmitted: _said_by_people,
    e.AnswerCompleted: _answered,
    e.RequestRetried: lambda told, envelope, event: told.spend(event.usage, event.cost_usd),
    e.AnswerDiscarded: lambda told, envelope, event: told.spend(event.usage, event.cost_usd),
    e.Compacted: lambda told, envelope, event: told.spend(event.usage, event.cost_usd),
    e.CallFinished: _finished,
    e.ShellRan: _own,
    e.ApprovalResolved: _decision,
    e.ShellFinished: _shell,
    e.RunLinked: _linked,
    e.RunsTold: _heard,
    e.Rewound: _rewound,
    e.HunksReverted: lambda told, envelope, event: told.add(
        told.brief.reverted, f"{event.by} took {event.hunks} change{'s' * (event.hunks != 1)} of {event.path} back"
    ),
    e.CheckFinished: lambda told, envelope, event: told.checks.update(
        {event.check.command: msgspec.structs.replace(event.check, output="")}
    ),
    e.Notice: _warned,
    e.SessionEnded: _ended_since,
    e.RequestStarted: _turn,
    e.ClientJoined: _came,
    e.BoundaryCrossed: lambda told, envelope, event: told.add(
        told.brief.warnings, f"the agent called {event.tool}, which no agent may: nothing of that answer was run"
    ),
    e.ModeChanged: _person_step(lambda event: f"{event.by} lowered the mode to {event.mode}"),
    e.Shared: _person_step(share_line),
    e.ShareEnded: _person_step(lambda event: f"an invitation ended: {event.why}"),
    e.WheelPassed: _person_step(wheel_line),
    e.Said: _person_step(lambda event: f"{event.by}: {event.text}"),
}
