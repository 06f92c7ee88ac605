"""Axes: from values to dots, and numbers that people like to read beside them."""

import math
from collections.abc import Callable

from workbench.host.telemetry import words

LEAST = 1e-290  # a span under it has no scale


class Axis:
    """Values from LOW to HIGH on DOTS dots, even or logarithmic. LOW and HIGH must differ, and be above 0 for a log."""

    def __init__(self, low: float, high: float, dots: int, log: bool = False) -> None:
        self.low, self.high, self.dots, self.log = low, high, dots, log
        self._from, self._to = (math.log10(low), math.log10(high)) if log else (low, high)
        self.scale = (dots - 1) / (self._to - self._from)

    def dot(self, value: float) -> int:
        """The dot of VALUE, counted from the low end; far outside it stays near the edge."""
        if self.log:
            if value <= 0:
                return -self.dots
            value = math.log10(value)
        return int(max(-self.dots, min(2 * self.dots, (value - self._from) * self.scale + 0.5)))

    def value(self, dot: float) -> float:
        """The value at DOT."""
        at = self._from + dot / self.scale
        return 10.0**at if self.log else at

    def ticks(self, most: int, time: bool = False) -> list[float]:
        """About MOST round values on the axis, one more at the most, and at least one; TIME: round as seconds are."""
        if self.log and (found := self._decades(most)):
            return found
        return _even(self.low, self.high, _step((self.high - self.low) / max(1, most), time), most)

    def _decades(self, most: int) -> list[float]:
        first, last = math.ceil(self._from - 1e-9), math.floor(self._to + 1e-9)
        for parts in ((1, 2, 5), (1, 3), (1,)):
            found = [part * 10.0**power for power in range(first - 1, last + 1) for part in parts]
            found = [value for value in found if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]
            if 2 <= len(found) <= most:
                return found
        if last - first + 1 < 2:
            return []
        step = -(-(last - first + 1) // max(1, most))
        return [10.0**power for power in range(first, last + 1, step)]


_CLOCK = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def _step(least: float, time: bool) -> float:
    """The smallest round step that is not under LEAST."""
    if time and 1 <= least <= _CLOCK[-1]:
        return next(step for step in _CLOCK if step >= least)
    unit, parts = (86400.0, (1, 2, 5, 10)) if time and least > 1 else (1.0, (1, 2, 2.5, 5, 10))
    power = 10.0 ** math.floor(math.log10(least / unit)) * unit
    return next(power * part for part in parts if power * part >= least * (1 - 1e-9))


def _even(low: float, high: float, step: float, most: int) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    found = [count * step for count in range(first, last + 1)][: max(1, most + 1)]
    return found or [(low + high) / 2]


def number(value: float) -> str:
    """VALUE in at most seven characters or so: `1.472`, `3e-05`, `12.5k`."""
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e12:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit * 0.99995:
            return f"{value / (1000 if letter == 'k' else unit):.4g}{letter}"
    return f"{value:.4g}"


def duration(value: float) -> str:
    """VALUE seconds: `0.5s`, `45s`, `2m10s`, `30m`, `1h30m`."""
    if 0 < abs(value) < 10 and value != int(value):
        return f"{value:.2g}s"
    text = words.age(abs(value)).replace("m00s", "m").replace("h00m", "h").replace("d 0h", "d")
    return f"-{text}" if value < 0 else text


Format = Callable[[float], str]


def padded(low: float, high: float, log: bool) -> tuple[float, float]:
    """LOW and HIGH a little apart from what they hold, also where both are one value; for a log above 0."""
    if log:
        high = max(high, LEAST) if high > 0 else 1.0
        low = low if low > LEAST else high / 1e6
        return (low / 1.05, high * 1.05) if high > low * 1.001 else (low / 2, high * 2)
    room = (high - low) * 0.03
    if room <= max(abs(high) * 1e-12, LEAST):
        room = max(abs(high) * 0.1, LEAST) if high else 1.0
    return low - room, high + room
