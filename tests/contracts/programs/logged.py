"""What a program of the contract tests says about itself: what it logged, and when it may go on."""

import json
import sys
from pathlib import Path
from typing import Any


class Truth:
    """What was logged, key by key, and the configuration; written down beside the program when it ends."""

    def __init__(self) -> None:
        self.points: dict[str, list[tuple[float, float]]] = {}
        self.config: dict[str, Any] = {}

    def log(self, key: str, step: float, value: float) -> float:
        """Notes one point; gives VALUE back."""
        self.points.setdefault(key, []).append((step, value))
        return value

    def pause(self) -> None:
        """Tells that what was logged so far may be looked at, and waits for the reader's word."""
        print("\n@pause", flush=True)
        sys.stdin.readline()

    def write(self) -> None:
        """Writes the truth where the test finds it."""
        Path("truth.txt").write_text(json.dumps({"points": self.points, "config": self.config}))


PHASES, STEPS = 3, 40


def value(step: int) -> float:
    """A value with all its digits, one that is not a number among them."""
    return float("nan") if step == 57 else 1.0 / (step + 3) + (step % 7) * 1e-9
