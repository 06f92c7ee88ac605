"""Whether the stall is really mended. Looks at what was trained, not at what was said about it."""

import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

import report
from evaluate import evaluate

SEEDS = range(5)


def group(name):
    return [pathlib.Path("runs") / f"{name}-{seed}" for seed in SEEDS]


def same_configuration():
    """Both groups trained as config.json says: the gain comes from the code, not from another setting."""
    wanted = json.loads(pathlib.Path("config.json").read_text())
    return all(json.loads((run / "config.json").read_text()) == wanted for run in group("baseline") + group("fixed"))


def clearly_better():
    """On held-out points: less than half the loss on average, and better for every single seed."""
    before = [evaluate(run)[0] for run in group("baseline")]
    after = [evaluate(run)[0] for run in group("fixed")]
    return 2 * statistics.mean(after) < statistics.mean(before) and all(a < b for a, b in zip(after, before))


def made_by_this_code():
    """Training once more with train.py as it is now gives the same loss as the first of the fixed runs."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "train.py", "--seed", "0", "--out", folder], check=True, capture_output=True)
        again, told = (
            json.loads((run / "summary.json").read_text()) for run in (pathlib.Path(folder), group("fixed")[0])
        )
    return math.isclose(again["val_loss"], told["val_loss"], abs_tol=1e-4)


def report_is_true():
    """report.md is what report.py makes of the runs."""
    return pathlib.Path("report.md").read_text(encoding="utf-8") == report.render("baseline", "fixed")


def main():
    failed = 0
    for check in (same_configuration, clearly_better, made_by_this_code, report_is_true):
        try:
            good, why = check(), ""
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            good, why = False, f" ({error})"
        print(f"{'ok  ' if good else 'FAIL'}  {check.__name__.replace('_', ' ')}{why}")
        failed += not good
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
