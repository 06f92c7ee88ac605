"""A session in a folder of a repository has the ledger that `mlwb exp` has there, whoever begins a run."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import run, workspace
from support.running import Exp, until
from workbench.protocol import events as e

__all__ = ["workspace"]

PRINTS = """\
import pathlib, time
for step in range(4):
    print(f"step {step} loss {1 / (step + 1):.3f}")
while not pathlib.Path("go").exists():
    time.sleep(0.02)
"""


@pytest.fixture
def below(workspace: Path) -> Iterator[Path]:
    """A folder of a repository in whose root a person has made the run r-1."""
    subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
    exp = Exp(workspace)
    exp("run", "--", "true")
    (folder := workspace / "model").mkdir()
    (folder / "train.py").write_text(PRINTS)
    yield folder
    exp.stop_all()


def test_an_agents_runs_go_on_counting(below: Path, workspace: Path) -> None:
    calls = [
        "mlwb exp run -- sh -c 'echo loss=1'", "mlwb exp note r-2 mine",
        "mlwb exp list", "mlwb exp rerun r-2",
    ]  # fmt: skip
    turns = [turn(use("Bash", command=command)) for command in calls]
    with Endpoint([*turns, say("r-2 tells.")]) as endpoint:
        ran = run(below, endpoint, permission_mode="acceptEdits", allow=("Bash(*)",))
    said = [event.content[0]["text"] for event in ran.events(e.CallFinished)]
    assert "[r-2 finished" in said[0] and said[1] == "r-2: noted" and "r-1" in said[2], said
    assert Exp(workspace).ledger.ids() == ["r-1", "r-2", "r-3"] and not (below / ".mlwb").exists()
    assert Exp(workspace).ledger.get("r-2").note == "mine"
    assert [(one.run, one.status) for one in ran.result.evidence] == [("r-2", "finished"), ("r-3", "finished")]


def test_a_run_that_is_found_does_too(below: Path, workspace: Path) -> None:
    ledger = Exp(workspace).ledger

    async def steer(client: object, envelope: e.Envelope) -> None:
        if isinstance(envelope.event, e.RunLinked):
            await asyncio.to_thread(until, lambda: ledger.get("r-2").metrics)
            (below / "go").touch()

    with Endpoint([turn(use("Bash", command="python3 train.py")), say("done")]) as endpoint:
        ran = run(below, endpoint, steer=steer, permission_mode="acceptEdits", allow=("Bash(*)",))
    assert ran.result.runs == ["r-2"] and ledger.get("r-2").metrics["loss"].last == 0.25
    assert not (below / ".mlwb").exists()
