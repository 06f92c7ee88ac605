"""Standard streams that are closed, full or left by their reader: a line at most, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MLWB = [sys.executable, "-P", "-c", "import sys; from workbench.cli import main; sys.exit(main())"]
TELLING = [
    ["--help"], ["--version"], ["exp", "--help"], ["sessions", "--help"], ["agents", "list"],
    ["agents", "list", "--json"], ["sessions", "list", "--json"], ["exp", "list", "--json"],
    ["permissions", "check", "Bash", '{"command":"ls"}'],
    ["gpu"], ["trust", "--list", "--json"], ["share", "--list", "--json"], ["doctor", "--json"],
]  # fmt: skip
SILENT = [["sessions", "list"], ["exp", "list"], ["trust", "--list"], ["share", "--list"], ["exp", "run", "true"]]


def mlwb(folder: Path, args: list[str], redirection: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"), "MLWB_SOCKET_DIR": str(folder / "sockets"),
    }  # fmt: skip
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return subprocess.run(
        ["bash", "-c", f'"$0" "$@" {redirection}', *MLWB, *args], cwd=work, env=env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("args", TELLING, ids=" ".join)
def test_an_output_that_takes_nothing_is_said_in_a_line(tmp_path: Path, args: list[str]) -> None:
    done = mlwb(tmp_path, args, ">&-")
    assert (done.returncode, done.stderr) == (1, "mlwb: Bad file descriptor\n")
    if Path("/dev/full").exists():
        done = mlwb(tmp_path, args, ">/dev/full")
        assert (done.returncode, done.stderr) == (1, "mlwb: No space left on device\n")


@pytest.mark.parametrize("args", TELLING, ids=" ".join)
def test_a_reader_that_went_away_is_no_error(tmp_path: Path, args: list[str]) -> None:
    done = mlwb(tmp_path, args, "> >(exec true) | true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) in ((141, ""), (0, "")), "141 where the pipe was closed before the words came"


@pytest.mark.parametrize("args", SILENT, ids=" ".join)
def test_who_has_nothing_to_answer_needs_no_output(tmp_path: Path, args: list[str]) -> None:
    done = mlwb(tmp_path, args, ">&-")
    assert done.returncode == 0 and "Traceback" not in done.stderr and done.stderr.count("\n") <= 1


def test_words_never_take_the_place_of_an_answer(tmp_path: Path) -> None:
    done = mlwb(tmp_path, ["sessions", "list"], "2>&-")
    assert (done.returncode, done.stdout) == (0, "")


def test_standard_input_that_is_closed_is_no_terminal(tmp_path: Path) -> None:
    for args in ([], ["doctor", "--json"], ["attach", "--stdio"], ["run", "-"]):
        done = mlwb(tmp_path, args, "<&-")
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr


def homeless(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MLWB[:2], "-c", "import os, pwd, sys\npwd.getpwuid = lambda uid: {}[uid]\n" + MLWB[3], *args],
        cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_user_whom_nobody_knows_is_told_to_set_home(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("Go.")
    for args in (["agents", "list"], ["sessions", "list"], ["trust", "--list"], ["run", "x.md"]):
        done = homeless(tmp_path, *args)
        said = done.stderr.partition(": ")[2]
        assert (done.returncode, said) == (2, "there is no home folder to keep sessions in; set HOME\n")


def test_the_ledger_needs_no_home(tmp_path: Path) -> None:
    assert homeless(tmp_path, "exp", "run", "true").returncode == 0
    assert homeless(tmp_path, "exp", "list").returncode == 0
