"""Three interleaved spiral arms in the plane, one class an arm, with noise on the angle.

The points are the same in every run: only the model's start and the order of the batches depend on `--seed`.
"""

import math
import random

CLASSES = 3


def spirals(per_class, seed, noise=0.22):
    """PER_CLASS points of each arm as (x, y, label), in random order."""
    rng = random.Random(seed)
    points = []
    for label in range(CLASSES):
        for _ in range(per_class):
            t = rng.random()
            radius = 0.1 + 0.9 * t
            angle = 2 * math.pi * (label / CLASSES + 0.75 * t) + rng.gauss(0, noise)
            points.append((radius * math.cos(angle), radius * math.sin(angle), label))
    rng.shuffle(points)
    return points


def training():
    return spirals(300, seed=1)


def validation():
    return spirals(50, seed=2)


def held_out():
    """For evaluate.py alone: nothing is trained, chosen or tuned on these."""
    return spirals(200, seed=3)
