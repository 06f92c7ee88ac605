"""Training started by plain Bash: found while it runs, kept with its code, its numbers and how it ended."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import Ran, run, workspace
from support.mlwb import MLWB
from support.running import Exp, until
from workbench.experiments.found import Look, Seen
from workbench.experiments.launch.alive import alive
from workbench.experiments.launch.begin import record
from workbench.experiments.launch.types import Job
from workbench.experiments.ledger import Ledger
from workbench.experiments.types import Run
from workbench.host import local
from workbench.protocol import events as e
from workbench.protocol.commands import RunShell, Stop
from workbench.protocol.task import Task
from workbench.sandbox import layers
from workbench.telemetry.nvml import Nvml

__all__ = ["workspace"]

# Waits in the middle until the file `go` is there, so that a test sees it while it runs.
PRINTS = """\
import pathlib, time
for step in range(4):
    print(f"step {step} loss {1 / (step + 1):.3f}")
while not pathlib.Path("go").exists():
    time.sleep(0.02)
print("step 4 loss 0.125")
"""
WRITES = """\
import json, pathlib, time
for step in range(3):
    with open("metrics.jsonl", "a") as file:
        file.write(json.dumps({"step": step, "val_loss": 1 / (step + 1)}) + "\\n")
while not pathlib.Path("go").exists():
    time.sleep(0.02)
raise SystemExit(3)
"""


@pytest.fixture(autouse=True)
def as_people_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python prints into a file when it likes to."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


def settled(ledger: Ledger) -> Run:
    """The record of the run, once its last numbers are in."""
    until(lambda: not alive(ledger.path("r-1")))
    return ledger.get("r-1")


def train(place: Path, program: str, command: str = "python3 train.py", **more: object) -> tuple[Ran, list[Run]]:
    """A session whose agent runs PROGRAM by COMMAND; the records of the run as it was seen on the way, and at last."""
    (place / "train.py").write_text(program)
    seen: list[Run] = []
    ledger = Ledger(place)

    def metrics() -> bool:
        seen.append(ledger.get("r-1"))
        return bool(seen[-1].metrics)

    async def steer(client: object, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.RunLinked):
            await asyncio.to_thread(until, metrics)
            (place / "go").touch()

    with Endpoint([turn(use("Bash", command=command, **more)), say("done")]) as endpoint:
        ran = run(place, endpoint, steer=steer, permission_mode="acceptEdits", allow=("Bash(*)",))
    return ran, [*seen, settled(ledger)]


def test_what_prints_its_steps_is_a_run_while_it_runs(workspace: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
    ran, records = train(workspace, PRINTS)
    on_the_way, end = records[-2:]
    assert on_the_way.status == "running" and on_the_way.metrics["loss"].count == 4
    assert (end.status, end.exit_code, end.origin) == ("finished", 0, "bash")
    assert end.metrics["loss"].count == 5 and end.metrics["loss"].last == 0.125
    [decided] = ran.events(e.CallDecided)
    assert (end.session, end.turn, end.call_id) == (ran.result.session_id, 1, decided.call_id)
    assert end.argv == ("bash", "-c", "python3 train.py") and end.name == "train"
    assert end.code.dirty and end.environment.python.startswith("3.") and end.usage.peak_memory
    assert end.usage.cpu_s is not None
    [finished] = ran.events(e.CallFinished)
    assert "[this was recorded as the run r-1" in finished.content[0]["text"]
    assert ran.result.runs == ["r-1"]
    assert (Ledger(workspace).path("r-1") / "output.log").read_text().endswith("step 4 loss 0.125\n")


def test_what_writes_metrics_is_a_run_and_fails_as_its_command_does(workspace: Path) -> None:
    _, records = train(workspace, WRITES, "cd . && SEED=7 python3 train.py --lr 0.1")
    end = records[-1]
    assert (end.status, end.exit_code) == ("failed", 3)
    assert end.metrics["val_loss"].count == 3 and end.seed == 7
    assert [source.path for source in end.sources if source.kind == "jsonl"] == ["metrics.jsonl"]


def test_a_background_command_is_a_run_and_its_kill_stops_it(workspace: Path) -> None:
    (workspace / "train.py").write_text(PRINTS)
    ledger = Ledger(workspace)

    async def steer(client: object, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.RunLinked):
            await asyncio.to_thread(until, lambda: ledger.get("r-1").metrics)
            (workspace / "seen").touch()

    calls = [
        turn(use("Bash", command="python3 train.py", run_in_background=True)),
        turn(use("Bash", command="while [ ! -e seen ]; do sleep 0.05; done")),
        turn(use("KillShell", shell_id="bash_1")),
    ]
    with Endpoint([*calls, say("done")]) as endpoint:
        ran = run(workspace, endpoint, steer=steer, allow=("Bash(*)",))
    kept = settled(ledger)
    assert kept.status == "stopped" and kept.signal == 15 and kept.why
    assert kept.metrics["loss"].count == 4 and ran.result.runs == ["r-1"]


@pytest.mark.parametrize("layer", ["bubblewrap", "landlock"])
def test_a_confined_command_is_one_too(workspace: Path, layer: str) -> None:
    held = {one.name: one for one in layers.probe()}.get(layer)
    if held is None or not held.ok:
        pytest.fail(f"{layer} does not hold") if os.environ.get("CI") else pytest.skip(f"{layer} does not hold")
    (Path.home() / ".config/mlwb/config.yaml").write_text(f"sandbox: {{mode: {layer}, autoAllow: true}}\n")
    ran, records = train(workspace, WRITES)
    end = records[-1]
    assert (end.status, end.exit_code, end.metrics["val_loss"].count) == ("failed", 3, 3)
    assert end.environment.python.startswith("3.") and end.environment.packages
    [decided] = ran.events(e.CallDecided)
    assert decided.sandbox == layer


@pytest.mark.parametrize(
    "command",
    [
        "sleep 2; for i in 1 2 3; do echo step $i loss 0.$i; done; tail -n 3 old.log; sleep 2",
        "python3 -c 'import time; time.sleep(2.5); print(1)' > data.csv",
        "python3 -c 'print(\"step 1 loss 0.5\\nstep 2 loss 0.4\")'",
    ],
)
def test_what_only_shows_or_waits_or_is_over_at_once_is_none(workspace: Path, command: str) -> None:
    (workspace / "old.log").write_text("step 1 loss 0.9\nstep 2 loss 0.8\nstep 3 loss 0.7\n")
    with Endpoint([turn(use("Bash", command=command)), say("done")]) as endpoint:
        ran = run(workspace, endpoint, allow=("Bash(*)",))
    assert ran.result.runs == [] and not (workspace / ".mlwb").exists()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("epoch {} loss 0.{}", "it prints loss by step"),
        ("{{'loss': '0.{}', 'epoch': '0.{}'}}", "it prints loss by step"),
        ("[{}]\tvalidation-auc:0.8{}", "it prints validation-auc by step"),
        ("64 bytes from 127.0.0.1: icmp_seq={} ttl=64 time=0.0{} ms", ""),
        ("tests/test_a.py::test_{} PASSED [ {}0%]", ""),
        ("[ {}0%] Building CXX object src/x{}.o", ""),
        ("\r {}0%|###   | {}/10 [00:01<00:09, 1.2it/s]", ""),
        ("iteration {}: 5 tests passed, time: 1.{}", ""),
        ("accuracy: 0.9{}{}", ""),
    ],
)
def test_what_counts_of_what_is_printed(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "output").write_text("".join(f"{line.format(number, number)}\n" for number in range(1, 9)))
    (tmp_path / "old.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    seen = Seen(
        command="x", cwd=str(tmp_path), workspace=str(tmp_path), env={}, output=tmp_path / "output", tree=(0, 0, 0, ""),
        started=time.time() + 9,
    )  # fmt: skip
    assert Look(seen, Nvml()).counts([os.getpid()], last=True) == why


def test_a_person_stops_it_and_the_session_goes_on(workspace: Path) -> None:
    (workspace / "train.py").write_text(PRINTS)

    async def steer(client: object, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.RunLinked):
            await asyncio.to_thread(Exp(workspace), "stop", "r-1")

    with Endpoint([turn(use("Bash", command="python3 train.py")), say("done")]) as endpoint:
        ran = run(workspace, endpoint, steer=steer, allow=("Bash(*)",))
    kept = Ledger(workspace).get("r-1")
    assert (kept.status, kept.signal) == ("stopped", 15) and "stopped" in kept.why
    assert ran.result.exit_code == 0


def test_a_persons_own_command_is_one(workspace: Path) -> None:
    (workspace / "train.py").write_text(PRINTS)

    async def whole() -> list[e.Envelope]:
        task = Task(prompt="", workspace=str(workspace), interactive=True)
        client = await local.start(task, local.Options(env={**os.environ, "ANTHROPIC_API_KEY": "k"}))
        seen = []
        async for envelope in client.events():
            seen.append(envelope)
            if isinstance(envelope.event, e.SessionStarted):
                await client.send(RunShell(id="c", command="python3 train.py", by="ana"))
            if isinstance(envelope.event, e.RunLinked):
                (workspace / "go").touch()
            if isinstance(envelope.event, e.ShellRan):
                await client.send(Stop(id="s", reason="signal", by="ana"))
        await client.close()
        return seen

    envelopes = asyncio.run(asyncio.wait_for(whole(), 60))
    assert [one.event.run for one in envelopes if isinstance(one.event, e.RunLinked)] == ["r-1"]
    kept = settled(Ledger(workspace))
    assert (kept.status, kept.call_id, kept.metrics["loss"].count) == ("finished", None, 5)


def test_after_a_crash_of_the_host_it_is_followed_and_its_end_is_not_known(workspace: Path) -> None:
    (workspace / "train.py").write_text(PRINTS)
    (workspace / "task.md").write_text("Go.")
    exp = Exp(workspace)
    with Endpoint([turn(use("Bash", command="python3 train.py")), say("done")]) as endpoint:
        env = exp.env | {"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
        host = subprocess.Popen(
            [*MLWB, "run", "task.md", "--allow", "Bash(*)"], cwd=workspace, env=env, stderr=subprocess.DEVNULL
        )
        until(lambda: exp.status("r-1") == "running" and exp.ledger.get("r-1").metrics)
        host.kill()
        host.wait()
    assert exp.json("list")[0]["status"] == "running", "the command goes on, and so does its curve"
    (workspace / "go").touch()
    kept = exp.ended("r-1")
    assert (kept.status, kept.exit_code) == ("stopped", None) and "not known" in kept.why
    until(lambda: not alive(exp.ledger.path("r-1")))
    assert exp.ledger.get("r-1").metrics["loss"].count == 5


def test_a_run_whose_host_and_watcher_are_gone_is_told_as_stopped(workspace: Path) -> None:
    exp = Exp(workspace)
    begun = record(
        Job(workspace=str(workspace), argv=("true",), cwd=str(workspace), env={}), "r-1", None, ["true"], None
    )
    exp.ledger.begin(lambda run_: msgspec.structs.replace(begun, status="running", origin="bash"))
    [told] = exp.json("list")
    assert told["status"] == "stopped"
