"""What `mlwb exp run` adds to a command that prints 100,000 lines, against a bare terminal with a minimal reader.

Wall time from the command's first line to its end, by its own clock, so that start-up is not in it; pairs, in turn.
The start-up, and the end (from the command's last line until `mlwb` is gone), are told apart.
"""

import os
import pty
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import figure, mlwb, scratch

PAIRS = 9
LINES = 100_000
PROGRAM = f"""\
import sys, time
begun = time.time()
for number in range({LINES}):
    print(f"step {{number}} loss {{1 / (number + 1):.6f}}")
sys.stdout.flush()
open(sys.argv[1], "w").write(f"{{begun}} {{time.time()}}")
"""


def bare(command: list[str], work: Path, env: dict[str, str]) -> None:
    """COMMAND under a terminal whose output is read and dropped."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        while os.read(ours, 65536):
            pass
    except OSError:  # EIO: it has ended
        pass
    os.close(ours)
    process.wait()


def ours(command: list[str], work: Path, env: dict[str, str]) -> None:
    """COMMAND as a run, its output passed on to nobody."""
    subprocess.run(mlwb("exp", "run", "--", *command), cwd=work, env=env, check=True, capture_output=True)


def main() -> None:
    """Measures the pairs and prints the figure."""
    ratios, whole, starts, ends = [], [], [], []
    with scratch({"print.py": PROGRAM}) as (work, env):
        told = work / "told"
        command = [sys.executable, "print.py", str(told)]
        for _ in range(PAIRS + 1):
            took = []
            for run in (bare, ours):
                began = time.time()
                run(command, work, env)
                ended = time.time()
                first, last = map(float, told.read_text().split())
                took.append((last - first, first - began, ended - last))
            ratios.append(took[1][0] / took[0][0])
            starts.append(took[1][1] - took[0][1])
            ends.append(took[1][2] - took[0][2])
            whole.append((took[1][0] + took[1][2]) / (took[0][0] + took[0][2]))
    figure(
        "exp run, a command that prints 100,000 lines, wall", statistics.median(ratios[1:]), "x", 1.05,
        "the same under a bare terminal, drained by a minimal reader", start_up_ms=statistics.median(starts[1:]) * 1000,
        end_ms=statistics.median(ends[1:]) * 1000, with_its_end=statistics.median(whole[1:]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
