"""`mlwb exp wait`: until a run has ended, or something was seen in it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.running import Exp

UNTIL = "while [ ! -e {0} ]; do sleep 0.02; done; exit {1}"


@pytest.fixture
def exp(tmp_path: Path) -> Iterator[Exp]:
    """A scratch folder, whose runs end with the test."""
    made = Exp(tmp_path / "work")
    yield made
    made.stop_all()


def begun(process: "subprocess.Popen[bytes]") -> str:
    """What it says once it waits."""
    assert process.stderr is not None
    return process.stderr.readline().decode()


def test_it_waits_for_the_first_end_or_for_all(exp: Exp) -> None:
    for number, code in ((1, 0), (2, 0)):
        exp.detached("--", "bash", "-c", UNTIL.format(f"go{number}", code))
    waiting, whole = exp.start("wait"), exp.start("wait", "--all")
    for one in (waiting, whole):
        assert begun(one) == "mlwb: waiting for r-1, r-2\n"
    (exp.folder / "go1").touch()
    assert waiting.communicate(timeout=30)[0].decode() == "r-1 finished\n" and waiting.returncode == 0
    assert whole.poll() is None
    (exp.folder / "go2").touch()
    assert whole.communicate(timeout=30)[0].decode().splitlines() == ["r-1 finished", "r-2 finished"]
    assert whole.returncode == 0


def test_a_failure_is_told_with_what_was_seen(exp: Exp) -> None:
    exp.detached("--", "bash", "-c", UNTIL.format("go", 4))
    waiting = exp.start("wait", "r-1")
    (exp.folder / "go").touch()
    said = waiting.communicate(timeout=30)[0].decode()
    assert "r-1 failed: exit code 4" in said and "r-1 crash: it ended with exit code 4" in said
    assert waiting.returncode == 1


def test_an_alert_ends_the_wait_while_the_run_goes_on(exp: Exp) -> None:
    exp.detached("--", "bash", "-c", "while [ ! -e go ]; do sleep 0.02; done; echo loss nan; sleep 1000")
    waiting = exp.start("wait")
    begun(waiting)  # what was seen before is no news
    (exp.folder / "go").touch()
    assert "r-1 nan: loss is NaN" in waiting.communicate(timeout=30)[0].decode() and waiting.returncode == 1
    assert exp.status("r-1") == "running"


def test_the_time_may_be_over_and_nothing_is_no_wait(exp: Exp) -> None:
    assert exp("wait").stdout == b""
    exp.detached("--", "sleep", "1000")
    exp("wait", "--timeout", "0.2", code=124)
    assert b"there is no run r-9" in exp("wait", "r-9", code=2).stderr
    assert b"no duration" in exp("wait", "--timeout", "soon", code=2).stderr


SERVICE = (
    "--service", "--ready", "http://127.0.0.1:{port}/", "--",
    "bash", "-c", "while [ ! -e up ]; do sleep 0.02; done; exec python3 -m http.server --bind 127.0.0.1 {port}",
)  # fmt: skip


def test_a_service_that_becomes_ready_ends_the_wait_and_is_no_news_afterwards(exp: Exp) -> None:
    exp.detached(*SERVICE)
    waiting, whole = exp.start("wait"), exp.start("wait", "--all")
    for one in (waiting, whole):
        begun(one)
    (exp.folder / "up").touch()
    assert waiting.communicate(timeout=30)[0].decode() == "r-1 ready\n" and waiting.returncode == 0
    assert whole.communicate(timeout=30)[0].decode() == "r-1 ready\n", "nothing else is to be waited for"
    assert exp("wait", "r-1").stdout == b"r-1 ready\n", "named, it is told whenever it was"
    exp("wait", "--timeout", "0.7", code=124)
    exp("wait", "--all", "--timeout", "0.7", "r-1", code=124)


def test_the_end_of_a_service_that_was_named_is_waited_for(exp: Exp) -> None:
    (exp.folder / "up").touch()
    exp.detached(*SERVICE)
    exp("wait", "r-1")
    waiting = exp.start("wait", "--all", "r-1")
    begun(waiting)
    exp("stop", "r-1")
    assert "r-1 stopped" in waiting.communicate(timeout=30)[0].decode() and waiting.returncode == 1
