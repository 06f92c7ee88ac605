"""Trains the spiral classifier: python3 train.py --seed 0 --out runs/baseline-0

Writes config.json, metrics.jsonl (one line every `log_every` updates), weights.json and summary.json into --out.
"""

import argparse
import json
import math
import pathlib
import random
import time

import data
from model import Momentum, Net


class Schedule:
    """The learning rate: up in a line during `warmup`, then down along half a cosine to zero at `total`."""

    def __init__(self, peak, warmup, total):
        self.peak, self.warmup, self.total = peak, warmup, total
        self.count = 0

    @property
    def rate(self):
        if self.count < self.warmup:
            return self.peak * (self.count + 1) / self.warmup
        done = min(1.0, (self.count - self.warmup) / (self.total - self.warmup))
        return self.peak * 0.5 * (1 + math.cos(math.pi * done))

    def advance(self):
        self.count += 1


def batches(points, size, rng):
    """Endless batches; the order is drawn anew for each pass over the data."""
    while True:
        order = rng.sample(points, len(points))
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]


def train(config, seed, out):
    rng = random.Random(seed)
    net = Net([2, *config["hidden"], data.CLASSES], rng)
    optimizer = Momentum(net, config["momentum"])
    schedule = Schedule(config["peak_rate"], config["warmup"], config["updates"])
    valid = data.validation()
    micro_batches = batches(data.training(), config["micro_batch"], rng)
    scale = 1 / (config["micro_batch"] * config["accumulate"])
    began, train_loss = time.perf_counter(), 0.0

    with (out / "metrics.jsonl").open("w") as metrics:
        for update in range(1, config["updates"] + 1):
            net.zero_grad()
            rate = schedule.rate
            for _ in range(config["accumulate"]):
                for x, y, label in next(micro_batches):
                    train_loss += net.backward((x, y), label, scale) * scale
                schedule.advance()
            optimizer.step(rate)

            if update % config["log_every"] == 0:
                row = {
                    "step": update,
                    "train_loss": round(train_loss / config["log_every"], 5),
                    "val_loss": round(net.loss(valid), 5),
                    "rate": round(rate, 6),
                }
                metrics.write(json.dumps(row) + "\n")
                metrics.flush()
                train_loss = 0.0

    return net, {
        "seed": seed,
        "updates": config["updates"],
        "train_loss": row["train_loss"],
        "val_loss": row["val_loss"],
        "val_accuracy": round(net.accuracy(valid), 4),
        "seconds": round(time.perf_counter() - began, 2),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--config", type=pathlib.Path, default=pathlib.Path("config.json"))
    args = parser.parse_args()

    config = json.loads(args.config.read_text())
    args.out.mkdir(parents=True, exist_ok=True)
    net, summary = train(config, args.seed, args.out)
    (args.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (args.out / "weights.json").write_text(json.dumps(net.state()))
    (args.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(
        f"{args.out}: train loss {summary['train_loss']:.4f}, val loss {summary['val_loss']:.4f}, "
        f"val accuracy {summary['val_accuracy']:.3f}, {summary['seconds']:.1f} s"
    )


if __name__ == "__main__":
    main()
