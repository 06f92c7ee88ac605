"""How fast a service answered: percentiles of its latencies and its throughput, each with how sure it is.

Sources of the methods are in `docs/comparing.md`.
"""

import math
import random
import statistics
from collections.abc import Sequence

import msgspec

from workbench.experiments import stats

QUANTILES = (0.5, 0.9, 0.95, 0.99)
_BATCHES = 20  # of a load, for the interval of its throughput
_RESAMPLES = 1000
_MOST = 20_000  # latencies of a side that are resampled


class Percentile(msgspec.Struct, frozen=True, kw_only=True):
    """A percentile in seconds and its interval; None where so few requests cannot bound it."""

    q: float
    value: float
    low: float | None = None
    high: float | None = None


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a load of requests showed. `rate` is answers a second, with its interval; `errors` are not among them."""

    requests: int
    errors: int
    percentiles: tuple[Percentile, ...]
    rate: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None

    def metrics(self) -> dict[str, float]:
        """As metrics of a run, to be compared like losses: `latency_p99_ms`, `throughput_rps`, `error_rate`."""
        found = {f"latency_p{100 * one.q:g}_ms": 1000 * one.value for one in self.percentiles}
        if self.rate is not None:
            found["throughput_rps"] = self.rate
        return found | {"error_rate": self.errors / max(1, self.requests)}


def summary(
    latencies: Sequence[float], ended: Sequence[float] = (), errors: int = 0, level: float = stats.LEVEL
) -> Load:
    """A load in short: LATENCIES in seconds of the requests that were answered, and when each ENDED (any clock)."""
    ordered = sorted(latencies)
    percentiles = []
    for q in QUANTILES if ordered else ():
        low, high = stats.quantile_interval(ordered, q, level) or (None, None)
        percentiles.append(Percentile(q=q, value=stats.quantile(ordered, q), low=low, high=high))
    rate, low, high = throughput(ended, level)
    return Load(
        requests=len(ordered) + errors, errors=errors, percentiles=tuple(percentiles), rate=rate, rate_low=low,
        rate_high=high,
    )  # fmt: skip


def throughput(ended: Sequence[float], level: float = stats.LEVEL) -> tuple[float | None, float | None, float | None]:
    """Answers a second, and its interval by batch means: answers that follow each other are not independent."""
    times = sorted(ended)
    if len(times) < 2 or times[-1] <= times[0]:
        return None, None, None
    span = times[-1] - times[0]
    rate = (len(times) - 1) / span
    if len(times) < 5 * _BATCHES:
        return rate, None, None
    counts = [0] * _BATCHES
    for time in times[1:]:
        counts[min(_BATCHES - 1, int((time - times[0]) / span * _BATCHES))] += 1
    rates = [count * _BATCHES / span for count in counts]
    reach = stats.t_quantile(0.5 + level / 2, _BATCHES - 1) * statistics.stdev(rates) / math.sqrt(_BATCHES)
    return rate, rate - reach, rate + reach


def difference(
    a: Sequence[float], b: Sequence[float], q: float, level: float = stats.LEVEL, seed: int = 0
) -> stats.Difference:
    """The Q-quantile of B less that of A, its interval by the moving-block bootstrap; both in the order of requests.

    It knows the noise within each load, not that between two starts of the same service: for that, compare groups.
    """
    if len(a) < 20 or len(b) < 20:
        raise ValueError("fewer than 20 requests tell too little of a percentile")
    rng = random.Random(seed)  # noqa: S311 - no secret depends on it
    one, other = _middle(a), _middle(b)
    found = sorted(
        stats.quantile(sorted(_blocks(other, rng)), q) - stats.quantile(sorted(_blocks(one, rng)), q)
        for _ in range(_resamples(one, other))
    )
    below, above = sum(value <= 0 for value in found), sum(value >= 0 for value in found)
    return stats.Difference(
        method="bootstrap", estimate=stats.quantile(sorted(b), q) - stats.quantile(sorted(a), q),
        low=stats.quantile(found, (1 - level) / 2), high=stats.quantile(found, (1 + level) / 2), level=level,
        p=min(1.0, 2 * (min(below, above) + 1) / (len(found) + 1)),
    )  # fmt: skip


def _resamples(a: Sequence[float], b: Sequence[float]) -> int:
    """As many as a few seconds allow."""
    return max(200, min(_RESAMPLES, 4_000_000 // (len(a) + len(b))))


def _middle(values: Sequence[float]) -> list[float]:
    """VALUES, of very many a stretch of the middle: leaving some out would hide how neighbours depend on each other."""
    first = max(0, (len(values) - _MOST) // 2)
    return list(values[first : first + _MOST])


def _blocks(values: list[float], rng: random.Random) -> list[float]:
    """As many values as there are, drawn as stretches of neighbours, each as long as the cube root of their number."""
    length = max(1, round(len(values) ** (1 / 3)))
    found: list[float] = []
    while len(found) < len(values):
        first = rng.randrange(len(values) - length + 1)
        found += values[first : first + length]
    return found[: len(values)]
