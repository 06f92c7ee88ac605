"""Cards for runs, over made-up ones: within what is allowed, free, claimed for the host, and what they cost."""

import fcntl
import getpass
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.cards import environment
from support.running import Exp, until
from workbench.experiments.gpus import allowed
from workbench.telemetry.types import Gpu, Mig

FREE = "util=0 used=0 total=80 power=100"
SHOW = ("--", "bash", "-c", "echo cards=$CUDA_VISIBLE_DEVICES")
UUIDS = [f"GPU-{number:08}-0000-0000-0000-000000000000" for number in range(4)]

Machine = Callable[..., Exp]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A workspace on a machine with those cards; each call is another user's on the same host."""
    made: list[Exp] = []

    def make(*lines: str, idle: float = 0.0, **more: str) -> Exp:
        if lines:
            (tmp_path / "cards").write_text("".join(f"{line}\n" for line in lines))
        env = {name: text for name, text in environment(tmp_path / "cards").items() if not name.startswith("CUDA_")}
        made.append(Exp(tmp_path / f"work{len(made)}", env))
        made[-1].env |= {"MLWB_GPU_CLAIMS": str(tmp_path / "claims"), "MLWB_GPU_IDLE": str(idle)} | more
        return made[-1]

    yield make
    for one in made:
        one.stop_all()


def cards(output: bytes) -> list[str]:
    return output.decode().strip().removeprefix("cards=").split(",")


def test_a_run_gets_as_many_free_cards_as_it_asks_for(machine: Machine) -> None:
    exp = machine(FREE, f"{FREE} pids={os.getpid()}:61", FREE, "lost=15")
    assert cards(exp("run", "--gpus", "2", *SHOW).stdout) == [UUIDS[0], UUIDS[2]]
    assert cards(exp("run", "--gpus", "0", *SHOW).stdout) == [""]
    assert [card.index for card in exp.ledger.get("r-1").gpus] == [0, 2]
    assert exp.json("list")[1]["gpus"] == [UUIDS[0], UUIDS[2]]


def test_too_few_is_told_with_who_is_on_them(machine: Machine) -> None:
    exp = machine(f"util=37 pids={os.getpid()}:61", "lost=15")
    done = exp("run", "--gpus", "1", *SHOW, code=75)
    assert f"GPU 0: {getpass.getuser()} (process {os.getpid()}), 61.0 GB, 37% busy".encode() in done.stderr
    assert done.stdout == b""
    run = exp.ledger.get("r-1")
    assert (run.status, run.started) == ("failed", None) and "too few GPUs are free" in run.why
    never = exp("run", "--gpus", "3", "--wait", "--", "true", code=75)
    assert b"3 GPUs were asked for, and there are 1" in never.stderr


def test_only_cards_that_the_user_or_slurm_left(machine: Machine) -> None:
    exp = machine(FREE, FREE, FREE)
    for named, wanted in (("2,1", UUIDS[2]), (UUIDS[1][:14], UUIDS[1])):
        assert cards(exp("run", "--gpus", "1", *SHOW, env={"CUDA_VISIBLE_DEVICES": named}).stdout) == [wanted]
    assert cards(exp("run", "--gpus", "1", *SHOW, env={"SLURM_JOB_GPUS": "1,2"}).stdout) == [UUIDS[1]]
    done = exp("run", "--gpus", "1", *SHOW, env={"CUDA_VISIBLE_DEVICES": ""}, code=75)
    assert b"there are 0 within CUDA_VISIBLE_DEVICES=" in done.stderr


def test_two_users_never_get_one_card(machine: Machine) -> None:
    first, second = machine(FREE, FREE), machine()
    held = first.detached("--gpus", "1", "--", "sleep", "1000")
    assert cards(second("run", "--gpus", "1", *SHOW).stdout) == [UUIDS[1]]
    done = second("run", "--gpus", "2", *SHOW, code=75)
    folder = f"…/{first.folder.parent.name}/{first.folder.name}"
    assert f"(GPU 0: claimed by {getpass.getuser()} for {held} in {folder})".encode() in done.stderr
    first("stop", held)
    assert len(cards(second("run", "--gpus", "2", *SHOW).stdout)) == 2


def test_a_claim_of_a_version_that_told_no_folder(machine: Machine, tmp_path: Path) -> None:
    exp, claims = machine(FREE), tmp_path / "claims"
    claims.mkdir()
    with (claims / UUIDS[0]).open("w") as claim:
        claim.write('{"user":"li","run":"r-7","pid":1,"released":null}')
        claim.flush()
        fcntl.flock(claim, fcntl.LOCK_EX)
        done = exp("run", "--gpus", "1", *SHOW, code=75)
    assert b"(GPU 0: claimed by li for r-7)" in done.stderr
    assert cards(exp("run", "--gpus", "1", *SHOW).stdout) == [UUIDS[0]]
    assert json.loads((claims / UUIDS[0]).read_bytes())["folder"].endswith(f"/{exp.folder.name}")


def test_a_claim_ends_with_its_supervisor_however_that_ends(machine: Machine, tmp_path: Path) -> None:
    exp = machine(FREE)
    run = exp.detached("--gpus", "1", "--", "sleep", "1000")
    os.kill(exp.supervisor(run), 9)
    until(lambda: exp.json("list")[0]["status"] == "failed")
    assert cards(exp("run", "--gpus", "1", "--wait", "20", *SHOW).stdout) == [UUIDS[0]]
    folder = tmp_path / "claims"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o666}


def test_cards_of_which_the_same_is_to_be_said_stand_together(machine: Machine) -> None:
    exp = machine(*[f"util=37 pids={os.getpid()}:61"] * 3)
    said = exp("run", "--gpus", "1", *SHOW, code=75).stderr
    assert f"(GPU 0, GPU 1, GPU 2: {getpass.getuser()} (process ".encode() in said


def test_it_waits_until_one_is_free(machine: Machine, tmp_path: Path) -> None:
    exp = machine(f"{FREE} pids={os.getpid()}:1")
    front = exp.start("run", "--gpus", "1", "--wait", *SHOW)
    assert front.stderr is not None
    assert front.stderr.readline() == b"mlwb: run r-1\n"
    assert b"waiting for a free GPU (GPU 0: " in front.stderr.readline()
    assert exp.ledger.get("r-1").status == "queued"
    (tmp_path / "cards").write_text(f"{FREE}\n")
    out, _ = front.communicate(timeout=30)
    assert cards(out) == [UUIDS[0]]


def test_one_that_waits_can_be_stopped(machine: Machine) -> None:
    exp = machine(f"{FREE} pids={os.getpid()}:1")
    front = exp.start("run", "--gpus", "1", "--wait", *SHOW)
    until(lambda: exp.status("r-1") == "queued")
    exp("stop", "r-1")
    assert front.wait(20) != 0
    assert exp.ledger.get("r-1").why.endswith("before it began")


def test_a_card_is_free_once_it_was_idle_for_a_while_or_was_ours_until_now(machine: Machine) -> None:
    exp = machine(FREE, idle=2.0)
    began = time.monotonic()
    exp("run", "--gpus", "1", "--seeds", "0..1", *SHOW)
    assert time.monotonic() - began > 2.0, "another user's next step may follow in a moment"
    exp.env["MLWB_GPU_IDLE"] = "1000"
    exp("run", "--gpus", "1", *SHOW)  # not after a thousand seconds: nobody else was on it


def test_what_a_run_takes_of_a_card_is_recorded(machine: Machine, tmp_path: Path) -> None:
    exp = machine(FREE, FREE)
    run = exp.detached("--", "bash", "-c", "echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done")
    pid = int(until(lambda: (exp.folder / "pid").exists() and (exp.folder / "pid").read_text().strip()))
    (tmp_path / "cards").write_text(f"{FREE}\nutil=90 used=7 total=80 power=300 pids={pid}:6\n")
    found = until(lambda: (one := exp.ledger.get(run)).usage.gpu_hours and one)
    (exp.folder / "go").touch()
    assert found.usage.peak_gpu_memory == 6 << 30
    assert [card.uuid for card in found.gpus] == [UUIDS[1]], "seen on it, though it was not given it"
    exp.ended(run)


def test_cards_that_answer_as_nobody_foresaw_cost_no_numbers(machine: Machine, tmp_path: Path) -> None:
    exp = machine(FREE)
    run = exp.detached(
        "--", "bash", "-c", "echo step=1 loss=0.5; while [ ! -e go ]; do sleep 0.05; done; echo step=2 loss=0.25"
    )
    until(lambda: exp.ledger.get(run).metrics)
    (tmp_path / "cards").write_text("driver=15\n")
    until(lambda: any("its use of the machine could not" in note for note in exp.ledger.get(run).notes))
    (exp.folder / "go").touch()
    exp.ended(run)
    until(lambda: exp.ledger.get(run).metrics["loss"].last == 0.25)


def test_no_driver_is_told(tmp_path: Path) -> None:
    exp = Exp(tmp_path / "work")
    exp.env = {name: text for name, text in exp.env.items() if name != "LD_LIBRARY_PATH"}
    program = "import ctypes; ctypes.CDLL('libnvidia-ml.so.1')"
    if subprocess.run([sys.executable, "-c", program], env=exp.env, capture_output=True).returncode == 0:
        pytest.skip("this machine has an NVIDIA driver")
    assert b"there is no NVIDIA driver" in exp("run", "--gpus", "1", "true", code=75).stderr


def test_slices_are_cards_of_their_own() -> None:
    slices = tuple(Mig(index=number, uuid=f"MIG-{number}") for number in range(2))
    gpus = [Gpu(index=0, uuid="GPU-a"), Gpu(index=1, uuid="GPU-b", mig=True, mig_devices=slices)]

    def left(env: dict[str, str]) -> list[str]:
        return [place.uuid for place in allowed(gpus, env)]

    assert left({}) == ["GPU-a", "MIG-0", "MIG-1"]
    assert left({"CUDA_VISIBLE_DEVICES": "MIG-1,GPU-a,x,MIG-0"}) == ["MIG-1", "GPU-a"]
    assert left({"CUDA_VISIBLE_DEVICES": "-1"}) == []
