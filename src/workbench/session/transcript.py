"""A session as Markdown for people: prompts, answers, calls with their verdicts, diffs, checks, the result.

What people, the model and tools said is quoted or in code, so that none of it can pass for a heading of ours;
control characters are made visible.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.visible import visible
from workbench.session.blobs import BlobError, Blobs
from workbench.session.transcript_people import PEOPLE

_WORDS = 300
_DIFF_LINES = 400
_OUTPUT = 4_000
VERDICTS = {"allow": "allowed", "ask": "asked", "deny": "denied"}


def transcript(envelopes: Iterable[e.Envelope], blobs: Blobs, title: str = "", thinking: bool = False) -> Iterator[str]:
    """Paragraphs of Markdown, without blank lines between them, under TITLE.

    With THINKING the model's is quoted, else counted.
    """
    yield f"# {one_line(title.strip('# ') or 'Session', 100)}"
    writer = _Writer(blobs, thinking)
    for envelope in envelopes:
        yield from writer.event(envelope)
    yield from writer.open_calls()


def moment(at: float) -> str:
    """Unix time AT in UTC, by ISO 8601."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def one_line(text: str, most: int = _WORDS) -> str:
    """TEXT on one line, of MOST characters, safe to show."""
    shown = visible(" ".join(text.split()))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def code(text: str, most: int = _WORDS) -> str:
    """TEXT as inline code that it cannot end."""
    return "`" + one_line(text, most).replace("`", "'") + "`"


def quoted(text: str) -> str:
    """TEXT as a quotation, safe to show."""
    return "\n".join(f"> {line}".rstrip() for line in visible(text.strip(), newlines=True).split("\n"))


def fenced(text: str, language: str = "") -> str:
    """TEXT as a block of code that it cannot end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{visible(text, newlines=True).rstrip()}\n{fence}"


def content_of(event: e.AnswerCompleted, blobs: Blobs) -> tuple[Iterable[dict[str, Any]], bool]:
    """The blocks of an answer, and whether they are all of it: its blob may be gone."""
    if event.blob is None:
        return event.content, True
    try:
        return msgspec.json.decode(blobs.get(event.blob), type=list[dict[str, Any]]), True
    except (BlobError, OSError, UnicodeDecodeError, msgspec.DecodeError):
        return [{"type": "text", "text": event.text}], False


def paragraphs(event: e.AnyEvent) -> Iterator[str]:
    """What EVENT alone says, as Markdown; nothing of calls, answers and the session's beginning and end."""
    if tell := _TELL.get(type(event)):
        yield from tell(event)


class _Writer:
    """Remembers the calls that have a verdict and no result yet."""

    def __init__(self, blobs: Blobs, thinking: bool) -> None:
        self._blobs, self._thinking = blobs, thinking
        self._calls: dict[str, e.CallDecided] = {}

    def event(self, envelope: e.Envelope) -> Iterator[str]:
        event = envelope.event
        if isinstance(event, e.CallDecided):
            self._calls[event.call_id] = event
        elif isinstance(event, e.CallFinished):
            decided = self._calls.pop(event.call_id, None)
            if event.tool != "TodoWrite" or event.status != "ok":  # the list that it left stands there already
                yield self._call(decided, event)
                yield from _diffs(event.display)
        elif isinstance(event, e.AnswerCompleted):
            yield f"## Turn {event.turn}"
            yield from self._answer(event)
        elif isinstance(event, e.RequestStarted):
            yield from self.open_calls()
        elif isinstance(event, e.SessionStarted | e.SessionResumed | e.SessionEnded):
            yield from self.open_calls()
            yield from _LIFE[type(event)](envelope, event)
        else:
            yield from paragraphs(event)

    def open_calls(self) -> Iterator[str]:
        """Calls that never got a result."""
        for decided in self._calls.values():
            yield self._call(decided, None)
        self._calls = {}

    def _call(self, decided: e.CallDecided | None, finished: e.CallFinished | None) -> str:
        tool = decided.tool if decided else finished.tool if finished else ""
        words = [f"- **{one_line(tool)}**"]
        if decided:
            by = f" by {one_line(decided.by)}" if decided.by else ""
            rule = f" (rule {code(decided.rule)})" if decided.rule else ""
            reason = f": {one_line(decided.reason)}" if decided.reason and decided.verdict != "allow" else ""
            words.append(f"{code(decided.target)} {VERDICTS.get(decided.verdict, 'judged')}{by}{rule}{reason}")
        if finished is None:
            words.append("→ no result")
        else:
            took = f" in {finished.duration_ms / 1000:.1f} s" if finished.duration_ms else ""
            summary = f": {one_line(finished.summary)}" if finished.summary else ""
            words.append(f"→ {one_line(finished.status)}{took}{summary}")
        return " ".join(words)

    def _answer(self, event: e.AnswerCompleted) -> Iterator[str]:
        content, whole = content_of(event, self._blobs)
        if not whole:
            yield "*(the whole of this answer is not there any more)*"
        for block in content:
            kind = block.get("type")
            text = str(block.get("thinking" if kind == "thinking" else "text") or "")
            if kind == "text" and text.strip():
                yield quoted(text)
            elif kind == "thinking" and text.strip():
                yield "*Thinking:*\n\n" + quoted(text) if self._thinking else f"*(thought: {len(text):,} characters)*"


def _diffs(display: Iterable[blocks.DisplayBlock]) -> Iterator[str]:
    for block in display:
        if isinstance(block, blocks.Diff) and block.text:
            lines = block.text.splitlines()
            more = [f"… {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else []
            yield fenced("\n".join(lines[:_DIFF_LINES] + more), "diff")


# --- the life of a session ---------------------------------------------------------------------------------


def _started(envelope: e.Envelope, event: e.SessionStarted) -> Iterator[str]:
    git = f" at {one_line(event.commit, 12)}" if event.commit else ""
    branch = f", branch {code(event.branch)}{git}" if event.branch else ""
    yield "\n".join(
        (
            f"- Session: {code(envelope.session)}, begun {moment(envelope.at)} by {one_line(event.user)} "
            f"on {one_line(event.host)}",
            f"- Workspace: {code(event.workspace)}{branch}",
            f"- Agent: {one_line(event.agent)} ({one_line(event.agent_source)}, {code(event.agent_path)})",
            f"- Model: {one_line(event.model)}; mode {event.mode}; mlwb {one_line(event.version)}",
        )
    )


def _resumed(envelope: e.Envelope, event: e.SessionResumed) -> Iterator[str]:
    cut = f"; a torn last line of {event.cut} bytes was cut off" if event.cut else ""
    who = f"by {one_line(event.user)} on {one_line(event.host)}, mode {event.mode}"
    yield f"---\n\n*Resumed {moment(envelope.at)} {who}{cut}*"


def _ended(envelope: e.Envelope, event: e.SessionEnded) -> Iterator[str]:
    result = event.result
    cost = "cost unknown" if result.total_cost_usd is None else f"${result.total_cost_usd:.4f}"
    confirmed = "verified: all checks passed" if result.verified else "not verified"
    yield f"## End: {one_line(result.subtype)}"
    yield (
        f"{moment(envelope.at)}, exit code {result.exit_code}; {confirmed}; {result.num_turns} turns, "
        f"{result.usage.total:,} tokens, {cost}."
    )
    yield from (f"- {one_line(error)}" for error in result.errors)
    if result.result.strip():
        yield quoted(result.result)
    if result.files_changed:
        yield "\n".join(
            f"- {one_line(change.change)} {code(change.path)}{_counts(change)}" for change in result.files_changed
        )


def _counts(change: Any) -> str:
    return "" if change.added is None else f" +{change.added} -{change.removed or 0}"


_LIFE: dict[type, Callable[[e.Envelope, Any], Iterator[str]]] = {
    e.SessionStarted: _started,
    e.SessionResumed: _resumed,
    e.SessionEnded: _ended,
}


# --- the rest ----------------------------------------------------------------------------------------------


def _prompt(event: e.PromptSubmitted) -> Iterator[str]:
    yield f"## Prompt ({one_line(event.origin)}, by {one_line(event.by)})"
    yield quoted(event.text)


def _check(event: e.CheckFinished) -> Iterator[str]:
    passed = event.check.exit_code == 0
    yield f"- check {code(event.check.command)}: {'passed' if passed else f'exit {event.check.exit_code}'}"
    if not passed and event.check.output.strip():
        yield fenced(event.check.output[-_OUTPUT:])


def _questions(event: e.QuestionsAsked) -> Iterator[str]:
    yield "## Questions for a person"
    for question in event.questions:
        yield quoted(question.question)
        for option in question.options:
            yield f"- {one_line(option.label)}" + (f" (costs: {one_line(option.cost)})" if option.cost else "")
        if question.recommendation:
            yield f"*Recommended: {one_line(question.recommendation)}*"


def _told(event: e.RunsTold) -> Iterator[str]:
    """Where a call told it, its result says it."""
    if event.text:
        yield "## Told to the agent (of its runs, by mlwb)"
        yield quoted(event.text)


def _todos(event: e.TodosChanged) -> Iterator[str]:
    marks = {"completed": "x", "in_progress": "~"}
    items = "; ".join(f"[{marks.get(todo.status, ' ')}] {one_line(todo.content, 80)}" for todo in event.todos)
    yield f"- to do: {items or 'nothing'}"


def _compacted(event: e.Compacted) -> Iterator[str]:
    yield f"*The history of {event.tokens_before:,} tokens was replaced by this summary:*"
    yield quoted(event.summary)


def _asked(event: e.ApprovalRequested) -> str:
    return f"- a person is asked about {one_line(event.tool)}: {one_line(event.reason)}"


def _answered(event: e.ApprovalResolved) -> str:
    reason = f" ({one_line(event.reason)})" if event.reason else ""
    return f"- {one_line(event.by)} answers: {one_line(event.decision)}{reason}"


def _shell_ended(event: e.ShellFinished) -> str:
    how = f"signal {event.signal}" if event.signal is not None else f"exit {event.exit_code}"
    return f"- background command {one_line(event.shell_id)} ended: {how}"


def _single(tell: Callable[[Any], str]) -> Callable[[Any], Iterator[str]]:
    def single(event: Any) -> Iterator[str]:
        yield tell(event)

    return single


_TELL: dict[type, Callable[[Any], Iterator[str]]] = {
    e.PromptSubmitted: _prompt,
    e.CheckFinished: _check,
    e.QuestionsAsked: _questions,
    e.TodosChanged: _todos,
    e.Compacted: _compacted,
    e.ApprovalRequested: _single(_asked),
    e.ApprovalResolved: _single(_answered),
    e.CapsRaised: _single(lambda event: f"- {one_line(event.by)} raised the GPU-hours to {event.caps.max_gpu_hours:g}"),
    e.Renamed: _single(lambda event: f"- renamed to {code(event.title)}"),
    e.ModeChanged: _single(lambda event: f"- {one_line(event.by)} lowered the mode to {event.mode}"),
    e.RequestRetried: _single(
        lambda event: (
            f"- attempt {event.attempt} failed, tried again after {event.delay_s:.1f} s: " + one_line(event.reason)
        )
    ),
    e.AnswerDiscarded: _single(
        lambda event: f"- an answer was discarded: {one_line(event.reason or 'it was stopped')}"
    ),
    e.BoundaryCrossed: _single(
        lambda event: f"- **the agent called {one_line(event.tool)}, which no agent may: nothing of that answer ran**"
    ),
    e.ShellStarted: _single(
        lambda event: f"- background command {one_line(event.shell_id)} runs: {code(event.command)}"
    ),
    e.ShellFinished: _single(_shell_ended),
    e.Notice: _single(lambda event: f"- {one_line(event.level)}: {one_line(event.text, 1000)}"),
    e.RunsTold: _told,
    **PEOPLE,
    e.RunLinked: _single(lambda event: f"- experiment run {code(event.run)}"),
    e.Unknown: _single(lambda event: f"- ({one_line(event.name)}: an event of a newer version)"),
}
