"""Training started by plain Bash: found while it runs, kept with its code, its numbers and how it ended."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import Ran, run, workspace
from support.running import until
from workbench.experiments.ledger import Ledger
from workbench.experiments.types import Run
from workbench.protocol import events as e
from workbench.sandbox import layers

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
    return ran, [*seen, ledger.get("r-1")]


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
