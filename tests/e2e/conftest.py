"""Every test here drives the program in a real terminal, and has a limit of time."""

import shutil

import pytest

from support.limits import time_limit

__all__ = ["time_limit"]


@pytest.fixture(autouse=True)
def a_terminal() -> None:
    """Skips where there is no tmux."""
    if shutil.which("tmux") is None:
        pytest.skip("no tmux here (Debian, Ubuntu: apt install tmux)")
