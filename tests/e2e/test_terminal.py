"""The whole program in a real terminal: tmux, a real pty, a real endpoint, and sshd on loopback."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import sshd
from support.endpoint import Endpoint, say, turn, use
from support.mlwb import Place
from support.sshd import Sshd
from support.tmux import Tmux

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here (Debian, Ubuntu: apt install tmux)"),
]
PROGRAM = "mlwb"
AGENT = "ml-engineer"
READY = "ask, or /command"


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
    turns: list[Any] | None = None,
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
        tmux = stack.enter_context(Tmux(env={**reached, **(env or {})}, cwd=place.repo, **terminal))
        tmux.type(program)
        tmux.keys("Enter")
        tmux.wait(READY)
        yield tmux, place, endpoint


def submit(tmux: Tmux, text: str) -> None:
    """Types TEXT into the prompt and sends it."""
    tmux.type(text)
    tmux.keys("Enter")


def leaves_a_clean_shell(tmux: Tmux) -> None:
    """ctrl+q: back in the shell, which is as it was: echo, cursor, mouse and screen."""
    tmux.keys("C-q")
    tmux.wait_state("alternate_on", "0")
    tmux.wait_state("pane_current_command", "bash")
    tmux.type("echo still $((40 + 2))")
    tmux.keys("Enter")
    screen = tmux.wait("still 42")
    assert "Traceback" not in screen
    assert "echo still $((40 + 2))" in screen  # the terminal echoes again
    assert {name: tmux.state(name) for name in ("mouse_any_flag", "cursor_flag", "insert_flag", "keypad_flag")} == {
        "mouse_any_flag": "0", "cursor_flag": "1", "insert_flag": "0", "keypad_flag": "0",
    }  # fmt: skip


@pytest.mark.parametrize("term", ["xterm-256color", "screen-256color", "linux"])
def test_a_prompt_is_answered_and_the_edit_shows(tmp_path: Path, term: str) -> None:
    with opened(tmp_path, term=term) as (tmux, place, _):
        tmux.wait(AGENT)
        for word in ("diff", "run", "gpu"):
            tmux.wait(word, 5)
        submit(tmux, "raise the learning rate")
        tmux.wait("All done here")
        screen = tmux.wait("lr = 0.9")
        assert "**learning" not in screen
        assert (place.repo / "train.py").read_text() == "lr = 0.9\n"
        for width, height in ((80, 24), (60, 20), (220, 60), (40, 10), (160, 48)):
            tmux.resize(width, height)
            tmux.wait(lambda text, rows=height: len(text.splitlines()) == rows)
        tmux.wait("All done here", 5)
        leaves_a_clean_shell(tmux)


def test_a_storm_of_resizes_ends_in_the_right_picture(tmp_path: Path) -> None:
    with opened(tmp_path) as (tmux, _, _):
        submit(tmux, "raise the learning rate")
        for step in range(60):
            tmux.resize(40 + 3 * (step % 50), 10 + step % 40)
        tmux.resize(120, 40)
        tmux.wait("All done here")
        tmux.wait(READY)
        bare = tmux.text()
        assert all(len(line) <= 120 for line in bare.splitlines())
        leaves_a_clean_shell(tmux)


def test_a_paste_of_10_mb_does_not_stop_the_screen(tmp_path: Path) -> None:
    # so many tokens are more than a model takes: the history is shortened before the prompt is answered
    with opened(tmp_path, [say("A summary."), say("Read it.")]) as (tmux, _, endpoint):
        line = "0123456789abcdef " * 6
        tmux.paste("\n".join(f"{number} {line}" for number in range(10_000_000 // len(line))))
        tmux.type("so it was")
        tmux.wait("so it was", 60)
        tmux.keys("Enter")
        tmux.wait("enter again sends it")
        tmux.keys("Enter")
        tmux.wait("Read it.", 60)
        assert 10_000_000 < len(endpoint.requests[0].raw) < 50_000_000
        leaves_a_clean_shell(tmux)


def test_bytes_that_are_no_text_and_keys_that_are_none_do_not_stop_the_screen(tmp_path: Path) -> None:
    with opened(tmp_path, [say("Still here.")]) as (tmux, _, _):
        for strange in ("ff", "c3", "1b 5b 39 39 39 7e", "1b 5d 35 32 3b 63 3b ff 07", "00", "e2 82"):
            tmux.hexadecimal(strange)
        tmux.keys("C-u", "C-k")
        submit(tmux, "are you there")
        tmux.wait("Still here.")
        leaves_a_clean_shell(tmux)


def test_escape_stops_a_command_and_leaves_nothing_running(tmp_path: Path) -> None:
    work = tmp_path / "home/work"
    sleeps = f"sleep 1000 & echo $! > {work}/pid; wait"
    settings = "permissions: {allow: [Bash]}\n"
    with opened(tmp_path, [turn(use("Bash", command=sleeps)), say("Stopped.")], settings=settings) as (tmux, _, _):
        submit(tmux, "sleep")
        tmux.wait(lambda _: (work / "pid").exists() and (work / "pid").read_text().strip() != "")
        tmux.keys("Escape")
        _gone(int((work / "pid").read_text()))
        tmux.wait("· interrupted")
        leaves_a_clean_shell(tmux)


def test_a_session_is_taken_up_where_it_stood(tmp_path: Path) -> None:
    with opened(tmp_path) as (tmux, _, _):
        submit(tmux, "raise the learning rate")
        tmux.wait("All done here")
        tmux.keys("C-q")
        screen = tmux.wait("goes on with this session")
        command = next(line for line in screen.splitlines() if "goes on with" in line).partition("   ")[0]
        tmux.type(f"clear; {command}")
        tmux.keys("Enter")
        shown = tmux.wait("All done here")
        assert AGENT in shown and "raise the learning rate" in shown
        leaves_a_clean_shell(tmux)


def test_a_file_name_with_a_newline_and_escapes_moves_nothing(tmp_path: Path) -> None:
    name = "evil\n\x1b]0;owned\x07\x1b[2J\x1b[31m.py"

    def turns(repo: Path) -> list[Any]:
        return [
            turn(use("Write", file_path=str(repo / name), content="x = 1\n\x1b[2Jy\n")),
            say("\x1b[2J\x1b]52;c;b3duZWQ=\x07It is \u202ewritten\u202c."),
        ]

    place_root = tmp_path / "home/work"
    with opened(tmp_path, turns(place_root)) as (tmux, place, _):
        submit(tmux, "write it")
        asked = tmux.wait("allow Write?")
        assert AGENT in asked and "control or" in asked  # such a name is asked about, and told in words
        tmux.settle()  # a key that comes with the card is taken as typing
        tmux.keys("y")
        screen = tmux.wait("It is")
        assert AGENT in screen and READY in screen  # nothing was cleared
        assert "\u202e" not in screen
        assert tmux.state("pane_title") != "owned"
        assert "\x1b[31m.py" not in tmux.ansi()
        assert (place.repo / name).read_text() == "x = 1\n\x1b[2Jy\n"
        leaves_a_clean_shell(tmux)


def test_words_of_every_script_keep_the_columns(tmp_path: Path) -> None:
    words = "שלום עולם · مرحبا · 日本語のテスト · e\u0301a\u0308 · 👩\u200d🔬 🇩🇪 👍🏽 · ไทย"
    with opened(tmp_path, [say(f"{words}\n\nEnd of it.")], size=(120, 30)) as (tmux, _, _):
        submit(tmux, "say 你好 👍 and é")
        screen = tmux.wait("End of it.")
        assert "日本語のテスト" in screen and "你好" in screen
        right = {line.rstrip()[-1:] for line in screen.splitlines() if line.startswith("│")}
        assert right <= {"│", "┃", "█", "▐"}  # no border was pushed out of its column
        leaves_a_clean_shell(tmux)


def test_a_line_of_2_mb_is_shown_and_scrolled_past(tmp_path: Path) -> None:
    with opened(tmp_path, [say("word " * 20_000 + "\n\nEnd of it.")]) as (tmux, place, _):
        (place.repo / "long.txt").write_text("x" * 2_000_000)
        submit(tmux, "say much")
        tmux.wait("End of it.", 60)
        submit(tmux, "still here")
        tmux.wait("still here")
        leaves_a_clean_shell(tmux)


def test_without_a_key_it_opens_and_says_what_to_do(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with Tmux(env=place.env(), cwd=place.repo) as tmux:
        tmux.type(PROGRAM)
        tmux.keys("Enter")
        tmux.wait("ANTHROPIC_API_KEY")
        leaves_a_clean_shell(tmux)


def test_a_terminal_that_goes_away_leaves_no_process(tmp_path: Path) -> None:
    with opened(tmp_path) as (tmux, _, _):
        pane = int(tmux.state("pane_pid"))
        children = [int(pid) for pid in Path(f"/proc/{pane}/task/{pane}/children").read_text().split()]
        assert children
    for pid in children:
        _gone(pid)


def _gone(pid: int, seconds: float = 10) -> None:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(seconds)


@pytest.mark.parametrize("term", ["xterm-256color", "screen-256color"])
def test_through_ssh(tmp_path: Path, term: str) -> None:
    if why := sshd.missing():
        pytest.skip(why)
    with Sshd(tmp_path) as server:
        if why := server.refusal():
            pytest.skip(why)
        place = Place(tmp_path, {"train.py": "lr = 0.5\n"})
        with place.endpoint(edits(place.repo)) as (_, env):
            given = " ".join(f"'{name}={value}'" for name, value in env.items() if name != "TERM")
            remote = f"cd {place.repo} && exec env -i {given} TERM=$TERM bash --norc --noprofile"
            with Tmux(env=env, shell=server.command(remote), term=term) as tmux:
                tmux.type(PROGRAM)
                tmux.keys("Enter")
                tmux.wait(READY)
                submit(tmux, "raise the learning rate")
                tmux.wait("All done here")
                tmux.wait("lr = 0.9")
                tmux.resize(80, 24)
                tmux.wait(lambda text: len(text.splitlines()) == 24)
                tmux.keys("C-q")
                tmux.wait_state("alternate_on", "0")
                tmux.type("echo still $((40 + 2))")
                tmux.keys("Enter")
                assert "Traceback" not in tmux.wait("still 42")


def test_what_it_takes_is_there() -> None:
    """The terminal of these tests is what they take it for."""
    with Tmux(size=(70, 12), term="xterm-256color") as tmux:
        tmux.type("stty size; echo $TERM; printf '\\033[?1049hin''side'; read x; printf '\\033[?1049l'")
        tmux.keys("Enter")
        tmux.wait("inside")
        assert tmux.state("alternate_on") == "1"
        tmux.keys("Enter")
        tmux.wait_state("alternate_on", "0")
        assert "12 70" in tmux.text() and "xterm-256color" in tmux.text()
    assert subprocess.run(["tmux", "-V"], capture_output=True, check=True).stdout
