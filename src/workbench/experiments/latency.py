"""How fast a service answered: percentiles of its latencies and its throughput, each with how sure it is.

Sources of the methods are in `docs/comparing.md`.
"""

import math
import statistics
from collections.abc import Sequence

import msgspec

from workbench.experiments import stats

QUANTILES = (0.5, 0.9, 0.95, 0.99)
_BATCHES = 20  # of a load, for the interval of its throughput


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
