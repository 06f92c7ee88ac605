"""`mlwb exp` in the agent's Bash: carried out by the host, the training command judged and confined."""

import json
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import confined, run, works, workspace
from support.mlwb import MLWB
from support.running import Exp, until
from workbench.experiments.ledger import Ledger
from workbench.protocol import events as e

__all__ = ["confined", "workspace"]

TRAIN = """\
import pathlib, sys, time
for step in range(5):
    print(f"step {step} loss {1 / (step + 1):.3f}")
try:
    pathlib.Path(".mlwb/runs/forged").write_text("x")
    print("the ledger was written")
except OSError:
    print("the ledger is kept")
pathlib.Path("out.txt").write_text("trained")
"""


@pytest.fixture(autouse=True)
def nothing_stays(workspace: Path) -> Iterator[None]:
    """Runs outlive their sessions, but not the tests."""
    (workspace / "train.py").write_text(TRAIN)
    yield
    Exp(workspace).stop_all()


def test_a_run_is_begun_by_the_host_and_confined(confined: Path) -> None:
    ran, [text] = works(confined, "mlwb exp run --name base --tag a -- python3 train.py")
    assert "step 4 loss 0.200" in text and "the ledger is kept" in text
    assert "[r-1 finished after" in text and "loss 0.2 at step 4 (best 0.2)" in text
    assert (confined / "out.txt").read_text() == "trained"
    [decided] = ran.events(e.CallDecided)
    assert decided.verdict == "allow" and decided.sandbox in ("bubblewrap", "landlock")
    [linked] = ran.events(e.RunLinked)
    assert linked.run == "r-1" and ran.result.runs == ["r-1"]
    record = Ledger(confined).get("r-1")
    assert (record.session, record.turn, record.name) == (ran.result.session_id, 1, "base")
    assert record.call_id == decided.call_id
    assert record.metrics["loss"].count == 5
    assert record.environment.python.startswith("3.") and record.environment.packages


def test_it_outlives_the_session_and_stays_confined(confined: Path) -> None:
    outside = Path.home() / "outside"
    loop = f"while [ ! -e go ]; do sleep 0.05; done; echo x > {outside}; echo late"
    ran, [text] = works(confined, f"mlwb exp run --detach -- bash -c '{loop}'")
    assert ran.result.exit_code == 0 and "r-1 running: it goes on by itself" in text
    assert Ledger(confined).get("r-1").status == "running"
    (confined / "go").touch()
    until(lambda: Ledger(confined).get("r-1").status == "finished")
    assert (Ledger(confined).path("r-1") / "output.log").read_bytes().endswith(b"late\n")
    assert not outside.exists()


def test_a_call_that_is_over_leaves_the_run_going_and_the_agent_stops_it(confined: Path) -> None:
    began = time.monotonic()
    _, texts = works(
        confined, {"command": "mlwb exp run -- sleep 1000", "timeout": 700}, "mlwb exp note r-1 too slow",
        "mlwb exp stop r-1",
    )  # fmt: skip
    assert "it goes on by itself" in texts[0] and texts[1:] == ["r-1: noted", "r-1 stopped"]
    assert time.monotonic() - began < 30
    record = Ledger(confined).get("r-1")
    assert record.note == "too slow" and record.why.startswith("stopped by the agent")


def test_the_verdict_is_the_training_commands(workspace: Path) -> None:
    _, texts = works(
        workspace,
        "mlwb exp run -- python3 -c 'print(1)'",
        "mlwb exp run -- mlwb run task.md",
        "mlwb exp run -- cat x.txt",
        "mlwb exp run --seeds 0..1 -- echo 'seed {seed}'",
    )
    denied, agent, read, seeds = texts
    assert denied.startswith("Denied: ") and "would start another agent" in agent
    assert "[r-1 failed" in read and "No such file" in read
    assert "seed 1" in seeds and "[r-2 finished" in seeds and "[r-3 finished" in seeds
    assert Ledger(workspace).ids() == ["r-1", "r-2", "r-3"]


@pytest.mark.parametrize(
    "command",
    [
        "mlwb exp run -- echo hi > out.txt", "mlwb exp run -- echo hi | cat", "mlwb exp run -- echo $(date)",
        "cd . && mlwb exp run -- echo hi", "mlwb exp run -- echo *.py", "mlwb exp run -- echo $HOME",
        "mlwb exp run -- echo {a,b}", "mlwb exp run -- echo hi &", "mlwb exp run -- echo hi >&11",
        "mlwb exp run -- echo hi >&- 2>&1",
    ],
)  # fmt: skip
def test_what_is_more_than_one_command_is_bashs(workspace: Path, command: str) -> None:
    _, [text] = works(workspace, command, deny=("Bash(mlwb *)",))
    assert text.startswith("Denied: "), "judged as what it is"
    assert Ledger(workspace).ids() == []


def test_a_loop_of_runs_is_refused_before_it_trains_whether_a_ledger_is_there_or_not(confined: Path) -> None:
    loop = f"for s in 1 2; do {shlex.join(MLWB)} exp run -- touch trained-$s; done"
    ran, [fresh, begun, later] = works(confined, loop, "mlwb exp run --seeds 0..1 -- touch carried-{seed}", loop)
    for text in (fresh, later):
        assert text.count("no run can be recorded in ") == text.count("alone, as a Bash call of its own") == 2, text
    assert not list(confined.glob("trained-*")) and not ran.events(e.Notice), "nothing is put aside"
    assert "[r-1 finished" in begun and len(list(confined.glob("carried-*"))) == 2
    assert Ledger(confined).ids() == ["r-1", "r-2"]


def test_a_rule_about_mlwb_itself_counts_too(workspace: Path) -> None:
    _, texts = works(workspace, "mlwb exp run -- echo hi", "mlwb exp note r-1 x", deny=("Bash(mlwb exp *)",))
    assert all(text.startswith("Denied: the deny rule") for text in texts)
    assert Ledger(workspace).ids() == []


def test_the_ledger_is_no_link(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (workspace / ".mlwb").symlink_to(tmp_path / "elsewhere")
    _, [text] = works(workspace, "mlwb exp run -- echo hi")
    assert "is a link" in text and list((tmp_path / "elsewhere").iterdir()) == []


def test_words_that_make_no_run_are_told(workspace: Path) -> None:
    words = ("run --seeds x -- true", "run", "stop r-9", "run --gpus 2 -- true")
    _, texts = works(workspace, *(f"mlwb exp {one}" for one in words))
    assert "no list of seeds" in texts[0] and "no command" in texts[1] and "no run r-9" in texts[2]
    assert "may take 1 GPU at a time" in texts[3]


def test_a_run_of_somebody_else_is_not_the_agents_to_stop(workspace: Path) -> None:
    run_ = Exp(workspace).detached("--", "sleep", "1000")
    _, [text] = works(workspace, f"mlwb exp stop {run_}")
    assert "was not begun by this session" in text
    assert Ledger(workspace).get(run_).status == "running"


LOSSES = """\
import os, random
random.seed(int(os.environ["SEED"]))
for step in range(5):
    print(f"step {step} loss {random.random():.6f}")
open("weights.txt", "w").write("w")
"""


def committed(place: Path) -> None:
    """PLACE as a repository with one commit."""
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=place, check=True)


def test_a_rerun_is_confined_too_and_says_whether_it_came_again(confined: Path) -> None:
    (confined / "train.py").write_text(LOSSES)
    committed(confined)
    ran, [first, again, other] = works(
        confined, "mlwb exp run --seeds 3 -- python3 train.py", "mlwb exp rerun r-1", "mlwb exp rerun r-9"
    )
    assert "[r-1 finished" in first
    assert again.startswith("reproduced: 5 points of loss are the same to the last bit") and "[r-2 finished" in again
    assert "there is no run r-9" in other
    record = Ledger(confined).get("r-2")
    assert (record.parent, record.session, record.seed) == ("r-1", ran.result.session_id, 3)
    assert ran.result.runs == ["r-1", "r-2"] and not list((confined / ".mlwb/runs").glob(".again-*"))
    assert [event.sandbox in ("bubblewrap", "landlock") for event in ran.events(e.CallDecided)][:2] == [True, True]


def test_a_rerun_is_judged_as_the_command_that_it_repeats(workspace: Path) -> None:
    Exp(workspace)("run", "--", "python3", "-c", "print('loss 1')")
    _, [text] = works(workspace, "mlwb exp rerun r-1")
    assert text.startswith("Denied: ") and Ledger(workspace).ids() == ["r-1"]


def test_what_only_reads_the_ledger_is_free_and_needs_no_mlwb_on_the_path(confined: Path) -> None:
    Exp(confined)("run", "--name", "base", "--", "python3", "train.py")
    words = ("list", "show r-1", "metrics r-1 --json", "tail -n 1 r-1", "compare r-1 r-1", "card r-1")
    ran, texts = works(confined, *(f"mlwb exp {one}" for one in words), sandbox="auto")
    assert [event.verdict for event in ran.events(e.CallDecided)] == ["allow"] * 6
    listed, shown, metrics, tail, compared, card = texts
    assert "base" in listed and "finished" in shown and '"loss"' in metrics
    assert tail.strip() == "the ledger is kept" or tail.strip() == "the ledger was written"
    assert "stands on both sides" in compared and "unknown" in card


def test_a_card_that_is_written_to_a_file_is_bashs(workspace: Path) -> None:
    Exp(workspace)("run", "--", "true")
    _, [text] = works(workspace, "mlwb exp card r-1 -o card.md")
    assert text.startswith("Denied: ") and not (workspace / "card.md").exists()


def test_a_run_whose_output_leads_elsewhere_is_not_read(workspace: Path, tmp_path: Path) -> None:
    Exp(workspace)("run", "--", "true")
    (Path.home() / ".ssh").mkdir()
    (Path.home() / ".ssh/id_rsa").write_text("a secret")
    output = Ledger(workspace).path("r-1") / "output.log"
    output.unlink(missing_ok=True)
    output.symlink_to(Path.home() / ".ssh/id_rsa")
    _, [text] = works(workspace, "mlwb exp tail r-1")
    assert text.startswith("Denied: ") and "a secret" not in text


RULES = {"allow": ("Bash(python3 train.py *)", "Bash(mlwb *)"), "deny": ("Bash(curl *)", "Bash(mlwb exp note *)")}


@pytest.mark.parametrize(
    "command",
    [
        "mlwb exp run --name a -- python3 train.py --lr 1",
        "mlwb exp run -- curl http://127.0.0.1:9/",
        "mlwb exp run -- rm -rf /",
        "mlwb exp run --seeds 0..1 -- python3 other.py {seed}",
        "mlwb exp run -- python3 other.py | cat",
        "mlwb exp rerun r-1",
        "mlwb exp note r-1 curl",
        "mlwb exp show r-1",
        "mlwb exp wait --timeout 0.1s",
    ],
)
def test_the_check_of_permissions_gives_the_verdict_of_a_session(workspace: Path, command: str) -> None:
    exp = Exp(workspace)
    exp("run", "--", "bash", "-c", ": curl x; true")
    flags = [word for kind, rules in RULES.items() for rule in rules for word in (f"--{kind}", rule)]
    check = [*MLWB, "permissions", "check", *flags, "Bash", json.dumps({"command": command})]
    told = json.loads(subprocess.run(check, cwd=workspace, env=os.environ, capture_output=True, check=True).stdout)
    with Endpoint([turn(use("Bash", command=command)), say("done")]) as endpoint:
        ran = run(workspace, endpoint, **RULES)
    [decided] = ran.events(e.CallDecided)
    assert decided.verdict == ("allow" if told["verdict"] == "allow" else "deny")
    assert decided.rule == told["rule"] and told["reason"] in decided.reason
