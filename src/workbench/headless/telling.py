"""What a person reads on standard error while a session runs, and at its end."""

import shlex
from pathlib import Path
from time import monotonic

from workbench.headless.streams import Console
from workbench.protocol import events as e
from workbench.protocol.result import Result
from workbench.protocol.state import SessionState

_RESUMED_HIGHER = {"error_max_turns": " --max-turns N", "error_max_budget": " --max-usd|--max-tokens|--timeout …"}


class Teller:
    """Follows a session on standard error: a status line on a terminal, and a line for what must not be missed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._activity = "starting"
        self._began = monotonic()

    def see(self, envelope: e.Envelope) -> None:
        """Takes note of an event; says it aloud where a person should know."""
        event = envelope.event
        if line := _line(event):
            self._console.say(line)
        self._activity = _activity(event) or self._activity

    def draw(self, state: SessionState) -> None:
        """Draws the status line anew."""
        if not self._console.live:
            return
        cost = "$?" if state.cost_usd is None else f"${state.cost_usd:.2f}"
        spent = f"{_time(monotonic() - self._began)} · {_count(state.usage.total)} tokens · {cost}"
        # The activity may be long: it comes last, so that nothing else is cut off.
        self._console.status(f"turn {state.turns} · {spent} · {self._activity}")


def _activity(event: e.AnyEvent) -> str:
    match event:
        case e.RequestStarted():
            return "waiting for the model"
        case e.ThinkingDelta():
            return "thinking"
        case e.TextDelta():
            return "writing"
        case e.CallDelta(name=name) if name:
            return f"writing a call of {name}"
        case e.CallDecided(tool=tool, target=target):
            return f"{tool} {target}".rstrip()
        case e.RequestRetried(delay_s=delay):
            return f"trying again in {delay:.0f} s"
        case e.CheckFinished():
            return "checking"
        case e.Tick(activity=activity):
            return activity
    return ""


def _line(event: e.AnyEvent) -> str:
    match event:
        case e.RequestRetried(turn=turn, attempt=attempt, delay_s=delay, reason=reason):
            return f"turn {turn}: attempt {attempt} failed: {reason}; trying again in {delay:.1f} s"
        case e.AnswerDiscarded(turn=turn, reason=reason):
            return f"turn {turn}: the answer was discarded: {reason or 'it was stopped'}"
        case e.Notice(level="info", text=text):
            return text
        case e.Notice(level=level, text=text):
            return f"{level}: {text}"
        case e.CallDecided(verdict="deny", tool=tool, target=target, reason=reason, by=by, lifted_by=rule):
            return f"denied: {tool} {target}: {reason}" + (f"; the rule {rule} allows it" if by and rule else "")
        case e.BoundaryCrossed(tool=tool):
            return f"the agent called {tool}; nothing of that answer is run"
        case e.CheckFinished(check=check):
            return f"check passed: {check.command}" if check.exit_code == 0 else _failed(check.command, check.exit_code)
    return ""


def _failed(command: str, code: int) -> str:
    how = {124: "out of time", 127: "exit 127, no such command"}.get(code, f"exit {code}")
    return f"check failed ({how}): {command}"


def closing(result: Result, folder: Path) -> list[str]:
    """The last lines: errors, questions, changes, the line that goes on, and what confirmed the outcome."""
    lines = [f"{result.subtype}: {error}" for error in result.errors]
    if result.is_error and not lines:
        lines = [result.subtype]
    for question in result.questions:
        lines.append(f"to decide: {question.question}")
        lines += [f"  - {option.label}" + (f" ({option.cost})" if option.cost else "") for option in question.options]
        if question.recommendation:
            lines.append(f"  recommended: {question.recommendation}")
    if result.files_changed:
        names = ", ".join(change.path for change in result.files_changed[:5])
        more = f" and {len(result.files_changed) - 5} more" if len(result.files_changed) > 5 else ""
        lines.append(f"changed since it began: {names}{more}")  # whoever did: others may work here, too
    if (folder / "summary.md").exists():  # a full disk had no room for it
        lines.append(f"summary: {folder / 'summary.md'}")
    if result.is_error:
        answer = " --answer TEXT" if result.questions else _RESUMED_HIGHER.get(result.subtype, "")
        lines.append(f"to go on: mlwb run --resume {shlex.quote(result.session_id)}{answer}")
    lines.append(_confirmed(result))
    return lines


def _confirmed(result: Result) -> str:
    if result.verified:
        return f"verified: {len(result.checks)} of {len(result.checks)} checks passed"
    if not result.checks:
        return "not verified: no check confirmed the outcome"
    passed = sum(1 for check in result.checks if check.exit_code == 0)
    said = f"not verified: {passed} of {len(result.checks)} checks passed"
    if passed < len(result.checks):
        return said
    if result.subtype == "error_checks_failed":  # though none failed: what is locked counts as one
        return f"{said}, but locked files did not stay as they were"
    return f"{said}, but the session did not end as it should"


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _count(tokens: int) -> str:
    if tokens < 1000:
        return str(tokens)
    return f"{tokens / 1000:.1f}k" if tokens < 1_000_000 else f"{tokens / 1e6:.2f}M"
