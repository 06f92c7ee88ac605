"""A run done again: the code as it was, in a folder that goes away, and a verdict on its numbers."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.mlwb import MLWB
from workbench.experiments.compare import reader
from workbench.experiments.ledger import Ledger
from workbench.experiments.points import Series, save
from workbench.experiments.readers.base import Column
from workbench.experiments.rerun import SCRATCH, judged, rebuilt
from workbench.experiments.types import Run
from workbench.verbs import exp

TRAIN = """
import argparse, pathlib, random, sys
p = argparse.ArgumentParser()
p.add_argument("--seed", type=int)
p.add_argument("--noise", type=float, default=0)
o = p.parse_args()
r, s = random.Random(o.seed), random.SystemRandom()
base = float(pathlib.Path("data/base.txt").read_text())
pathlib.Path("made.txt").write_text("out")
for step in range(12):
    print(f"step={step} loss={base + 1 / (1 + step) + r.gauss(0, 0.05) + o.noise * s.random():.9f}", flush=True)
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git("init", "-q", at=tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / ".gitignore").write_text("data/\nmade.txt\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "base.txt").write_text("1")
    old = tmp_path.stat().st_mtime - 1000
    for path in (tmp_path / "data" / "base.txt", tmp_path / "data"):
        os.utime(path, (old, old))
    git("add", "-A", at=tmp_path)
    git("commit", "-qm", "one", at=tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(path: Path, text: str) -> None:
    """Writes TEXT to PATH, later than any run."""
    path.write_text(text)
    later = path.stat().st_mtime + 1000
    os.utime(path, (later, later))


def git(*words: str, at: Path) -> str:
    name = ("-c", "user.name=t", "-c", "user.email=t@t")
    return subprocess.run(["git", *name, *words], cwd=at, check=True, capture_output=True, text=True).stdout


def mlwb(*args: str, at: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MLWB, "exp", *args],
        cwd=at, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def trained(at: Path, *args: str) -> Run:
    done = mlwb("run", "--", sys.executable, "train.py", *args, at=at)
    assert done.returncode == 0, done.stderr
    ledger = Ledger(at)
    return ledger.get(ledger.ids()[-1])


def test_the_same_numbers_come_again_from_the_code_as_it_was(workspace: Path) -> None:
    (workspace / "train.py").write_text(TRAIN.replace("0.05", "0.07"))  # not committed, and gone again below
    run = trained(workspace, "--seed", "3")
    (workspace / "train.py").write_text("raise SystemExit('other code')\n")
    done = mlwb("rerun", run.id, "--json", at=workspace)
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"]) == (0, "reproduced"), done.stderr
    again = Ledger(workspace).get(told["again"])
    assert (again.parent, again.seed, again.code.snapshot) == (run.id, 3, run.code.snapshot)
    assert git("rev-parse", f"refs/mlwb/runs/{again.id}", at=workspace).strip() == run.code.snapshot
    assert not list((workspace / ".mlwb" / "runs").glob(f"{SCRATCH}*"))
    assert git("worktree", "list", at=workspace).count("\n") == 1
    assert "other code" in (workspace / "train.py").read_text()
    twice = mlwb("rerun", again.id, at=workspace)
    assert twice.returncode == 0 and twice.stdout.startswith("reproduced"), twice.stdout + twice.stderr


def test_noise_is_measured_and_a_change_is_not_noise(workspace: Path) -> None:
    run = trained(workspace, "--seed", "3", "--noise", "0.05")
    done = mlwb("rerun", run.id, "--json", at=workspace)
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"], told["metric"]) == (0, "within_noise", "loss"), told
    assert told["noise"] > abs(told["difference"]) > 0 and "jitter" in told["spread"]
    change(workspace / "data" / "base.txt", "9")  # data that git does not hold
    done = mlwb("rerun", run.id, at=workspace)
    assert done.returncode == 1 and done.stdout.startswith("not reproduced: loss 1."), done.stdout
    assert "changed since the run: data" in done.stdout


def test_a_rerun_that_fails_says_why_and_leaves_nothing(workspace: Path) -> None:
    run = trained(workspace, "--seed", "1")
    change(workspace / "data" / "base.txt", "not a number")
    done = mlwb("rerun", run.id, at=workspace)
    assert done.returncode == 1 and "not reproduced: " in done.stdout and "failed" in done.stdout
    assert not list((workspace / ".mlwb" / "runs").glob(f"{SCRATCH}*"))


def test_a_script_named_by_its_path_is_the_rebuilt_one_and_outputs_stay(workspace: Path) -> None:
    script = workspace / "go.sh"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} {workspace}/train.py --seed 2 | sed s/loss/old/\n")
    script.chmod(0o755)
    assert mlwb("run", "--", "./go.sh", at=workspace).returncode == 0
    script.write_text("#!/bin/sh\nexit 3\n")
    done = mlwb("rerun", "r-1", at=workspace)
    assert done.returncode == 0 and done.stdout.startswith("reproduced"), done.stdout + done.stderr
    direct = mlwb("run", "--", "sh", "-c", f"cd {workspace} && {sys.executable} train.py --seed 2", at=workspace)
    assert direct.returncode == 0
    made = (workspace / "made.txt").stat()
    (workspace / "train.py").unlink()
    done = mlwb("rerun", Ledger(workspace).ids()[-1], at=workspace)
    assert done.returncode == 0 and done.stdout.startswith("reproduced"), done.stdout + done.stderr
    assert (workspace / "made.txt").stat().st_mtime_ns == made.st_mtime_ns, "what the first run wrote is left alone"


def test_without_a_repository_it_runs_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('step=1 loss=0.5', flush=True)\n")
    run = trained(tmp_path)
    done = mlwb("rerun", run.id, at=tmp_path)
    assert done.returncode == 0 and "reproduced" in done.stdout and "the code was not kept" in done.stdout


def test_what_cannot_be_done_again_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exp.main(["rerun", "r-9"]) == 2
    assert "there is no run r-9" in capsys.readouterr().err
    Ledger(workspace).begin(
        lambda name: Run(id=name, name="x", status="running", argv=("x",), cwd="/", workspace="/", created=1.0)
    )
    assert exp.main(["rerun", "r-1"]) == 1
    assert "still runs" in capsys.readouterr().err


def test_infinities_in_a_curve_are_no_noise_that_allows_anything(tmp_path: Path) -> None:
    ledger, runs = Ledger(tmp_path), []
    base: dict[str, Any] = {"name": "t", "status": "finished", "argv": ("x",), "cwd": "/w", "workspace": "/w"}
    for last in (1.0, 900.0):
        run = ledger.begin(lambda name: Run(**{"id": name, "created": 1.0} | base))
        column, series = Column(), Series()
        for step, value in enumerate([1.0, math.inf] * 10 + [1.0, 1.1, 1.0, 1.1, last]):
            column.add(value, step, 1e9)
        series.take(column, 0.0)
        save(ledger.path(run.id), {"loss": series})
        runs.append(run)
    assert judged(ledger, runs[0], runs[1], reader(ledger)).verdict == "different"


def test_two_at_once_leave_each_other_their_code(workspace: Path) -> None:
    run, ledger = trained(workspace, "--seed", "1"), Ledger(workspace)
    (ledger.folder / f"{SCRATCH}left").mkdir()
    with rebuilt(ledger, run) as (one, _), rebuilt(ledger, run) as (other, _):
        assert one is not None and other is not None and one != other
        assert (one / "train.py").is_file() and (other / "train.py").is_file()
        assert sorted(ledger.folder.glob(f"{SCRATCH}*")) == sorted((one, other)), "what was left is gone"
    assert not list(ledger.folder.glob(f"{SCRATCH}*"))
