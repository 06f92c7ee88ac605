"""Signals: what they end, with which code, and that nothing is left running."""

import fcntl
import json
import os
import pty
import select
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.mlwb import MLWB, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def until(true: Callable[[], bool], limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sleeper(place: Place) -> list[object]:
    """A session in the midst of a command; the command's pid is in the file `pid`."""
    return [turn(use("Bash", command="sleep 300 & echo $! > pid; wait")), say("went on")]


FLAGS = ("--allow", "Bash")


def result_of(process: "subprocess.Popen[bytes]") -> dict[str, object]:
    out, err = process.communicate(timeout=60)
    assert b"Traceback" not in err, err
    lines = out.splitlines()
    assert lines, err
    return dict(json.loads(lines[-1]))


@pytest.mark.parametrize(
    ("number", "code", "subtype"),
    [
        (signal.SIGTERM, 75, "error_retryable"),
        (signal.SIGUSR1, 75, "error_retryable"),
        (signal.SIGHUP, 75, "error_retryable"),
        (signal.SIGINT, 130, "error_interrupted"),
    ],
)
def test_a_signal_in_the_midst_of_a_command(place: Place, number: signal.Signals, code: int, subtype: str) -> None:
    with (
        place.endpoint(sleeper(place)) as (_, env),
        place.started("run", place.task("x"), "--output-format", "json", *FLAGS, env=env) as process,
    ):
        pid = place.repo / "pid"
        until(lambda: pid.exists() and pid.read_text().strip() != "")
        process.send_signal(number)
        result = result_of(process)
        assert process.returncode == code
        until(lambda: not running(int(pid.read_text())))
    assert (result["subtype"], result["exit_code"]) == (subtype, code)
    folder = place.session(str(result["session_id"]))
    assert json.loads((folder / "result.json").read_text()) == result


def test_a_terminal_that_is_gone_ends_it_with_75(place: Place) -> None:
    # The line to a machine breaks: the terminal hangs up, and takes no answer any more.
    ours, theirs = pty.openpty()
    with place.endpoint(sleeper(place)) as (_, env):
        process = subprocess.Popen(
            [*MLWB, "run", place.task("x"), *FLAGS], cwd=place.repo, env=env,
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        try:
            until((place.repo / "pid").exists)
            os.close(ours)
            assert process.wait(60) == 75
        finally:
            process.kill()
            process.wait()


def test_a_stopped_session_goes_on_where_it_stood(place: Place) -> None:
    with (
        place.endpoint(sleeper(place)) as (_, env),
        place.started("run", place.task("Count.\n"), "--output-format", "json", *FLAGS, env=env) as process,
    ):
        until((place.repo / "pid").exists)
        process.send_signal(signal.SIGTERM)
        stopped = result_of(process)
    with place.endpoint([say("done")]) as (endpoint, env):
        done = place.mlwb("run", "--resume", str(stopped["session_id"]), "--output-format", "json", env=env)
        sent = json.dumps(endpoint.requests[0].body["messages"])
    assert done.code == 0, done.stderr
    assert "Count." in sent
    assert "tool_result" in sent, "the call that was cut short is told to the model, not run again"


def waiting(endpoint: Endpoint) -> None:
    until(lambda: len(endpoint.requests) == 1)


def test_a_signal_while_the_model_is_silent(place: Place) -> None:
    with (
        place.endpoint([say("late", delay=300)]) as (endpoint, env),
        place.started("run", place.task("x"), "--output-format", "json", env=env) as process,
    ):
        waiting(endpoint)
        process.send_signal(signal.SIGTERM)
        assert result_of(process)["exit_code"] == process.returncode == 75


STUBBORN = "trap ': > told' INT TERM; echo $$ > pid; while :; do sleep 0.2; done"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_does_not_wait(place: Place, number: signal.Signals, code: int) -> None:
    """The command goes on when it is told to end: the first signal's stop takes its grace, the second comes into it.

    On a busy machine the grace may be over before the second comes; then it is tried again.
    """
    assert any(signalled_twice(place, number) == code for _ in range(5))


def signalled_twice(place: Place, number: signal.Signals) -> int:
    """The exit code of a run that gets NUMBER, and once its command was told to end, NUMBER again."""
    pid, told = place.repo / "pid", place.repo / "told"
    for each in (pid, told):
        each.unlink(missing_ok=True)
    with (
        place.endpoint([turn(use("Bash", command=STUBBORN)), say("went on")]) as (_, env),
        place.started("run", place.task("x"), "--output-format", "json", *FLAGS, env=env) as process,
    ):
        until(lambda: pid.exists() and pid.read_text().strip() != "")
        process.send_signal(number)
        until(lambda: told.exists() or process.poll() is not None)
        process.send_signal(number)
        process.communicate(timeout=60)
        until(lambda: not running(int(pid.read_text())))
        return process.returncode


@pytest.mark.parametrize("form", ["text", "stream-json"])
def test_a_signal_while_nobody_reads_the_output(place: Place, form: str) -> None:
    read, write = os.pipe()
    with (
        place.endpoint([say("x" * 300_000, chunk=10_000)]) as (_, env),
        place.started("run", place.task("x"), "--output-format", form, env=env, stdout=write) as process,
    ):
        os.close(write)
        until(lambda: bool(list(place.session("").glob("*/result.json"))))
        assert select.select([read], [], [], 30)[0]
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        assert process.returncode == 130
        assert process.stderr is not None
        assert b"was not read to its end" in process.stderr.read()
    os.close(read)


def test_nohup_is_kept(place: Place) -> None:
    with place.endpoint([say("late", delay=1.5)]) as (endpoint, env):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with place.started("run", place.task("x"), env=env) as process:
                waiting(endpoint)
                process.send_signal(signal.SIGHUP)
                assert process.communicate(timeout=30)[0] == b"late\n"
                assert process.returncode == 0
        finally:
            signal.signal(signal.SIGHUP, before)


def test_a_signal_while_notify_runs(place: Place) -> None:
    task = f"---\nnotify: 'echo $$ > {place.repo}/pid; sleep 300'\n---\nx"
    with (
        place.endpoint([say("hi")]) as (_, env),
        place.started("run", place.task(task), env=env) as process,
    ):
        pid = place.repo / "pid"
        until(lambda: pid.exists() and pid.read_text().strip() != "")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == b"hi\n"
        assert process.returncode == 0, "the session had ended before"
        until(lambda: not running(int(pid.read_text())))


def test_a_signal_while_a_check_waits_for_the_endpoint(place: Place) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        env = place.env(ANTHROPIC_BASE_URL=f"http://127.0.0.1:{silent.getsockname()[1]}", ANTHROPIC_API_KEY="k")
        with place.started("run", place.task("x"), "--check", env=env) as process:
            silent.settimeout(30)
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            assert process.returncode == 130
            connection.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_while_the_task_is_read_from_who_never_writes_it(
    place: Place, number: signal.Signals, code: int
) -> None:
    task = place.home / "task.fifo"
    os.mkfifo(task)
    with place.started("run", str(task), "--output-format", "json", env=place.env()) as process, task.open("wb"):
        process.send_signal(number)  # the pipe was opened for reading by now
        out, _ = process.communicate(timeout=60)
        assert process.returncode == code
        assert json.loads(out)["errors"] == ["stopped before a session began"]
