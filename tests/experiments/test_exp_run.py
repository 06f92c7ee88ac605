"""`mlwb exp run`: what passes through, how it ends, what is recorded, and what it outlives."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from support.mlwb import MLWB
from support.running import Exp, fixture, until
from workbench.experiments.launch.alive import alive as goes_on
from workbench.experiments.launch.ends import End
from workbench.experiments.launch.local import Handed, Local
from workbench.experiments.launch.types import News
from workbench.sandbox.tree import alive
from workbench.sandbox.types import Ended
from workbench.verbs.exp_run import Front

exp = fixture
PYTHON = sys.executable


def sh(script: str) -> tuple[str, ...]:
    return "--", "bash", "-c", script


def pid_in(path: Path) -> int:
    return int(until(lambda: path.exists() and path.read_text().strip()))


def heard(front: "subprocess.Popen[bytes]") -> None:
    """Waits until FRONT knows of its run: before that, ctrl+c is Python's."""
    assert front.stderr is not None and front.stderr.readline() == b"mlwb: run r-1\n"


# --- output and end ----------------------------------------------------------------------------------------


def test_output_passes_byte_for_byte_and_the_exit_is_the_commands(exp: Exp) -> None:
    program = "import os; os.write(1, bytes(range(256)) * 3 + b'\\r\\n\\n'); os.write(2, b'err'); raise SystemExit(7)"
    done = exp("run", "--", PYTHON, "-c", program, code=7)
    assert done.stdout == bytes(range(256)) * 3 + b"\r\n\nerr"
    assert exp.output("r-1") == done.stdout
    assert done.stderr.startswith(b"mlwb: run r-1\n")
    run = exp.ledger.get("r-1")
    assert (run.status, run.exit_code, run.signal, run.why) == ("failed", 7, None, "exit code 7")


def test_the_command_has_a_terminal_for_output_and_nothing_to_read(exp: Exp) -> None:
    program = (
        "import os, sys; print(sys.stdout.isatty(), sys.stderr.isatty(), sys.stdin.read() == '')\n"
        "print(os.get_terminal_size())"
    )
    done = exp("run", "--", PYTHON, "-c", program, env={"COLUMNS": "133", "LINES": "44"})
    assert done.stdout == b"True True True\nos.terminal_size(columns=133, lines=44)\n"


@pytest.mark.parametrize(
    ("script", "code", "told"),
    [("kill -9 $$", 137, "SIGKILL"), ("kill -TERM $$", 143, "SIGTERM"), ("kill -SEGV $$", 139, "SIGSEGV")],
)
def test_an_end_by_a_signal(exp: Exp, script: str, code: int, told: str) -> None:
    exp("run", *sh(script), code=code)
    run = exp.ledger.get("r-1")
    assert (run.status, run.exit_code, run.signal) == ("failed", None, code - 128)
    assert told in run.why


def test_a_command_that_is_not_there_and_one_that_cannot_be_executed(exp: Exp) -> None:
    done = exp("run", "no-such-command-here", code=127)
    assert b"not found" in done.stdout
    (exp.folder / "data.txt").write_text("1\n")
    exp("run", "./data.txt", code=126)
    assert [exp.ledger.get(run).status for run in ("r-1", "r-2")] == ["failed", "failed"]
    assert "no such command" in exp.ledger.get("r-1").why


def test_arguments_arrive_as_they_are(exp: Exp) -> None:
    words = ["a b", "", "*", "$HOME", "-x", "--", "é\n", "'\""]
    done = exp("run", "--", PYTHON, "-c", "import sys; print(sys.argv[1:])", *words)
    assert done.stdout.decode() == f"{words}\n"
    odd = os.fsdecode(b"\xff\xfe")
    assert exp("run", "--", "printf", "%s", odd).stdout == b"\xff\xfe"
    assert exp.ledger.get("r-2").argv[-1] == "\ufffd\ufffd"


def test_a_hundred_megabytes(exp: Exp) -> None:
    with (exp.folder / "all").open("wb") as out:
        exp("run", *sh("head -c 100000000 /dev/zero | tr '\\0' 'x'"), stdout=out)
    assert (exp.folder / "all").stat().st_size == 100_000_000
    assert (exp.ledger.path("r-1") / "output.log").stat().st_size == 100_000_000


def test_what_it_leaves_behind_is_ended_wherever_it_hid(exp: Exp) -> None:
    hides = "setsid bash -c 'echo $$ > hidden; env -i sleep 1000 & sleep 1000' &"
    exp("run", *sh(f"{hides} until [ -s hidden ]; do :; done"))
    hidden = pid_in(exp.folder / "hidden")
    assert not alive(hidden)
    run = exp.ledger.get("r-1")
    assert run.status == "finished" and "left behind" in run.why


def test_a_time_limit(exp: Exp) -> None:
    began = time.monotonic()
    done = exp("run", "--timeout", "0.5", *sh("echo started; sleep 1000"), code=124)
    assert time.monotonic() - began < 30
    run = exp.ledger.get("r-1")
    assert (run.status, run.timeout_s) == ("failed", 0.5) and "time limit of 0.5s" in run.why
    assert done.stdout == b"started\n"


def test_a_command_that_asked_for_thousands_of_hosts_is_told_in_bounded_words() -> None:
    refused = tuple(f"a connection to {number}.example:443 was refused" for number in range(5000))
    words = End(ended=Ended(exit_code=1, refused=refused)).words
    assert refused[0] in words and words.endswith("4980 more were refused") and len(words) < 2000
    assert End(ended=Ended(exit_code=1, refused=refused[:2])).words.endswith(refused[1])


def test_nothing_to_run_and_words_that_make_no_command(exp: Exp) -> None:
    for words in (["run"], ["run", "--seeds", "x", "true"], ["run", "--timeout", "0", "true"], ["frobnicate"]):
        assert exp(*words, code=2).stderr.startswith(b"mlwb: ")
    assert exp.ledger.ids() == []


def test_a_ledger_that_cannot_be_written(exp: Exp) -> None:
    (exp.folder / ".mlwb").write_text("a file")
    done = exp("run", "true", code=1)
    assert b"no run can be recorded" in done.stderr and b"Traceback" not in done.stderr


def test_a_command_of_a_session_does_not_begin_a_ledger(exp: Exp) -> None:
    """What it made would be put aside with all its runs."""
    done = exp("run", *sh("touch trained"), env={"MLWB_SESSION": "s-1"}, code=1)
    assert done.stderr.count(b"\n") == 1 and b"there is no ledger yet" in done.stderr
    assert done.stderr.endswith(b"Give `mlwb exp run \xe2\x80\xa6 -- CMD` alone, as a Bash call of its own\n")
    assert list(exp.folder.iterdir()) == [], "nothing was trained, nothing made"
    exp("run", *sh("touch trained"))
    assert (exp.folder / "trained").exists() and exp.ledger.ids() == ["r-1"], "a person's shell begins one"


def test_signals_are_as_a_shell_has_them_and_the_run_is_named(exp: Exp) -> None:
    program = (
        "import os, signal; names = 'SIGHUP SIGINT SIGQUIT SIGTERM SIGUSR1 SIGPIPE'.split()\n"
        "print([name for name in names if signal.getsignal(getattr(signal, name)) == signal.SIG_IGN])\n"
        "print(os.environ['MLWB_RUN'], os.getcwd())"
    )
    done = exp("run", "--", PYTHON, "-c", program)
    assert done.stdout.decode() == f"['SIGPIPE']\nr-1 {exp.folder}\n", "Python itself ignores that one"


def test_a_run_that_is_deleted_under_its_supervisor(exp: Exp) -> None:
    gone = exp.start(
        "run", *sh("until rm -r {0} 2>&- || ! [ -e {0} ]; do :; done; exit 6".format("../work/.mlwb/runs/r-1"))
    )
    _, said = gone.communicate(timeout=30)
    assert gone.returncode == 6 and b"could not be recorded" in said and b"Traceback" not in said


def test_an_end_after_a_word_that_it_could_not_be_recorded(exp: Exp, capfd: pytest.CaptureFixture[str]) -> None:
    """As on a disk that has become full."""
    reading, writing = os.pipe()
    words = (News(what="begun", run="r-1"), News(what="failed", text="it could not be recorded", code=1),
             News(what="ended", run="r-1", code=3))  # fmt: skip
    os.write(writing, b"".join(msgspec.json.encode(word) + b"\n" for word in words))
    os.close(writing)
    before = signal.getsignal(signal.SIGINT)
    try:
        assert Front(Local(exp.ledger), Handed(reading)).follow() == 1
    finally:
        signal.signal(signal.SIGINT, before)
        os.close(reading)
    assert "it could not be recorded" in capfd.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_an_output_that_cannot_be_written(exp: Exp) -> None:
    with Path("/dev/full").open("wb") as full:
        done = exp("run", *sh("echo hi; sleep 0.3"), stdout=full, code=1)
    assert done.stderr.endswith(b"mlwb: No space left on device\n")
    assert exp.ended("r-1").status == "finished"


# --- stopping, and what it outlives ------------------------------------------------------------------------


def test_ctrl_c_stops_the_run(exp: Exp) -> None:
    front = exp.start("run", *sh("echo $$ > pid; sleep 1000"))
    command = pid_in(exp.folder / "pid")
    heard(front)
    front.send_signal(signal.SIGINT)
    assert front.wait(30) == 130
    assert not alive(command)
    run = exp.ledger.get("r-1")
    assert (run.status, run.why.partition(";")[0]) == ("stopped", "stopped by ctrl+c")


def test_a_second_ctrl_c_does_not_wait(exp: Exp) -> None:
    front = exp.start("run", *sh("trap '' TERM; echo $$ > pid; while true; do sleep 0.1; done"))
    command = pid_in(exp.folder / "pid")
    heard(front)
    began = time.monotonic()
    front.send_signal(signal.SIGINT)
    until(lambda: (exp.ledger.path("r-1") / "stop").exists())
    front.send_signal(signal.SIGINT)
    assert front.wait(30) == 130
    assert time.monotonic() - began < 8
    assert not alive(command)


def test_what_is_to_end_now_is_not_asked_to(exp: Exp) -> None:
    run = exp.detached(*sh("trap 'touch asked' TERM; echo $$ > pid; while true; do sleep 0.1; done"))
    command = pid_in(exp.folder / "pid")
    assert exp("stop", "--now", run).stdout == b"r-1 stopped\n"
    assert not alive(command) and not (exp.folder / "asked").exists()
    assert exp.ledger.get(run).signal == signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_the_run_outlives_its_front(exp: Exp, number: signal.Signals) -> None:
    front = exp.start("run", *sh("echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done; echo done; exit 4"))
    pid_in(exp.folder / "pid")
    front.send_signal(number)
    front.wait(30)
    (exp.folder / "go").touch()
    run = exp.ended("r-1")
    assert (run.status, run.exit_code) == ("failed", 4)
    assert exp.output("r-1") == b"done\n"


def test_the_run_outlives_its_terminal(exp: Exp) -> None:
    main, side = pty.openpty()
    streams = {"stdin": side, "stdout": side, "stderr": side, "start_new_session": True}
    front = exp.start("run", *sh("echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done; echo done"), **streams)
    os.close(side)
    pid_in(exp.folder / "pid")
    os.close(main)
    os.killpg(front.pid, signal.SIGHUP)
    front.wait(30)
    (exp.folder / "go").touch()
    assert exp.ended("r-1").status == "finished"


def test_a_reader_that_goes_away_does_not_end_the_run(exp: Exp) -> None:
    front = exp.start("run", *sh("for i in $(seq 2000); do echo line $i; done; sleep 0.3; echo late"))
    assert front.stdout is not None
    front.stdout.readline()
    front.stdout.close()
    assert front.wait(30) in (0, 141)
    assert exp.ended("r-1").status == "finished"
    assert exp.output("r-1").endswith(b"late\n")


def test_detached(exp: Exp) -> None:
    done = exp("run", "--detach", *sh("while [ ! -e go ]; do sleep 0.02; done"))
    assert (done.stdout, done.stderr) == (b"r-1\n", b"")
    assert exp.json("list")[0]["status"] == "running"
    (exp.folder / "go").touch()
    assert exp.ended("r-1").status == "finished"


def test_stop_ends_the_whole_tree(exp: Exp) -> None:
    run = exp.detached(*sh("setsid bash -c 'echo $$ > hidden; sleep 1000' & echo $$ > pid; wait"))
    pids = [pid_in(exp.folder / name) for name in ("pid", "hidden")]
    assert exp("stop", run).stdout == b"r-1 stopped\n"
    assert not any(map(alive, pids))
    assert exp.ledger.get(run).why.startswith("stopped by ")
    assert exp("stop", run).stdout == b"r-1 does not run: stopped\n"
    exp("stop", "r-99", code=2)


def test_a_killed_supervisor_leaves_nothing_and_is_told(exp: Exp) -> None:
    front = exp.start("run", *sh("echo $$ > pid; sleep 1000"))
    command = pid_in(exp.folder / "pid")
    until(lambda: exp.status("r-1") == "running")
    os.kill(exp.supervisor("r-1"), signal.SIGKILL)
    _, said = front.communicate(timeout=30)
    assert front.returncode == 1 and b"is gone" in said
    until(lambda: not alive(command))
    listed = until(lambda: (one := exp.json("list")[0])["status"] == "failed" and one)
    assert listed["why"] == "its supervisor is gone"


def test_a_run_that_nobody_watches_any_more_is_told_to_have_failed(exp: Exp) -> None:
    run = exp.detached(*sh("echo $$ > pid; sleep 1000"))
    command = pid_in(exp.folder / "pid")
    holders = subprocess.run(["pgrep", "-s", str(exp.supervisor(run))], capture_output=True, text=True).stdout.split()
    for holder in sorted(map(int, holders), key=exp.supervisor(run).__eq__):  # it last: the others would write it down
        os.kill(holder, signal.SIGKILL)
    until(lambda: not goes_on(exp.ledger.path(run)))
    assert exp.ledger.get(run).status == "running", "nobody was left to write it down"
    told = exp.json("show", run)
    assert (told["status"], told["why"]) == ("failed", "its supervisor is gone")
    os.kill(command, signal.SIGKILL)
    assert exp("rm", run).stdout == b"removed r-1\n"


def test_a_run_within_a_command_that_is_ended_goes_on(exp: Exp) -> None:
    """As from a session's own Bash: what marks the outer command is not on the run."""
    exp.ledger.folder.mkdir(parents=True)
    exp.env = exp.env | {"MLWB_SESSION": "s-1", "MLWB_COMMAND": "abc", "MLWB_TURN": "3"}
    run = exp.detached(*sh("echo ${MLWB_SESSION-none} ${MLWB_COMMAND+marked}; while [ ! -e go ]; do sleep 0.02; done"))
    environ = Path(f"/proc/{exp.supervisor(run)}/environ").read_bytes()
    assert b"MLWB_SESSION" not in environ and b"MLWB_COMMAND" not in environ
    (exp.folder / "go").touch()
    record = exp.ended(run)
    assert (record.session, record.turn) == ("s-1", 3)
    assert exp.output(run) == b"none marked\n"


def test_a_session_that_adopts_orphans_keeps_no_zombies_of_its_runs(exp: Exp) -> None:
    program = f"""
import os, time
from pathlib import Path
from workbench.experiments.launch.ends import End
from workbench.experiments.launch.local import Local
from workbench.experiments.launch.types import Job
from workbench.experiments.ledger import Ledger
from workbench.sandbox.tree import adopt_orphans
adopt_orphans()
folder = {str(exp.folder)!r}
job = Job(workspace=folder, argv=("true",), cwd=folder, env={{"PATH": "/usr/bin:/bin"}})
print(*(news.what for news in Local(Ledger(Path(folder)), forks=False).submit(job).news()))
until = time.monotonic() + 20
children = Path(f"/proc/self/task/{{os.getpid()}}/children")
while (left := children.read_text()) and time.monotonic() < until:
    time.sleep(0.02)
print(left or "none is left")
"""
    done = subprocess.run([PYTHON, "-c", program], env=exp.env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "begun started ended\nnone is left\n"


# --- seeds -------------------------------------------------------------------------------------------------


def test_seeds_are_runs_of_one_group_in_turn(exp: Exp) -> None:
    script = 'echo "seed {seed} $SEED"; echo "step 1 loss 0.{seed}"; [ $SEED != 1 ] || exit 9'
    done = exp("run", "--name", "sweep", "--seeds", "0..2", *sh(script), code=9)
    assert done.stdout.decode().splitlines()[::2] == ["seed 0 0", "seed 1 1", "seed 2 2"]
    runs = [exp.ledger.get(run) for run in exp.ledger.ids()]
    assert [(run.id, run.seed, run.group, run.status) for run in runs] == [
        ("r-1", 0, "r-1", "finished"),
        ("r-2", 1, "r-1", "failed"),
        ("r-3", 2, "r-1", "finished"),
    ]
    assert runs[0].ended is not None and runs[1].started is not None and runs[0].ended <= runs[1].started
    assert [one["metrics"]["loss"]["last"] for one in exp.json("list")] == [0.2, 0.1, 0.0]


def test_a_run_that_has_ended_leaves_no_terminal_open_in_its_supervisor(exp: Exp) -> None:
    done = exp("run", "--seeds", "1..3", *sh("ls -l /proc/$PPID/fd 2>/dev/null | grep -c ptmx"))
    assert done.stdout == b"1\n1\n1\n"


def test_one_of_several_is_stopped_and_the_others_go_on(exp: Exp) -> None:
    ids = exp.detached("--seeds", "1..3", *sh("while [ ! -e go ]; do sleep 0.02; done; echo ran")).split()
    assert ids == ["r-1", "r-2", "r-3"]
    assert exp.ledger.get("r-2").status == "queued"
    until(lambda: exp.status("r-1") == "running")
    assert exp("stop", "r-3").stdout == b"r-3 stopped\n", "though it is not its turn"
    exp("stop", "r-1")
    (exp.folder / "go").touch()
    assert exp.ended("r-2").status == "finished"
    last = exp.ledger.get("r-3")
    assert (last.status, last.started) == ("stopped", None) and last.why.endswith("before it began")


def test_the_front_goes_on_with_the_one_that_runs(exp: Exp) -> None:
    front = exp.start("run", "--seeds", "1..2", *sh("echo first; while [ ! -e go ]; do sleep 0.02; done; echo last"))
    until(lambda: exp.status("r-1") == "running")
    exp("stop", "r-2")
    (exp.folder / "go").touch()
    out, _ = front.communicate(timeout=30)
    assert out == b"first\nlast\n" and front.returncode == 1


# --- the record --------------------------------------------------------------------------------------------


def test_the_exact_code_is_recorded(exp: Exp) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=exp.folder, check=True)
    (exp.folder / "train.py").write_text("print('loss=1')\n")
    subprocess.run([*git, "add", "-A"], cwd=exp.folder, check=True)
    subprocess.run([*git, "commit", "-qm", "one"], cwd=exp.folder, check=True)
    (exp.folder / "train.py").write_text("print('loss=2')\n")
    (exp.folder / "sub").mkdir()
    below = Exp(exp.folder / "sub", exp.env)
    exp("run", "--", PYTHON, "train.py")
    below("run", "--", PYTHON, "../train.py")
    assert exp.ledger.ids() == ["r-1", "r-2"], "the nearest ledger above, within the repository"
    run = exp.ledger.get("r-1")
    assert run.code.dirty and run.code.snapshot and run.name == "train"
    kept = subprocess.run(
        ["git", "show", f"{run.code.snapshot}:train.py"], cwd=exp.folder, capture_output=True, text=True, check=True
    )
    assert kept.stdout == "print('loss=2')\n"
    status = subprocess.run(["git", "status", "--short"], cwd=exp.folder, capture_output=True, text=True, check=True)
    assert status.stdout == " M train.py\n"


def test_numbers_cost_and_surroundings_are_recorded(exp: Exp) -> None:
    program = (
        "import pathlib, time\nhold = bytearray(80_000_000)\nfor step in range(20):\n"
        "    print(f'step {step} loss {1 / (step + 1):.4f}')\n"
        "while not pathlib.Path('go').exists():\n    time.sleep(0.02)\n"
    )
    exp.detached("--seeds", "7", "--tag", "a", "--note", "why not", "--", PYTHON, "-c", program)
    until(lambda: (exp.ledger.get("r-1").usage.peak_memory or 0) > 80_000_000)
    (exp.folder / "go").touch()
    exp.settled("r-1")
    shown = exp.json("show", "r-1")
    assert shown["metrics"] == {"loss": {"last": 0.05, "best": 0.05, "step": 19.0, "count": 20}}
    assert shown["usage"]["peak_memory"] > 80_000_000 and shown["usage"]["cpu_s"] > 0
    assert shown["environment"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "PATH" in shown["environment"]["variables"] and shown["environment"]["packages"]
    assert (shown["tags"], shown["note"], shown["seed"], shown["group"]) == (["a"], "why not", 7, None)
    assert shown["host"] and shown["boot_id"] and shown["user"]
    assert [point[0] for point in exp.json("metrics", "r-1")["loss"]] == list(range(20))


def test_numbers_are_there_while_it_runs_and_from_files_too(exp: Exp) -> None:
    (exp.folder / "metrics.csv").write_text("")
    program = (
        "import time, pathlib\nfile = open('log.jsonl', 'w')\nstep = 0\nwhile not pathlib.Path('go').exists():\n"
        '    step += 1; file.write(\'{"step": %d, "val_acc": 0.5}\\n\' % step); file.flush(); time.sleep(0.05)\n'
    )
    run = exp.detached("--", PYTHON, "-c", program)
    until(lambda: (found := exp.ledger.get(run).metrics) and found["val_acc"].count >= 5)
    assert exp.json("list")[0]["metrics"]["val_acc"]["last"] == 0.5
    assert exp.ledger.get(run).status == "running"
    (exp.folder / "go").touch()
    exp.settled(run)
    assert len(exp.json("metrics", run)["val_acc"]) == exp.json("show", run)["metrics"]["val_acc"]["count"] >= 5
    assert [source["path"] for source in exp.json("show", run)["sources"]] == ["log.jsonl"]


def test_what_goes_wrong_is_told_and_may_stop_it(exp: Exp) -> None:
    program = (
        "import time\nfor step in range(10**6):\n"
        "    print(f'step {step} loss', 0.5 if step < 9 else 'nan'); time.sleep(0.05)"
    )
    done = exp("run", "--stop-on", "nan,divergence", "--", PYTHON, "-c", program, code=143)
    exp.settled("r-1")
    shown = exp.json("show", "r-1")
    assert (shown["status"], shown["alerts"][0]["kind"]) == ("stopped", "nan")
    assert "loss is NaN at step 9" in shown["alerts"][0]["text"]
    assert shown["why"].startswith("stopped on nan: loss is NaN")
    assert b"stopped on nan" in done.stderr
    exp("run", "--", PYTHON, "-c", "print('step 1 loss 1'); raise ValueError('no such layer')", code=1)
    exp.settled("r-2")
    [crash] = exp.json("show", "r-2")["alerts"]
    assert crash["kind"] == "crash" and "no such layer" in crash["text"]
    assert b"is none of nan" in exp("run", "--stop-on", "boredom", "true", code=2).stderr


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting needs root")
def test_a_full_disk_does_not_stop_the_command(exp: Exp, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (small / "work").mkdir()
        full = Exp(small / "work", exp.env)
        done = full("run", *sh("head -c 3000000 /dev/zero | tr '\\0' x; echo end; exit 5"), code=5)
        assert b"could not be kept: No space left" in done.stderr
        run = full.ledger.get("r-1")
        assert (run.status, run.exit_code) == ("failed", 5), "the record has its place all the same"
        assert run.lost > 1_900_000 and run.alerts[0].kind == "disk"
        until(lambda: not goes_on(full.ledger.path("r-1")))
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_ids_in_words_are_no_paths(exp: Exp) -> None:
    for name in ("../x", "r-0", "r-1/..", ""):
        done = exp("show", name, code=1)
        assert re.match(rb"mlwb: .* is no run; runs are called r-1", done.stderr)


def test_more_files_than_may_be_open_by_default_are_followed(exp: Exp) -> None:
    script = (
        'd=mlruns/0/run; mkdir -p $d/metrics; printf "run_id: a\\n" > $d/meta.yaml; '
        'for i in $(seq 150); do echo "1700000000000 0.$i 1" > $d/metrics/m$i; done; sleep 1.5'
    )
    limited = ("bash", "-c", 'ulimit -Sn 100; exec "$@"', "limited", *MLWB, "exp", "run", *sh(script))
    subprocess.run(limited, cwd=exp.folder, env=exp.env, check=True, capture_output=True, timeout=60)
    until(lambda: not goes_on(exp.ledger.path("r-1")))
    assert len(exp.ledger.get("r-1").metrics) == 150
