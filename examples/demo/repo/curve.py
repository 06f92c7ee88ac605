"""Draws a metric of some runs over the updates: python3 curve.py runs/baseline-0 [runs/…] [--key rate]"""

import argparse
import json
import pathlib

MARKS = "ox+*#"


def series(run, key):
    """[(step, value), …] from RUN's metrics.jsonl."""
    rows = map(json.loads, (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines())
    return [(row["step"], row[key]) for row in rows]


def plot(runs, key="val_loss", width=64, height=13):
    """A chart of KEY in plain characters, one mark a run; the vertical axis begins at zero."""
    curves = [series(run, key) for run in runs]
    top = max(value for curve in curves for _, value in curve) or 1.0
    last = max(step for curve in curves for step, _ in curve)
    grid = [[" "] * width for _ in range(height)]
    for mark, curve in zip(MARKS, curves):
        for step, value in curve:
            row = height - 1 - round(value / top * (height - 1))
            grid[row][round(step / last * (width - 1))] = mark
    lines = []
    for index, row in enumerate(grid):
        level = f"{top * (1 - index / (height - 1)):7.3f}" if index % 4 == 0 else " " * 7
        lines.append(f"{level} |{''.join(row)}".rstrip())
    lines.append(" " * 8 + "+" + "-" * width)
    lines.append(" " * 9 + "0" + f"{last} updates".rjust(width - 1))
    lines += [f"{mark}  {key} of {run}" for mark, run in zip(MARKS, runs)]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--key", default="val_loss", choices=["train_loss", "val_loss", "rate"])
    args = parser.parse_args()
    print(plot(args.runs, args.key))
