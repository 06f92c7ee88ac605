"""Compares two groups of runs, seed by seed, and writes report.md: python3 report.py baseline fixed

Every number comes from the runs' own files: runs/GROUP-SEED/summary.json, metrics.jsonl and weights.json.
"""

import json
import math
import pathlib
import statistics
import sys

from curve import plot
from evaluate import evaluate

# Two-sided 95% quantiles of Student's t by degrees of freedom.
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def losses(group):
    """{seed: final validation loss} of runs/GROUP-*."""
    summaries = [json.loads(path.read_text()) for path in pathlib.Path("runs").glob(f"{group}-*/summary.json")]
    return {summary["seed"]: summary["val_loss"] for summary in summaries}


def spread(values, digits=4):
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def verdict(low, high):
    if high < 0:
        return "lower, and the interval leaves out zero"
    return "higher, and the interval leaves out zero" if low > 0 else "not told apart from the noise between seeds"


def render(before, after):
    """The report as Markdown. The comparison is paired: the same seed starts both runs."""
    old, new = losses(before), losses(after)
    seeds = sorted(old.keys() & new.keys())
    if not 2 <= len(seeds) <= 10:
        raise SystemExit(f"2 to 10 seeds must have run in both groups; found {seeds}")
    differences = [new[seed] - old[seed] for seed in seeds]
    middle = statistics.mean(differences)
    reach = T95[len(seeds) - 1] * statistics.stdev(differences) / math.sqrt(len(seeds))
    held_out = {group: [evaluate(f"runs/{group}-{seed}")[1] for seed in seeds] for group in (before, after)}

    lines = [f"# {after} against {before}", ""]
    lines += [f"| seed | val loss, {before} | val loss, {after} | difference |", "|---:|---:|---:|---:|"]
    lines += [f"| {seed} | {old[seed]:.4f} | {new[seed]:.4f} | {new[seed] - old[seed]:+.4f} |" for seed in seeds]
    both = [spread([group[seed] for seed in seeds]) for group in (old, new)]
    lines += [f"| mean ± sd | {both[0]} | {both[1]} | {middle:+.4f} |", ""]
    lines += [
        f"Validation loss of {after} is {verdict(middle - reach, middle + reach)}:",
        f"paired difference {middle:+.4f} nats, 95% interval {middle - reach:+.4f} to {middle + reach:+.4f} (Student's t, {len(seeds)} seeds).",
        "",
        f"Held-out accuracy: {spread(held_out[before], 3)} with {before}, {spread(held_out[after], 3)} with {after}.",
        "",
        f"## The curve, seed {seeds[0]}",
        "",
        "```",
        plot([f"runs/{before}-{seeds[0]}", f"runs/{after}-{seeds[0]}"]),
        "```",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    text = render(*sys.argv[1:])
    pathlib.Path("report.md").write_text(text, encoding="utf-8")
    print(f"report.md: {len(text.splitlines())} lines")
