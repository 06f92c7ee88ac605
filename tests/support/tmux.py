"""A real terminal: tmux on a socket of its own, read and typed into as a person would.

with Tmux(size=(120, 40), env=env, cwd=repo) as tmux:
    tmux.type("mlwb"); tmux.keys("Enter")
    tmux.wait("ml-engineer")
"""

import contextlib
import fcntl
import os
import pty
import shlex
import struct
import subprocess
import termios
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psutil

from support.left import not_ended

WAIT_S = 60.0  # for what comes within a second where nothing else runs


class Client:
    """A terminal that looks into a Tmux: what is written here is what its keyboard and mouse send."""

    def __init__(self, terminal: int, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.shown = bytearray()  # all that came to the terminal
        self._terminal = terminal
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def write(self, data: bytes) -> None:
        """Sends DATA as the keyboard or the mouse."""
        os.write(self._terminal, data)

    def click(self, column: int, row: int, button: int = 0) -> None:
        """A press and a release at COLUMN and ROW, from 0, as SGR mouse reports have it. Wheel: buttons 64 and 65."""
        self.write(f"\x1b[<{button};{column + 1};{row + 1}M".encode())
        if button < 64:
            self.write(f"\x1b[<{button};{column + 1};{row + 1}m".encode())

    def close(self) -> None:
        """The terminal goes away, as its window is closed."""
        self.process.terminate()
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        os.close(self._terminal)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: the other side is gone
            while data := os.read(self._terminal, 65536):
                self.shown += data


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
        self.env = dict(env or os.environ)
        self.env.pop("TMUX", None)
        self._socket = f"mlwb-test-{uuid.uuid4().hex[:10]}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        width, height = self.size
        # tmux sets TERM for what it starts, so another one is set behind it
        command = shlex.join(["env", "-u", "TMUX", "PS1=$ ", f"TERM={self.term}", *self.shell])
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), f"exec {command}")
        for option, value in (("history-limit", "2000"), ("status", "off"), ("mouse", "on")):
            self._tmux("set-option", "-g", option, value)
        for option, value in (("escape-time", "0"), ("focus-events", "on"), ("set-clipboard", "on")):
            self._tmux("set-option", "-s", option, value)
        for click in ("DoubleClick1Pane", "TripleClick1Pane"):  # told late: a program that has ended gets copy mode
            self._tmux("unbind-key", "-n", click)

    def __exit__(self, *_: object) -> None:
        left = self.processes()
        self.close()
        for process in not_ended(left, 10):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def close(self) -> None:
        """The terminal goes away with its window; what ran in it is told so by SIGHUP."""
        self._tmux("kill-server", check=False)

    def processes(self) -> list[psutil.Process]:
        """The shell of the window and all that it has started; none where the window is gone."""
        with contextlib.suppress(AssertionError, ValueError, psutil.NoSuchProcess):
            shell = psutil.Process(int(self.state("pane_pid")))
            return [shell, *shell.children(recursive=True)]
        return []

    def program(self) -> psutil.Process:
        """What the shell has started: the first of its children."""
        (first, *_) = psutil.Process(int(self.state("pane_pid"))).children()
        return first

    @contextlib.contextmanager
    def attached(self) -> Iterator[Client]:
        """A person's terminal on this window: `tmux attach` in a pty of its own, as large as the window."""
        here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", self.size[1], self.size[0], 0, 0))
        process = subprocess.Popen(
            self._command("attach"), env={**self.env, "TERM": "xterm-256color"}, cwd=self.cwd,
            stdin=there, stdout=there, stderr=there, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(there)
        client = Client(here, process)
        try:
            self.wait_state("session_attached", "1")
            drawn = self.text().split()[:1]  # before that, tmux still asks the terminal what it can
            self.wait(lambda _: all(word.encode() in client.shown for word in drawn))
            yield client
        finally:
            client.close()

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

    def wait(self, what: str | Callable[[str], bool], timeout_s: float = WAIT_S) -> str:
        """Waits until the screen holds WHAT, whatever its case; gives the screen. Fails showing the last one."""
        wanted = what if callable(what) else lambda screen: str(what).lower() in screen.lower()
        until = time.monotonic() + timeout_s
        while not wanted(screen := self.text()):
            assert time.monotonic() < until, f"no {what!r} in {timeout_s} s; the screen:\n{screen}"
            time.sleep(0.03)
        return screen

    def wait_state(self, name: str, value: str, timeout_s: float = WAIT_S) -> None:
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
