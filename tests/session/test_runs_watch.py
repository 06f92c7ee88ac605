"""Waiting for runs: no request while they go on, one bounded message when something happens."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import Ran, resume, run, texts, workspace
from support.mlwb import MLWB
from support.running import Exp, until
from workbench import places
from workbench.experiments.launch.alive import alive
from workbench.experiments.ledger import Ledger
from workbench.experiments.types import Alert, Run
from workbench.host import local
from workbench.host.lingering import Lingering
from workbench.protocol import events as e
from workbench.protocol.commands import Interrupt, Stop, SubmitPrompt
from workbench.protocol.fold import apply
from workbench.protocol.state import SessionState
from workbench.protocol.task import Rules, Task
from workbench.session import audit
from workbench.session.runs_watch import RunsWatch
from workbench.session.tally import Told

__all__ = ["workspace"]

# Goes on until the file `go` is there, then says a few numbers, and ends with the exit code that it was given.
WAITS = """\
while [ ! -e go ]; do sleep 0.02; done
for i in 1 2 3; do echo step $i loss 0.$((9-i)); done
exit $1
"""
ALLOW = ("Bash(bash train.sh *)", "Bash(python3 train.py)")


@pytest.fixture(autouse=True)
def nothing_stays(workspace: Path) -> Iterator[None]:
    """Runs outlive their sessions, but not the tests."""
    (workspace / "train.sh").write_text(WAITS)
    yield
    Exp(workspace).stop_all()


def begun(words: str = "", code: int = 0, **more: Any) -> dict[str, Any]:
    """A turn that begins a run, which waits for the file `go` and exits with CODE."""
    return turn(use("Bash", command=f"mlwb exp run {words} -- bash train.sh {code}", **more))


def said(endpoint: Endpoint, at: int) -> str:
    """All that the model was told last with request AT."""
    return "\n".join(texts(endpoint.requests[at].body["messages"][-1]))


def asleep(ran: Ran) -> list[str]:
    return [event.text for event in ran.events(e.Notice) if event.about == "runs"]


def test_a_session_without_a_person_sleeps_while_its_run_goes_on(workspace: Path) -> None:
    endpoint = Endpoint([begun(run_in_background=True), say("It trains."), say("The loss is 0.6 (r-1).")])
    requests: list[int] = []

    async def steer(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.Notice) and envelope.event.about == "runs":
            await asyncio.sleep(2.5)  # more than two looks
            requests.append(len(endpoint.requests))
            (workspace / "go").touch()

    with endpoint:
        ran = run(workspace, endpoint, allow=ALLOW, steer=steer)
    assert requests == [2] and len(endpoint.requests) == 3, "none was made while it slept"
    assert asleep(ran) == ["sleeps until something happens in r-1"]
    assert "this session sleeps until it has ended" in said(endpoint, 1)
    told = said(endpoint, 2)
    assert told.startswith("[mlwb, not a person") and "r-1 finished after" in told
    assert "loss 0.6 at step 3 (best 0.6)" in told
    [event] = ran.events(e.RunsTold)
    assert [(one.run, one.status, one.exit_code) for one in event.runs] == [("r-1", "finished", 0)]
    assert ran.result.exit_code == 0 and ran.result.runs == ["r-1"]


def test_a_detached_run_is_not_waited_for(workspace: Path) -> None:
    with Endpoint([begun("--detach"), say("It goes on.")]) as endpoint:
        ran = run(workspace, endpoint, allow=ALLOW)
    assert len(endpoint.requests) == 2 and ran.result.exit_code == 0 and asleep(ran) == []
    assert "this session does not wait for it; `mlwb exp wait r-1` sleeps" in said(endpoint, 1)
    assert Ledger(workspace).get("r-1").status == "running"


def test_the_agent_waits_by_a_call_that_outlasts_bashs_limit(workspace: Path) -> None:
    calls = [
        begun("--detach"),
        turn(use("Bash", command="mlwb exp wait", timeout=100)),
        turn(use("Bash", command="mlwb exp wait")),
        say("done"),
    ]
    endpoint, requests = Endpoint(calls), list[int]()

    async def steer(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.CallProgress) and "waiting for r-1" in envelope.event.text:
            await asyncio.sleep(1.5)
            requests.append(len(endpoint.requests))
            (workspace / "go").touch()

    with endpoint:
        ran = run(workspace, endpoint, allow=ALLOW, steer=steer)
    assert requests == [2]
    results = [event.content[0]["text"] for event in ran.events(e.CallFinished)]
    assert "r-1 finished after" in results[1] and "loss 0.6" in results[1]
    assert results[2].startswith("No run of this session goes on")
    [event] = ran.events(e.RunsTold)
    assert event.runs[0].status == "finished" and not event.text, "the call's own result told it"


def test_several_ends_at_once_are_one_message(workspace: Path) -> None:
    background = {"run_in_background": True}
    calls = [begun(**background), begun(**background, code=3), say("They train."), say("done")]
    ledger = Ledger(workspace)

    async def steer(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.Notice) and envelope.event.about == "runs":
            (workspace / "go").touch()
            until(lambda: not any(alive(ledger.path(run)) for run in ledger.ids()))  # the session looks after both

    with Endpoint(calls) as endpoint:
        ran = run(workspace, endpoint, allow=ALLOW, steer=steer)
    assert len(endpoint.requests) == 4
    told = said(endpoint, 3)
    assert "r-1 finished" in told and "r-2 failed" in told and "| step 3 loss 0.6" in told
    assert "crash: it ended with exit code 3" in told
    assert len([event for event in ran.events(e.RunsTold) if event.text]) == 1


def test_an_alert_wakes_once_and_the_end_later(workspace: Path) -> None:
    code = (
        "import os, time\nwhile not os.path.exists('bad'): time.sleep(0.02)\n"
        "print('step 1 loss 0.5', flush=True)\nprint('step 2 loss nan', flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.02)\n"
    )
    (workspace / "train.py").write_text(code)
    calls = [
        turn(use("Bash", command="mlwb exp run -- python3 train.py", run_in_background=True)),
        say("It trains."), say("I see, it goes on."), say("over"),
    ]  # fmt: skip

    async def steer(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.Notice) and envelope.event.about == "runs":
            (workspace / ("go" if len(endpoint.requests) == 3 else "bad")).touch()

    with Endpoint(calls) as endpoint:
        ran = run(workspace, endpoint, allow=ALLOW, steer=steer)
    assert len(endpoint.requests) == 4
    assert "r-1 running" in said(endpoint, 2) and "nan: loss is NaN at step 2" in said(endpoint, 2)
    assert "r-1 finished" in said(endpoint, 3) and "nan:" not in said(endpoint, 3)
    assert [event.runs[0].alerts for event in ran.events(e.RunsTold) if event.text] == [("nan",), ()]


def test_what_is_told_holds_the_verdict_and_what_differs(workspace: Path) -> None:
    code = (
        "import os, sys, time\nwhile not os.path.exists('go'): time.sleep(0.02)\n"
        "print('loss', float(sys.argv[2]) + int(os.environ['SEED']) / 1000)\n"
    )
    (workspace / "train.py").write_text(code)
    (workspace / "config.json").write_text('{"amp": true}')
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        who = ["-c", "user.name=ana", "-c", "user.email=ana@example.org"]
        subprocess.run(["git", *who, *command], cwd=workspace, check=True)
    (workspace / "go").touch()
    Exp(workspace)("run", "--seeds", "0..2", "--", "python3", "train.py", "--lr", "0.5")
    (workspace / "go").unlink()
    (workspace / "config.json").write_text('{"amp": false}')
    command = "mlwb exp run --seeds 0..2 -- python3 train.py --lr 0.3"
    calls = [turn(use("Bash", command=command, run_in_background=True)), say("It trains."), say("Better.")]

    async def steer(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.Notice) and envelope.event.about == "runs":
            (workspace / "go").touch()

    with Endpoint(calls) as endpoint:
        run(workspace, endpoint, steer=steer, allow=("Bash(python3 train.py *)",))
        last = said(endpoint, -1)
    assert len(endpoint.requests) == 3, "seeds are one experiment: the agent hears of them when the last has ended"
    assert all(f"r-{number} finished" in last for number in (4, 5, 6)) and "seed 2" in last
    assert last.count("against r-1…r-3 (loss)") == 1
    assert "against r-1…r-3 (loss): better." in last
    assert "config against r-1…r-3: config.json: amp: true → false; --lr: 0.5 → 0.3" in last


def test_a_limit_of_time_holds_while_it_sleeps(workspace: Path) -> None:
    with Endpoint([begun(run_in_background=True), say("It trains.")]) as endpoint:
        began = time.monotonic()
        ran = run(workspace, endpoint, allow=ALLOW, caps={"timeout_s": 6.0})
    assert ran.result.subtype == "error_max_budget" and time.monotonic() - began < 60
    assert len(endpoint.requests) == 2 and Ledger(workspace).get("r-1").status == "running"


def test_a_stop_while_it_sleeps_and_a_resume_that_hears_what_happened_meanwhile(workspace: Path) -> None:
    async def steer(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.Notice) and envelope.event.about == "runs":
            await client.send(Stop(id="s", reason="signal", by="ana"))

    with Endpoint([begun(run_in_background=True), say("It trains.")]) as endpoint:
        first = run(workspace, endpoint, allow=ALLOW, steer=steer)
    assert first.result.exit_code == 75
    (workspace / "go").touch()
    until(lambda: Ledger(workspace).get("r-1").status == "finished")
    with Endpoint([say("The loss is 0.6 (r-1).")]) as endpoint:
        second = resume(first.result.session_id, endpoint)
    assert second.result.exit_code == 0 and len(endpoint.requests) == 1
    assert "r-1 finished" in said(endpoint, 0)


def attend(workspace: Path, endpoint: Endpoint, steer: Any) -> Ran:
    """An interactive session; STEER(client, event) acts on each event until it stops the session."""

    async def whole() -> Ran:
        env = {"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k", "PATH": "/usr/bin:/bin"}
        task = Task(prompt="", workspace=str(workspace), interactive=True, rules=Rules(allow=ALLOW))
        client, ran = await local.start(task, local.Options(env=env)), Ran()
        async for envelope in client.events():
            ran.envelopes.append(envelope)
            if isinstance(envelope.event, e.SessionStarted):
                await client.send(SubmitPrompt(id="p", text="train", by="ana"))
            await steer(client, envelope.event)
        await client.close()
        return ran

    return asyncio.run(asyncio.wait_for(whole(), 60))


async def stopped(client: Any) -> None:
    await client.send(Stop(id="s", reason="signal", by="ana"))


def test_with_a_person_at_it_a_run_begins_a_turn_that_is_not_the_persons(workspace: Path) -> None:
    idle: list[int] = []

    async def steer(client: Any, event: e.AnyEvent) -> None:
        if isinstance(event, e.Idle):
            idle.append(len(endpoint.requests))
            if len(idle) == 1:
                await asyncio.sleep(1.5)
                idle[0] = len(endpoint.requests)
                assert await Lingering(client.hosting).busy(), "its host stays, though nobody may be here"
                (workspace / "go").touch()
            else:
                assert not await Lingering(client.hosting).busy()
                await stopped(client)

    calls = [begun("--detach"), say("It trains."), say("0.6 in r-1.")]
    with Endpoint(calls) as endpoint:
        ran = attend(workspace, endpoint, steer)
    assert idle == [2, 3]
    assert "you are told when it ends" in said(endpoint, 1) and "r-1 finished" in said(endpoint, 2)
    [told] = [event for event in ran.events(e.RunsTold) if event.text]
    assert told.runs[0].status == "finished"
    assert [event.origin for event in ran.events(e.PromptSubmitted)] == ["person"], "nothing is put into their mouth"


def test_a_person_can_turn_it_off_and_the_next_prompt_brings_it(workspace: Path) -> None:
    (Path.home() / ".config/mlwb/config.yaml").write_text("sandbox: {mode: off}\nruns: {wake: false}\n")
    calls = [begun("--detach"), say("It trains."), say("I see.")]
    idle: list[int] = []

    async def steer(client: Any, event: e.AnyEvent) -> None:
        if isinstance(event, e.Idle):
            idle.append(len(endpoint.requests))
            if len(idle) == 1:
                (workspace / "go").touch()
                await asyncio.to_thread(until, lambda: Ledger(workspace).get("r-1").status == "finished")
                await asyncio.sleep(2.5)
                assert len(endpoint.requests) == 2
                await client.send(SubmitPrompt(id="p", text="and?", by="ana"))
            else:
                await stopped(client)

    with Endpoint(calls) as endpoint:
        attend(workspace, endpoint, steer)
    told = said(endpoint, 2)
    assert "r-1 finished" in told and "and?" in told


def test_a_persons_words_end_a_wait_and_the_run_goes_on(workspace: Path) -> None:
    calls = [begun("--detach"), turn(use("Bash", command="mlwb exp wait --all")), say("Yes?"), say("Fine.")]

    async def steer(client: Any, event: e.AnyEvent) -> None:
        if isinstance(event, e.CallProgress) and "waiting for r-1" in event.text:
            await client.send(SubmitPrompt(id="q", text="how long?", by="ana"))
        if isinstance(event, e.Idle):
            await stopped(client)

    with Endpoint(calls) as endpoint:
        attend(workspace, endpoint, steer)
    told = said(endpoint, 2)
    assert "a person said something: this wait is over, the runs go on" in told and "how long?" in told
    assert Ledger(workspace).get("r-1").status == "running"


def test_nothing_begins_by_itself_after_an_interrupt(workspace: Path) -> None:
    calls = [begun("--detach"), say("…", delay=30), say("I see.")]
    idle: list[str] = []

    async def steer(client: Any, event: e.AnyEvent) -> None:
        if isinstance(event, e.RequestStarted) and event.turn == 2 and not idle:
            await asyncio.to_thread(until, lambda: len(endpoint.requests) == 2)
            await client.send(Interrupt(id="i", by="ana"))
        if isinstance(event, e.Idle):
            idle.append(event.reason)
            if event.reason == "interrupted":
                (workspace / "go").touch()
                await asyncio.to_thread(until, lambda: Ledger(workspace).get("r-1").status == "finished")
                await asyncio.sleep(2.5)  # more than two looks
                assert len(endpoint.requests) == 2
                await client.send(SubmitPrompt(id="p", text="and?", by="ana"))
            else:
                await stopped(client)

    with Endpoint(calls) as endpoint:
        attend(workspace, endpoint, steer)
    assert idle == ["interrupted", "done"] and "r-1 finished" in said(endpoint, 2)


def test_words_that_make_no_wait_are_told(workspace: Path) -> None:
    words = ("wait r-9", "wait --timeout soon", "wait --help")
    with Endpoint([turn(use("Bash", command=f"mlwb exp {one}")) for one in words]) as endpoint:
        ran = run(workspace, endpoint)
    told = [event.content[0]["text"] for event in ran.events(e.CallFinished)]
    assert "there is no run r-9" in told[0] and "no duration" in told[1] and "usage: mlwb exp wait" in told[2]


def test_the_transcript_and_the_audit_tell_of_it(workspace: Path) -> None:
    async def steer(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.Notice) and envelope.event.about == "runs":
            (workspace / "go").touch()

    with Endpoint([begun(run_in_background=True, code=3), say("It trains."), say("It failed (r-1).")]) as endpoint:
        ran = run(workspace, endpoint, allow=ALLOW, steer=steer)
    state = SessionState()
    for envelope in ran.envelopes:
        apply(state, envelope)
    [item] = [item for item in state.items if item.kind == "runs"]
    assert item.target == "r-1 failed, crash" and item.level == "warning" and "| step 3" in item.text
    found = audit.audit(places.sessions() / ran.result.session_id)
    assert any("r-1 failed, crash" in remark for remark in found.told)
    assert json.loads((places.sessions() / ran.result.session_id / "result.json").read_text())["runs"] == ["r-1"]


def test_the_result_says_which_runs_stand_behind_the_answer(workspace: Path) -> None:
    (workspace / "go").touch()
    before = Exp(workspace)("run", "--", "true")
    assert before.returncode == 0
    with Endpoint([begun(), begun(code=3), say("Better than r-1: 0.6 in r-2; r-77 was worse.")]) as endpoint:
        ran = run(workspace, endpoint, allow=ALLOW)
    told = [(one.run, one.status, one.exit_code, one.named, one.own) for one in ran.result.evidence]
    assert told == [
        ("r-2", "finished", 0, True, True),
        ("r-3", "failed", 3, False, True),
        ("r-1", "finished", 0, True, False),
        ("r-77", "unknown", None, True, False),
    ]
    assert ran.result.runs == ["r-2", "r-3"]
    text = (places.sessions() / ran.result.session_id / "summary.md").read_text()
    assert "- `r-2` finished, named in the answer" in text and "- `r-3` failed, not named" in text


def test_the_prompt_says_how_to_wait(workspace: Path) -> None:
    with Endpoint([say("done")]) as endpoint:
        run(workspace, endpoint)
    [block] = endpoint.requests[0].body["system"]
    assert "the session sleeps, and you are told" in block["text"] and "`mlwb exp wait [RUN…]`" in block["text"]


# --- services ----------------------------------------------------------------------------------------------

# Listens once the file `up` is there.
SERVES = "while [ ! -e up ]; do sleep 0.02; done; exec python3 -m http.server --bind 127.0.0.1 $1\n"
SERVICE = "--service --ready http://127.0.0.1:{port}/ -- bash serve.sh {port}"
SERVING = ("Bash(bash serve.sh *)",)


def serve(words: str = "", **more: Any) -> dict[str, Any]:
    return turn(use("Bash", command=f"mlwb exp run {words} {SERVICE}", **more))


async def up_when_asleep(client: Any, envelope: e.Envelope) -> None:
    event = envelope.event
    waits = isinstance(event, e.CallProgress) and "waiting for r-1" in event.text
    if waits or (isinstance(event, e.Notice) and event.about == "runs"):
        Path("up").touch()


def test_a_service_that_becomes_ready_wakes_once_and_is_left_to_itself(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    (workspace / "serve.sh").write_text(SERVES)
    calls = [serve(run_in_background=True), say("It starts."), say("It serves (r-1).")]
    with Endpoint(calls) as endpoint:
        ran = run(workspace, endpoint, allow=SERVING, steer=up_when_asleep)
    assert len(endpoint.requests) == 3, "it was woken once, and did not wait for the end of a server"
    assert asleep(ran) == ["sleeps until something happens in r-1"]
    assert "this session sleeps until it is ready" in said(endpoint, 1)
    told = said(endpoint, 2)
    assert "r-1 ready" in told and "startup_seconds" in told and "| mlwb: ready at http://127.0.0.1:" in told
    assert len(told) <= 8_000
    [event] = ran.events(e.RunsTold)
    assert [(one.run, one.status, one.ready) for one in event.runs] == [("r-1", "", True)]
    assert Ledger(workspace).get("r-1").standing == "ready" and ran.result.exit_code == 0


def test_a_wait_ends_when_a_service_is_ready_and_another_one_waits_for_something_else(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    (workspace / "serve.sh").write_text(SERVES)
    waits = [turn(use("Bash", command=f"mlwb exp wait{more}")) for more in ("", " --timeout 1s", " --all")]
    with Endpoint([serve("--detach"), *waits, say("done")]) as endpoint:
        ran = run(workspace, endpoint, allow=SERVING, steer=up_when_asleep)
    results = [event.content[0]["text"] for event in ran.events(e.CallFinished)]
    assert "r-1 ready" in results[1] and "| mlwb: ready at" in results[1]
    assert "the time is over" in results[2] and "r-1 ready" in results[2]
    assert "only services go on" in results[3]
    assert len(ran.events(e.RunsTold)) == 1


# --- plain commands ----------------------------------------------------------------------------------------

LONG = """\
import pathlib, time
began = time.time()
while time.time() < began + 2.5:  # as a program that loads its libraries
    pass
for step in range(4):
    print(f"step {step} loss {1 / (step + 1):.3f}")
while not pathlib.Path("go").exists():
    time.sleep(0.02)
print("step 4 loss 0.125")
"""


def test_training_in_the_background_by_plain_bash_is_waited_for(workspace: Path) -> None:
    (workspace / "train.py").write_text(LONG)

    async def steer(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.Notice) and envelope.event.text.startswith("sleeps"):
            (workspace / "go").touch()

    calls = [turn(use("Bash", command="python3 train.py", run_in_background=True)), say("It trains."), say("0.125")]
    with Endpoint(calls) as endpoint:
        ran = run(workspace, endpoint, allow=ALLOW, steer=steer)
    assert len(endpoint.requests) == 3
    assert asleep(ran) == [
        "waits for a moment to see whether this trains: python3 train.py", "sleeps until something happens in r-1",
    ]  # fmt: skip
    assert "r-1 finished after" in said(endpoint, 2) and "loss 0.125" in said(endpoint, 2)
    kept = Ledger(workspace).get("r-1")
    assert (kept.status, kept.exit_code, kept.metrics["loss"].count) == ("finished", 0, 5)


def test_a_server_in_the_background_by_plain_bash_holds_nothing_up(workspace: Path) -> None:
    calls = [turn(use("Bash", command="sleep 1000", run_in_background=True)), say("It serves.")]
    with Endpoint(calls) as endpoint:
        ran = run(workspace, endpoint, allow=("Bash(sleep *)",))
    assert asleep(ran) == [] and ran.result.exit_code == 0 and ran.result.runs == []
    calls = [turn(use("Bash", command="python3 -c 'import time; time.sleep(1000)'", run_in_background=True)), say("x")]
    began = time.monotonic()
    with Endpoint(calls) as endpoint:
        ran = run(workspace, endpoint, allow=("Bash(python3 *)",))
    assert time.monotonic() - began < 60 and ran.result.runs == []


def test_a_plain_command_that_was_seen_to_do_nothing_is_waited_for_no_more(workspace: Path) -> None:
    (workspace / "train.py").write_text(LONG)
    idle = Alert(kind="stall", at=time.time(), text="no line for 10 minutes")

    async def steer(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.Notice) and envelope.event.text.startswith("sleeps"):
            Ledger(workspace).update("r-1", lambda run: msgspec.structs.replace(run, alerts=(*run.alerts, idle)))

    calls = [turn(use("Bash", command="python3 train.py", run_in_background=True)), say("It trains."), say("A server.")]
    with Endpoint(calls) as endpoint:
        ran = run(workspace, endpoint, allow=ALLOW, steer=steer)
    assert len(endpoint.requests) == 3 and "stall: no line" in said(endpoint, 2)
    assert ran.result.exit_code == 0 and Ledger(workspace).get("r-1").status == "stopped"


# --- taken up again ----------------------------------------------------------------------------------------


async def go(client: Any, envelope: e.Envelope) -> None:
    event = envelope.event
    if isinstance(event, e.Notice) and event.text.startswith("sleeps"):
        (Path(os.environ["RUN_IN"]) / "go").touch()


def test_a_resumed_session_goes_on_waiting_for_its_runs(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_IN", str(workspace))

    async def stop(client: Any, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.Notice) and envelope.event.about == "runs":
            await client.send(Stop(id="s", reason="signal", by="ana"))

    with Endpoint([begun(run_in_background=True), say("It trains.")]) as endpoint:
        first = run(workspace, endpoint, allow=ALLOW, steer=stop)
    with Endpoint([say("The loss is 0.6 (r-1).")]) as endpoint:
        second = resume(first.result.session_id, endpoint, steer=go)
    assert len(endpoint.requests) == 1 and "r-1 finished" in said(endpoint, 0)
    assert second.result.exit_code == 0 and second.result.runs == ["r-1"]


@pytest.mark.parametrize(("words", "waits"), [("", True), ("--detach ", False)])
def test_a_run_whose_host_was_killed_is_waited_for_by_who_takes_the_session_up(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, words: str, waits: bool
) -> None:
    part = workspace / "part"
    part.mkdir()
    (part / "train.sh").write_text(WAITS)
    (part / "task.md").write_text("Go.")
    subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
    (workspace / ".mlwb" / "runs").mkdir(parents=True)  # the ledger is that of the repository
    monkeypatch.setenv("RUN_IN", str(part))
    exp = Exp(workspace)
    with Endpoint([begun(words)]) as endpoint:
        env = exp.env | {"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
        host = subprocess.Popen(
            [*MLWB, "run", "task.md", "--allow", ALLOW[0]], cwd=part, env=env, stderr=subprocess.DEVNULL
        )
        until(lambda: exp.status("r-1") == "running")
        host.kill()
        host.wait()
    session = exp.ledger.get("r-1").session
    journal = places.sessions() / str(session) / "events.jsonl"
    kept = [line for line in journal.read_bytes().splitlines(keepends=True) if b'"run_linked"' not in line]
    cut = next(number for number, line in enumerate(kept) if b'"call_started"' in line) + 1
    journal.write_bytes(b"".join(kept[:cut]))  # as if it had died between the start and its own word of it
    with Endpoint([say("It goes on."), say("The loss is 0.6 (r-1).")]) as endpoint:
        ran = resume(str(session), endpoint, steer=go)
    assert ran.result.runs == ["r-1"] and ran.result.exit_code == 0
    assert ("r-1 finished" in said(endpoint, -1)) == waits == (exp.status("r-1") == "finished")


def test_a_record_that_was_replaced_within_a_tick_of_the_clock_is_read_again(tmp_path: Path) -> None:
    ledger, watch = Ledger(tmp_path), RunsWatch("s-1", tmp_path)
    run = ledger.begin(
        lambda run: Run(
            id=run, name="a", status="finished", argv=("x",), cwd="/", workspace="/", created=1.0, ended=2.0
        )
    ).id
    path = ledger.path(run) / "run.json"
    tick = path.stat().st_mtime_ns
    assert [one.alerts for one in watch.look({run: Told()}, lambda run, told: True, anybodys=True)[0]] == [()]
    alert = Alert(kind="crash", at=2.0, text="it ended")
    ledger.update(run, lambda old: msgspec.structs.replace(old, alerts=(alert,)))
    os.utime(path, ns=(tick, tick))
    assert [one.alerts for one in watch.look({run: Told()}, lambda run, told: True, anybodys=True)[0]] == [(alert,)]
