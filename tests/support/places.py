"""Where tests of the screen are at home."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home, a state and settings of its own, and a terminal of full colour."""
    for name, folder in (("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config"), ("HOME", "home")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    for name in ("NO_COLOR", "MLWB_REDUCED_MOTION", "MLWB_LOW_BANDWIDTH", "TMUX", "TERM_PROGRAM", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
