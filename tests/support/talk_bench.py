"""What the talk costs: CPU and bytes for streamed text, widgets and memory for a long session.

    python tests/support/talk_bench.py [WIDTHxHEIGHT]

Each measurement is a process of its own under a pseudo-terminal, so that what is written is what a terminal gets.
"""

import asyncio
import fcntl
import os
import pty
import resource
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

TOKENS = 20_000
WORDS = (
    "The loss is flat from step 40, so the **warm-up** is missing and the rate is ten times too high for `width` 512. "
    "I lower it, add two hundred steps of warm-up and look at the gradient norm again before anything else changes.\n\n"
    "- first the schedule\n- then the clip at `1.0`\n\n"
)


def text(tokens: int) -> str:
    """About TOKENS tokens of an answer: prose, lists, code."""
    code = "```python\n" + "for step, batch in enumerate(loader):\n    loss = model(batch).mean()\n" * 6 + "```\n\n"
    one = WORDS * 6 + "## And then\n\n" + code
    return (one * (tokens * 4 // len(one) + 1))[: tokens * 4]


async def stream(tokens: int, rate: float) -> dict[str, float]:
    """Streams TOKENS tokens, RATE a second (0: all at once), in a real screen."""
    sys.path[0] = str(Path(__file__).parents[1])  # not this folder: it has a module `workbench`
    from support.sample_events import answer, started
    from support.sample_events import text as block
    from support.talking import Talking
    from workbench.protocol import events as e

    app, words = Talking(), text(tokens)
    cost: dict[str, float] = {}

    async def feed() -> None:
        await asyncio.sleep(0.5)
        app.give(
            started(), e.PromptSubmitted(text="go", origin="person", by="ana"), e.RequestStarted(turn=1, model="m")
        )
        await asyncio.sleep(0.3)
        before, began, slowest, at = resource.getrusage(resource.RUSAGE_SELF), time.monotonic(), 0.0, 0
        while at < len(words):
            step = max(4, int(rate * 4 * 0.05)) if rate else 20_000
            began_step = time.process_time()
            app.give(e.TextDelta(turn=1, index=0, text=words[at : at + step]))
            slowest = max(slowest, time.process_time() - began_step)
            at += step
            await asyncio.sleep(0.05)
        app.give(answer(1, block(words)))
        await asyncio.sleep(0.1)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        cost.update(cpu=cpu / tokens * 1000, wall=time.monotonic() - began, slowest_ms=slowest * 1000,
                    widgets=len(list(app.screen.walk_children())))  # fmt: skip
        app.exit()

    feeding = asyncio.ensure_future(feed())
    await app.run_async()
    await feeding
    return cost


def long_session(count: int) -> dict[str, float]:
    """Memory with a session of COUNT items open, its first pages looked at, and how long a page takes."""
    sys.path[0] = str(Path(__file__).parents[1])  # not this folder: it has a module `workbench`
    from support.talking import Many, Talking

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    cost: dict[str, float] = {}

    async def run() -> None:
        app = Talking()
        async with app.run_test(size=(120, 40)) as pilot:
            app.begin(Many(count), count)
            await pilot.pause(0.2)
            cost["mb"] = resident()
            slowest = 0.0
            for _ in range(300):
                began = time.process_time()
                app.talk.do("page_up")
                slowest = max(slowest, time.process_time() - began)
                await pilot.pause(0.005)
            cost.update(mb_after=resident(), slowest_ms=slowest * 1000, held=len(app.talk.window.entries),
                        widgets=len(list(app.screen.walk_children())))  # fmt: skip

    asyncio.run(run())
    return cost


def in_terminal(arguments: list[str], size: tuple[int, int]) -> tuple[str, int]:
    """Runs this file with ARGUMENTS under a terminal of SIZE; what it says at the end, and bytes it wrote before."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    read, write = os.pipe()
    env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "TALK_BENCH": str(write)}
    program = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=env, pass_fds=(write,)
    )
    os.close(theirs)
    os.close(write)
    count = [0]

    def drain() -> None:
        try:
            while data := os.read(ours, 65536):
                count[0] += len(data)
        except OSError:
            pass

    reader = threading.Thread(target=drain)
    reader.start()
    program.wait()
    reader.join()
    with os.fdopen(read) as said:
        return said.read(), count[0]


def main() -> None:
    """Prints one line a measurement."""
    if said := os.environ.get("TALK_BENCH"):
        kind, tokens, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
        cost = asyncio.run(stream(tokens, rate)) if kind == "stream" else long_session(tokens)
        with os.fdopen(int(said), "w") as out:
            out.write(" ".join(f"{name}={value:.3f}" for name, value in cost.items()))
        return
    width, _, height = (sys.argv[1] if len(sys.argv) > 1 else "200x50").partition("x")
    size = int(width), int(height)
    for name, arguments, tokens in (
        ("paced 200/s", ["stream", "2000", "200"], 2000),
        ("all at once", ["stream", str(TOKENS), "0"], TOKENS),
        ("100 items", ["long", "100", "0"], 0),
        ("100,000 items", ["long", "100000", "0"], 0),
    ):
        said, written = in_terminal(arguments, size)
        each = f" bytes/1k={written / tokens * 1000:,.0f}" if tokens else ""
        print(f"{name:14} {said}{each}")


if __name__ == "__main__":
    main()
