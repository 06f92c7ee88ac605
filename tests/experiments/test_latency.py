"""Latencies and throughput of a service, with how sure they are."""

import random

import pytest

from workbench.experiments import latency
from workbench.experiments.goals import known


def drawn(n: int, seed: int, slower: float = 1.0) -> list[float]:
    """Latencies whose neighbours hang together: now and then the service is slow for a while."""
    chance, slow, found = random.Random(seed), 0.0, []
    for _ in range(n):
        slow = 0.8 * slow + (0.05 if chance.random() < 0.02 else 0.0)
        found.append(slower * (chance.expovariate(1 / 0.02) + slow))
    return found


def test_percentiles_come_with_intervals_where_there_are_enough_requests() -> None:
    load = latency.summary([at / 1000 for at in range(1, 1001)], errors=10)
    told = {one.q: (one.value, one.low, one.high) for one in load.percentiles}
    assert told[0.5] == (pytest.approx(0.5005), 0.469, 0.532) and told[0.99][1:] == (0.983, 0.997)
    few = latency.summary([0.1] * 50)
    assert few.percentiles[-1].low is None and few.percentiles[0].low == 0.1
    assert (load.requests, load.metrics()["error_rate"]) == (1010, pytest.approx(10 / 1010))
    assert latency.summary([]).percentiles == () and latency.summary([]).rate is None


def test_its_metrics_know_their_goals() -> None:
    found = latency.summary(drawn(300, 1), [at / 50 for at in range(300)]).metrics()
    assert {key: known(key) for key in found} == {
        "latency_p50_ms": "min", "latency_p90_ms": "min", "latency_p95_ms": "min", "latency_p99_ms": "min",
        "throughput_rps": "max", "error_rate": "min",
    }  # fmt: skip
    assert found["throughput_rps"] == pytest.approx(50)


def test_the_interval_of_throughput_covers_the_truth_and_few_answers_have_none() -> None:
    hits = 0
    for seed in range(200):
        chance, now, times = random.Random(seed), 0.0, []
        for _ in range(1000):
            now += chance.expovariate(100)
            times.append(now)
        rate, low, high = latency.throughput(times)
        assert rate is not None and low is not None and high is not None
        hits += low <= 100 <= high
    assert hits >= 180
    assert latency.throughput([1.0, 2.0, 3.0]) == (1.0, None, None) and latency.throughput([1.0]) == (None, None, None)
