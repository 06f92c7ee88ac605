"""A series thinned for a screen: random series in random pieces against what a plain look at all points tells."""

import math
import random
from array import array

import pytest

from workbench.session.run_thin import Thinning, edges_of


def made(rng, seed):
    """A series that came in pieces, its values and the places on an uneven x axis."""
    series, values = Thinning(), []
    length = rng.choice([1, 5, 17, 100, 5000, 30_000])
    while len(values) < length:
        odd = [math.nan, math.inf, -math.inf] if seed % 3 == 0 else [2.0]
        count = min(length - len(values), rng.choice([1, 3, 16, 100, 7000]))
        piece = [rng.gauss(0, 1) if rng.random() < 0.8 else rng.choice(odd) for _ in range(count)]
        series.extend(array("d", piece))
        values += piece
    xs, x = array("d"), 0.0
    for _ in values:
        x += rng.choice([0, 1, 1, 50]) if seed % 2 else 1
        xs.append(x)
    return series, values, xs


@pytest.mark.parametrize("seed", range(24))
def test_any_part_keeps_its_ends_its_extremes_and_its_gaps(seed):
    rng = random.Random(seed)
    series, values, xs = made(rng, seed)
    for _ in range(8):
        start = rng.randrange(len(values))
        end = rng.randrange(start, len(values)) + 1
        columns = rng.choice([2, 10, 60, 240])
        kept = series.thinned(xs, start, end, edges_of(xs[start], xs[end - 1], columns, rng.random() < 0.3))
        assert kept == sorted(set(kept)) and (kept[0], kept[-1]) == (start, end - 1)
        numbers = [value for value in values[start:end] if math.isfinite(value)]
        told = [values[place] for place in kept if math.isfinite(values[place])]
        assert not numbers or (min(numbers), max(numbers)) == (min(told), max(told))
        assert (len(numbers) < end - start) == (len(told) < len(kept))
        assert len(kept) <= 14 * columns + 80
