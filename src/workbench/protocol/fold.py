"""Events -> state. Every view, near or far, late or early, uses this one function.

What an item says depends on its own event and, for a call, on later events up to the next `RequestStarted`; never on
anything before the `RequestStarted` that precedes it, nor on which other items are still held. So a page may be
folded from a turn's start to its end, and its items are the ones that the state held.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from workbench.protocol import events as e
from workbench.protocol.bounds import clip, clip_display, clip_todos, clip_value, keep_last
from workbench.protocol.result import Option, Question, Usage
from workbench.protocol.state import (
    KEPT_APPROVALS,
    KEPT_CALLS,
    KEPT_FILES,
    KEPT_ITEMS,
    KEPT_PATH,
    KEPT_QUESTIONS,
    KEPT_REASON,
    KEPT_RUNS,
    KEPT_SHELLS,
    KEPT_TEXT,
    KEPT_TODOS,
    KEPT_WORD,
    Item,
    PendingApproval,
    SessionState,
)

PLACES = 64  # items that one event may make; their ids share the event's seq in the high part
_OPEN = ("waiting", "asking", "running")


def apply(state: SessionState, envelope: e.Envelope, kept: int = KEPT_ITEMS) -> None:
    """Folds one envelope into STATE, in place. Ephemeral and already seen ones change nothing.

    The newest KEPT items stay in the state; everything else that it holds is bounded as well.
    """
    if envelope.seq == 0 or envelope.seq <= state.seq:
        return
    state.seq = envelope.seq
    if step := _STEPS.get(type(envelope.event)):
        step(state, envelope, envelope.event)
    for item in items_of(envelope):
        _add(state, item)
    state.updated = envelope.at
    if len(state.items) > kept:
        del state.items[: len(state.items) - kept]


def items_of(envelope: e.Envelope) -> list[Item]:
    """The transcript items that ENVELOPE alone makes, whole. Calls are not among them: they grow with later events."""
    if not (parts := _PARTS.get(type(envelope.event))):
        return []
    items: list[Item] = []
    for place, part in enumerate(parts(envelope.event)):
        if place >= PLACES:
            items[-1].text += "\n\n" + part.get("text", "")
        else:
            items.append(Item(id=envelope.seq * PLACES + place, at=envelope.at, **part))
    return items


def _add(state: SessionState, item: Item) -> Item:
    item.cut = len(item.text) > KEPT_TEXT or len(item.reason) > KEPT_REASON
    item.text, item.reason = item.text[:KEPT_TEXT], item.reason[:KEPT_REASON]
    item.by, item.origin, item.level = item.by[:KEPT_WORD], item.origin[:KEPT_WORD], item.level[:KEPT_WORD]
    state.items.append(item)
    state.items_total += 1
    return item


def _add_call(state: SessionState, envelope: e.Envelope, call_id: str, tool: str, target: str = "") -> Item:
    item = Item(
        id=envelope.seq * PLACES,
        at=envelope.at,
        kind="call",
        call_id=_word(call_id),
        tool=_word(tool),
        target=clip(target, KEPT_TEXT),
        turn=state.turns,
    )
    state.calls[item.call_id] = item.id
    keep_last(state.calls, KEPT_CALLS)
    return _add(state, item)


def _call(state: SessionState, call_id: str) -> Item | None:
    """The call's item, None where it is no longer held."""
    wanted = state.calls.get(_word(call_id), -1)
    at = bisect_left(state.items, wanted, key=lambda item: item.id)
    return state.items[at] if at < len(state.items) and state.items[at].id == wanted else None


def _word(text: str) -> str:
    return text[:KEPT_WORD]


def _interrupt_calls(state: SessionState) -> None:
    for call_id in state.calls:
        if (item := _call(state, call_id)) and item.status in _OPEN:
            item.status = "interrupted"


# --- the life of a session ---------------------------------------------------------------------------------


def _started(state: SessionState, envelope: e.Envelope, event: e.SessionStarted) -> None:
    state.session, state.started, state.resumed_at = envelope.session, envelope.at, envelope.at
    state.title, state.workspace, state.agent = _word(event.title), event.workspace[:KEPT_PATH], _word(event.agent)
    state.color = event.color and _word(event.color)
    state.model, state.mode, state.branch = _word(event.model), event.mode, event.branch and _word(event.branch)
    state.user, state.host, state.pid, state.caps = event.user, event.host, event.pid, event.task.caps


def _resumed(state: SessionState, envelope: e.Envelope, event: e.SessionResumed) -> None:
    if state.phase != "ended":  # its host died: it worked until the last event it left
        state.active_s += max(0.0, state.updated - state.resumed_at)
    state.resumed_at, state.mode, state.caps = envelope.at, event.mode, event.caps
    state.pid, state.host, state.user = event.pid, event.host, event.user
    state.phase, state.end, state.exit_code, state.questions = "idle", None, None, ()
    state.approvals, state.shells = {}, {}
    _interrupt_calls(state)


def _ended(state: SessionState, envelope: e.Envelope, event: e.SessionEnded) -> None:
    if state.phase != "ended":
        state.active_s += max(0.0, envelope.at - state.resumed_at)
    state.phase, state.end, state.exit_code = "ended", event.result.subtype, event.result.exit_code
    state.approvals, state.shells = {}, {}
    _interrupt_calls(state)


def _renamed(state: SessionState, envelope: e.Envelope, event: e.Renamed) -> None:
    state.title = _word(event.title)


def _mode(state: SessionState, envelope: e.Envelope, event: e.ModeChanged) -> None:
    state.mode = event.mode


# --- prompt and answer -------------------------------------------------------------------------------------


def _request(state: SessionState, envelope: e.Envelope, event: e.RequestStarted) -> None:
    state.phase, state.turns = "thinking", event.turn
    # Every call of the answer before has its result by now, or never gets one: pages rely on this line.
    _interrupt_calls(state)
    state.calls, state.approvals = {}, {}


def _spend(state: SessionState, usage: Usage, cost: float | None) -> None:
    state.usage.add(usage)
    state.cost_usd = None if cost is None or state.cost_usd is None else state.cost_usd + cost


def _answer(state: SessionState, envelope: e.Envelope, event: e.AnswerCompleted) -> None:
    _spend(state, event.usage, event.cost_usd)
    state.phase, state.context_tokens = "calling", event.usage.total
    state.duration_api_ms += event.duration_ms
    state.ttft_ms = event.ttft_ms if state.ttft_ms is None else state.ttft_ms


def _retried(state: SessionState, envelope: e.Envelope, event: e.RequestRetried) -> None:
    if event.usage is not None:
        _spend(state, event.usage, event.cost_usd)


def _compacted(state: SessionState, envelope: e.Envelope, event: e.Compacted) -> None:
    _spend(state, event.usage, event.cost_usd)
    state.context_tokens = 0


# --- calls -------------------------------------------------------------------------------------------------


def _decided(state: SessionState, envelope: e.Envelope, event: e.CallDecided) -> None:
    state.denials += event.verdict == "deny"
    if _word(event.call_id) in state.calls:
        item = _call(state, event.call_id)
    else:
        item = _add_call(state, envelope, event.call_id, event.tool, event.target)
    if item:
        item.status = {"allow": "waiting", "ask": "asking", "deny": "denied"}.get(event.verdict, "waiting")
        item.rule, item.reason = event.rule and clip(event.rule, KEPT_REASON), clip(event.reason, KEPT_REASON)
        item.by = _word(event.by or "")


def _call_started(state: SessionState, envelope: e.Envelope, event: e.CallStarted) -> None:
    if item := _call(state, event.call_id):
        item.status = "running"


def _call_finished(state: SessionState, envelope: e.Envelope, event: e.CallFinished) -> None:
    if _word(event.call_id) in state.calls:
        item = _call(state, event.call_id)
    else:
        item = _add_call(state, envelope, event.call_id, event.tool)
    if item:
        state.denials += event.status == "denied" and item.status != "denied"
        display, cut = clip_display(event.display)
        item.status, item.text, item.blob = event.status, event.summary[:KEPT_TEXT], event.blob
        item.display, item.cut, item.duration_ms = display, cut or len(event.summary) > KEPT_TEXT, event.duration_ms
    for path in event.changed:
        state.files.pop(path[:KEPT_PATH], None)
        state.files[path[:KEPT_PATH]] = envelope.seq
    keep_last(state.files, KEPT_FILES)


def _asked(state: SessionState, envelope: e.Envelope, event: e.ApprovalRequested) -> None:
    state.phase = "asking"
    state.approvals[_word(event.request_id)] = PendingApproval(
        request_id=_word(event.request_id),
        call_id=_word(event.call_id),
        tool=_word(event.tool),
        input=clip_value(event.input),
        digest=event.digest,
        rule=event.rule and clip(event.rule, KEPT_REASON),
        reason=clip(event.reason, KEPT_REASON),
        suggestion=event.suggestion and clip(event.suggestion, KEPT_REASON),
        display=clip_display(event.display)[0],
    )
    keep_last(state.approvals, KEPT_APPROVALS)


def _resolved(state: SessionState, envelope: e.Envelope, event: e.ApprovalResolved) -> None:
    pending = state.approvals.pop(_word(event.request_id), None)
    if not state.approvals and state.phase == "asking":
        state.phase = "calling"
    if pending and (item := _call(state, pending.call_id)):
        item.by = _word(event.by)


def _todos(state: SessionState, envelope: e.Envelope, event: e.TodosChanged) -> None:
    state.todos = clip_todos(event.todos[:KEPT_TODOS])


def _shell_started(state: SessionState, envelope: e.Envelope, event: e.ShellStarted) -> None:
    state.shells[_word(event.shell_id)] = clip(event.command, KEPT_REASON)
    keep_last(state.shells, KEPT_SHELLS)


def _shell_finished(state: SessionState, envelope: e.Envelope, event: e.ShellFinished) -> None:
    state.shells.pop(_word(event.shell_id), None)


# --- checks, questions, runs -------------------------------------------------------------------------------


def _check(state: SessionState, envelope: e.Envelope, event: e.CheckFinished) -> None:
    state.phase = "checking"


def _questions(state: SessionState, envelope: e.Envelope, event: e.QuestionsAsked) -> None:
    state.questions = tuple(_shorter(question) for question in event.questions[:KEPT_QUESTIONS])


def _shorter(question: Question) -> Question:
    return Question(
        question=clip(question.question, KEPT_REASON),
        options=tuple(
            Option(label=clip(option.label, KEPT_WORD), cost=clip(option.cost, KEPT_WORD))
            for option in question.options[:KEPT_QUESTIONS]
        ),
        recommendation=clip(question.recommendation, KEPT_REASON),
    )


def _run(state: SessionState, envelope: e.Envelope, event: e.RunLinked) -> None:
    if (run := _word(event.run)) not in state.runs:
        state.runs = (*state.runs, run)[-KEPT_RUNS:]


_STEPS: dict[type, Callable[[SessionState, e.Envelope, Any], None]] = {
    e.SessionStarted: _started,
    e.SessionResumed: _resumed,
    e.SessionEnded: _ended,
    e.Renamed: _renamed,
    e.ModeChanged: _mode,
    e.RequestStarted: _request,
    e.AnswerCompleted: _answer,
    e.RequestRetried: _retried,
    e.Compacted: _compacted,
    e.CallDecided: _decided,
    e.CallStarted: _call_started,
    e.CallFinished: _call_finished,
    e.ApprovalRequested: _asked,
    e.ApprovalResolved: _resolved,
    e.TodosChanged: _todos,
    e.ShellStarted: _shell_started,
    e.ShellFinished: _shell_finished,
    e.CheckFinished: _check,
    e.QuestionsAsked: _questions,
    e.RunLinked: _run,
}


# --- what an event alone says in the transcript ------------------------------------------------------------


def _answer_parts(event: e.AnswerCompleted) -> Iterator[dict[str, Any]]:
    for block in event.content:
        kind = block.get("type")
        text = block.get("thinking" if kind == "thinking" else "text")
        if kind in ("text", "thinking") and isinstance(text, str) and text:
            name = "thinking" if kind == "thinking" else "answer"
            yield {"kind": name, "text": text, "turn": event.turn, "blob": event.blob}
    if event.blob and not event.content:
        yield {"kind": "answer", "text": event.text, "turn": event.turn, "blob": event.blob}


def _question_parts(event: e.QuestionsAsked) -> Iterator[dict[str, Any]]:
    for question in event.questions:
        yield {"kind": "question", "text": question.question, "reason": question.recommendation}


def _warning(text: str, turn: int, level: str = "warning") -> list[dict[str, Any]]:
    return [{"kind": "notice", "text": text, "level": level, "turn": turn}]


_PARTS: dict[type, Callable[[Any], Iterable[dict[str, Any]]]] = {
    e.PromptSubmitted: lambda event: [
        {"kind": "prompt", "text": event.text, "by": event.by, "origin": event.origin},
    ],
    e.RequestRetried: lambda event: _warning(f"{event.reason}; trying again in {event.delay_s:.1f} s", event.turn),
    e.AnswerCompleted: _answer_parts,
    e.AnswerDiscarded: lambda event: _warning(f"an answer was discarded: {event.reason}", event.turn),
    e.Compacted: lambda event: [{"kind": "compaction", "text": event.summary}],
    e.BoundaryCrossed: lambda event: _warning(
        f"the agent called {event.tool}, which no agent may: nothing of that answer was run", 0, "error"
    ),
    e.CheckFinished: lambda event: [
        {
            "kind": "check",
            "text": event.check.command,
            "exit_code": event.check.exit_code,
            "reason": event.check.output[-KEPT_REASON:],
        },
    ],
    e.QuestionsAsked: _question_parts,
    e.Notice: lambda event: [
        {"kind": "notice", "text": event.text, "level": event.level, "origin": event.about},
    ],
    e.SessionEnded: lambda event: [
        {"kind": "end", "text": event.result.subtype, "exit_code": event.result.exit_code},
    ],
}
