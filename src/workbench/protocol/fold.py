"""Events -> state. Every view, near or far, late or early, uses this one function."""

from collections.abc import Callable
from typing import Any

from workbench.protocol import events as e
from workbench.protocol.state import KEPT_FILES, KEPT_ITEMS, KEPT_TEXT, Item, PendingApproval, SessionState


def apply(state: SessionState, envelope: e.Envelope) -> None:
    """Folds one envelope into STATE, in place. Ephemeral and already seen ones change nothing."""
    if envelope.seq == 0 or envelope.seq <= state.seq:
        return
    state.seq, state.updated = envelope.seq, envelope.at
    if step := _STEPS.get(type(envelope.event)):
        step(state, envelope, envelope.event)


def items_of(envelope: e.Envelope) -> list[Item]:
    """The transcript items that ENVELOPE alone makes; calls come without their later result."""
    scratch = SessionState()
    apply(scratch, envelope)
    return scratch.items


def _add(state: SessionState, envelope: e.Envelope, kind: str, text: str = "", **more: Any) -> Item:
    # Several items of one event share its seq in the high part, so ids stay ordered and unique.
    place = sum(1 for item in state.items[-64:] if item.id // 64 == envelope.seq)
    item = Item(id=envelope.seq * 64 + min(place, 63), at=envelope.at, kind=kind, text=text[:KEPT_TEXT], **more)
    state.items.append(item)
    state.items_total += 1
    if len(state.items) > KEPT_ITEMS:
        del state.items[: len(state.items) - KEPT_ITEMS]
    return item


def _call(state: SessionState, call_id: str) -> Item | None:
    return next((item for item in reversed(state.items) if item.call_id == call_id), None)


def _started(state: SessionState, envelope: e.Envelope, event: e.SessionStarted) -> None:
    state.session, state.started, state.resumed_at = envelope.session, envelope.at, envelope.at
    state.title, state.workspace, state.agent, state.color = event.title, event.workspace, event.agent, event.color
    state.model, state.mode, state.branch = event.model, event.mode, event.branch
    state.user, state.host, state.pid, state.caps = event.user, event.host, event.pid, event.task.caps


def _resumed(state: SessionState, envelope: e.Envelope, event: e.SessionResumed) -> None:
    state.resumed_at, state.pid, state.host, state.mode, state.caps = (
        envelope.at,
        event.pid,
        event.host,
        event.mode,
        event.caps,
    )
    state.phase, state.end, state.exit_code, state.questions = "idle", None, None, ()
    state.approvals, state.shells = {}, {}
    for item in state.items:
        if item.status in ("waiting", "asking", "running"):
            item.status = "interrupted"


def _ended(state: SessionState, envelope: e.Envelope, event: e.SessionEnded) -> None:
    state.phase, state.end, state.exit_code = "ended", event.result.subtype, event.result.exit_code
    state.active_s += max(0.0, envelope.at - state.resumed_at)
    _add(state, envelope, "end", event.result.subtype, exit_code=event.result.exit_code)


def _renamed(state: SessionState, envelope: e.Envelope, event: e.Renamed) -> None:
    state.title = event.title


def _mode(state: SessionState, envelope: e.Envelope, event: e.ModeChanged) -> None:
    state.mode = event.mode


def _prompt(state: SessionState, envelope: e.Envelope, event: e.PromptSubmitted) -> None:
    _add(state, envelope, "prompt", event.text, by=event.by, origin=event.origin)


def _request(state: SessionState, envelope: e.Envelope, event: e.RequestStarted) -> None:
    state.phase, state.turns = "thinking", event.turn


def _retried(state: SessionState, envelope: e.Envelope, event: e.RequestRetried) -> None:
    _add(
        state,
        envelope,
        "notice",
        f"{event.reason}; trying again in {event.delay_s:.1f} s",
        level="warning",
        turn=event.turn,
    )


def _spend(state: SessionState, usage: Any, cost: float | None) -> None:
    state.usage.add(usage)
    state.cost_usd = None if cost is None or state.cost_usd is None else state.cost_usd + cost


def _answer(state: SessionState, envelope: e.Envelope, event: e.AnswerCompleted) -> None:
    _spend(state, event.usage, event.cost_usd)
    state.phase, state.context_tokens = "calling", event.usage.prompt + event.usage.output_tokens
    state.duration_api_ms += event.duration_ms
    state.ttft_ms = event.ttft_ms if state.ttft_ms is None else state.ttft_ms
    for block in event.content:
        if block.get("type") == "thinking" and block.get("thinking"):
            _add(state, envelope, "thinking", block["thinking"], turn=event.turn, blob=event.blob)
        elif block.get("type") == "text" and block.get("text"):
            _add(state, envelope, "answer", block["text"], turn=event.turn, blob=event.blob)
    if event.blob and not event.content:
        _add(state, envelope, "answer", "", turn=event.turn, blob=event.blob)


def _discarded(state: SessionState, envelope: e.Envelope, event: e.AnswerDiscarded) -> None:
    _add(state, envelope, "notice", f"an answer was discarded: {event.reason}", level="warning", turn=event.turn)


def _compacted(state: SessionState, envelope: e.Envelope, event: e.Compacted) -> None:
    _spend(state, event.usage, event.cost_usd)
    state.context_tokens = 0
    _add(state, envelope, "compaction", event.summary)


def _decided(state: SessionState, envelope: e.Envelope, event: e.CallDecided) -> None:
    item = _call(state, event.call_id) or _add(
        state,
        envelope,
        "call",
        call_id=event.call_id,
        tool=event.tool,
        target=event.target[:KEPT_TEXT],
        turn=state.turns,
    )
    item.status = {"allow": "waiting", "ask": "asking", "deny": "denied"}.get(event.verdict, "waiting")
    item.rule, item.reason, item.by = event.rule, event.reason, event.by or ""
    state.denials += event.verdict == "deny"


def _call_started(state: SessionState, envelope: e.Envelope, event: e.CallStarted) -> None:
    if item := _call(state, event.call_id):
        item.status = "running"


def _call_finished(state: SessionState, envelope: e.Envelope, event: e.CallFinished) -> None:
    item = _call(state, event.call_id) or _add(
        state, envelope, "call", call_id=event.call_id, tool=event.tool, turn=state.turns
    )
    item.status, item.text, item.blob = event.status, event.summary, event.blob
    item.display, item.duration_ms = event.display, event.duration_ms
    for path in event.changed:
        state.files.pop(path, None)
        state.files[path] = envelope.seq
    while len(state.files) > KEPT_FILES:
        state.files.pop(next(iter(state.files)))


def _boundary(state: SessionState, envelope: e.Envelope, event: e.BoundaryCrossed) -> None:
    _add(
        state,
        envelope,
        "notice",
        f"the agent called {event.tool}, which no agent may: nothing of that answer was run",
        level="error",
    )


def _asked(state: SessionState, envelope: e.Envelope, event: e.ApprovalRequested) -> None:
    state.phase = "asking"
    state.approvals[event.request_id] = PendingApproval(
        request_id=event.request_id,
        call_id=event.call_id,
        tool=event.tool,
        input=event.input,
        digest=event.digest,
        rule=event.rule,
        reason=event.reason,
        suggestion=event.suggestion,
        display=event.display,
    )


def _resolved(state: SessionState, envelope: e.Envelope, event: e.ApprovalResolved) -> None:
    pending = state.approvals.pop(event.request_id, None)
    if not state.approvals and state.phase == "asking":
        state.phase = "calling"
    if pending and (item := _call(state, pending.call_id)):
        item.by = event.by


def _todos(state: SessionState, envelope: e.Envelope, event: e.TodosChanged) -> None:
    state.todos = event.todos


def _shell_started(state: SessionState, envelope: e.Envelope, event: e.ShellStarted) -> None:
    state.shells[event.shell_id] = event.command[:1000]


def _shell_finished(state: SessionState, envelope: e.Envelope, event: e.ShellFinished) -> None:
    state.shells.pop(event.shell_id, None)


def _check(state: SessionState, envelope: e.Envelope, event: e.CheckFinished) -> None:
    state.phase = "checking"
    _add(
        state,
        envelope,
        "check",
        event.check.command,
        exit_code=event.check.exit_code,
        reason=event.check.output[-2000:],
    )


def _questions(state: SessionState, envelope: e.Envelope, event: e.QuestionsAsked) -> None:
    state.questions = event.questions
    for question in event.questions:
        _add(state, envelope, "question", question.question, reason=question.recommendation)


def _notice(state: SessionState, envelope: e.Envelope, event: e.Notice) -> None:
    _add(state, envelope, "notice", event.text, level=event.level, origin=event.about)


def _run(state: SessionState, envelope: e.Envelope, event: e.RunLinked) -> None:
    if event.run not in state.runs:
        state.runs = (*state.runs, event.run)


_STEPS: dict[type, Callable[[SessionState, e.Envelope, Any], None]] = {
    e.SessionStarted: _started,
    e.SessionResumed: _resumed,
    e.SessionEnded: _ended,
    e.Renamed: _renamed,
    e.ModeChanged: _mode,
    e.PromptSubmitted: _prompt,
    e.RequestStarted: _request,
    e.RequestRetried: _retried,
    e.AnswerCompleted: _answer,
    e.AnswerDiscarded: _discarded,
    e.Compacted: _compacted,
    e.CallDecided: _decided,
    e.CallStarted: _call_started,
    e.CallFinished: _call_finished,
    e.BoundaryCrossed: _boundary,
    e.ApprovalRequested: _asked,
    e.ApprovalResolved: _resolved,
    e.TodosChanged: _todos,
    e.ShellStarted: _shell_started,
    e.ShellFinished: _shell_finished,
    e.CheckFinished: _check,
    e.QuestionsAsked: _questions,
    e.Notice: _notice,
    e.RunLinked: _run,
}
