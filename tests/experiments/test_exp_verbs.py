"""`mlwb exp list|show|tail|metrics|note|rm|import`: what people and programs are told of the ledger."""

import json
import os
import pty
import resource
import select
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from support.mlwb import MLWB
from support.running import Exp, fixture, until
from workbench.experiments.types import Card, Code, Metric, Run
from workbench.verbs.exp_words import moment

exp = fixture


def put(exp: Exp, **more: object) -> str:
    def make(run: str) -> Run:
        given = {
            "id": run, "name": f"run {run}", "status": "finished", "argv": ("python", "train.py"), "cwd": "/w",
            "workspace": str(exp.folder), "created": 1.0, "started": 1.0, "ended": 100.0, "exit_code": 0,
        }  # fmt: skip
        return msgspec.convert(given | more, Run)

    return exp.ledger.begin(make).id


def on_a_terminal(exp: Exp, *args: str) -> bytes:
    """What `mlwb exp ARGS` writes to a terminal."""
    main, side = pty.openpty()
    process = subprocess.Popen([*MLWB, "exp", *args], cwd=exp.folder, env=exp.env, stdout=side, stderr=side, stdin=side)
    os.close(side)
    shown = b""
    while select.select([main], [], [], 30)[0]:
        try:
            shown += os.read(main, 65536)
        except OSError:
            break
    process.wait(30)
    os.close(main)
    return shown


# --- list and show -----------------------------------------------------------------------------------------


def test_the_shape_that_programs_rely_on(exp: Exp) -> None:
    put(exp, session="s-1", turn=3, seed=7, code=Code(commit="c" * 40), gpus=(Card(uuid="GPU-a", index=1),),
        metrics={"val_loss": Metric(last=0.5, best=None, step=9, count=3)}, tags=("a",))  # fmt: skip
    [told] = exp.json("list")
    wanted = {
        "id": "r-1", "name": "run r-1", "status": "finished", "exit_code": 0, "command": "python train.py",
        "started": 1.0, "ended": 100.0, "session": "s-1", "turn": 3, "commit": "c" * 40, "seed": 7, "gpus": ["GPU-a"],
    }  # fmt: skip
    assert {key: told[key] for key in wanted} == wanted
    assert told["metrics"] == {"val_loss": {"last": 0.5, "best": None, "step": 9.0, "count": 3}}


def test_the_table_is_aligned_and_hostile_names_are_shown(exp: Exp) -> None:
    put(exp, name="evil\x1b]0;x\x07\u202e", tags=("\x1b[2J",), metrics={"a\x1b[31m": Metric(last=1, best=1, step=1)})
    put(exp, status="failed", exit_code=None, signal=9, why="\x1b[2Jended")
    put(
        exp, metrics={"train/lr": Metric(last=1e-4, best=1e-4, step=9), "val/acc": Metric(last=0.25, best=0.75, step=9)}
    )
    text = exp("list").stdout.decode()
    head, third, second, first = text.splitlines()
    assert head.split()[:7] == ["ID", "STATUS", "NAME", "METRIC", "LAST", "BEST", "STEP"]
    assert third.split()[:8] == ["r-3", "finished", "run", "r-3", "val/acc", "↑", "0.25", "0.75"]
    assert "failed (signal 9)" in second and first.startswith("r-1 ")
    shown = text + exp("show", "r-1").stdout.decode() + exp("show", "r-2").stdout.decode()
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_filters_and_the_newest_first(exp: Exp) -> None:
    for number in range(55):
        put(exp, tags=("odd",) if number % 2 else ("even",), status="stopped" if number == 3 else "finished")
    assert [run["id"] for run in exp.json("list")][:2] == ["r-55", "r-54"]
    assert len(exp.json("list", "--tag", "odd")) == 27
    assert [run["id"] for run in exp.json("list", "--status", "stopped")] == ["r-4"]
    table = exp("list")
    assert len(table.stdout.splitlines()) == 51 and table.stderr == b"5 older runs; --all shows them\n"
    assert len(exp("list", "--all").stdout.splitlines()) == 56


def test_an_empty_ledger_and_a_broken_record(exp: Exp) -> None:
    assert exp.json("list") == [] and exp("list").stderr == b"There are no runs yet.\n"
    assert not exp.ledger.folder.exists(), "looking makes nothing"
    put(exp), put(exp)
    (exp.ledger.path("r-1") / "run.json").write_text("{")
    done = exp("list", "--json")
    assert [run["id"] for run in json.loads(done.stdout)] == ["r-2"] and b"is not the record of a run" in done.stderr
    assert b"is not the record" in exp("show", "r-1", code=1).stderr
    assert b"there is no run r-9" in exp("show", "r-9", code=2).stderr


def test_a_machine_that_was_switched_off(exp: Exp) -> None:
    put(exp, status="running", ended=None, exit_code=None)
    assert [(run["status"], run["why"]) for run in exp.json("list")] == [("failed", "its supervisor is gone")]
    assert exp.json("list", "--status", "running") == []


def test_a_thousand_runs_are_listed_at_once(exp: Exp) -> None:
    for _ in range(1000):
        put(exp, metrics={"loss": Metric(last=0.5, best=0.5, step=1)})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(exp.json("list")) == 1000
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 3, "the exact figure is the benchmark's"


# --- tail --------------------------------------------------------------------------------------------------


def test_the_last_lines_and_all_of_it(exp: Exp) -> None:
    run = put(exp)
    text = "".join(f"line {number}\n" for number in range(100_000))
    (exp.ledger.path(run) / "output.log").write_text(text)
    assert exp("tail", run).stdout.decode().splitlines() == [f"line {number}" for number in range(99_950, 100_000)]
    assert exp("tail", "-n", "2", run).stdout == b"line 99998\nline 99999\n"
    assert exp("tail", "-n", "0", run).stdout.decode() == text
    (exp.ledger.path(run) / "output.log").write_text("one\ntwo")
    assert exp("tail", "-n", "1", run).stdout == b"two"
    assert exp("tail", "-n", "9", run).stdout == b"one\ntwo"


def test_following_ends_with_the_run(exp: Exp) -> None:
    run = exp.detached("--", "bash", "-c", "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two")
    tail = exp.start("tail", "-f", run)
    assert tail.stdout is not None and tail.stdout.readline() == b"one\n"
    (exp.folder / "go").touch()
    assert tail.communicate(timeout=30)[0] == b"two\n" and tail.returncode == 0


def test_a_terminal_obeys_only_colours_of_a_run(exp: Exp) -> None:
    run = put(exp)
    evil = b"\x1b[31mred\x1b[0m \x1b]52;c;ZXZpbA==\x07\x1b[2J\x1bc\x90q\x1b\\\x9b2Jplain\r50%\n"
    (exp.ledger.path(run) / "output.log").write_bytes(evil)
    shown = on_a_terminal(exp, "tail", run)
    assert b"\x1b[31mred\x1b[0m " in shown and b"plain\r50%" in shown
    assert not any(bad in shown for bad in (b"\x1b]", b"\x1b[2J", b"\x1bc", b"\x07"))
    assert exp("tail", run).stdout == evil, "a program gets what the run wrote"


@pytest.mark.parametrize("evil", ["\x9b", "\x1b]0;title\x07", "\x1b[2J", "\u202e"])
def test_a_terminal_obeys_nothing_that_is_read_in_two_pieces(exp: Exp, evil: str) -> None:
    run, sequence = put(exp), evil.encode()
    for cut in range(1, len(sequence)):
        filling = b"x" * ((1 << 18) - cut)  # a file is read in such pieces
        (exp.ledger.path(run) / "output.log").write_bytes(filling + sequence + "…\x1b[32mgreen\x1b[0m".encode())
        shown = on_a_terminal(exp, "tail", "-n", "0", run)
        assert shown == filling + "…\x1b[32mgreen\x1b[0m".encode()


# --- note, rm, import --------------------------------------------------------------------------------------


def test_notes_and_tags(exp: Exp) -> None:
    run = put(exp, tags=("a",))
    exp("note", run, "a", "good", "one", "--tag", "b", "--untag", "a")
    assert (exp.ledger.get(run).note, exp.ledger.get(run).tags) == ("a good one", ("b",))
    exp("note", run, "--tag", "c")
    assert (exp.ledger.get(run).note, exp.ledger.get(run).tags) == ("a good one", ("b", "c"))
    exp("note", run)
    assert exp.ledger.get(run).note == ""


def test_a_run_that_goes_on_is_not_removed(exp: Exp) -> None:
    run = exp.detached("--", "sleep", "1000")
    assert b"still runs" in exp("rm", run, code=1).stderr
    exp("stop", run)
    exp("rm", run)
    assert exp.json("list") == [] and exp("run", "true").stderr.startswith(b"mlwb: run r-2")


def test_runs_made_elsewhere(exp: Exp, tmp_path: Path) -> None:
    made = tmp_path / "elsewhere"
    made.mkdir()
    (made / "metrics.csv").write_text("step,val_loss,lr\n1,0.5,0.1\n2,nan,0.1\n3,0.25,\n")
    (tmp_path / "slurm-17.out").write_text("step 1 loss 2.5\nstep 2 loss 1.5\n")
    told = exp.json("import", str(made), "--name", "old one", "--tag", "paper")
    assert [(one["id"], one["metrics"]) for one in told] == [("r-1", ["lr", "val_loss"])]
    assert b"r-2  slurm-17.out: 1 metrics" in exp("import", str(tmp_path / "slurm-17.out")).stdout
    assert [point[::2] for point in exp.json("metrics", "r-1")["val_loss"]] == [[1, 0.5], [2, None], [3, 0.25]]
    first = exp.json("show", "r-1")
    assert (first["origin"], first["name"], first["tags"], first["status"]) == (
        "import",
        "old one",
        ["paper"],
        "finished",
    )
    assert sorted(made.iterdir()) == [made / "metrics.csv"], "nothing is written there"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert b"in a format that is known" in exp("import", str(empty), code=1).stderr
    assert b"no such file" in exp("import", str(tmp_path / "nowhere"), code=1).stderr


def test_metrics_for_people_and_one_that_is_not_there(exp: Exp) -> None:
    exp("run", "--", "bash", "-c", "echo step 1 loss 0.5; echo step 2 loss nan")
    rows = exp("metrics", "r-1").stdout.decode().splitlines()
    assert rows[0].split() == ["METRIC", "STEP", "AT", "VALUE"] and rows[2].split()[-1] == "nan"
    done = exp("metrics", "r-1", "--metric", "acc", code=1)
    assert b"r-1 has no metric acc" in done.stderr


@pytest.mark.parametrize("verb", ["run", "list", "show", "tail", "metrics", "stop", "rm", "note", "import"])
def test_every_verb_has_its_help(exp: Exp, verb: str) -> None:
    assert f"mlwb exp {verb}".encode() in exp(verb, "--help").stdout


def test_listing_loads_nothing_that_it_does_not_need(exp: Exp) -> None:
    put(exp)
    program = (
        "import sys; from workbench.cli import main; main(['exp', 'list'])\n"
        "heavy = ('asyncio', 'textual', 'anthropic', 'pynvml', 'psutil', 'git')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=exp.folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_that_goes_on_elsewhere_is_followed_until_that_is_enough(exp: Exp, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    following = exp.start("import", "--follow", "--name", "far", str(elsewhere))
    log = elsewhere / "metrics.jsonl"
    log.write_text('{"step": 0, "loss": 2.0}\n')
    until(lambda: exp.status("r-1") == "running")
    with log.open("a") as file:
        file.write('{"step": 1, "loss": 0.1')
        file.flush()
        (elsewhere / "metrics.csv").write_text("step,acc\n0,0.25\n")  # a file that comes later counts as well
        until(lambda: "acc" in exp.ledger.get("r-1").metrics)
        assert exp.ledger.get("r-1").metrics["loss"].last == 2.0, "half a number is none"
        file.write("25}\n")
    until(lambda: exp.ledger.get("r-1").metrics["loss"].last == 0.125)
    assert "r-1  running" in exp("list").stdout.decode()
    exp("stop", "r-1")
    assert following.wait(30) == 0
    record = exp.ledger.get("r-1")
    assert (record.status, record.origin, record.name) == ("finished", "import", "far") and record.ended
    assert exp.json("metrics", "r-1")["loss"][1][2] == 0.125


def _removed(folder: Path) -> bool:
    """Whether FOLDER is gone, after one more try: whoever follows may be writing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def test_what_is_followed_may_be_removed_or_killed(exp: Exp, tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text("step 1 loss 0.5\n")
    following = exp.start("import", "--follow", str(tmp_path / "train.log"))
    until(lambda: exp.status("r-1") == "running")
    following.kill()
    following.wait(30)
    assert exp.json("list")[0]["status"] == "failed", "nobody reads on"
    assert b"no such file" in exp("import", "--follow", str(tmp_path / "nothing"), code=1).stderr
    following = exp.start("import", "--follow", str(tmp_path / "train.log"))
    until(lambda: exp.status("r-2") == "running")
    until(lambda: _removed(exp.ledger.path("r-2")))
    with (tmp_path / "train.log").open("a") as log:
        log.write("step 2 loss 0.25\n")
    assert following.wait(30) == 1
    assert following.stderr is not None and b"there is no run r-2" in following.stderr.read()


def test_a_time_that_is_no_moment_is_a_dash() -> None:
    assert [moment(at) for at in (None, 1e300, float("inf"), float("nan"))] == ["–"] * 4
