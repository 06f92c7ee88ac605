"""The whole program, open in a real terminal: a scratch home, a scripted endpoint, tmux.

with opened(tmp_path, [say("Done.")]) as (tmux, place, endpoint):
    submit(tmux, "do it")
    tmux.wait("Done.")
    leaves_a_clean_shell(tmux)
"""

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from support.endpoint import Endpoint, say, turn, use
from support.left import end_hosts
from support.mlwb import Place
from support.tmux import WAIT_S, Tmux

PROGRAM = "mlwb"
AGENT = "ml-engineer"
READY = "ask, or /command"
_WORKS = re.compile(r"^ \S (thinking|working|checking) ", re.MULTILINE)


def edits(repo: Path) -> list[Any]:
    """A session that reads a file, edits it and says so."""
    path = str(repo / "train.py")
    return [
        turn(use("Read", file_path=path)),
        turn(
            {"type": "text", "text": "Raising the **learning rate**."},
            use("Edit", file_path=path, old_string="lr = 0.5", new_string="lr = 0.9"),
        ),
        say("All done here."),
    ]


@contextlib.contextmanager
def opened(
    root: Path,
    turns: Sequence[Any] | None = None,
    *,
    files: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
    program: str = PROGRAM,
    settings: str = "",
    **terminal: Any,
) -> Iterator[tuple[Tmux, Place, Endpoint]]:
    """The workbench, open in a shell in a terminal, in a repository of its own."""
    place = Place(root, {"train.py": "lr = 0.5\n", **(files or {})})
    config = place.home / ".config/mlwb/config.yaml"
    config.write_text(config.read_text() + settings)
    with contextlib.ExitStack() as stack:
        endpoint, reached = stack.enter_context(place.endpoint(edits(place.repo) if turns is None else turns))
        stack.callback(end_hosts, place.home)
        tmux = stack.enter_context(Tmux(env={**reached, **(env or {})}, cwd=place.repo, **terminal))
        start(tmux, program)
        yield tmux, place, endpoint


def start(tmux: Tmux, command: str = PROGRAM) -> str:
    """Types COMMAND at the shell's prompt and waits until the workbench stands and its session is open."""
    shell_asks(tmux)
    tmux.type(command)
    tmux.keys("Enter")
    return tmux.wait(lambda screen: READY in screen and AGENT in screen and "opening" not in screen)


def shell_asks(tmux: Tmux) -> None:
    """Waits for the shell's prompt: one that does not read yet would echo what is typed twice."""
    tmux.wait(lambda screen: screen.rstrip().endswith("$"))


def submit(tmux: Tmux, text: str) -> None:
    """Types TEXT into the prompt and sends it."""
    tmux.type(text)
    tmux.keys("Enter")


def answers(tmux: Tmux, key: str) -> None:
    """Answers the approval that is asked for by KEY; where that was too soon to be meant for it, Tab comes first."""
    tmux.wait(lambda screen: "─ allow " in screen)
    tmux.settle(0.6)
    tmux.keys(key)
    asked = tmux.wait(lambda screen: "─ allow " not in screen or "tab to answer" in screen)
    if "tab to answer" in asked:
        tmux.keys("BSpace", "Tab")
        tmux.wait(lambda screen: "tab to answer" not in screen)
        tmux.keys(key)


def rests(tmux: Tmux) -> str:
    """Waits until the agent has nothing to do; gives the screen."""
    return tmux.wait(lambda screen: not (_WORKS.search(screen) or "esc stops" in screen))


def back_in_the_shell(tmux: Tmux) -> None:
    """ctrl+q, whatever is under way."""
    tmux.keys("C-q")
    tmux.wait_state("alternate_on", "0")


def quits(tmux: Tmux) -> None:
    """ctrl+q, once nothing is at work: back in the shell."""
    rests(tmux)
    tmux.keys("C-q")
    tmux.wait_state("alternate_on", "0")


def leaves_a_clean_shell(tmux: Tmux) -> None:
    """ctrl+q: back in the shell, which is as it was: echo, cursor, mouse and screen."""
    quits(tmux)
    tmux.wait_state("pane_current_command", "bash")
    is_a_clean_shell(tmux)


def is_a_clean_shell(tmux: Tmux) -> None:
    """The shell answers and echoes, and nothing is left switched on."""
    shell_asks(tmux)
    tmux.type("echo still $((40 + 2))")
    tmux.keys("Enter")
    screen = tmux.wait("still 42")
    assert "Traceback" not in screen
    assert "echo still $((40 + 2))" in screen
    assert {name: tmux.state(name) for name in ("mouse_any_flag", "cursor_flag", "insert_flag", "keypad_flag")} == {
        "mouse_any_flag": "0", "cursor_flag": "1", "insert_flag": "0", "keypad_flag": "0",
    }  # fmt: skip


def file_with_number(path: Path, tmux: Tmux) -> int:
    """The number that something writes into PATH, as soon as it stands there."""
    tmux.wait(lambda _: path.exists() and path.read_text().strip() != "")
    return int(path.read_text())


def gone(pid: int, seconds: float = WAIT_S) -> None:
    """Waits until the process PID has ended, reaped by its new parent or not; fails after SECONDS."""
    end = time.monotonic() + seconds
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end, f"{pid} still runs after {seconds:g} s: {process.cmdline()}"
            time.sleep(0.05)
