"""A session of 100,000 events, open in the workbench while an answer streams: key to screen, memory, and opening."""

import random
import statistics
import time
from pathlib import Path
from typing import Any

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


def opened(session: str, word: str, work: Path, env: dict[str, str]) -> tuple[float, float, list[float]]:
    """(seconds until WORD, its last, is shown; megabytes; echoes while an answer streams) of SESSION, opened."""
    with Terminal(mlwb("--resume", session), env=env, cwd=work) as terminal:
        terminal.wait(READY)
        shown = terminal.wait(word, 60) - terminal.began
        terminal.quiet(3)
        memory = terminal.memory()
        terminal.write(b"say much\r")
        terminal.wait("flat", 30)
        times = echoes(terminal)
        return shown, memory, times


def main() -> None:
    """Measures the same on a session as it was and on one of EVENTS events."""
    with scratch() as (work, env), Pacing(4000, RATE) as paced, Pacing(30, None) as quick:
        session = prepared(work, environment(env, quick.url))
        folder = Path(env["HOME"]) / ".local/state/mlwb/sessions" / session
        env = environment(env, paced.url)
        short = opened(session, END, work, env)
        lengthened(folder, EVENTS)
        long = opened(session, "another seed", work, env)
    p95 = statistics.quantiles(long[2], n=20)[-1]
    figure(
        "workbench: key to screen at p95, streaming into 100,000 events", p95, "ms", 30, "a short session",
        short_p95_ms=statistics.quantiles(short[2], n=20)[-1], median_ms=statistics.median(long[2]),
    )  # fmt: skip
    figure(
        "workbench: memory of a session of 100,000 events", long[1] / short[1], "x", 1.5, "an almost empty one",
        mb=long[1], short_mb=short[1], opened_s=long[0], short_opened_s=short[0],
    )  # fmt: skip


if __name__ == "__main__":
    main()
