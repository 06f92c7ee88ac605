"""The state: what it says of a session, and that it stays small."""

import msgspec
import pytest

from support.sample_events import answer, call, result, resumed, session_events, started, text
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.codec import decode_envelope
from workbench.protocol.fold import PLACES, apply
from workbench.protocol.result import CheckResult, Option, Question, Usage
from workbench.protocol.state import KEPT_ITEMS, KEPT_TEXT, SessionState, state_digest
from workbench.protocol.task import Caps


def fold(events, state=None):
    state = state or SessionState()
    for seq, event in enumerate(events, state.seq + 1):
        apply(state, e.Envelope(seq=seq, session="s-1", at=float(seq), event=event))
    return state


def test_a_session_as_its_state():
    state = fold(session_events())
    assert (state.session, state.agent, state.mode, state.phase, state.end) == (
        "s-1", "ml-engineer", "acceptEdits", "ended", "success",
    )  # fmt: skip
    assert (state.turns, state.cost_usd, state.usage.total, state.context_tokens) == (2, 0.5, 240, 120)
    assert state.caps == Caps(max_turns=9)
    assert [item.kind for item in state.items] == ["prompt", "thinking", "answer", "call", "answer", "check", "end"]
    made = next(item for item in state.items if item.kind == "call")
    assert (made.status, made.turn, made.text, made.rule) == ("ok", 1, "ran python train.py", "mode")
    assert state.files == {"/data/project/train.py": 7}
    assert state.todos[0].content == "tune"


def test_ephemeral_and_seen_envelopes_change_nothing():
    state = fold(session_events())
    before = state_digest(state)
    apply(state, e.Envelope(seq=0, session="s-1", at=9.0, event=e.TextDelta(turn=1, index=0, text="x")))
    apply(state, e.Envelope(seq=3, session="s-1", at=9.0, event=e.Renamed(title="x")))
    assert state_digest(state) == before


def test_the_digest_tells_states_apart_and_survives_the_wire():
    state = fold(session_events())
    assert state_digest(state) == state_digest(fold(session_events()))
    again = msgspec.json.decode(msgspec.json.encode(state), type=SessionState)
    assert state_digest(again) == state_digest(state)
    assert state_digest(fold([e.Renamed(title="x")], again)) != state_digest(state)


def test_a_late_client_goes_on_from_a_state_that_was_sent():
    events = session_events()
    for split in range(len(events)):
        sent = msgspec.json.decode(msgspec.json.encode(fold(events[:split])), type=SessionState)
        assert state_digest(fold(events[split:], sent)) == state_digest(fold(events))


def test_time_at_work_counts_across_resumes_and_crashes():
    ended = [started(), e.Notice(level="info", text="x"), e.SessionEnded(result=result("error_max_turns"))]
    assert fold(ended).active_s == 2.0
    assert fold([*ended, resumed(), e.SessionEnded(result=result())]).active_s == 3.0
    crashed = [started(), e.Notice(level="info", text="x"), resumed()]
    assert fold(crashed).active_s == 1.0
    assert fold([*crashed, e.SessionEnded(result=result())]).active_s == 2.0


def test_a_resume_takes_back_the_end_and_ends_what_was_open():
    open_call = list(call("t1", "sleep 9"))[:2]
    ask = e.ApprovalRequested(request_id="r", call_id="t1", tool="Bash", input={}, rule=None, reason="", digest="d")
    shell = e.ShellStarted(shell_id="1", call_id="t1", command="x", pid=1, path="/x")
    state = fold([started(), e.RequestStarted(turn=1, model="m"), *open_call, ask, shell])
    assert (state.phase, list(state.approvals), list(state.shells)) == ("asking", ["r"], ["1"])
    fold([resumed(mode="plan", caps=Caps(max_turns=20))], state)
    assert (state.phase, state.approvals, state.shells, state.mode) == ("idle", {}, {}, "plan")
    assert state.caps.max_turns == 20
    assert state.items[-1].status == "interrupted"
    told = e.CallFinished(call_id="t1", tool="Bash", status="interrupted", summary="the host died")
    fold([told], state)
    assert [(item.status, item.text) for item in state.items] == [("interrupted", "the host died")]


def test_denials_are_counted_once():
    decided = {"tool": "Bash", "input": {}, "target": "x"}
    state = fold(
        [
            started(),
            e.CallDecided(call_id="a", verdict="deny", **decided),
            e.CallFinished(call_id="a", tool="Bash", status="denied"),
            e.CallDecided(call_id="b", verdict="ask", **decided),
            e.CallFinished(call_id="b", tool="Bash", status="denied"),
            e.CallDecided(call_id="c", verdict="allow", **decided),
            e.CallFinished(call_id="c", tool="Bash", status="ok"),
        ]
    )
    assert state.denials == 2


def test_a_price_that_is_not_known_stays_unknown():
    state = fold([started(), answer(1), answer(2, cost_usd=None), answer(3)])
    assert state.cost_usd is None
    assert state.usage.total == 360


def test_an_answer_that_came_to_nothing_is_paid_for_as_far_as_is_known():
    """A journal of before that was told says nothing of it, and is read as ever."""
    line = b'{"seq":2,"session":"s-1","at":1790000000.0,"event":{"type":"answer_discarded","turn":1,"reason":"cut"}}'
    old = decode_envelope(line)
    state = fold([started()])
    apply(state, old)
    assert (state.seq, state.usage.total, state.cost_usd) == (2, 0, 0.0)
    fold([e.AnswerDiscarded(turn=2, reason="", usage=Usage(input_tokens=7, output_tokens=1), cost_usd=0.25)], state)
    assert (state.usage.total, state.cost_usd, state.context_tokens) == (8, 0.25, 0)


def test_an_id_is_used_for_a_call_of_each_answer():
    events = [started()]
    for turn in (1, 2):
        events += [e.RequestStarted(turn=turn, model="m"), *call("same", f"echo {turn}", turn=turn)]
    assert [(item.turn, item.text) for item in fold(events).items] == [(1, "ran echo 1"), (2, "ran echo 2")]


def test_content_of_a_strange_shape_is_left_out():
    strange = [{}, {"type": "text"}, {"type": "text", "text": 7}, {"type": "thinking", "thinking": None}, {"type": []}]
    assert fold([started(), answer(1, *strange, text("fine"))]).items[0].text == "fine"


def test_items_beyond_the_places_of_an_event_are_joined():
    state = fold([started(), answer(1, *(text(f"w{n}") for n in range(PLACES + 2)))])
    assert len(state.items) == PLACES
    assert state.items[-1].text == f"w{PLACES - 1}\n\nw{PLACES}\n\nw{PLACES + 1}"
    assert len({item.id for item in state.items}) == PLACES


HUGE = "x" * 3_000_000
MANY = 3_000


def flood():
    """Everything that a session, or whoever talks to it, could make large."""
    todo = blocks.Todo(content=HUGE[:100_000], status="pending", active_form=HUGE[:100_000])
    display = (
        blocks.Text(text=HUGE), blocks.Output(text=HUGE), blocks.Listing(lines=tuple("y" * 9 for _ in range(99_999)),
        total=1), blocks.Todos(todos=(todo,) * 40), *(blocks.Image(media_type="a", blob="b"),) * MANY,
    )  # fmt: skip
    option = Option(label=HUGE[:40_000], cost=HUGE[:40_000])
    question = Question(question=HUGE, options=(option,) * 50, recommendation=HUGE)
    nested: dict = {"a": HUGE, **{f"k{n}": n for n in range(MANY)}, "l": list(range(99_999))}
    yield started(title=HUGE, branch=HUGE, model=HUGE, agent=HUGE)
    yield e.Renamed(title=HUGE)
    yield e.QuestionsAsked(questions=(question,) * 40)
    yield e.TodosChanged(todos=(todo,) * 400)
    yield e.PromptSubmitted(text=HUGE, origin=HUGE, by=HUGE)
    for n in range(250):
        yield e.CallDecided(
            call_id=f"{n}{HUGE}", tool=HUGE, input=nested, target=HUGE, verdict="ask", rule=HUGE, reason=HUGE, by=HUGE
        )
        yield e.ApprovalRequested(
            request_id=f"{n}{HUGE}", call_id=f"{n}{HUGE}", tool=HUGE, input=nested, rule=HUGE, reason=HUGE, digest="d",
            suggestion=HUGE, display=display,
        )  # fmt: skip
        yield e.ShellStarted(shell_id=f"{n}{HUGE}", call_id="c", command=HUGE, pid=1, path=HUGE)
        yield e.CallFinished(
            call_id=f"f{n}", tool="Bash", status="ok", summary=HUGE, display=display,
            changed=tuple(f"{n}/{k}{'p' * 300}" for k in range(20)),
        )  # fmt: skip
        yield e.CheckFinished(check=CheckResult(command=HUGE, exit_code=1, output=HUGE), attempt=1)
        yield e.Unknown(name=HUGE, data={"x": HUGE})
    for n in range(MANY):
        yield e.RunLinked(run=f"r{n}")
        yield e.CallDecided(call_id=f"o{n}", tool="Bash", input={}, target="x", verdict="allow")


@pytest.mark.slow
def test_the_state_stays_bounded_whatever_comes():
    state = SessionState()
    largest = 0
    for seq, event in enumerate(flood(), 1):
        apply(state, e.Envelope(seq=seq, session="s-1", at=1.0, event=event))
        if seq % 100 == 0:
            largest = max(largest, len(msgspec.json.encode(state)))
    assert len(state.items) == KEPT_ITEMS
    # Items with two full texts each, approvals with input and display, and a little of everything else.
    assert largest < (KEPT_ITEMS * 3 + 64 * 4) * KEPT_TEXT


def test_what_was_cut_says_so():
    finished = e.CallFinished(
        call_id="t",
        tool="Bash",
        status="ok",
        display=(blocks.Output(text="y" * (KEPT_TEXT + 1)), blocks.Text(text="z")),
    )
    state = fold([started(), e.PromptSubmitted(text="x" * (KEPT_TEXT + 1), origin="task", by="ada"), finished])
    assert [item.cut for item in state.items] == [True, True]
    assert [len(item.text) for item in state.items] == [KEPT_TEXT, 0]
    assert sum(len(block.text) for block in state.items[1].display) == KEPT_TEXT
    ask = e.ApprovalRequested(
        request_id="r", call_id="t", tool="Write", input={"content": "x" * (KEPT_TEXT + 7)}, rule=None, reason="",
        digest="d",
    )  # fmt: skip
    shown = fold([ask], state).approvals["r"].input["content"]
    assert len(shown) < KEPT_TEXT + 50
    assert shown.endswith("more characters)")
