"""Reading back a journal of 100,000 events against `json.loads` a line, in one run; and what an append costs."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measure import figure
from workbench.protocol import blocks
from workbench.protocol import events as e
from workbench.protocol.result import Usage
from workbench.protocol.task import Task
from workbench.session.journal import EVENTS, Journal, Reader

EVENTS_READ = 100_000
ROUNDS = 5
APPEND_GOAL_US = 30.0


def events(total: int) -> Iterator[Any]:
    """Turns of six events, as a session of Bash calls makes them."""
    yield e.SessionStarted(
        protocol="1.0", version="0", task=Task(prompt="x"), workspace="/w", roots=("/w",), agent="a", agent_path="a",
        agent_source="shipped", agent_digest="0" * 64, grants={"Bash": ()}, model="m", mode="acceptEdits",
        prefix="1" * 64, host="h", boot_id="b", user="u", pid=1,
    )  # fmt: skip
    for number in range(total - 1):
        turn, place = divmod(number, 6)
        yield _event(turn, place, f"toolu_{turn:08d}")


def _event(turn: int, place: int, call_id: str) -> Any:
    command = f"python train.py --seed {turn} --epochs 3 > logs/{turn}.txt"
    if place == 0:
        return e.RequestStarted(turn=turn, model="claude-sonnet-5-5", estimate=20_000)
    if place == 1:
        content = (
            {"type": "text", "text": "I train it once more with another seed and compare. " * 4},
            {"type": "tool_use", "id": call_id, "name": "Bash", "input": {"command": command}},
        )
        usage = Usage(input_tokens=12, output_tokens=300, cache_read_input_tokens=20_000)
        return e.AnswerCompleted(
            turn=turn, message_id=f"msg_{turn}", model="claude-sonnet-5-5", content=content, stop_reason="tool_use",
            usage=usage, cost_usd=0.01, duration_ms=900, ttft_ms=300,
        )  # fmt: skip
    if place == 2:
        return e.CallDecided(
            call_id=call_id, tool="Bash", input={"command": command}, target=command, verdict="allow", rule="Bash"
        )
    if place == 3:
        return e.CallStarted(call_id=call_id, turn=turn)
    if place == 4:
        output = "".join(f"epoch {n} loss {1 / (n + 1):.4f}\n" for n in range(12))
        return e.CallFinished(
            call_id=call_id, tool="Bash", status="ok", content=({"type": "text", "text": output},),
            display=(blocks.Output(text=output, exit_code=0),), summary="exit 0", duration_ms=812,
        )  # fmt: skip
    return e.TodosChanged(todos=(blocks.Todo(content="train", status="in_progress", active_form="training"),))


def best(work: Callable[[], int]) -> float:
    """Seconds of the quickest of some rounds: the one that was disturbed least."""
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "s-bench"
        made = list(events(EVENTS_READ))
        with Journal.create(folder, "s-bench", time.time) as journal:
            begin = time.perf_counter()
            for event in made:
                journal.append(event)
            append_us = (time.perf_counter() - begin) / EVENTS_READ * 1e6
        mine = best(lambda: _read_back(folder))
        reference = best(lambda: _json_lines(folder / EVENTS))
        size = (folder / EVENTS).stat().st_size
    figure(
        "journal of 100,000 events read back, CPU", mine / reference, "x", 2.0, "json.loads a line",
        read_s=mine, json_loads_s=reference, bytes=size,
    )  # fmt: skip
    figure("journal append", append_us, "µs", APPEND_GOAL_US, "wall, without sync")


def _read_back(folder: Path) -> int:
    with Reader(folder) as reader:
        return sum(1 for _ in reader.read())


def _json_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if json.loads(line))


if __name__ == "__main__":
    main()
