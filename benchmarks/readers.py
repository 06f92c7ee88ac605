"""What reading the files of runs costs, against the readers that the tools themselves ship where those are there.

TensorBoard's `EventAccumulator` and the readers run in processes of their own; CPU time and peak memory are those of
the whole process, less those of one that only imports. The reference needs tensorboard: it is taken from the venv that
`make test-contracts` makes, where this one has none.
"""

import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROOT, figure

POINTS = 1_000_000
CONTRACTS = ROOT / ".venv-contracts/bin/python"
_PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
_OWN = """
import sys
from pathlib import Path
from workbench.experiments.readers.{module} import {kind}
{body}
"""
_READ = """
reader, count = {kind}().open(Path(sys.argv[1])), 0
while batch := reader.poll():
    count += sum(map(len, batch.columns.values()))
assert count == int(sys.argv[2]), count
"""
_ACCUMULATOR = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
{body}
"""
_ACCUMULATE = """
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
assert sum(len(events.Scalars(tag)) for tag in events.Tags()["scalars"]) == int(sys.argv[2])
"""


def cost(program: str, *words: str, python: str = sys.executable) -> tuple[float, float]:
    """CPU seconds and peak MB of a process of PYTHON that runs PROGRAM."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    before = os.times()
    done = subprocess.run(
        [python, "-c", f"{program}\n{_PEAK}", *words], check=True, capture_output=True, env=environment
    )
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return cpu, int(done.stdout.split()[-1]) / 1024


def with_tensorboard() -> str | None:
    """A Python that has tensorboard."""
    for python in (sys.executable, str(CONTRACTS)):
        command = [python, "-c", "import tensorboard.backend.event_processing.event_accumulator"]
        if Path(python).exists() and subprocess.run(command, capture_output=True).returncode == 0:
            return python
    return None


def events(path: Path) -> None:
    """POINTS scalars of 10 tags, as SummaryWriter writes them, checksums and all."""
    table = _crc_table()
    with path.open("wb") as file:
        for number in range(POINTS):
            tag = b"train/metric_%d" % (number % 10)
            value = b"\x0a" + bytes([len(tag)]) + tag + b"\x15" + struct.pack("<f", 1 / (number + 1))
            summary = b"\x0a" + bytes([len(value)]) + value
            head = b"\x09" + struct.pack("<d", 1.7e9 + number) + b"\x10" + _varint(number // 10)
            data = head + b"\x2a" + bytes([len(summary)]) + summary
            length = struct.pack("<Q", len(data))
            file.write(length + _masked(table, length) + data + _masked(table, data))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0x82F63B78 if byte & 1 else byte >> 1
        table.append(byte)
    return table


def _masked(table: list[int], data: bytes) -> bytes:
    """The masked CRC-32C of TFRecord."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def tensorboard(folder: Path) -> None:
    """The same scalars by our reader and by EventAccumulator."""
    path = folder / "events.out.tfevents.1.host"
    events(path)
    own = _OWN.format(module="tensorboard", kind="EventFiles", body="{body}")
    empty, _ = cost(own.format(body=""))
    cpu, memory = cost(own.format(body=_READ.format(kind="EventFiles")), str(path), str(POINTS))
    name = f"{POINTS:,} TensorBoard scalars"
    if (python := with_tensorboard()) is None:
        print("tensorboard is not installed here: no reference for its event files", file=sys.stderr)
        figure(f"{name}, memory", memory, "MB", 100, "the aim", cpu_s=cpu - empty)
        return
    other_empty, _ = cost(_ACCUMULATOR.format(body=""), python=python)
    other, other_memory = cost(_ACCUMULATOR.format(body=_ACCUMULATE), str(path), str(POINTS), python=python)
    figure(
        f"{name}, CPU", (cpu - empty) / (other - other_empty), "x", 1 / 8, "EventAccumulator", cpu_s=cpu - empty,
        reference_cpu_s=other - other_empty,
    )  # fmt: skip
    figure(f"{name}, memory", memory, "MB", 100, "EventAccumulator", reference_mb=other_memory)


def lines(folder: Path) -> None:
    """What a run printed: lines a second, and CPU against splitting the file into lines and numbers by one regex."""
    path, count = folder / "output.log", 400_000
    chance = random.Random(0)
    with path.open("w") as file:
        for step in range(count // 4):
            loss = chance.random()
            file.write(
                f"step {step}/100000 | loss {loss:.4f} | lr {loss / 1e4:.3e} | {loss * 100:.1f} ms\n"
                f"{{'loss': '{loss:.4f}', 'grad_norm': '{loss * 2:.4f}', 'epoch': '{step / 1000:.2f}'}}\n"
                f"2026-11-22 10:{step % 60:02d}:00,123 INFO trainer: epoch={step // 1000} step={step} acc={loss:.3f}\n"
                f"loading worker {step} of the pool\n"
            )
    reading = "reader = StdoutReader(Path(sys.argv[1]))\nwhile reader.poll():\n    pass"
    own = _OWN.format(module="stdout", kind="StdoutReader", body="{body}")
    empty, _ = cost(own.format(body=""))
    cpu, memory = cost(own.format(body=reading), str(path))
    pairs = "import re, sys\nf = re.compile(r'(\\w+)\\W+([-+]?\\d+(?:\\.\\d+)?(?:e[-+]?\\d+)?)').findall\n"
    plain, _ = cost(f"{pairs}for line in open(sys.argv[1]):\n    [float(value) for _, value in f(line)]", str(path))
    figure(
        f"{count:,} printed lines, CPU", (cpu - empty) / plain, "x", 1.5, "one regex for pairs, and float",
        lines_per_s=count / (cpu - empty), memory_mb=memory,
    )  # fmt: skip


def jsonl(folder: Path) -> None:
    """JSON lines against the json module."""
    path, rows = folder / "metrics.jsonl", 200_000
    with path.open("w") as file:
        for step in range(rows):
            file.write(json.dumps({"step": step, "loss": 1 / (step + 1), "lr": 1e-4, "time": 1.7e9 + step}) + "\n")
    own = _OWN.format(module="jsonl", kind="JsonLines", body="{body}")
    empty, _ = cost(own.format(body=""))
    cpu, _ = cost(own.format(body=_READ.format(kind="JsonLines")), str(path), str(2 * rows))
    plain, _ = cost("import json, sys\nfor line in open(sys.argv[1]):\n    json.loads(line)", str(path))
    figure(
        f"{rows:,} JSON lines, CPU", (cpu - empty) / plain, "x", 1.5, "json.loads of each line",
        rows_per_s=rows / (cpu - empty),
    )  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for part in (tensorboard, lines, jsonl):
            part(Path(name))
