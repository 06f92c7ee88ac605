"""The same through a real sshd on loopback, as people work on a GPU host."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from support import sshd
from support.endpoint import Endpoint, say, turn, use
from support.left import end_hosts, hosts_under
from support.mlwb import Place
from support.sshd import Sshd
from support.terminal import answers, edits, file_with_number, gone, is_a_clean_shell, quits, rests, start, submit
from support.tmux import Tmux


@contextlib.contextmanager
def far(root: Path, turns: Sequence[Any], **terminal: Any) -> Iterator[tuple[Tmux, Place, Endpoint]]:
    """The workbench in a shell behind ssh; skips where this user cannot have an sshd."""
    if why := sshd.missing():
        pytest.skip(why)
    with Sshd(root) as server:
        if why := server.refusal():
            pytest.skip(why)
        place = Place(root, {"train.py": "lr = 0.5\n"})
        with contextlib.ExitStack() as stack, place.endpoint(turns) as (endpoint, env):
            stack.callback(end_hosts, place.home)
            given = " ".join(f"'{name}={value}'" for name, value in env.items() if name != "TERM")
            remote = f"cd {place.repo} && exec env -i {given} 'PS1=$ ' TERM=$TERM bash --norc --noprofile"
            with Tmux(env=env, shell=server.command(remote), **terminal) as tmux:
                start(tmux)
                yield tmux, place, endpoint


@pytest.mark.parametrize("term", ["xterm-256color", "screen-256color", "linux"])
def test_a_prompt_is_answered_and_the_shell_is_clean_after(tmp_path: Path, term: str) -> None:
    with far(tmp_path, edits(tmp_path / "home/work"), term=term) as (tmux, _, _):
        submit(tmux, "raise the learning rate")
        tmux.wait(lambda screen: "All done here" in screen and "lr = 0.9" in screen)
        tmux.resize(80, 24)
        tmux.wait(lambda text: len(text.splitlines()) == 24 and "All done here" in text)
        quits(tmux)
        is_a_clean_shell(tmux)


def test_a_paste_of_2_mb_arrives_whole(tmp_path: Path) -> None:
    with far(tmp_path, [say("Read it.")]) as (tmux, _, endpoint):
        tmux.paste("0123456789abcde\n" * 125_000)
        tmux.wait("[paste 1:")
        tmux.keys("Enter")
        tmux.wait(lambda screen: "Read it." in screen or "enter again sends it" in screen)
        if "Read it." not in tmux.text():
            tmux.keys("Enter")
            tmux.wait("Read it.")
        (text,) = (part["text"] for part in endpoint.requests[0].body["messages"][0]["content"] if "0123" in str(part))
        assert text.count("0123456789abcde") == 125_000
        rests(tmux)


def test_a_connection_that_breaks_leaves_the_agent_at_work(tmp_path: Path) -> None:
    pid = tmp_path / "home/work/pid"
    turns = [turn(use("Bash", command=f"sleep 1000 & echo $! > {pid}; wait")), say("Done.")]
    with far(tmp_path, turns) as (tmux, place, _):
        submit(tmux, "sleep")
        answers(tmux, "y")
        running = file_with_number(pid, tmux)
        program = next(one for one in hosts_under(place.home))
        tmux.close()
        (session,) = (place.home / ".local/state/mlwb/sessions").iterdir()
        assert "live: calling" in place.mlwb("sessions", "show", session.name).stdout
        assert program.is_running() and psutil.pid_exists(running)
        with Tmux(env=place.env(), cwd=place.repo) as again:
            start(again, f"mlwb attach {session.name}")
            again.wait("sleep 1000")
            again.keys("Escape")
            gone(running)
            quits(again)
