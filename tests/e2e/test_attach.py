"""A session seen from a second terminal: on this machine, and drawn here while it lives behind a real sshd."""

import contextlib
import json
import os
import pwd
import re
import shlex
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from support import sshd
from support.endpoint import Endpoint, say, turn, use
from support.mlwb import QUICK, Place
from support.sshd import Sshd
from support.terminal import opened, quits, rests, shell_asks, start, submit
from support.tmux import Tmux
from workbench.host.stopping import holder

ALLOWED = "permissions: {allow: [Bash]}\n"


@contextlib.contextmanager
def second(tmux: Tmux, place: Place, command: str = "mlwb attach") -> Iterator[Tmux]:
    """Another terminal, in which COMMAND joins what is open."""
    with Tmux(env={**tmux.env}, cwd=place.repo, size=tmux.size) as other:
        start(other, command)
        yield other


def session_of(place: Place) -> str:
    """The id of the one session."""
    (found,) = (place.home / ".local/state/mlwb/sessions").iterdir()
    return found.name


def waits(root: Path) -> tuple[list[Any], Path]:
    """A session whose command runs until a file is there."""
    go = root / "home/work/go"
    command = f"echo begun; while [ ! -e {go} ]; do sleep 0.05; done; echo went"
    return [turn(use("Bash", command=command)), say("All went well.")], go


def test_a_second_terminal_shows_what_the_first_does_while_the_agent_works(tmp_path: Path) -> None:
    turns, go = waits(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, place, _):
        submit(tmux, "wait for it")
        tmux.wait("begun")
        with second(tmux, place) as other:
            other.wait(lambda screen: "wait for it" in screen and "working" in screen)
            go.touch()
            for terminal in (tmux, other):
                terminal.wait("All went well.")
                rests(terminal)
            submit(other, "thank you")
            tmux.wait("thank you")
            quits(other)
        tmux.wait("thank you")
        quits(tmux)


def test_a_killed_screen_ends_nothing_and_is_attached_to_again(tmp_path: Path) -> None:
    turns, go = waits(tmp_path)
    with opened(tmp_path, turns, settings=ALLOWED) as (tmux, place, _):
        submit(tmux, "wait for it")
        tmux.wait("begun")
        tmux.program().send_signal(signal.SIGKILL)
        tmux.wait("Killed")
        tmux.keys("Enter")
        tmux.type("reset; clear")
        tmux.keys("Enter")
        start(tmux, f"mlwb attach {session_of(place)[:5]}")
        tmux.wait(lambda screen: "wait for it" in screen and "working" in screen)
        go.touch()
        tmux.wait("All went well.")
        quits(tmux)


def test_a_headless_run_is_watched_and_not_steered(tmp_path: Path) -> None:
    turns, go = waits(tmp_path)
    place = Place(tmp_path)
    (place.home / ".config/mlwb/config.yaml").write_text(QUICK + ALLOWED)
    task = place.task("Wait for it.\n")
    with (
        place.endpoint(turns) as (_, env),
        place.started("run", task, env=env) as run,
        Tmux(env=env, cwd=place.repo) as tmux,
    ):
        tmux.wait(lambda _: (place.home / "sock").is_dir() and any((place.home / "sock").iterdir()))
        start(tmux, "mlwb attach")
        tmux.wait(lambda screen: "you watch it" in screen and "begun" in screen)
        tmux.type("do something else")
        tmux.keys("Enter")
        tmux.wait("watched, and stopped")
        go.touch()
        tmux.wait("All went well.")
        assert run.wait(60) == 0
        tmux.keys("C-q")
        tmux.wait_state("alternate_on", "0")


def test_of_several_one_is_chosen_and_a_host_that_is_killed_is_told(tmp_path: Path) -> None:
    with opened(tmp_path, [say("First here."), say("Second here.")]) as (tmux, place, _):
        submit(tmux, "the first of them")
        tmux.wait("First here.")
        first = session_of(place)
        with Tmux(env={**tmux.env}, cwd=place.repo) as other, Tmux(env={**tmux.env}, cwd=place.repo) as third:
            start(other)
            submit(other, "the second of them")
            other.wait("Second here.")
            shell_asks(third)
            third.type("mlwb attach")
            third.keys("Enter")
            third.wait(lambda screen: "attach to which" in screen and first in screen)
            third.type("the first")
            third.wait(lambda screen: "the second" not in screen)
            third.keys("Enter")
            third.wait("First here.")
            host_of(place, first).kill()
            for terminal in (tmux, third):
                terminal.wait(f"mlwb --resume {first}")
            for terminal in (tmux, other, third):
                quits(terminal)


def host_of(place: Place, session: str) -> psutil.Process:
    """The process that hosts SESSION: it holds the session's lock."""
    pid = holder(place.session(session))
    assert pid is not None, f"nobody hosts {session}"
    return psutil.Process(pid)


# --- from afar -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def behind(root: Path, env: dict[str, str]) -> Iterator[tuple[Sshd, str, dict[str, str]]]:
    """An sshd on loopback: it, the address of this machine through it, and what makes `mlwb attach` go there."""
    if why := sshd.missing():
        pytest.skip(why)
    with Sshd(root) as server:
        if why := server.refusal():
            pytest.skip(why)
        command = server.command("")
        options = [part for part in command[: command.index("-p")] if part != "-tt"]
        given = shlex.join(f"{name}={value}" for name, value in env.items() if name != "TERM")
        there = {
            "MLWB_SSH": shlex.join([*options, "-i", str(server.folder / "user")]),
            "MLWB_REMOTE_COMMAND": f"env -i {given} mlwb",
        }
        yield server, f"ssh://{pwd.getpwuid(os.geteuid()).pw_name}@127.0.0.1:{server.port}", there


@contextlib.contextmanager
def from_afar(root: Path, turns: Sequence[Any], **more: Any) -> Iterator[tuple[Tmux, Tmux, Place, Endpoint, Sshd]]:
    """A session in one terminal, and a second one that draws it through ssh, in a home that knows no session."""
    away = root / "away"
    away.mkdir()
    with opened(root, turns, **more) as (tmux, place, endpoint), behind(root, place.env()) as (server, url, there):
        submit(tmux, "begin")
        tmux.wait("begun")
        with Tmux(env={**tmux.env, **there, "HOME": str(away)}, cwd=away, size=tmux.size) as other:
            start(other, f"mlwb attach {url}/{session_of(place)}")
            other.wait(lambda screen: "begun" in screen and "gpu on 127.0.0.1: mlwb gpu" in screen)
            yield tmux, other, place, endpoint, server
        quits(tmux)


def ssh_of(tmux: Tmux) -> psutil.Process:
    """The ssh that carries what TMUX shows."""
    return next(one for one in tmux.program().children(recursive=True) if one.name() == "ssh")


def test_from_afar_it_is_drawn_here_and_steered_there(tmp_path: Path) -> None:
    turns, go = waits(tmp_path)
    with from_afar(tmp_path, [*turns, say("You are welcome.")], settings=ALLOWED) as (tmux, other, _, _, _):
        go.touch()
        for terminal in (tmux, other):
            terminal.wait("All went well.")
            rests(terminal)
        submit(other, "thank you")
        for terminal in (tmux, other):
            terminal.wait("You are welcome.")
        submit(other, "/brief start")
        other.wait(lambda screen: "what happened so far" in screen and "thank you" in screen)
        other.keys("Escape")
        other.wait(lambda screen: "what happened so far" not in screen)  # else the next key could seem one with it
        quits(other)
        other.wait("mlwb attach ssh://")
        tmux.wait("You are welcome.")


def test_who_comes_back_from_afar_after_an_absence_is_told_what_happened(tmp_path: Path) -> None:
    with from_afar(tmp_path, [say("It has begun.")]) as (_, other, _, _, _):
        rests(other)
        quits(other)
        way_back = re.search(r"mlwb attach ssh://\S+", other.wait("mlwb attach ssh://"))
        assert way_back is not None
        kept = tmp_path / "away/.local/state/mlwb/looked.json"
        looked = json.loads(kept.read_text())
        kept.write_text(json.dumps({one: at - 7_200 for one, at in looked.items()}))
        shell_asks(other)
        other.type(way_back[0])
        other.keys("Enter")
        other.wait(lambda screen: "while you were away" in screen and "begin" in screen)
        other.keys("Escape")
        other.wait(lambda screen: "while you were away" not in screen and "1 turn" in screen)
        quits(other)


def test_a_connection_that_breaks_is_made_again_and_nothing_is_lost_or_sent_twice(tmp_path: Path) -> None:
    turns, go = waits(tmp_path)
    with from_afar(tmp_path, [*turns, say("Heard once.")], settings=ALLOWED) as (tmux, other, place, endpoint, server):
        server.process.send_signal(signal.SIGSTOP)  # no new connection comes through
        try:
            ssh_of(other).kill()
            other.wait("connection lost")
            other.type("is it well?")
            other.wait("is it well?")
            other.keys("Enter")
            other.wait("1 command waiting")
            go.touch()
            tmux.wait("went")
        finally:
            server.process.send_signal(signal.SIGCONT)
        other.wait(lambda screen: "connection lost" not in screen and "Heard once." in screen)
        rests(other)
        tmux.wait("Heard once.")
        journal = (place.session(session_of(place)) / "events.jsonl").read_text()
        asked = [line for line in journal.splitlines() if '"type":"prompt_submitted"' in line and "is it well?" in line]
        assert len(asked) == 1
        quits(other)
        assert "is it well?" in str(endpoint.requests[-1].body)


def test_what_ssh_fails_of_is_told_before_anything_is_drawn(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with behind(tmp_path, place.env()) as (server, url, there), Tmux(env=place.env(**there), cwd=place.repo) as tmux:
        for command, told in (
            (f"mlwb attach {url}", "no session is live here"),
            (f"mlwb attach {url}/s-nothere", "there is no session 's-nothere'"),
            (f"mlwb attach --remote-command /no/mlwb {url}", "--remote-command /path/to/mlwb"),
            (f"mlwb attach ssh://127.0.0.1:{unused_port()}/s-1", "refused"),
        ):
            shell_asks(tmux)
            tmux.type(f"clear; {command}")
            tmux.keys("Enter")
            tmux.wait(told)
            assert tmux.state("alternate_on") == "0"
            assert server.process.poll() is None


def unused_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
