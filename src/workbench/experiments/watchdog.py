"""Sees that a run goes wrong: by its numbers, its output, its silence, its end. Pure: fed by whoever watches the run.

What it holds is bounded, however long the run. How each sign is told from an ordinary curve is in `docs/comparing.md`.
"""

import math
import re
import statistics
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from workbench.experiments.goals import known
from workbench.experiments.points import Series
from workbench.experiments.postmortem import Log
from workbench.experiments.types import Alert

_KEYS = 200  # series that are watched at most
_RECENT = 9  # last values, whose median is the level
_MOST = 1e100  # as which a greater value counts: sums and squares stay numbers
_BUCKETS = 64  # a curve in short: as many means of stretches that grow with it
_LOSS = re.compile(
    r"(?:^|[/_. -])(?:loss|losses|nll|perplexity|ppl|bpb|xent|cross_entropy)(?:$|[/_. -])", re.IGNORECASE
)
# Losses that rise and fall while all is well: of adversaries, of agents, of parts of a sum.
_RESTLESS = re.compile(
    r"gan|disc|(?:^|[/_.])(?:g|d|gen|adv|critic|actor|policy|value|vf|pg|q|qf|td|entropy|kl|aux|reg|alpha|ent|surrogate)"
    r"(?=$|[/_.\d])",
    re.IGNORECASE,
)
_GAME = re.compile(r"reward|(?:^|[/_])(?:ep_rew|return|episode|d_loss|g_loss|disc)|discriminator", re.IGNORECASE)
_HELD_OUT = re.compile(r"val|eval|dev|test", re.IGNORECASE)
SIGKILL = 9


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as a sign. Seconds, bytes; 0 turns a sign off, as does leaving its kind out of `kinds`."""

    kinds: frozenset[str] = frozenset({"nan", "divergence", "plateau", "stall", "memory", "crash", "disk", "idle"})
    stall_s: float = 600.0  # without a line or a point; never less than ten of its usual pauses
    idle_s: float = 600.0  # a card that does nothing
    disk_free: int = 1 << 30
    lines: int = 5  # the last ones, that an alert brings
    plateau_points: int = 200  # at least so many, and the last half of all
    explosion: float = 3.0  # so many times its first level above that is a divergence
    patience: int = 5  # points in a row, of a slower loss four times as many


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A value that the run logged. `at`: Unix time."""

    key: str
    step: float
    value: float
    at: float = 0.0


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """The state of things now and then. `busy`: the busiest of the run's cards in percent, None where it has none.

    `ended` with `exit_code` or `signal` tells the end. `why`: the limit that ended it, in the sandbox's words.
    """

    at: float
    disk_free: int | None = None
    busy: float | None = None
    ended: bool = False
    exit_code: int | None = None
    signal: int | None = None
    stopped: bool = False  # by a person or a time limit: then a signal is no crash


class Curve:
    """One series as the watchdog keeps it: a handful of means, the last values, the lowest level."""

    def __init__(self, key: str) -> None:
        self.loss, self.restless = bool(_LOSS.search(key)), bool(_RESTLESS.search(key))
        self.held_out, self.judged = bool(_HELD_OUT.search(key)), _judges(key)
        self.count = self.finite = 0
        self.bad = self.lost = self.beyond = 0  # in a row
        self.last = self.start = self.level = math.nan  # level: the median of the last values; start: of the first
        self.lowest = math.inf  # of medians of the recent values
        self.recent: deque[float] = deque(maxlen=_RECENT)
        self.buckets: list[list[float]] = []  # [count, mean, sum of squares about it] of each stretch of `width` values
        self.width = 1

    def add(self, value: float) -> None:
        """One more value."""
        self.count += 1
        if not math.isfinite(value):
            self.bad += 1
            return
        self.bad, self.last = 0, value
        value = max(-_MOST, min(value, _MOST))
        self.finite += 1
        self.recent.append(value)
        if len(self.recent) == _RECENT:
            self.level = sorted(self.recent)[_RECENT // 2]
            self.start = self.level if math.isnan(self.start) else self.start
            self.lowest = min(self.lowest, self.level)
        if not self.buckets or self.buckets[-1][0] >= self.width:
            if len(self.buckets) == _BUCKETS:
                self.buckets = [_joined(*pair) for pair in zip(self.buckets[::2], self.buckets[1::2], strict=True)]
                self.width *= 2
            self.buckets.append([0.0, 0.0, 0.0])
        bucket = self.buckets[-1]
        bucket[0] += 1
        off = value - bucket[1]
        bucket[1] += off / bucket[0]
        bucket[2] += off * (value - bucket[1])

    @property
    def spread(self) -> float:
        """The deviation of values from the mean of their stretch."""
        squares = sum(bucket[2] for bucket in self.buckets)
        return math.sqrt(squares / max(1, self.finite - len(self.buckets)))


def _joined(one: list[float], other: list[float]) -> list[float]:
    count, off = one[0] + other[0], other[1] - one[1]
    return [count, one[1] + off * other[0] / count, one[2] + other[2] + off * off * one[0] * other[0] / count]


class Watchdog:
    """Watches one run. Each kind of sign is told once, of a metric once; what heals may be told once more."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self._curves: dict[str, Curve] = {}
        self._seen: dict[str, float] = {}  # the last step of each series that is followed
        self._told: set[str] = set()
        self.log = Log()
        self._game = False  # something here plays against something: then a loss may rise while all is well
        self._step: float | None = None
        self._heard = self._idle = 0.0
        self._pause = 0.0  # the longest between two signs of life, forgotten slowly

    # --- what it is told ---

    def see(self, what: Iterable[Point] | Point | Tick | str, at: float = 0.0) -> list[Alert]:
        """Points, a piece of output (AT is the Unix time of its arrival), or a tick: new alerts."""
        if isinstance(what, str):
            return self._lines(what, at)
        if isinstance(what, Tick):
            return self._tick(what)
        found: list[Alert] = []
        for point in [what] if isinstance(what, Point) else what:
            found += self._point(point)
        return found

    def follow(self, series: Mapping[str, Series]) -> list[Alert]:
        """As `see`, of SERIES that grow between one call and the next: their points beyond the last step seen."""
        new: list[Point] = []
        for key, one in series.items():
            if key not in self._seen and len(self._seen) >= _KEYS:
                continue
            first = bisect_right(one.steps, self._seen.get(key, -math.inf))
            if first < len(one.steps):
                self._seen[key] = one.steps[-1]
                columns = zip(one.steps[first:], one.values[first:], one.times[first:], strict=True)
                new += (Point(key=key, step=step, value=value, at=at) for step, value, at in columns)
        new.sort(key=lambda point: (point.at, point.step))
        return self.see(new)

    def _alive(self, at: float) -> None:
        if not at:
            return
        if self._heard and at > self._heard:
            self._pause = max(at - self._heard, self._pause * 0.99)
            self._told.discard("stall")
        self._heard = max(self._heard, at)

    def _alert(self, kind: str, at: float, text: str, about: str = "", step: float | None = None) -> list[Alert]:
        name = f"{kind} {about}" if about else kind
        if kind not in self.config.kinds or name in self._told:
            return []
        self._told.add(name)
        return [Alert(kind=kind, at=at, text=text, step=self._step if step is None else step)]

    # --- numbers ---

    def _point(self, point: Point) -> list[Alert]:
        self._alive(point.at)
        self._step = point.step if self._step is None or point.step > self._step else self._step
        curve = self._curves.get(point.key)
        if curve is None:
            if len(self._curves) >= _KEYS:
                return []
            curve = self._curves[point.key] = Curve(point.key)
            self._game = self._game or bool(_GAME.search(point.key))
        before = curve.last
        curve.add(point.value)
        if curve.bad:
            return self._not_a_number(point, curve, before)
        found = self._divergence(point, curve) if curve.loss and not (curve.restless or self._game) else []
        return found or (self._plateau(point, curve) if curve.judged else [])

    def _not_a_number(self, point: Point, curve: Curve, before: float) -> list[Alert]:
        """A loss at once; another metric only when it stays (a mean over nothing is NaN now and then)."""
        if curve.bad < (1 if curve.loss else 3) or (not curve.loss and curve.finite == 0):
            return []
        name = "NaN" if math.isnan(point.value) else "infinite"
        last = f", after {before:.6g}" if math.isfinite(before) else ""
        return self._alert("nan", point.at, f"{point.key} is {name} at step {point.step:g}{last}", "", point.step)

    def _divergence(self, point: Point, curve: Curve) -> list[Alert]:
        """A loss that loses half of what it had gained, and stays there; or that rises beyond every measure.

        A loss on held-out data may rise for long by overfitting alone: of it, only the second counts.
        """
        if curve.finite < 20:
            return []
        level, gained = min(point.value, curve.level), curve.start - curve.lowest
        lost = level > curve.lowest + gained / 2 and not curve.held_out
        beyond = level > curve.start + self.config.explosion * max(abs(curve.start), gained)
        if lost or beyond:  # only then what costs more
            noise = 6 * curve.spread
            lost = lost and level > curve.lowest + noise
            beyond = beyond and level > curve.start + self.config.explosion * max(abs(curve.start), gained) + noise
        curve.lost = curve.lost + 1 if lost else 0
        curve.beyond = curve.beyond + 1 if beyond else 0
        if curve.lost < 4 * self.config.patience and curve.beyond < self.config.patience:
            return []
        text = f"{point.key} rose to {point.value:.6g} at step {point.step:g}; it had been down to {curve.lowest:.6g}"
        return self._alert("divergence", point.at, text, point.key, point.step)

    def _plateau(self, point: Point, curve: Curve) -> list[Alert]:
        """What was gained is gained, and the last half of the curve has surely moved by less than a hundredth."""
        if curve.finite < self.config.plateau_points or len(curve.buckets) < 24 or curve.finite % 16:
            return []
        whole = [bucket for bucket in curve.buckets if bucket[0] == curve.width]
        late = [bucket[1] for bucket in whole[len(whole) // 2 :]]
        level = statistics.fmean(late)
        gain = abs(curve.start - level)
        if gain < 5 * curve.spread or not flat(late, min(abs(level), gain) / 100):
            return []
        if set(late) & {0.0, 1.0, 100.0}:  # perfect is no plateau
            return []
        text = f"{point.key} has not moved from {level:.6g} since about half of its {curve.count} values"
        return self._alert("plateau", point.at, text, "", point.step)

    # --- output ---

    def _lines(self, text: str, at: float) -> list[Alert]:
        self._alive(at)
        self.log.add(text)
        return self._full(at)

    def _full(self, at: float) -> list[Alert]:
        found: list[Alert] = []
        if self.log.memory:
            found += self._alert("memory", at, f"out of memory: {self.log.memory}")
        if self.log.disk:
            found += self._alert("disk", at, f"the disk is full: {self.log.disk}")
        return found

    # --- time, and the end ---

    def _tick(self, tick: Tick) -> list[Alert]:
        if not self._heard:
            self._heard = tick.at
        found: list[Alert] = []
        if tick.disk_free is not None and tick.disk_free < self.config.disk_free:
            found += self._alert("disk", tick.at, f"only {tick.disk_free / 1e9:.1f} GB of the disk are free", "low")
        elif tick.disk_free is not None and tick.disk_free > 2 * self.config.disk_free:
            self._told.discard("disk low")
        if tick.ended:
            self.log.flush()
            return found + self._full(tick.at) + self._end(tick)
        return found + self._silence(tick) + self._idling(tick)

    def _silence(self, tick: Tick) -> list[Alert]:
        limit = max(self.config.stall_s, 10 * self._pause)
        silent = tick.at - self._heard
        if not self.config.stall_s or silent < limit:
            return []
        return self._alert("stall", tick.at, f"no line and no value for {silent / 60:.0f} min{self._last_line()}")

    def _idling(self, tick: Tick) -> list[Alert]:
        if tick.busy is None or tick.busy >= 1 or not self.config.idle_s:
            self._idle = 0.0
            if tick.busy is not None and tick.busy >= 20:
                self._told.discard("idle")
            return []
        self._idle = self._idle or tick.at
        if tick.at - self._idle < self.config.idle_s:
            return []
        return self._alert("idle", tick.at, f"its cards have done nothing for {(tick.at - self._idle) / 60:.0f} min")

    def _end(self, tick: Tick) -> list[Alert]:
        if tick.stopped or (tick.exit_code == 0 and not tick.signal):
            return []
        if tick.signal == SIGKILL or tick.exit_code == 128 + SIGKILL:
            text = "killed by signal 9: most often the system's, when memory ran out"
            return self._alert("memory", tick.at, text)
        if self.log.memory and self.log.traceback:
            return []  # it was told when it was said
        how = f"signal {tick.signal}" if tick.signal else f"exit code {tick.exit_code}"
        return self._alert("crash", tick.at, f"it ended with {how}: {self.log.short}")

    # --- for a message ---

    @property
    def last_lines(self) -> list[str]:
        """The last lines of the output, as many as the configuration says."""
        return self.log.last(self.config.lines)

    @property
    def values(self) -> dict[str, float]:
        """The last finite value of each metric, NaN where there was none."""
        return {key: curve.last for key, curve in self._curves.items()}

    def _last_line(self) -> str:
        lines = self.last_lines
        return f"; the last line: {lines[-1].strip()[:120]}" if lines else ""

    def message(self, alert: Alert, config: Mapping[str, tuple[object, object]] | None = None) -> str:
        """ALERT as one bounded message for an agent: step, words, last lines, values, what CONFIG changed."""
        where = f" at step {alert.step:g}" if alert.step is not None else ""
        parts = [f"{alert.kind}{where}: {alert.text}"]
        if values := list(self.values.items())[:8]:
            parts.append("last values: " + ", ".join(f"{key}={value:.6g}" for key, value in values))
        if config:
            changed = (f"{key}: {before!r} → {after!r}"[:120] for key, (before, after) in list(config.items())[:8])
            parts.append("config differs: " + "; ".join(changed))
        if lines := self.last_lines:
            parts.append("last lines:\n" + "\n".join(f"  {line[:200]}" for line in lines))
        return "\n".join(parts)[:4000]


def _judges(key: str) -> bool:
    """Whether a plateau of KEY means something: a loss or a score, not a clock, a rate or a reward."""
    name = key.lower()
    return (
        known(key) is not None
        and not re.search(
            r"time|second|memory|lat|throughput|per_|/s|speed|mfu|fps|rew|return|success|win|elo|grad|kl|entropy", name
        )
        and not _RESTLESS.search(key)
    )


def flat(means: list[float], tolerance: float) -> bool:
    """Whether the thirds of MEANS surely differ by less than TOLERANCE: two standard errors come on top."""
    size = len(means) // 3
    if size < 3:
        return False
    thirds = [means[at * size : (at + 1) * size] for at in range(3)]
    errors = [statistics.variance(third) / size for third in thirds]
    return all(
        abs(statistics.fmean(thirds[i]) - statistics.fmean(thirds[j])) + 2 * math.sqrt(errors[i] + errors[j])
        < tolerance
        for i, j in ((0, 1), (1, 2), (0, 2))
    )
