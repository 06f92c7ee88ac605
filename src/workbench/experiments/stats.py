"""Statistics for few numbers: what a handful of seeds can say, and what it cannot.

Standard library only. Each method has its source in `docs/comparing.md`.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence

import msgspec

LEVEL = 0.95
RESAMPLES = 10_000
_TINY = 1e-300
_LARGE = 100.0  # from here on the ratio of two gamma functions is taken from its series


# --- Student's t -------------------------------------------------------------------------------------------


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(A, B), by its continued fraction (DLMF 8.17.22, after Lentz)."""
    if not (a > 0 and b > 0 and 0 <= x <= 1):
        raise ValueError(f"I_x(a, b) is defined for a, b > 0 and 0 <= x <= 1, not for a={a}, b={b}, x={x}")
    if x in (0.0, 1.0):
        return x
    return _incomplete_beta(a, b, math.log(x), math.log1p(-x))


def _incomplete_beta(a: float, b: float, log_x: float, log_y: float) -> float:
    """I_x(A, B) where the logarithms of x and of y = 1 - x are known better than x itself."""
    front = math.exp(a * log_x + b * log_y - _log_beta(a, b))
    x, y = math.exp(log_x), math.exp(log_y)
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, y) / b


def _log_beta(a: float, b: float) -> float:
    large, small = max(a, b), min(a, b)
    if small == 0.5 and large > _LARGE:  # the difference of two large logarithms would lose the digits that matter
        r = 1 / large
        ratio = 1 - r / 8 + r**2 / 128 + 5 * r**3 / 1024 - 21 * r**4 / 32768 - 399 * r**5 / 262144
        return math.log(math.pi) / 2 - math.log(large) / 2 - math.log(ratio)
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 100_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / _away(1 + term * d), _away(1 + term / c)
            value *= d * c
        if abs(d * c - 1) < 1e-16:
            break
    return value


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def t_tail(t: float, df: float) -> float:
    """The probability that Student's t of DF degrees of freedom exceeds T."""
    if not df > 0:
        raise ValueError(f"degrees of freedom are positive, not {df}")
    if t < 0:
        return 1 - t_tail(-t, df)
    if math.isinf(t):
        return 0.0
    if t == 0:
        return 0.5
    square = min(t, 1e150) ** 2 / df
    return 0.5 * _incomplete_beta(df / 2, 0.5, -math.log1p(square), math.log(square) - math.log1p(square))


def t_quantile(p: float, df: float) -> float:
    """The value that Student's t of DF degrees of freedom stays below with probability P (0 < P < 1)."""
    if not 0 < p < 1:
        raise ValueError(f"a quantile is asked for between 0 and 1, not for {p}")
    if p < 0.5:
        return -t_quantile(1 - p, df) if p > 1e-3 else -_upper(p, df)
    return 0.0 if p == 0.5 else _upper(1 - p, df)


def _upper(tail: float, df: float) -> float:
    """The t whose upper tail is TAIL: halved between two bounds, by Newton's step wherever that stays between them."""
    low, high = 0.0, 1.0
    while t_tail(high, df) > tail:
        low, high = high, high * 2
    t = (low + high) / 2
    log_norm = _log_beta(df / 2, 0.5) + math.log(df) / 2
    for _ in range(200):
        over = t_tail(t, df) - tail
        low, high = (t, high) if over > 0 else (low, t)
        density = math.exp(-(df + 1) / 2 * math.log1p(t * t / df) - log_norm)
        following = t + over / density if density > 0 else high + 1
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - t) <= 1e-15 * t:
            return following
        t = following
    return t


# --- one group ---------------------------------------------------------------------------------------------


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A group in short. `sd` is the sample's (n - 1); None below two values, as is every number of an empty group."""

    n: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None


def summary(values: Sequence[float]) -> Summary:
    """VALUES in short. They must be finite: a run that gave NaN is a failure, not a number."""
    if not values:
        return Summary(n=0)
    if not all(map(math.isfinite, values)):
        raise ValueError("only finite values have a mean; NaN and infinities are failures")
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Summary(n=len(values), mean=statistics.fmean(values), sd=sd, low=min(values), high=max(values))


# --- two groups --------------------------------------------------------------------------------------------


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Mean of B less mean of A, with its interval at `level`. None where the numbers do not suffice.

    `method`: welch, paired, single, bootstrap. `p` is two-sided. `effect` is Hedges' g (of a paired difference: the
    mean difference in standard deviations of the differences).
    """

    method: str
    estimate: float
    low: float | None = None
    high: float | None = None
    level: float = LEVEL
    df: float | None = None
    p: float | None = None
    effect: float | None = None


def welch(a: Sequence[float], b: Sequence[float], level: float = LEVEL) -> Difference:
    """The difference of two groups whose spreads may differ: Welch's t. Two values at least in each."""
    if len(a) < 2 or len(b) < 2:
        raise ValueError("a spread needs two values in each group")
    share_a, share_b = statistics.variance(a) / len(a), statistics.variance(b) / len(b)
    error = math.sqrt(share_a + share_b)
    part = share_a / (share_a + share_b) if error else 0.5  # squares of the shares themselves could overflow
    df = 1 / (part**2 / (len(a) - 1) + (1 - part) ** 2 / (len(b) - 1))
    estimate = statistics.fmean(b) - statistics.fmean(a)
    return _judged("welch", estimate, error, df, level, hedges(a, b))


def paired(a: Sequence[float], b: Sequence[float], level: float = LEVEL) -> Difference:
    """The difference of values that belong together two by two (the same seed): Student's t of the differences."""
    differences = [second - first for first, second in zip(a, b, strict=True)]
    if len(differences) < 2:
        raise ValueError("a spread needs two pairs")
    sd, estimate = statistics.stdev(differences), statistics.fmean(differences)
    effect = estimate / sd if sd > 0 else None
    return _judged("paired", estimate, sd / math.sqrt(len(differences)), len(differences) - 1.0, level, effect)


def single(group: Sequence[float], one: float, level: float = LEVEL) -> Difference:
    """One value against a group: is it outside of what the group's own spread explains? (Crawford and Howell, 1998).

    It takes the value's unknown spread to be the group's, so it can tell "unlike these", never "better".
    """
    if len(group) < 2:
        raise ValueError("a spread needs two values in the group")
    error = statistics.stdev(group) * math.sqrt(1 + 1 / len(group))
    return _judged("single", one - statistics.fmean(group), error, len(group) - 1.0, level, None)


def _judged(method: str, estimate: float, error: float, df: float, level: float, effect: float | None) -> Difference:
    if error == 0:
        p = 1.0 if estimate == 0 else 0.0
        reach = 0.0
    else:
        p, reach = 2 * t_tail(abs(estimate) / error, df), t_quantile(0.5 + level / 2, df) * error
    return Difference(
        method=method, estimate=estimate, low=estimate - reach, high=estimate + reach, level=level, df=df, p=p,
        effect=effect,
    )  # fmt: skip


def hedges(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Hedges' g: the difference of means in pooled standard deviations, corrected for few values; None without any."""
    df = len(a) + len(b) - 2
    if len(a) < 2 or len(b) < 2:
        return None
    pooled = math.sqrt(((len(a) - 1) * statistics.variance(a) + (len(b) - 1) * statistics.variance(b)) / df)
    if pooled == 0:
        return None
    correction = math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)
    return (statistics.fmean(b) - statistics.fmean(a)) / pooled * correction


Statistic = Callable[[Sequence[float]], float]


def bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    level: float = LEVEL,
    of: Statistic = statistics.fmean,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Difference:
    """The difference of any statistic OF two groups, its interval by resampling (percentiles; Efron, 1979).

    The same numbers give the same interval: the generator starts at SEED. With few values it is too narrow.
    """
    if len(a) < 2 or len(b) < 2:
        raise ValueError("a spread needs two values in each group")
    rng = random.Random(seed)  # noqa: S311 - no secret depends on it
    found = sorted(of(rng.choices(b, k=len(b))) - of(rng.choices(a, k=len(a))) for _ in range(resamples))
    below, above = sum(value <= 0 for value in found), sum(value >= 0 for value in found)
    return Difference(
        method="bootstrap", estimate=of(b) - of(a), low=quantile(found, (1 - level) / 2),
        high=quantile(found, (1 + level) / 2), level=level, p=min(1.0, 2 * (min(below, above) + 1) / (resamples + 1)),
        effect=hedges(a, b),
    )  # fmt: skip


# --- percentiles -------------------------------------------------------------------------------------------


def quantile(ordered: Sequence[float], q: float) -> float:
    """The Q-quantile of values in order, between two of them linearly (type 7 of Hyndman and Fan, 1996)."""
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    if below + 1 >= len(ordered):
        return ordered[-1]
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])


def quantile_interval(ordered: Sequence[float], q: float, level: float = LEVEL) -> tuple[float, float] | None:
    """The interval of the Q-quantile between two of the values themselves, whatever their distribution.

    By the binomial distribution of how many values lie below it (Hahn and Meeker, 1991); None where so few values
    cannot reach the level.
    """
    n, tail = len(ordered), (1 - level) / 2
    if n == 0 or q**n > tail or (1 - q) ** n > tail:
        return None
    low = _binomial(n, q, tail)
    high = n - _binomial(n, 1 - q, tail)
    return ordered[low - 1], ordered[high]


def _binomial(n: int, q: float, tail: float) -> int:
    """The largest k so that fewer than k successes of N, each of probability Q, have a probability of at most TAIL."""
    low, high = 0, n
    while low < high:
        middle = (low + high + 1) // 2
        # P(X < middle) = P(X <= middle - 1) = I_{1-q}(n - middle + 1, middle)
        if incomplete_beta(n - middle + 1, middle, 1 - q) <= tail:
            low = middle
        else:
            high = middle - 1
    return low


# --- several at once ---------------------------------------------------------------------------------------


def holm(ps: Mapping[str, float]) -> dict[str, float]:
    """The p-values of tests that are judged together, each raised so that one false alarm among all stays rare.

    Holm (1979): valid whatever the tests have to do with each other.
    """
    raised, least = {}, 0.0
    for place, (name, p) in enumerate(sorted(ps.items(), key=lambda item: item[1])):
        least = raised[name] = min(1.0, max(least, (len(ps) - place) * p))
    return raised


def fisher(failed_a: int, n_a: int, failed_b: int, n_b: int) -> float:
    """How often two groups whose runs fail alike differ at least this much in failures: Fisher's exact test."""
    failed, total = failed_a + failed_b, n_a + n_b
    ways = [
        math.comb(n_a, k) * math.comb(n_b, failed - k) for k in range(max(0, failed - n_b), min(n_a, failed) + 1)
    ]  # fmt: skip
    seen = math.comb(n_a, failed_a) * math.comb(n_b, failed_b)
    return sum(way for way in ways if way <= seen) / math.comb(total, failed)
