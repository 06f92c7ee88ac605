"""Events -> state. Every view, near or far, late or early, uses this one function.

What an item says depends on its own event and, for a call, on later events up to the next `RequestStarted`; never on
anything before the `RequestStarted` that precedes it, nor on which other items are still held. So a page may be
folded from a turn's start to its end, and its items are the ones that the state held. One mark is apart: `rewound`,
which `mark_rewound` gives from the rewinds of the whole journal.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from workbench.protocol import events as e
from workbench.protocol.bounds import clip, clip_display, clip_todos, clip_value, keep_last
from workbench.protocol.fold_live import STEPS, alone_again
from workbench.protocol.items import PLACES, items_of
from workbench.protocol.result import Option, Question, Usage
from workbench.protocol.state import (
    KEPT_APPROVALS,
    KEPT_CALLS,
    KEPT_FILES,
    KEPT_ITEMS,
    KEPT_PATH,
    KEPT_QUESTIONS,
    KEPT_REASON,
    KEPT_REWINDS,
    KEPT_RUNS,
    KEPT_SHELLS,
    KEPT_TEXT,
    KEPT_TODOS,
    KEPT_WORD,
    Item,
    PendingApproval,
    SessionState,
)

__all__ = ["PLACES", "apply", "items_of", "mark_rewound", "rewound_after"]
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


def mark_rewound(items: Iterable[Item], spans: Iterable[tuple[int, int]]) -> None:
    """Says of each item whether the event that made it lies in one of SPANS (from a seq up to before another)."""
    spans = tuple(spans)
    for item in items:
        seq = item.id // PLACES
        item.rewound = any(start <= seq < end for start, end in spans)


def rewound_after(spans: tuple[tuple[int, int], ...], seq: int, event: e.Rewound) -> tuple[tuple[int, int], ...]:
    """What is taken back after the rewind EVENT of number SEQ, if SPANS were before it."""
    if event.undone:
        return tuple(span for span in spans if span[1] != event.undone)
    return (*spans, (event.seq, seq)) if event.talk else spans


def _add(state: SessionState, item: Item) -> Item:
    item.cut = len(item.text) > KEPT_TEXT or len(item.reason) > KEPT_REASON
    item.text, item.reason = item.text[:KEPT_TEXT], item.reason[:KEPT_REASON]
    item.target = item.target[:KEPT_TEXT]
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
    state.sandbox, state.network = event.sandbox, _word(event.network)
    state.agent_in_place_of = event.agent_in_place_of[:KEPT_PATH]


def _resumed(state: SessionState, envelope: e.Envelope, event: e.SessionResumed) -> None:
    if _works(state):  # its host died: it worked until the last event it left
        state.active_s += max(0.0, state.updated - state.resumed_at)
    state.waiting = ""
    state.resumed_at, state.mode, state.caps = envelope.at, event.mode, event.caps
    state.pid, state.host, state.user = event.pid, event.host, event.user
    state.sandbox, state.network = event.sandbox, _word(event.network)
    state.phase, state.end, state.exit_code, state.questions = "idle", None, None, ()
    state.approvals, state.shells = {}, {}
    alone_again(state)
    _interrupt_calls(state)


def _ended(state: SessionState, envelope: e.Envelope, event: e.SessionEnded) -> None:
    if _works(state):
        state.active_s += max(0.0, envelope.at - state.resumed_at)
    state.waiting = ""
    state.phase, state.end, state.exit_code = "ended", event.result.subtype, event.result.exit_code
    state.approvals, state.shells = {}, {}
    if event.result.subtype != "error_retryable":  # whoever takes up what a signal ended goes on with them
        state.queued = {}
    alone_again(state)
    _interrupt_calls(state)


def _works(state: SessionState) -> bool:
    """Whether time counts as time at work."""
    return state.phase != "ended" and not state.waiting


def _idle(state: SessionState, envelope: e.Envelope, event: e.Idle) -> None:
    if _works(state):
        state.active_s += max(0.0, envelope.at - state.resumed_at)
    state.phase, state.waiting, state.approvals = "idle", _word(event.reason) or "done", {}
    _interrupt_calls(state)


def _renamed(state: SessionState, envelope: e.Envelope, event: e.Renamed) -> None:
    state.title = _word(event.title)


def _caps_raised(state: SessionState, envelope: e.Envelope, event: e.CapsRaised) -> None:
    state.caps = event.caps


def _mode(state: SessionState, envelope: e.Envelope, event: e.ModeChanged) -> None:
    state.mode = event.mode


# --- prompt and answer -------------------------------------------------------------------------------------


def _request(state: SessionState, envelope: e.Envelope, event: e.RequestStarted) -> None:
    if state.waiting:
        state.waiting, state.resumed_at = "", envelope.at
    state.phase, state.turns, state.undoable, state.questions = "thinking", event.turn, 0, ()
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


def _came_to_nothing(state: SessionState, envelope: e.Envelope, event: e.RequestRetried | e.AnswerDiscarded) -> None:
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
        item.target = clip(event.target, KEPT_TEXT) or item.target  # a person may have changed the call
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
        cwd=clip(event.cwd, KEPT_PATH),
        sandbox=_word(event.sandbox),
        again=event.again,
        owners=event.owners,
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


def _rewound(state: SessionState, envelope: e.Envelope, event: e.Rewound) -> None:
    state.undoable = 0 if event.undone else envelope.seq
    if event.talk:
        state.rewound = rewound_after(state.rewound, envelope.seq, event)[-KEPT_REWINDS:]
        state.todos, state.questions = clip_todos(event.todos[:KEPT_TODOS]), ()
        state.context_tokens = event.context_tokens
        mark_rewound(state.items, state.rewound)


def _run(state: SessionState, envelope: e.Envelope, event: e.RunLinked) -> None:
    if (run := _word(event.run)) not in state.runs:
        state.runs = (*state.runs, run)[-KEPT_RUNS:]
    if event.call_id and (item := _call(state, event.call_id)):
        item.run = item.run or run


_STEPS: dict[type, Callable[[SessionState, e.Envelope, Any], None]] = {
    e.SessionStarted: _started,
    e.SessionResumed: _resumed,
    e.SessionEnded: _ended,
    e.Renamed: _renamed,
    e.CapsRaised: _caps_raised,
    e.ModeChanged: _mode,
    e.RequestStarted: _request,
    e.AnswerCompleted: _answer,
    e.RequestRetried: _came_to_nothing,
    e.AnswerDiscarded: _came_to_nothing,
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
    e.Rewound: _rewound,
    e.Idle: _idle,
    **STEPS,
}
