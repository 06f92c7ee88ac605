"""Loss and accuracy of trained runs on the held-out points: python3 evaluate.py runs/baseline-0 …"""

import json
import pathlib
import sys

import data
from model import Net


def evaluate(run):
    """(loss in nats, accuracy) of RUN's weights on points that training never sees."""
    net = Net.from_state(json.loads((pathlib.Path(run) / "weights.json").read_text()))
    points = data.held_out()
    return net.loss(points), net.accuracy(points)


if __name__ == "__main__":
    for run in sys.argv[1:]:
        loss, accuracy = evaluate(run)
        print(f"{run}: held-out loss {loss:.4f}, accuracy {accuracy:.3f}")
