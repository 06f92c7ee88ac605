"""Coming and going: Esc, left at work, suspended and back, a terminal closed, killed or detached, signals."""

import json
import os
import signal
from pathlib import Path

import psutil

from support.endpoint import say, turn, use
from support.left import hosts_under
from support.mlwb import Place
from support.terminal import (
    READY,
    back_in_the_shell,
    edits,
    file_with_number,
    gone,
    is_a_clean_shell,
    leaves_a_clean_shell,
    opened,
    quits,
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


def the_session(place: Place) -> str:
    """The id of the one session."""
    (found,) = (place.home / ".local/state/mlwb/sessions").iterdir()
    return found.name


def state_of(place: Place) -> str:
    """How the one session stands, as the list tells it."""
    (listed,) = json.loads(place.mlwb("sessions", "list", "--json").stdout)
    return str(listed["state"])


def test_ctrl_q_at_work_is_asked_twice_and_leaves_it_at_work(tmp_path: Path) -> None:
    turns, pid = sleeps(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, place, _):
        submit(tmux, "sleep")
        running = file_with_number(pid, tmux)
        tmux.keys("C-q")
        tmux.wait("again leaves it at work")
        assert tmux.state("alternate_on") == "1"
        tmux.keys("C-q")
        tmux.wait_state("alternate_on", "0")
        back = f"mlwb attach {the_session(place)}"
        tmux.wait(f"{back}   shows it at work")
        is_a_clean_shell(tmux)
        assert psutil.pid_exists(running) and state_of(place) == "live"
        start(tmux, back)
        tmux.wait("sleep 1000")
        tmux.keys("Escape")
        gone(running)
        tmux.wait("· interrupted")
        leaves_a_clean_shell(tmux)
        assert state_of(place) == "resumable"


def test_one_that_rests_ends_when_it_is_left_and_can_be_removed_at_once(tmp_path: Path) -> None:
    with opened(tmp_path, [say("Well.")]) as (tmux, place, _):
        submit(tmux, "how is it?")
        tmux.wait("Well.")
        quits(tmux)
        session = the_session(place)
        tmux.wait(f"mlwb --resume {session}   goes on with this session")
        assert state_of(place) == "resumable"
        table, shown, brief = (place.mlwb("sessions", *args).stdout for args in
                               (["list"], ["show", session], ["brief", "--since", "start", session]))  # fmt: skip
        assert "  left  " in table and "error" not in table, table
        assert f"    mlwb --resume {session}\n" in shown and "What went wrong" not in shown, shown
        assert "it was left, or told to stop" in brief and "retryable" not in brief, brief
        assert place.mlwb("sessions", "rm", session).code == 0
        tmux.wait(lambda _: hosts_under(place.home) == [], 20)  # sooner than one that waits for clients would end


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


def test_a_terminal_that_is_closed_leaves_the_agent_at_work(tmp_path: Path) -> None:
    turns, pid = sleeps(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, place, _):
        submit(tmux, "sleep")
        running = file_with_number(pid, tmux)
        program = tmux.program().pid
        tmux.type("half a thought")
        tmux.wait("› half a thought")
        tmux.close()
        gone(program)
        assert state_of(place) == "live" and psutil.pid_exists(running)
        session = the_session(place)
        for command in (f"mlwb attach {session}", f"mlwb --resume {session}", "mlwb -c"):
            with Tmux(env={**tmux.env}, cwd=place.repo) as again:
                start(again, command)
                again.wait("sleep 1000")
                again.keys("Up")  # what was typed and not sent is there
                again.wait("› half a thought")
                again.keys("C-q")
                again.wait("again leaves it at work")
                again.keys("C-q")
                again.wait_state("alternate_on", "0")
        assert psutil.pid_exists(running)


def test_a_host_that_is_killed_takes_its_commands_along_and_its_session_is_taken_up_again(tmp_path: Path) -> None:
    turns, pid = sleeps(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, place, _):
        submit(tmux, "sleep")
        running = file_with_number(pid, tmux)
        (host,) = hosts_under(place.home)
        host.kill()
        tmux.wait("takes it up again")
        back_in_the_shell(tmux)
        tmux.wait("goes on with this session")
        start(tmux, f"mlwb --resume {the_session(place)}")
        gone(running)
        submit(tmux, "go on")
        tmux.wait("Stopped.")
        leaves_a_clean_shell(tmux)


def test_sigterm_leaves_it_at_work_and_gives_the_terminal_back(tmp_path: Path) -> None:
    turns, pid = sleeps(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, place, _):
        submit(tmux, "sleep")
        running = file_with_number(pid, tmux)
        program = tmux.program().pid
        os.kill(program, signal.SIGTERM)
        gone(program)
        tmux.wait_state("alternate_on", "0")
        tmux.wait("shows it at work")
        is_a_clean_shell(tmux)
        assert psutil.pid_exists(running) and state_of(place) == "live"


def test_sigterm_to_the_host_ends_it_so_that_it_can_be_taken_up_again(tmp_path: Path) -> None:
    turns, pid = sleeps(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, place, _):
        submit(tmux, "sleep")
        running = file_with_number(pid, tmux)
        (host,) = hosts_under(place.home)
        host.terminate()
        gone(host.pid)
        gone(running)
        back_in_the_shell(tmux)
        tmux.wait("goes on with this session")
        assert state_of(place) == "resumable"


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
