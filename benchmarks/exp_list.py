"""`mlwb exp list --json` and its table over 1,000 runs: wall time of the whole process."""

import statistics
import subprocess
import time
from pathlib import Path

from measure import figure, mlwb, scratch
from workbench.experiments.ledger import Ledger
from workbench.experiments.types import Code, Environment, Metric, Run

RUNS = 1000
TRIES = 7


def fill(work: Path) -> None:
    """A ledger of runs as large as real ones are."""
    ledger = Ledger(work)
    metrics = {
        f"{split}/{name}": Metric(last=0.25, best=0.2, step=1000, count=1000)
        for split in ("train", "val")
        for name in ("loss", "accuracy", "lr", "grad_norm")
    }

    variables = tuple(f"VARIABLE_{number}" for number in range(60))

    def make(run: str) -> Run:
        return Run(
            id=run, name="train", status="finished", argv=("python", "train.py", "--lr", "3e-4", "--seed", run[2:]),
            cwd=str(work), workspace=str(work), created=1.0, started=1.0, ended=900.0, exit_code=0, seed=int(run[2:]),
            code=Code(commit="0" * 40, snapshot="1" * 40, dirty=True), metrics=metrics, host="box", user="ana",
            environment=Environment(python="3.12", packages="0" * 16, variables=variables),
            config={f"option_{number}": number for number in range(30)},
        )  # fmt: skip

    for _ in range(RUNS):
        ledger.begin(make)


def wall(command: list[str], work: Path, env: dict[str, str]) -> float:
    """Median seconds of COMMAND, the first try not counted."""
    took = []
    for _ in range(TRIES + 1):
        began = time.perf_counter()
        subprocess.run(command, cwd=work, env=env, check=True, capture_output=True)
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


def main() -> None:
    """Measures and prints the figure."""
    with scratch() as (work, env):
        fill(work)
        table = wall(mlwb("exp", "list", "--all"), work, env)
        figure(
            "exp list, 1,000 runs, wall", table, "s", 0.3, "whole process",
            json_s=wall(mlwb("exp", "list", "--json"), work, env), version_s=wall(mlwb("--version"), work, env),
        )  # fmt: skip


if __name__ == "__main__":
    main()
