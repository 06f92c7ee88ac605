"""The talk writes to the terminal by itself: what stands there must be what Textual would have drawn."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from support.tmux import Tmux

TESTS = Path(__file__).parents[2]
STEPS = 7

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here; .ci/run installs it"),
]


@pytest.mark.parametrize(
    ("term", "tmux"), [("screen-256color", ""), ("xterm-256color", "a,1,0")], ids=["blanks", "erased"]
)
def test_the_terminal_shows_what_was_drawn(tmp_path, term, tmux):
    expected = tmp_path / "screen.txt"
    env = {**os.environ, "PYTHONPATH": str(TESTS), "LC_ALL": "C.UTF-8"}
    program = (sys.executable, "-m", "support.talk_steps", str(expected))
    with Tmux(size=(90, 30), term=term, env=env, shell=("env", f"TMUX={tmux}", *program)) as screen:
        screen.wait(lambda shown: "╭" in shown)
        screen._tmux("set-option", "-g", "set-clipboard", "on")
        for _ in range(STEPS):
            expected.unlink(missing_ok=True)
            screen.keys("x")
            screen.wait(lambda shown: expected.exists())
            screen.wait(lambda shown: _same(shown, expected.read_text()))
        # the copy changes nothing on the screen by which one could see that tmux has it
        screen.wait(lambda _: "- then 二番目" in screen._tmux("show-buffer", check=False))


def _same(shown: str, expected: str) -> bool:
    return [line.rstrip() for line in shown.splitlines()] == [line.rstrip() for line in expected.splitlines()]
