"""The loop: what reaches the model, what is run, what is kept when an answer is not whole, and how caps end it."""

import itertools
import json

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import resume, run, texts, workspace
from workbench.protocol import events as e
from workbench.protocol.commands import Stop, SubmitPrompt

__all__ = ["workspace"]


def test_a_request_carries_memory_task_and_moment_and_no_tool_that_was_not_granted(workspace):
    (workspace / "CLAUDE.md").write_text("Use two spaces.\n")
    with Endpoint([say("hello")]) as endpoint:
        ran = run(workspace, endpoint, "Say hello.")
    body = endpoint.requests[0].body
    first = list(texts(body["messages"][0]))
    assert "Use two spaces." in first[0] and "grant nothing" in first[0]
    assert first[1] == "Say hello." and str(workspace) in first[2]
    assert ran.result.subtype == "success" and ran.result.result == "hello" and not ran.result.verified
    assert {tool["name"] for tool in body["tools"]} == {
        "Read", "Write", "Edit", "MultiEdit", "Grep", "Glob", "LS", "Bash", "BashOutput", "KillShell", "TodoWrite",
    }  # fmt: skip


def test_what_was_sent_never_changes(workspace):
    (workspace / "a.txt").write_text("one\n")
    turns = [
        turn({"type": "thinking", "thinking": "hm"}, use("Read", file_path="a.txt")),
        turn(use("Edit", file_path="a.txt", old_string="one", new_string="two")),
        turn(use("Bash", command="cat a.txt"), use("LS", path=".")),
    ]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint)
    assert ran.result.num_turns == 4
    bodies = [request.raw for request in endpoint.requests]
    for one, two in itertools.pairwise(bodies):
        before = json.dumps(json.loads(one)["messages"])[:-1]
        assert json.dumps(json.loads(two)["messages"]).startswith(before)
    assert len({json.dumps([json.loads(raw)[key] for key in ("system", "tools")]) for raw in bodies}) == 1


def test_a_call_whose_input_is_not_whole_json_is_answered_and_not_run(workspace):
    broken = {**use("Bash", "toolu_1"), "input_raw": '{"command": "touch made'}
    with Endpoint([turn(broken), say("ok")]) as endpoint:
        ran = run(workspace, endpoint, allow=["Bash"])
    assert not (workspace / "made").exists()
    [finished] = ran.events(e.CallFinished)
    assert finished.status == "error" and not ran.result.permission_denials
    assert "could not be read" in next(texts(endpoint.requests[1].body["messages"][-1]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (use("Glob", pattern="*/../x"), "after a wildcard"),
        (use("Read", file_path="a\0b"), "holds a NUL"),
        (use("Write", file_path="a\0b", content="x"), "holds a NUL"),
    ],
)
def test_a_call_that_names_no_place_is_answered_and_not_run(workspace, call, words):
    with Endpoint([turn(call), say("done")]) as endpoint:
        ran = run(workspace, endpoint)
    [finished] = ran.events(e.CallFinished)
    assert ran.result.subtype == "success" and finished.status == "error" and words in finished.summary
    assert not list(workspace.iterdir())


@pytest.mark.parametrize(("stop", "limit"), [("max_tokens", "output"), ("model_context_window_exceeded", "context")])
def test_no_call_of_an_answer_that_was_cut_is_run(workspace, stop, limit):
    cut = turn(use("Bash", "toolu_1", command="touch made"), stop_reason=stop)
    with Endpoint([cut, say("ok")]) as endpoint:
        ran = run(workspace, endpoint, allow=["Bash"])
    assert not (workspace / "made").exists()
    assert f"cut at the {limit} limit" in next(texts(endpoint.requests[1].body["messages"][-1]))
    assert ran.result.subtype == "success"


def test_no_call_of_an_answer_that_the_model_broke_off_to_refuse_is_run(workspace):
    refused = turn(use("Bash", "toolu_1", command="touch made"), stop_reason="refusal")
    with Endpoint([refused]) as endpoint:
        ran = run(workspace, endpoint, allow=["Bash"])
    assert not (workspace / "made").exists() and len(endpoint.requests) == 1
    assert ran.result.subtype == "error_during_execution" and "refused to go on" in repr(ran.result)


def test_a_text_cut_at_the_output_limit_goes_on_and_not_for_ever(workspace):
    with Endpoint([], after=say("and so on", stop_reason="max_tokens")) as endpoint:
        ran = run(workspace, endpoint)
    assert ran.result.subtype == "error_during_execution" and len(endpoint.requests) == 4


@pytest.mark.parametrize("name", ["Task", "Agent"])
def test_an_orchestration_call_ends_the_session_before_any_call_of_its_answer(workspace, name):
    crossing = turn(use("Bash", command="touch made"), use(name, prompt="do it"))
    with Endpoint([crossing]) as endpoint:
        ran = run(workspace, endpoint, allow=["Bash", name])
    assert (ran.result.exit_code, ran.result.subtype) == (10, "error_system_boundary")
    assert len(endpoint.requests) == 1 and not (workspace / "made").exists()


def test_a_denied_call_is_told_listed_and_ends_with_blocked_unless_the_agent_goes_on(workspace):
    with Endpoint([turn(use("Bash", "toolu_1", command="curl http://example.org")), say("could not")]) as endpoint:
        ran = run(workspace, endpoint)
    assert ran.result.exit_code == 5
    [denial] = ran.result.permission_denials
    assert denial.tool_name == "Bash" and denial.tool_use_id == "toolu_1" and "no person" in denial.reason
    turns = [turn(use("Bash", command="curl http://example.org")), turn(use("LS", path=".")), say("another way")]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint)
    assert ran.result.exit_code == 0 and len(ran.result.permission_denials) == 1


@pytest.mark.parametrize(
    ("caps", "exit_code", "requests"),
    [({"max_turns": 2}, 6, 2), ({"max_tokens": 10}, 7, 1), ({"max_usd": 0.000001}, 7, 1)],
)
def test_a_cap_ends_the_session_and_a_raised_one_lets_it_go_on(workspace, caps, exit_code, requests):
    looking = [turn(use("LS", f"toolu_{n}", path=".")) for n in range(3)]
    with Endpoint(looking) as endpoint:
        ran = run(workspace, endpoint, caps=caps)
        assert ran.result.exit_code == exit_code and len(endpoint.requests) == requests
        again = resume(ran.result.session_id, endpoint, max_turns=50, max_tokens=10**9, max_usd=100.0)
    assert again.result.subtype == "success" and again.result.num_turns == len(endpoint.requests) == 4


def test_wall_time_is_a_budget_and_ends_a_running_command(workspace):
    with Endpoint([turn(use("Bash", command="sleep 60"))]) as endpoint:
        ran = run(workspace, endpoint, allow=["Bash"], caps={"timeout_s": 4.0})
    assert ran.result.exit_code == 7 and "timeout" in ran.result.errors[0]
    assert [x.status for x in ran.events(e.CallFinished)] == ["cancelled"]


def test_words_submitted_while_it_works_go_with_the_next_request(workspace):
    async def steer(client, envelope):
        if isinstance(envelope.event, e.CallStarted):
            await client.send(SubmitPrompt(id="1", text="also look at b", by="ana"))

    with Endpoint([turn(use("LS", path=".")), say("done")]) as endpoint:
        run(workspace, endpoint, steer=steer)
    assert "also look at b" in list(texts(endpoint.requests[1].body["messages"][-1]))


@pytest.mark.parametrize(("reason", "code"), [("signal", 75), ("interrupt", 130), ("terminate", 143)])
def test_a_stop_ends_what_runs_and_is_resumed_where_it_stood(workspace, reason, code):
    async def steer(client, envelope):
        if isinstance(envelope.event, e.CallProgress) and "begun" in envelope.event.text:
            await client.send(Stop(id="1", reason=reason, by="test"))

    command = "echo begun; sleep 60; touch made"
    with Endpoint([turn(use("Bash", "toolu_1", command=command)), say("gone on")]) as endpoint:
        ran = run(workspace, endpoint, allow=["Bash"], steer=steer)
        assert ran.result.exit_code == code and not (workspace / "made").exists()
        again = resume(ran.result.session_id, endpoint)
    assert again.result.exit_code == 0 and again.result.result == "gone on"
    [result] = endpoint.requests[1].body["messages"][-1]["content"]
    assert result["tool_use_id"] == "toolu_1" and result["is_error"]


def test_a_question_ends_the_session_and_its_answer_goes_on(workspace):
    asking = (
        "I need you.\n\n```decision\nquestion: Train for 40 GPU-hours?\noptions:\n  - {label: 'yes', cost: '$80'}\n```"
    )
    with Endpoint([say(asking), say("thank you")]) as endpoint:
        ran = run(workspace, endpoint, checks=("false",))
        assert ran.result.exit_code == 11 and ran.result.questions[0].options[0].cost == "$80"
        assert not ran.result.checks
        again = resume(ran.result.session_id, endpoint, answer="no, 10 at most", max_turns=2)
    assert "no, 10 at most" in next(texts(endpoint.requests[1].body["messages"][-1]))
    assert again.result.exit_code == 6 and again.result.num_turns == 2


def test_grep_shows_nothing_of_a_secret_and_names_what_it_may(workspace):
    (workspace / ".env").write_text("TOKEN=needle\n")
    (workspace / "a.py").write_text("needle\n")
    with Endpoint([turn(use("Grep", pattern="needle", output_mode="content")), say("ok")]) as endpoint:
        run(workspace, endpoint)
    [found] = texts(endpoint.requests[1].body["messages"][-1])
    assert "a.py" in found and "TOKEN" not in found


@pytest.mark.parametrize("trusted", [False, True])
def test_a_workspaces_allow_rules_count_only_by_the_users_word(workspace, trusted):
    (workspace / ".mlwb").mkdir()
    (workspace / ".mlwb/config.yaml").write_text("permissions: {allow: ['Bash(python3 a.py)']}\n")
    (workspace / "a.py").write_text("open('made', 'w')\n")
    with Endpoint([turn(use("Bash", command="python3 a.py")), say("ok")]) as endpoint:
        ran = run(workspace, endpoint, trusted=trusted)
    assert (workspace / "made").exists() == trusted
    assert any("ignored" in notice.text for notice in ran.events(e.Notice)) != trusted


def test_a_resume_may_raise_the_mode_up_to_what_the_definition_names(workspace):
    agents = workspace / ".mlwb/agents"
    agents.mkdir(parents=True)
    (agents / "a.md").write_text("---\nname: careful\ndescription: d\npermissionMode: default\n---\nHi.\n")
    with Endpoint([say("one"), say("two")]) as endpoint:
        first = run(workspace, endpoint, agent="careful", permission_mode="plan")
        again = resume(first.result.session_id, endpoint, mode="acceptEdits")
    [started] = first.events(e.SessionStarted)
    [resumed] = again.events(e.SessionResumed)
    assert (started.mode, resumed.mode) == ("plan", "default")
