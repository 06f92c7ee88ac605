"""A session of 100,000 events, open in the workbench while an answer streams: key to screen, memory, and opening."""

import random
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

from journal import _event
from measure import environment, figure, mlwb, scratch
from terminal import END, READY, Pacing, Terminal
from workbench.protocol import events as e
from workbench.protocol.result import Usage
from workbench.protocol.task import Caps
from workbench.session.journal import Journal

EVENTS = 100_000
RATE = 200.0
KEYS = 120  # letters that no answer holds, so that each is seen once


def lengthened(folder: Path, total: int) -> None:
    """Makes the session in FOLDER one of TOTAL events; what the model is sent stays short."""
    with Journal.open(folder, time.time) as journal:
        journal.append(
            e.SessionResumed(host="h", boot_id="b", user="u", pid=1, mode="acceptEdits", caps=Caps(max_turns=10**6))
        )
        for number in range(total - journal.seq - 1):
            turn, place = divmod(number, 6)
            journal.append(_event(turn + 2, place, f"toolu_{turn:08d}"))
        messages: tuple[dict[str, Any], ...] = ({"role": "user", "content": "We train with many seeds."},)
        journal.append(e.Compacted(summary="seeds", messages=messages, tokens_before=1000, usage=Usage()))


def prepared(work: Path, env: dict[str, str]) -> str:
    """A short session, made in the workbench and left; its id."""
    with Terminal(mlwb(), env=env, cwd=work) as terminal:
        terminal.wait(READY)
        terminal.quiet()
        terminal.write(b"say hi\r")
        terminal.wait(END)
        terminal.quiet()
        terminal.write(b"\x11")  # ctrl+q
        terminal.process.wait(20)
    return next((Path(env["HOME"]) / ".local/state/mlwb/sessions").iterdir()).name


def echoes(terminal: Terminal) -> list[float]:
    """Milliseconds from a key to its letter on the screen, for KEYS keys at a typist's unsteady pace."""
    pace, times = random.Random(1), []
    for number in range(KEYS):
        letter = chr(0x100 + number)
        at = terminal.write(letter.encode())
        times.append((terminal.wait(letter, 10) - at) * 1000)
        time.sleep(pace.uniform(0.03, 0.11))
    return times


class Opened(NamedTuple):
    """A session that was opened: seconds until its last word stood there, megabytes then and at most, echoes."""

    shown: float
    memory: float
    peak: float
    echoes: list[float]


def peak(terminal: Terminal) -> float:
    """Megabytes that the program and what it started ever had in memory, each at its own most (Linux)."""
    status = (Path(f"/proc/{one.pid}/status").read_text() for one in terminal.tree())
    return sum(int(text.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6 for text in status)


def opened(session: str, word: str, work: Path, env: dict[str, str]) -> Opened:
    """Opens SESSION, waits until WORD, its last, is shown, and types while an answer streams."""
    with Terminal(mlwb("--resume", session), env=env, cwd=work) as terminal:
        terminal.wait(READY)
        shown = terminal.wait(word, 60) - terminal.began
        terminal.quiet(3)
        memory, most = terminal.memory(), peak(terminal)
        terminal.write(b"say much\r")
        terminal.wait("flat", 30)
        return Opened(shown, memory, most, echoes(terminal))


def main() -> None:
    """Measures the same on a session as it was and on one of EVENTS events."""
    with scratch() as (work, env), Pacing(4000, RATE) as paced, Pacing(30, None) as quick:
        session = prepared(work, environment(env, quick.url))
        folder = Path(env["HOME"]) / ".local/state/mlwb/sessions" / session
        env = environment(env, paced.url)
        short = opened(session, END, work, env)
        lengthened(folder, EVENTS)
        long = opened(session, "another seed", work, env)
    p95 = statistics.quantiles(long.echoes, n=20)[-1]
    figure(
        "workbench: key to screen at p95, streaming into 100,000 events", p95, "ms", 30, "a short session",
        short_p95_ms=statistics.quantiles(short.echoes, n=20)[-1], median_ms=statistics.median(long.echoes),
    )  # fmt: skip
    figure(
        "workbench: memory of a session of 100,000 events", long.memory / short.memory, "x", 1.5,
        "an almost empty one", mb=long.memory, short_mb=short.memory, peak_mb=long.peak, short_peak_mb=short.peak,
        opened_s=long.shown, short_opened_s=short.shown,
    )  # fmt: skip


if __name__ == "__main__":
    main()
