"""For the benchmarks of the workbench: a pty whose other end is read as fast as it comes, counted and watched for
words, and an endpoint that streams at a pace.

with Terminal(mlwb(), env=env, cwd=work) as terminal:
    at = terminal.wait("ask")          # perf_counter of the read that brought it
    terminal.write(b"hello"); terminal.wait("hello")
"""

import asyncio
import contextlib
import fcntl
import json
import os
import re
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import psutil

from measure import environment, mlwb, scratch, stream

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
        for one in list(self.tree()):  # the host of its session would outlive it
            with contextlib.suppress(psutil.Error):
                one.kill()
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


# --- an endpoint that streams at a pace ----------------------------------------------------------------------

END, READY = "END-OF-ALL", "ask, or /command"  # the end of an answer; the prompt when it is painted
_PARAGRAPH = (
    "The loss is flat from step forty: the warm-up is missing and the rate is ten times too high for this width. "
    "I would lower it first, then compare three seeds of each, for the noise between seeds is about as large. "
)
_PARTS = (
    "## What was seen\n\n", _PARAGRAPH, "\n\n- the gradient norm grows before each spike\n- `betas` are the default\n"
    "- **no decay** on the embeddings\n\n", _PARAGRAPH, "\n\n```python\nfor step, batch in enumerate(loader):\n"
    "    loss = model(batch).mean()\n    loss.backward()\n    optimizer.step()\n```\n\n", _PARAGRAPH, "\n\n",
)  # fmt: skip


def tokens(count: int) -> list[str]:
    """COUNT tokens of about four characters of Markdown as models write it, the last one being the word END."""
    text = "".join(_PARTS)
    pieces = re.findall(r"\s*\S{1,4}", text)
    return [pieces[at % len(pieces)] for at in range(count - 1)] + [f"\n\n{END}"]


class Pacing:
    """A Messages endpoint in a thread of its own: every answer is `tokens`, `rate` a second (None: all at once).

    `done_at`: when the last byte of an answer had been handed to the kernel.
    """

    def __init__(self, count: int, rate: float | None) -> None:
        self.count, self.rate, self.url, self.done_at = count, rate, "", 0.0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**26)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stopped.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").lower()
                await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0] or 0))
                if " /v1/messages" not in head.partition("\r\n")[0] or "count_tokens" in head.partition("\r\n")[0]:
                    writer.write(b"HTTP/1.1 404 no\r\ncontent-length: 2\r\n\r\n{}")
                    continue
                await self._answer(writer)

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        head, body, tail = self._events()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(_chunk(head))
        if self.rate is None:
            writer.write(_chunk(b"".join(body)))
        else:
            began = time.perf_counter()
            for number, data in enumerate(body, 1):
                writer.write(_chunk(data))
                await writer.drain()
                await asyncio.sleep(max(0.0, began + number / self.rate - time.perf_counter()))
        writer.write(_chunk(tail) + b"0\r\n\r\n")
        await writer.drain()
        self.done_at = time.perf_counter()

    def _events(self) -> tuple[bytes, list[bytes], bytes]:
        whole = stream([{"type": "text", "text": END}], self.count)
        at = whole.index(b"event: content_block_delta")
        end = whole.index(b"event: content_block_stop")
        model = whole[at:end]
        word = json.dumps(END).encode()
        return whole[:at], [model.replace(word, json.dumps(one).encode()) for one in tokens(self.count)], whole[end:]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@contextlib.contextmanager
def workbench(
    count: int,
    rate: float | None = None,
    *,
    before: tuple[str, ...] = (),
    files: dict[str, str] | None = None,
    size: tuple[int, int] = (160, 48),
) -> Iterator[tuple[Terminal, Pacing]]:
    """`mlwb`, open and quiet on an endpoint that answers with COUNT tokens at RATE. BEFORE: what it is started by."""
    with contextlib.ExitStack() as stack:
        work, env = stack.enter_context(scratch(files))
        endpoint = stack.enter_context(Pacing(count, rate))
        env = environment(env, endpoint.url)
        terminal = stack.enter_context(Terminal([*before, *mlwb()], env=env, cwd=work, size=size))
        terminal.wait(READY)
        terminal.quiet(3)  # the SDK is imported by then
        yield terminal, endpoint
