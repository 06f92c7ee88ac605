"""Coming and going: Esc, suspended and back, a terminal closed or detached, signals. Nothing is left running."""

import os
import signal
from pathlib import Path

from support.endpoint import say, turn, use
from support.terminal import (
    READY,
    edits,
    file_with_number,
    gone,
    is_a_clean_shell,
    leaves_a_clean_shell,
    opened,
    rests,
    start,
    submit,
)
from support.tmux import Tmux

ALLOWED = "permissions: {allow: [Bash]}\n"


def sleeps(root: Path) -> tuple[list[object], Path]:
    """A session that runs a command for ever, and the file with the number of that process."""
    pid = root / "home/work/pid"
    return [turn(use("Bash", command=f"sleep 1000 & echo $! > {pid}; wait")), say("Stopped.")], pid


def test_escape_stops_a_command_and_leaves_nothing_running(tmp_path: Path) -> None:
    turns, pid = sleeps(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, _, _):
        submit(tmux, "sleep")
        running = file_with_number(pid, tmux)
        tmux.keys("Escape")
        gone(running)
        tmux.wait("· interrupted")
        leaves_a_clean_shell(tmux)


def test_ctrl_q_at_work_is_asked_twice_and_leaves_nothing_running(tmp_path: Path) -> None:
    turns, pid = sleeps(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, _, _):
        submit(tmux, "sleep")
        running = file_with_number(pid, tmux)
        tmux.keys("C-q")
        tmux.wait("again stops it and quits")
        assert tmux.state("alternate_on") == "1"
        tmux.keys("C-q")
        tmux.wait_state("alternate_on", "0")
        gone(running)
        tmux.wait("goes on with this session")
        is_a_clean_shell(tmux)


def test_it_is_suspended_and_comes_back_as_it_was(tmp_path: Path) -> None:
    with opened(tmp_path) as (tmux, _, _):
        submit(tmux, "raise the learning rate")
        tmux.wait("All done here")
        rests(tmux)
        tmux.program().send_signal(signal.SIGTSTP)
        tmux.wait_state("alternate_on", "0")
        is_a_clean_shell(tmux)
        tmux.resize(120, 30)
        tmux.type("clear; fg")
        tmux.keys("Enter")
        tmux.wait_state("alternate_on", "1")
        tmux.wait(lambda screen: "All done here" in screen and READY in screen)
        tmux.type("typed after")
        tmux.wait("› typed after")
        tmux.keys("C-u")
        tmux.wait(READY)
        leaves_a_clean_shell(tmux)


def test_a_terminal_that_is_closed_leaves_nothing_running_and_a_session_to_go_on_with(tmp_path: Path) -> None:
    turns, pid = sleeps(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, place, _):
        submit(tmux, "sleep")
        running = file_with_number(pid, tmux)
        program = tmux.program().pid
        tmux.close()
        gone(program)
        gone(running)
        (session,) = (place.home / ".local/state/mlwb/sessions").iterdir()
        with Tmux(env={**tmux.env}, cwd=place.repo) as again:
            start(again, f"mlwb --resume {session.name}")
            again.wait("sleep 1000")
            submit(again, "go on")
            again.wait("Stopped.")
            leaves_a_clean_shell(again)


def test_sigterm_ends_it_and_gives_the_terminal_back(tmp_path: Path) -> None:
    turns, pid = sleeps(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, _, _):
        submit(tmux, "sleep")
        running = file_with_number(pid, tmux)
        program = tmux.program().pid
        os.kill(program, signal.SIGTERM)
        gone(program)
        gone(running)
        tmux.wait_state("alternate_on", "0")
        is_a_clean_shell(tmux)


def test_the_person_detaches_and_comes_back_on_another_terminal(tmp_path: Path) -> None:
    with opened(tmp_path, edits(tmp_path / "home/work"), size=(120, 30)) as (tmux, place, _):
        with tmux.attached() as one:
            one.write(b"raise the learning rate")
            tmux.wait("raise the learning rate")
        tmux.wait_state("session_attached", "0")
        tmux.keys("Enter")  # it works while nobody looks
        tmux.wait("All done here")
        with tmux.attached() as other:
            tmux.wait(lambda _: b"All done here" in other.shown)
            other.write(b"back again")
            tmux.wait("back again")
        tmux.keys("C-u")
        assert (place.repo / "train.py").read_text() == "lr = 0.9\n"
        leaves_a_clean_shell(tmux)
