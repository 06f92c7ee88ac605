"""What the benchmarks share: figures as lines of JSON, CPU time of a child, a scratch home, a zero-latency endpoint."""

import asyncio
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[1]


def figure(name: str, value: float, unit: str, goal: float, reference: str, **detail: object) -> None:
    """Prints one figure."""
    line = {"name": name, "value": round(value, 3), "unit": unit, "goal": goal, "reference": reference}
    print(json.dumps({**line, "detail": detail}), flush=True)


def cpu_of(command: list[str], runs: int = 9, **keywords: object) -> float:
    """Median CPU seconds (user and system) of COMMAND as a whole process, after one run that is not counted."""
    return statistics.median(_cpu(command, **keywords) for _ in range(runs + 1))


def _cpu(command: list[str], **keywords: object) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **keywords)  # type: ignore[call-overload]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@contextlib.contextmanager
def scratch(files: dict[str, str] | None = None) -> Iterator[tuple[Path, dict[str, str]]]:
    """A home with a small workspace in it: (workspace, environment)."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        work = home / "work"
        work.mkdir()
        for name, text in (files or {}).items():
            (work / name).write_text(text)
        env = {"PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin", "HOME": folder, "LANG": "C.UTF-8"}
        env |= {"MLWB_SOCKET_DIR": f"{folder}/sock", "MLWB_LINGER": "5"}
        yield work, env


def thread_ns(pid: int) -> int:
    """CPU time of all threads of PID so far, in nanoseconds, by the scheduler's own count."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total


def stream(content: list[dict[str, object]], tokens: int = 10) -> bytes:
    """A whole streamed answer of CONTENT, ready to be sent."""
    stop = "tool_use" if any(block["type"] == "tool_use" for block in content) else "end_turn"
    usage = {"input_tokens": tokens, "output_tokens": tokens}
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    events: list[dict[str, object]] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(content):
        if block["type"] == "text":
            start: dict[str, object] = {"type": "text", "text": ""}
            delta: dict[str, object] = {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events += [
            {"type": "content_block_start", "index": index, "content_block": start},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    events += [
        {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


class Endpoint:
    """Answers at once: ANSWER(n, body) gives the bytes of the n-th answer. SEEN is called with each request's body."""

    def __init__(self, answer: Callable[[int, bytes], bytes]) -> None:
        self.answer, self.count = answer, 0

    async def __aenter__(self) -> "Endpoint":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**26)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").lower()
                length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
                body = await reader.readexactly(length)
                self.count += 1
                data = self.answer(self.count, body)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(data)
                )
                writer.write(data)
                await writer.drain()


def environment(env: dict[str, str], url: str) -> dict[str, str]:
    """ENV with the endpoint and a placeholder key in it."""
    return {**env, "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "none"}


def python(*arguments: str) -> list[str]:
    """A command of the interpreter that runs this benchmark."""
    return [sys.executable, *arguments]


def mlwb(*arguments: str) -> list[str]:
    """A command of the program beside that interpreter."""
    return [os.fspath(BIN / "mlwb"), *arguments]
