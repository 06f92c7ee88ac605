"""A session in a real terminal: tmux, a real pty, a real endpoint. What is typed, pasted, drawn and resized."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.endpoint import say, turn, use
from support.mlwb import Place
from support.terminal import (
    AGENT,
    PROGRAM,
    READY,
    answers,
    leaves_a_clean_shell,
    opened,
    rests,
    shell_asks,
    start,
    submit,
)
from support.tmux import Tmux


@pytest.mark.parametrize("term", ["xterm-256color", "screen-256color", "linux"])
def test_a_prompt_is_answered_and_the_edit_shows(tmp_path: Path, term: str) -> None:
    with opened(tmp_path, term=term) as (tmux, place, _):
        for word in ("diff", "run", "gpu"):
            tmux.wait(word)
        submit(tmux, "raise the learning rate")
        tmux.wait("All done here")
        screen = tmux.wait("lr = 0.9")
        assert "**learning" not in screen
        assert (place.repo / "train.py").read_text() == "lr = 0.9\n"
        for width, height in ((80, 24), (60, 20), (220, 60), (40, 10), (160, 48)):
            tmux.resize(width, height)
            tmux.wait(lambda text, rows=height: len(text.splitlines()) == rows and "All done here" in text)
        leaves_a_clean_shell(tmux)


@pytest.mark.parametrize("again", range(3))
def test_what_is_typed_with_the_first_frame_is_typed_into_the_prompt(tmp_path: Path, again: int) -> None:
    place = Place(tmp_path)
    with place.endpoint([say("Done.")]) as (endpoint, env), Tmux(env=env, cwd=place.repo) as tmux:
        shell_asks(tmux)
        tmux.type(PROGRAM)
        tmux.keys("Enter")
        tmux.wait(READY)
        for word in ("raise ", "the ", "learning ", "rate"):
            tmux.type(word)
        tmux.keys("Enter")
        tmux.wait("Done.")
        assert "raise the learning rate" in str(endpoint.requests[0].body["messages"])
        leaves_a_clean_shell(tmux)


def test_a_storm_of_resizes_ends_in_the_right_picture(tmp_path: Path) -> None:
    with opened(tmp_path, size=(120, 40)) as (tmux, _, _):
        submit(tmux, "raise the learning rate")
        for step in range(60):
            tmux.resize(40 + 3 * (step % 50), 10 + step % 40)
        tmux.wait("All done here")
        tmux.resize(120, 40)
        # as it is drawn by one who was never resized: the header's and the footer's words stand at its edges
        tmux.wait(lambda text: text.splitlines()[0].startswith(f" {AGENT} ") and len(text.splitlines()) == 40)
        tmux.wait(lambda text: text.splitlines()[-1].endswith("ctrl+q quit") and READY in text)
        tmux.wait(lambda text: "All done here" in text and "lr = 0.9" in text)
        assert all(len(line) <= 120 for line in tmux.text().splitlines())
        leaves_a_clean_shell(tmux)


def test_a_paste_of_10_mb_does_not_stop_the_screen(tmp_path: Path) -> None:
    # so many tokens are more than a model takes: the history is shortened before the prompt is answered
    with opened(tmp_path, [say("A summary."), say("Read it.")]) as (tmux, _, endpoint):
        line = "0123456789abcdef " * 6
        tmux.paste("\n".join(f"{number} {line}" for number in range(10_000_000 // len(line))))
        tmux.type("so it was")
        tmux.wait("so it was")
        tmux.keys("Enter")
        tmux.wait("enter again sends it")
        tmux.keys("Enter")
        tmux.wait("Read it.")
        assert 10_000_000 < len(endpoint.requests[0].raw) < 50_000_000
        leaves_a_clean_shell(tmux)


def test_bytes_that_are_no_text_and_sequences_that_are_no_keys_do_not_stop_the_screen(tmp_path: Path) -> None:
    with opened(tmp_path, [say("Still here.")]) as (tmux, _, _):
        for strange in ("ff", "c3", "1b 5b 39 39 39 7e", "1b 5d 35 32 3b 63 3b ff 07", "00", "e2 82"):
            tmux.hexadecimal(strange)
        tmux.keys("C-u", "C-k")
        tmux.wait(READY)
        submit(tmux, "are you there")
        tmux.wait("Still here.")
        leaves_a_clean_shell(tmux)


def test_a_session_is_taken_up_where_it_stood(tmp_path: Path) -> None:
    with opened(tmp_path) as (tmux, _, _):
        submit(tmux, "raise the learning rate")
        tmux.wait("All done here")
        rests(tmux)
        tmux.keys("C-q")
        screen = tmux.wait("goes on with this session")
        command = next(line for line in screen.splitlines() if "goes on with" in line).partition("   ")[0]
        tmux.wait_state("pane_current_command", "bash")
        start(tmux, f"clear; {command}")
        tmux.wait(lambda text: "All done here" in text and "raise the learning rate" in text)
        leaves_a_clean_shell(tmux)


def test_a_file_name_with_a_newline_and_escapes_moves_nothing(tmp_path: Path) -> None:
    name = "evil\n\x1b]0;owned\x07\x1b[2J\x1b[31m.py"

    def turns(repo: Path) -> list[Any]:
        return [
            turn(use("Write", file_path=str(repo / name), content="x = 1\n\x1b[2Jy\n")),
            say("\x1b[2J\x1b]52;c;b3duZWQ=\x07It is \u202ewritten\u202c."),
        ]

    with opened(tmp_path, turns(tmp_path / "home/work")) as (tmux, place, _):
        submit(tmux, "write it")
        # such a name is asked about, and told in words
        tmux.wait(lambda screen: all(part in screen for part in ("allow Write?", AGENT, "control or")))
        answers(tmux, "y")
        screen = tmux.wait(lambda text: "It is" in text and AGENT in text and READY in text)  # nothing was cleared
        assert "\u202e" not in screen
        assert tmux.state("pane_title") != "owned"
        assert "\x1b[31m.py" not in tmux.ansi()
        assert (place.repo / name).read_text() == "x = 1\n\x1b[2Jy\n"
        leaves_a_clean_shell(tmux)


def keeps_its_sides(screen: str) -> bool:
    """Whether each row of the box that SCREEN shows ends with its side."""
    rows = [line for line in screen.splitlines() if line.lstrip().startswith("│")]
    return bool(rows) and all(line.rstrip().endswith("│") for line in rows)


@pytest.mark.parametrize("size", [(120, 30), (80, 24)])
def test_words_of_every_script_keep_the_columns(tmp_path: Path, size: tuple[int, int]) -> None:
    words = "שלום עולם · مرحبا · 日本語のテスト · e\u0301a\u0308 · 👩\u200d🔬 🇩🇪 👍🏽 · ไทย"
    asks = turn(use("Bash", command=f"echo '{words}'"))
    with opened(tmp_path, [say(f"{words}\n\nEnd of it."), asks], size=size) as (tmux, _, _):
        submit(tmux, "say 你好 👍 and é")
        tmux.wait(lambda text: "End of it." in text and "日本語のテスト" in text and "你好" in text)
        rests(tmux)
        submit(tmux, "and run it")
        tmux.wait("allow Bash?")
        tmux.wait(keeps_its_sides)  # nothing is pushed out of its column
        tmux.keys("Escape")
        leaves_a_clean_shell(tmux)


def test_a_line_of_2_mb_in_a_file_and_one_of_100_kb_in_an_answer_are_shown(tmp_path: Path) -> None:
    long = tmp_path / "home/work/long.txt"
    turns = [
        turn(use("Read", file_path=str(long)), use("Bash", command="cat long.txt")),
        say("word " * 20_000 + "\n\nEnd of it."),
        say("Yes."),
    ]
    with opened(tmp_path, turns, files={"long.txt": "x" * 2_000_000}) as (tmux, _, _):
        submit(tmux, "read it")
        tmux.wait("End of it.")
        rests(tmux)
        submit(tmux, "still here")
        tmux.wait("Yes.")
        tmux.keys("Tab")
        tmux.wait("y copy")  # the talk has the keys
        tmux.keys("g")  # to its beginning
        tmux.wait("read it")
        tmux.keys("Escape")
        tmux.wait(lambda text: "y copy" not in text)  # else the next key could seem one with it
        leaves_a_clean_shell(tmux)


def test_without_a_key_it_opens_and_says_what_to_do(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with Tmux(env=place.env(), cwd=place.repo) as tmux:
        shell_asks(tmux)
        tmux.type(PROGRAM)
        tmux.keys("Enter")
        tmux.wait("ANTHROPIC_API_KEY")
        leaves_a_clean_shell(tmux)


@pytest.mark.parametrize("size", [(40, 10), (20, 6), (8, 3), (1, 1)])
def test_a_terminal_that_is_too_small_is_no_fault(tmp_path: Path, size: tuple[int, int]) -> None:
    with opened(tmp_path, [say("Done.")], size=(80, 24)) as (tmux, _, _):
        tmux.resize(*size)
        submit(tmux, "go on")
        tmux.resize(80, 24)
        tmux.wait("Done.")
        leaves_a_clean_shell(tmux)


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
