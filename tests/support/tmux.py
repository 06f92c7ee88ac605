"""A real terminal: tmux on a socket of its own, read and typed into as a person would.

with Tmux(size=(120, 40), env=env, cwd=repo) as tmux:
    tmux.type("mlwb"); tmux.keys("Enter")
    tmux.wait("ml-engineer")
"""

import os
import shlex
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Self


class Tmux:
    """One window, alive inside a `with`. `term`: what the programs in it see as TERM. `shell`: what runs in it."""

    def __init__(
        self,
        *,
        size: tuple[int, int] = (160, 48),
        term: str = "screen-256color",
        env: dict[str, str] | None = None,
        cwd: str | Path | None = None,
        shell: tuple[str, ...] = ("bash", "--norc", "--noprofile"),
    ) -> None:
        self.size, self.term, self.shell, self.cwd = size, term, shell, cwd
        self.env = {**(env or dict(os.environ)), "PS1": "$ "}
        self.env.pop("TMUX", None)
        self._socket = f"mlwb-test-{uuid.uuid4().hex[:10]}"

    def __enter__(self) -> Self:
        width, height = self.size
        # tmux sets TERM for what it starts, so another one is set behind it
        command = shlex.join(["env", "-u", "TMUX", f"TERM={self.term}", *self.shell])
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), f"exec {command}")
        self._tmux("set-option", "-g", "history-limit", "2000")
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server", check=False)

    def keys(self, *names: str) -> None:
        """Presses keys by tmux's names: Enter, Escape, C-q, Up…"""
        self._tmux("send-keys", "-t", "0", *names)

    def type(self, text: str) -> None:
        """Types TEXT as it is."""
        self._tmux("send-keys", "-t", "0", "-l", "--", text)

    def hexadecimal(self, codes: str) -> None:
        """Sends bytes as they are, given in hexadecimal: `ff 1b 5b`."""
        self._tmux("send-keys", "-t", "0", "-H", *codes.split())

    def paste(self, text: str) -> None:
        """Pastes TEXT in brackets if the program asked for them, as a terminal does."""
        subprocess.run(self._command("load-buffer", "-"), input=text.encode(), env=self.env, check=True)
        self._tmux("paste-buffer", "-p", "-d", "-t", "0")

    def resize(self, width: int, height: int) -> None:
        """Gives the window another size."""
        self._tmux("resize-window", "-t", "0", "-x", str(width), "-y", str(height))
        self.size = (width, height)

    def text(self) -> str:
        """What the screen shows, as plain text."""
        return self._tmux("capture-pane", "-p", "-t", "0")

    def ansi(self) -> str:
        """What the screen shows, with its colours as escapes; `screens.picture_of_ansi` draws it."""
        return self._tmux("capture-pane", "-p", "-e", "-N", "-t", "0")

    def state(self, name: str) -> str:
        """A format of tmux: pane_current_command, alternate_on, cursor_flag, mouse_any_flag…"""
        return self._tmux("display-message", "-p", "-t", "0", f"#{{{name}}}").strip()

    def wait(self, what: str | Callable[[str], bool], timeout_s: float = 20) -> str:
        """Waits until the screen holds WHAT, whatever its case; gives the screen. Fails showing the last one."""
        wanted = what if callable(what) else lambda screen: str(what).lower() in screen.lower()
        until = time.monotonic() + timeout_s
        while not wanted(screen := self.text()):
            assert time.monotonic() < until, f"no {what!r} in {timeout_s} s; the screen:\n{screen}"
            time.sleep(0.03)
        return screen

    def wait_state(self, name: str, value: str, timeout_s: float = 20) -> None:
        """Waits until `state(name)` is VALUE."""
        until = time.monotonic() + timeout_s
        while (now := self.state(name)) != value:
            assert time.monotonic() < until, f"{name} is {now!r}, not {value!r}; the screen:\n{self.text()}"
            time.sleep(0.03)

    def settle(self, seconds: float = 0.4, timeout_s: float = 8) -> None:
        """Waits until the screen has been the same for SECONDS, as a person does before reading it."""
        seen, since = "", time.monotonic()
        until = since + timeout_s
        while time.monotonic() - since < seconds and time.monotonic() < until:
            time.sleep(0.03)
            if (now := self.ansi()) != seen:
                seen, since = now, time.monotonic()

    def _command(self, *arguments: str) -> list[str]:
        return ["tmux", "-u", "-L", self._socket, "-f", "/dev/null", *arguments]

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            self._command(*arguments), env=self.env, cwd=self.cwd, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"tmux {arguments}: {done.stderr}"
        return done.stdout
