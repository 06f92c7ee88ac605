"""What looking at 8 cards once a second costs, over the stub of the driver's library (tests/telemetry/nvml_stub.c).

All threads of a process whose sampler has a subscriber, by its own CPU clock, over 30 s after the first two looks:
cards, their processes (four a card, that live), what is slow to read every 5 s, the host, and the ear for Xid errors.
The real driver takes its own time on top (docs/gpu.md); what is measured is ours, and pynvml's.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROOT, figure

CARDS, SECONDS = 8, 30
PROGRAM = """
import sys, time
from pathlib import Path
from workbench.telemetry.nvml import Nvml
from workbench.telemetry.sampler import Sampler
from workbench.telemetry.xid import listen

nvml = Nvml()
sampler, looks = Sampler(Path.cwd(), nvml), []
sampler.subscribe(looks.append, 1.0)
assert listen(nvml)
while len(looks) < 2:
    time.sleep(0.05)
first, began, clock = len(looks), time.process_time(), time.monotonic()
time.sleep(float(sys.argv[1]))
spent, took, count = time.process_time() - began, time.monotonic() - clock, len(looks) - first
assert len(looks[-1].gpus) == 8 and len(looks[-1].processes) == 32 and all(gpu.power for gpu in looks[-1].gpus)
print(100 * spent / took, count, 1000 * spent / count)
"""


def main() -> None:
    """Measures and prints the figure."""
    with tempfile.TemporaryDirectory() as folder:
        library, cards = Path(folder) / "libnvidia-ml.so.1", Path(folder) / "cards.txt"
        flags = ["-shared", "-fPIC", "-O1", "-Wl,-soname,libnvidia-ml.so.1"]
        subprocess.run(["gcc", *flags, "-o", library, ROOT / "tests/telemetry/nvml_stub.c"], check=True)
        sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(4)]
        pids = ",".join(f"{sleeper.pid}:12" for sleeper in sleepers)
        cards.write_text(f"util=92 mem=40 used=61 power=655 temp=71 sm=1755 why=4 nvlink=1000 pids={pids}\n" * CARDS)
        try:
            env = {**os.environ, "LD_LIBRARY_PATH": folder, "STUB_CARDS": str(cards), "PYTHONPATH": str(ROOT / "src")}
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, str(SECONDS)], check=True, capture_output=True, text=True, env=env
            )
        finally:
            for sleeper in sleepers:
                sleeper.kill()
                sleeper.wait()
    percent, count, each = map(float, done.stdout.split())
    figure(
        "telemetry: 8 cards once a second", percent, "% of a core", 1.0, "the aim", seconds=SECONDS, samples=int(count),
        ms_a_sample=round(each, 2),
    )  # fmt: skip


if __name__ == "__main__":
    main()
