"""A session with a person at it: it waits, is steered, asks, and takes one answer, from whoever was shown the call."""

import asyncio
import json
from pathlib import Path

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import Ran, run, texts, workspace
from workbench.host import local, threaded
from workbench.protocol import events as e
from workbench.protocol.commands import Approve, Interrupt, RunShell, SetMode, Stop, SubmitPrompt, Withdraw
from workbench.protocol.fold import apply
from workbench.protocol.state import SessionState
from workbench.protocol.task import Caps, Rules, Task
from workbench.session import store
from workbench.session.journal import Reader

__all__ = ["workspace"]


def attend(workspace, endpoint, steer, *, host=local, prompt="", rules=None):
    """An interactive session; STEER(client, event) acts on each event until it stops the session."""

    async def whole():
        env = {"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k", "PATH": "/usr/bin:/bin"}
        task = Task(prompt=prompt, workspace=str(workspace), interactive=True, rules=rules or Rules())
        client, ran = await host.start(task, local.Options(env=env)), Ran()
        async for envelope in client.events():
            ran.envelopes.append(envelope)
            await steer(client, envelope.event)
        await client.close()
        return ran

    return asyncio.run(asyncio.wait_for(whole(), 60))


def words(text):
    return SubmitPrompt(id="p", text=text, by="ana")


async def stop(client):
    await client.send(Stop(id="s", reason="signal", by="ana"))


@pytest.mark.parametrize("host", [local, threaded])
def test_it_answers_waits_and_answers_again(workspace, host):
    said = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("one"))
        if isinstance(event, e.Idle):
            said.append(event.reason)
            await (client.send(words("two")) if len(said) == 1 else stop(client))

    with Endpoint([say("first"), say("second")]) as endpoint:
        ran = attend(workspace, endpoint, steer, host=host)
    assert said == ["done", "done"] and ran.result.exit_code == 75
    assert "two" in list(texts(endpoint.requests[1].body["messages"][-1]))


def test_an_interrupt_ends_the_command_and_not_the_session(workspace):
    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("train"))
        if isinstance(event, e.ApprovalRequested):
            await client.send(
                Approve(id="a", request_id=event.request_id, digest=event.digest, decision="once", by="ana")
            )
        if isinstance(event, e.CallProgress) and "begun" in event.text:
            await client.send(Interrupt(id="i", by="ana"))
        if isinstance(event, e.Idle):
            await (client.send(words("go on")) if event.reason == "interrupted" else stop(client))

    turns = [turn(use("Bash", command="echo begun; sleep 99; touch made")), say("gone on")]
    with Endpoint(turns) as endpoint:
        ran = attend(workspace, endpoint, steer)
    assert [x.status for x in ran.events(e.CallFinished)] == ["cancelled"] and not (workspace / "made").exists()
    results = endpoint.requests[1].body["messages"][-1]["content"]
    assert results[0]["type"] == "tool_result" and results[1]["text"] == "go on"


def test_an_approval_is_bound_to_the_call_that_was_shown_and_taken_once(workspace):
    acks = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("go"))
        if isinstance(event, e.ApprovalRequested):
            for digest, by in (("0" * 64, "eve"), (event.digest, "ana"), (event.digest, "li")):
                answer = Approve(id=by, request_id=event.request_id, digest=digest, decision="once", by=by)
                acks.append(await client.send(answer))
        if isinstance(event, e.Idle):
            await stop(client)

    with Endpoint([turn(use("Bash", command="python3 -c \"open('made', 'w')\"")), say("ok")]) as endpoint:
        ran = attend(workspace, endpoint, steer)
    assert [ack.ok for ack in acks] == [False, True, False]
    assert (workspace / "made").exists()
    [resolved] = ran.events(e.ApprovalResolved)
    assert resolved.by == "ana" and ran.events(e.CallDecided)[-1].by == "ana"


def test_no_with_a_reason_reaches_the_agent(workspace):
    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("go"))
        if isinstance(event, e.ApprovalRequested):
            no = Approve(
                id="n", request_id=event.request_id, digest=event.digest, decision="no", by="ana", reason="use the CPU"
            )
            await client.send(no)
        if isinstance(event, e.Idle):
            await stop(client)

    with Endpoint([turn(use("Bash", command="python3 train.py")), say("ok")]) as endpoint:
        attend(workspace, endpoint, steer)
    assert "refused by ana: use the CPU" in next(texts(endpoint.requests[1].body["messages"][-1]))


def test_an_edited_call_is_judged_again_and_the_agent_is_told_what_ran(workspace):
    acks = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("go"))
        if isinstance(event, e.ApprovalRequested):
            for changed in ({"command": "rm -rf made"}, {"cmd": "x"}, {"command": "python3 b.py --tiny"}):
                answer = Approve(
                    id="e", request_id=event.request_id, digest=event.digest, decision="once", by="ana", input=changed
                )
                acks.append(await client.send(answer))
        if isinstance(event, e.Idle):
            await stop(client)

    (workspace / "b.py").write_text("import sys; print(sys.argv[1:])")
    with Endpoint([turn(use("Bash", command="python3 a.py")), say("ok")]) as endpoint:
        ran = attend(workspace, endpoint, steer, rules=Rules(deny=("Bash(rm:*)",)))
    assert [ack.ok for ack in acks] == [False, False, True]
    assert "rm" in acks[0].error and "denied" in acks[0].error, "editing does not slip past a deny"
    assert ran.events(e.CallDecided)[-1].target == "python3 b.py --tiny"
    told = list(texts(endpoint.requests[1].body["messages"][-1]))
    assert 'ana changed this call before it ran. What ran: {"command":"python3 b.py --tiny"}' in told[0]
    assert "['--tiny']" in "".join(told)


def test_a_deny_that_came_while_a_call_was_edited_holds(workspace):
    """The gate is asked again right before the call runs, whatever the answer to the person was."""

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("go"))
        if isinstance(event, e.ApprovalRequested):
            answer = Approve(
                id="e", request_id=event.request_id, digest=event.digest, decision="once", by="ana",
                input={"command": "python3 b.py"},
            )  # fmt: skip
            assert (await client.send(answer)).ok
            assert (await client.send(SetMode(id="m", mode="dontAsk", by="ana"))).ok
        if isinstance(event, e.Idle):
            await stop(client)

    (workspace / "b.py").write_text("open('made', 'w')")
    with Endpoint([turn(use("Bash", command="python3 a.py")), say("ok")]) as endpoint:
        ran = attend(workspace, endpoint, steer)
    assert ran.events(e.CallFinished)[0].status == "denied"
    assert not (workspace / "made").exists()


def test_always_saves_the_rule_for_this_workspace_and_session_does_not(workspace):
    asked = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("go"))
        if isinstance(event, e.ApprovalRequested):
            asked.append(event)
            decision = "always" if len(asked) == 1 else "session"
            await client.send(
                Approve(
                    id="a",
                    request_id=event.request_id,
                    digest=event.digest,
                    decision=decision,
                    by="ana",
                    rule="Bash(python3 a.py:*)" if len(asked) == 1 else "Bash(python3 b.py)",
                )
            )
        if isinstance(event, e.Idle):
            await stop(client)

    commands = ["python3 a.py", "python3 a.py --x", "python3 b.py", "python3 b.py"]
    turns = [turn(use("Bash", f"toolu_{n}", command=command)) for n, command in enumerate(commands)]
    with Endpoint([*turns, say("ok")]) as endpoint:
        attend(workspace, endpoint, steer)
    assert len(asked) == 2
    saved = (workspace.parent / ".config/mlwb/allowed.jsonl").read_text().splitlines()
    assert [json.loads(line)["allow"] for line in saved] == ["Bash(python3 a.py:*)"]


def test_a_rule_that_cannot_be_saved_holds_in_the_session_and_ends_nothing(workspace):
    saved = workspace.parent / ".config/mlwb/allowed.jsonl"
    saved.mkdir(parents=True)  # nothing can be written there

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("go"))
        if isinstance(event, e.ApprovalRequested):
            answer = Approve(id="a", request_id=event.request_id, digest=event.digest, decision="always", by="ana",
                             rule="Bash(python3 a.py:*)")  # fmt: skip
            await client.send(answer)
        if isinstance(event, e.Idle):
            await stop(client)

    turns = [turn(use("Bash", f"toolu_{n}", command=f"python3 a.py {n}")) for n in range(2)]
    with Endpoint([*turns, say("ok")]) as endpoint:
        ran = attend(workspace, endpoint, steer)
    assert len(ran.events(e.ApprovalRequested)) == 1 and ran.events(e.Idle)
    assert any("could not be saved" in notice.text and str(saved) in notice.text for notice in ran.events(e.Notice))


def test_a_failing_endpoint_is_told_and_the_session_goes_on(workspace):
    ends = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("one"))
        if isinstance(event, e.Idle):
            ends.append((event.reason, event.message))
            await (client.send(words("two")) if len(ends) == 1 else stop(client))

    with Endpoint([{"fault": {"status": 401, "headers": {}, "message": "bad key"}}, say("fine")]) as endpoint:
        attend(workspace, endpoint, steer)
    assert ends[0][0] == "error_authentication" and ends[1][0] == "done"


def test_a_persons_own_command_runs_in_their_shell_and_is_shown(workspace):
    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(RunShell(id="r1", command="echo hello; exit 3", by="ana"))
        if isinstance(event, e.ShellRan):
            await stop(client)

    with Endpoint([]) as endpoint:
        ran = attend(workspace, endpoint, steer)
    [shell] = ran.events(e.ShellRan)
    assert (shell.output, shell.exit_code, shell.by) == ("hello\n", 3, "ana") and not endpoint.requests


def test_what_a_persons_own_command_prints_is_told_while_it_runs(workspace):
    told = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(RunShell(id="r1", command="echo step 1; until [ -e go ]; do sleep .02; done", by="ana"))
        if isinstance(event, e.CallProgress):
            told.append((event.call_id, event.text))
            (workspace / "go").touch()
        if isinstance(event, e.ShellRan):
            await stop(client)

    with Endpoint([]) as endpoint:
        attend(workspace, endpoint, steer)
    assert told == [("r1", "step 1\n")]


def test_a_headless_session_taken_up_by_a_person_is_shown_whole_and_answers(workspace):
    with Endpoint([say("first"), say("second")]) as endpoint:
        done = run(workspace, endpoint, "Go.").result

        shown = []

        async def whole():
            env = {"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
            client = await threaded.resume(done.session_id, Caps(), None, local.Options(env=env))
            shown.extend(item.text for item in client.state.items if item.kind in ("prompt", "answer"))
            await client.send(words("and now?"))
            seen = []
            async for envelope in client.events():
                seen.append(envelope.event)
                if isinstance(envelope.event, e.Idle):
                    await stop(client)
            await client.close()
            return seen

        seen = asyncio.run(asyncio.wait_for(whole(), 60))
    assert shown == ["Go.", "first"]
    assert isinstance(seen[0], e.PromptSubmitted) and isinstance(seen[-1], e.SessionEnded)
    assert "and now?" in list(texts(endpoint.requests[1].body["messages"][-1]))


def test_a_queued_prompt_is_taken_back_by_whoever_sent_it_and_only_once(workspace):
    acks = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("go"))
        if isinstance(event, e.RequestStarted) and event.turn == 1:
            await client.send(SubmitPrompt(id="q1", text="stay", by="ana"))
            await client.send(SubmitPrompt(id="q2", text="never mind", by="ana"))
            for prompt, by in (("q2", "eve"), ("q2", "ana"), ("q2", "ana"), ("p", "ana")):
                acks.append((await client.send(Withdraw(id="w", prompt=prompt, by=by))).ok)
        if isinstance(event, e.Idle):
            await stop(client)

    with Endpoint([say("first"), say("second")]) as endpoint:
        ran = attend(workspace, endpoint, steer)
    assert acks == [False, True, False, False]
    assert [one.text for one in ran.events(e.PromptSubmitted)] == ["go", "stay"]


def test_an_interrupt_ends_a_persons_own_command_with_all_it_started(workspace):
    seen = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(
                RunShell(id="sh", command="echo begun; setsid sleep 987 & echo $! > left; sleep 987", by="ana")
            )
            await written(workspace / "left")
            await client.send(Interrupt(id="i", by="ana"))
        if isinstance(event, e.ShellRan):
            seen.append(event)
            await stop(client)

    with Endpoint([]) as endpoint:
        attend(workspace, endpoint, steer)
    assert [(one.output, one.exit_code) for one in seen] == [("begun\n", None)]
    assert not running(int((workspace / "left").read_text()))


def test_leaving_ends_a_persons_own_command(workspace):
    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(RunShell(id="sh", command="echo $$ > left; sleep 987", by="ana"))
            await written(workspace / "left")
            await stop(client)

    with Endpoint([]) as endpoint:
        attend(workspace, endpoint, steer)
    assert not running(int((workspace / "left").read_text()))


async def written(path):
    """Until PATH holds a line."""
    for _ in range(1000):
        if path.exists() and path.read_text().endswith("\n"):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} was not written")


def running(pid):
    """Whether PID is a process that has not ended."""
    try:
        state = (Path("/proc") / str(pid) / "stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_what_an_interrupted_answer_had_said_stays_in_the_journal_and_in_what_is_shown_of_it(workspace):
    sent = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("tell me"))
        if isinstance(event, e.TextDelta) and not sent:
            sent.append(event.text)
            await client.send(Interrupt(id="i", by="ana"))
        if isinstance(event, e.Idle):
            await stop(client)

    with Endpoint([say("half of it and then much more " * 50, pace=0.02)]) as endpoint:
        ran = attend(workspace, endpoint, steer)
    [left] = ran.events(e.AnswerDiscarded)
    assert left.text.startswith("half of it") and left.reason == ""
    state = SessionState()
    with Reader(store.find(ran.result.session_id)) as journal:
        for envelope in journal.read():
            apply(state, envelope)
    [held] = [item for item in state.items if item.level == "discarded"]
    assert held.kind == "answer" and held.text.startswith("half of it")


def test_what_an_interrupted_answer_had_used_is_counted(workspace):
    """By the service's own first word of it; the list of sessions tells the same."""
    sent = []

    async def steer(client, event):
        if isinstance(event, e.SessionStarted):
            await client.send(words("tell me"))
        if isinstance(event, e.TextDelta) and not sent:
            sent.append(event.text)
            await client.send(Interrupt(id="i", by="ana"))
        if isinstance(event, e.Idle):
            await stop(client)

    usage = {"input_tokens": 70_000, "cache_read_input_tokens": 5_000}
    with Endpoint([say("half of it and then much more " * 50, pace=0.02, usage=usage)]) as endpoint:
        ran = attend(workspace, endpoint, steer)
    [left] = ran.events(e.AnswerDiscarded)
    assert left.usage is not None and left.usage.prompt >= 75_000 and left.cost_usd
    assert ran.result.usage.input_tokens == left.usage.input_tokens and ran.result.total_cost_usd == left.cost_usd
    [told] = [one for one in store.list_sessions() if one.id == ran.result.session_id]
    assert told.cost_usd == left.cost_usd
