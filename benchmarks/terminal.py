"""A terminal for the benchmarks: a pty whose other end is read as fast as it comes, counted and watched for words.

with Terminal(mlwb(), env=env, cwd=work) as terminal:
    at = terminal.wait("ask")          # perf_counter of the read that brought it
    terminal.write(b"hello"); terminal.wait("hello")
"""

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import psutil

_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-9;?<>=$]*[a-zA-Z@`~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[()].|[=>78cDEHM])"
)
_KEPT = 1 << 20


class Terminal:
    """COMMAND on a pty of SIZE, alive inside a `with`. `count` is what it has written so far, in bytes."""

    def __init__(
        self, command: list[str], *, env: dict[str, str], cwd: Path, size: tuple[int, int] = (160, 48)
    ) -> None:
        self.command, self.env, self.cwd, self.size = command, env, cwd, size
        self.count = 0
        self._fresh = bytearray()
        self._news = threading.Condition()
        self._read_at = 0.0
        self._ended = False

    def __enter__(self) -> Self:
        self._master, slave = os.openpty()
        width, height = self.size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        env = {"TERM": "xterm-256color", "COLORTERM": "truecolor", **self.env}
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, stdin=slave, stdout=slave, stderr=slave, cwd=self.cwd, env=env, start_new_session=True
        )
        os.close(slave)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._ended = True
        self._thread.join()
        os.close(self._master)

    def _read(self) -> None:
        while not self._ended:
            ready, _, _ = select.select([self._master], [], [], 0.2)
            if not ready:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:
                break
            with self._news:
                self._read_at = time.perf_counter()
                self.count += len(data)
                self._fresh += data
                if len(self._fresh) > 2 * _KEPT:
                    del self._fresh[:-_KEPT]
                self._news.notify_all()

    def write(self, data: bytes) -> float:
        """Types DATA; gives the time it was handed over. What was painted before no longer counts for `wait`."""
        with self._news:
            self._fresh.clear()
        at = time.perf_counter()
        os.write(self._master, data)
        return at

    def wait(self, word: str, seconds: float = 30) -> float:
        """Waits until WORD has been painted since the last `write`, in one style; gives the time it was read."""
        wanted = word.encode()
        with self._news:
            if not self._news.wait_for(lambda: wanted in _ESCAPES.sub(b"", bytes(self._fresh)), seconds):
                raise TimeoutError(f"no {word!r} in {seconds} s; painted: {self.painted()[-600:]!r}")
            return self._read_at

    def painted(self) -> str:
        """What has been painted since the last `write`, without the escapes."""
        return _ESCAPES.sub(b"", bytes(self._fresh)).decode(errors="replace")

    def quiet(self, seconds: float = 1.0, most: float = 30) -> None:
        """Waits until nothing has been written for SECONDS."""
        end = time.monotonic() + most
        seen, since = self.count, time.monotonic()
        while time.monotonic() - since < seconds and time.monotonic() < end:
            time.sleep(0.02)
            if self.count != seen:
                seen, since = self.count, time.monotonic()

    def resize(self, width: int, height: int) -> None:
        """Gives the window another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def cpu(self) -> float:
        """CPU seconds, user and system, of the program and all it started that still runs or was waited for."""
        total = 0.0
        for one in self.tree():
            with contextlib.suppress(psutil.Error):
                times = one.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def memory(self) -> float:
        """Megabytes that the program and what it started hold for themselves (proportional set size)."""
        total = 0.0
        for one in self.tree():
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss / 1e6
        return total

    def tree(self) -> Iterable[psutil.Process]:
        """The program and all its descendants."""
        with contextlib.suppress(psutil.Error):
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        return []

    def has_mapped(self, name: str) -> bool:
        """Whether a library whose path holds NAME is loaded in the program."""
        return name in Path(f"/proc/{self.process.pid}/maps").read_text()
