"""Sees that a run goes wrong: by its numbers, its output, its silence, its end. Pure: fed by whoever watches the run.

What it holds is bounded, however long the run. How each sign is told from an ordinary curve is in `docs/comparing.md`.
"""

import math
import re
import statistics
from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from workbench.experiments.goals import known
from workbench.experiments.types import Alert

_KEYS = 200  # series that are watched at most
_LINE = 400  # characters of a line that are kept
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
_MEMORY = re.compile(
    r"CUDA out of memory|OutOfMemoryError|torch\.cuda\.OutOfMemory|CUBLAS_STATUS_ALLOC_FAILED|HIP out of memory|"
    r"RESOURCE_EXHAUSTED|\bOOM\b|^MemoryError\b|Cannot allocate memory|std::bad_alloc|oom-kill|DefaultCPUAllocator",
    re.MULTILINE,
)
_DISK = re.compile(r"No space left on device|Disk quota exceeded|\bENOSPC\b|\bEDQUOT\b")
_TRACEBACK = "Traceback (most recent call last):"
_PREFIX = re.compile(r"^(?:\[[\w.:-]+\]:?\s?)+")  # of torchrun's --tee and of ranks
_ERROR = re.compile(
    r"(?:[A-Za-z_][\w.]*\.)?[A-Za-z_]\w*(?:Error|Exception|Interrupt|Exit|Warning|Failure)\b.*|[A-Za-z_][\w.]*: .*"
)
_FATAL = re.compile(
    r"Segmentation fault|Fatal Python error|terminate called after|Aborted \(core dumped\)|Bus error|Killed$"
)
_FRAME = re.compile(r'^\s+File "([^"]+)", line (\d+), in (.+)$')
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")
_LIBRARY = re.compile(r"site-packages|dist-packages|/lib/python\d|<frozen ")
SIGKILL = 9


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as a sign. Seconds, bytes; 0 turns a sign off, as does leaving its kind out of `kinds`."""

    kinds: frozenset[str] = frozenset({"nan", "divergence", "plateau", "stall", "memory", "crash", "disk", "idle"})
    stall_s: float = 600.0  # without a line or a point; never less than ten of its usual pauses
    idle_s: float = 600.0  # a card that does nothing
    disk_free: int = 1 << 30
    lines: int = 5  # the last ones, that an alert brings
    plateau_points: int = 200  # at least so many, and the last half of all
    explosion: float = 10.0  # so many times above its lowest level is a divergence
    patience: int = 5  # points in a row


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

    __slots__ = ("bad", "buckets", "count", "finite", "high", "last", "lowest", "recent", "width")

    def __init__(self) -> None:
        self.count = self.bad = self.high = self.finite = 0
        self.last = math.nan
        self.lowest = math.inf  # of medians of the recent values
        self.recent: deque[float] = deque(maxlen=9)
        self.buckets: list[list[float]] = []  # [count, mean, sum of squares about it] of each stretch of `width` values
        self.width = 1

    def add(self, value: float) -> None:
        """One more value."""
        self.count += 1
        if not math.isfinite(value):
            self.bad += 1
            return
        self.bad, self.last = 0, value
        self.finite += 1
        self.recent.append(value)
        if len(self.recent) == self.recent.maxlen:
            self.lowest = min(self.lowest, statistics.median(self.recent))
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


def _joined(one: list[float], other: list[float]) -> list[float]:
    count, off = one[0] + other[0], other[1] - one[1]
    return [count, one[1] + off * other[0] / count, one[2] + other[2] + off * off * one[0] * other[0] / count]


class Watchdog:
    """Watches one run. Each kind of sign is told once, of a metric once; what heals may be told once more."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self._curves: dict[str, Curve] = {}
        self._told: set[str] = set()
        self._tail: deque[str] = deque(maxlen=200)
        self._traceback: list[str] = []
        self._open = False
        self._step: float | None = None
        self._heard = self._idle = 0.0
        self._pause = 0.0  # the longest between two signs of life, forgotten slowly
        self._saw_memory = self._saw_disk = ""

    # --- what it is told ---

    def see(self, what: Iterable[Point] | Point | Tick | str, at: float = 0.0) -> list[Alert]:
        """Points, a piece of output (whole lines; AT is the Unix time of its arrival), or a tick: new alerts."""
        if isinstance(what, str):
            return self._lines(what, at)
        if isinstance(what, Tick):
            return self._tick(what)
        found: list[Alert] = []
        for point in [what] if isinstance(what, Point) else what:
            found += self._point(point)
        return found

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
            curve = self._curves[point.key] = Curve()
        before = curve.last
        curve.add(point.value)
        if curve.bad:
            return self._not_a_number(point, curve, before)
        if not _LOSS.search(point.key) or _RESTLESS.search(point.key):
            return self._plateau(point, curve) if _judges(point.key) else []
        return self._divergence(point, curve) or (self._plateau(point, curve) if _judges(point.key) else [])

    def _not_a_number(self, point: Point, curve: Curve, before: float) -> list[Alert]:
        """A loss at once; another metric only when it stays (a mean over nothing is NaN now and then)."""
        loss = bool(_LOSS.search(point.key))
        if curve.bad < (1 if loss else 3) or (not loss and curve.finite == 0):
            return []
        name = "NaN" if math.isnan(point.value) else "infinite"
        last = f"; the last number was {before:.6g}" if math.isfinite(before) else ""
        return self._alert("nan", point.at, f"{point.key} is {name} at step {point.step:g}{last}", "", point.step)

    def _divergence(self, point: Point, curve: Curve) -> list[Alert]:
        """A loss that stays far above the lowest level that it had held, or grows beyond every measure."""
        if len(curve.recent) < curve.recent.maxlen:  # type: ignore[operator]  # it has a length
            return []
        spread = math.sqrt(sum(bucket[2] for bucket in curve.buckets) / max(1, curve.finite - len(curve.buckets)))
        limit = curve.lowest + (self.config.explosion - 1) * max(abs(curve.lowest), 1e-9) + 6 * spread
        curve.high = curve.high + 1 if min(point.value, statistics.median(curve.recent)) > limit else 0
        if curve.high < self.config.patience or curve.finite < 20:
            return []
        text = f"{point.key} rose to {point.value:.6g} at step {point.step:g}; it had been down to {curve.lowest:.6g}"
        return self._alert("divergence", point.at, text, point.key, point.step)

    def _plateau(self, point: Point, curve: Curve) -> list[Alert]:
        """The last half of the curve is as flat as its noise, after the first half was not."""
        if curve.finite < self.config.plateau_points or len(curve.buckets) < 16 or curve.finite % 16:
            return []
        whole = [bucket for bucket in curve.buckets if bucket[0] == curve.width]
        half = len(whole) // 2
        early, late = [b[1] for b in whole[:half]], [b[1] for b in whole[half:]]
        if not flat(late) or flat(early):
            return []
        text = (
            f"{point.key} has not moved from {statistics.fmean(late):.6g} since about half of its {curve.count} values"
        )
        return self._alert("plateau", point.at, text, point.key, point.step)

    # --- output ---

    def _lines(self, text: str, at: float) -> list[Alert]:
        self._alive(at)
        found: list[Alert] = []
        for line in plain(text):
            self._tail.append(line)
            self._follow(line)
            if not self._saw_memory and _MEMORY.search(line):
                self._saw_memory = line
                found += self._alert("memory", at, f"out of memory: {line.strip()}")
            if not self._saw_disk and _DISK.search(line):
                self._saw_disk = line
                found += self._alert("disk", at, f"the disk is full: {line.strip()}")
        return found

    def _follow(self, line: str) -> None:
        """Holds the last traceback; whether it was a crash, the end tells."""
        bare = _PREFIX.sub("", line)
        if bare.startswith(_TRACEBACK):
            self._traceback, self._open = [bare], True
        elif self._open:
            self._traceback.append(bare)
            if len(self._traceback) > 120:
                del self._traceback[1:21]  # the innermost frames are the ones that tell
            self._open = bare.startswith((" ", "\t")) or not bare
        elif _FATAL.search(bare):
            self._traceback = [bare]

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
            return found + self._end(tick)
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
        if self._saw_memory and "memory" in self._told:
            return []
        how = f"signal {tick.signal}" if tick.signal else f"exit code {tick.exit_code}"
        return self._alert("crash", tick.at, f"it ended with {how}: {card_of(self._traceback, self._tail)}")

    # --- for a message ---

    @property
    def last_lines(self) -> list[str]:
        """The last lines of the output, as many as the configuration says."""
        lines = [line for line in self._tail if line.strip()]
        return lines[-self.config.lines :] if self.config.lines else []

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


def flat(means: list[float]) -> bool:
    """Whether means of stretches in a row show no trend that their own scatter does not explain."""
    n = len(means)
    if n < 8:
        return False
    middle, centre = (n - 1) / 2, statistics.fmean(means)
    square = sum((at - middle) ** 2 for at in range(n))
    slope = sum((at - middle) * (mean - centre) for at, mean in enumerate(means)) / square
    left = [mean - centre - slope * (at - middle) for at, mean in enumerate(means)]
    error = math.sqrt(sum(value * value for value in left) / (n - 2) / square)
    moved = abs(slope) * n
    return abs(slope) <= 2 * error and moved < 0.02 * max(abs(centre), 1e-12)


# --- after the end -----------------------------------------------------------------------------------------


class PostMortem(msgspec.Struct, frozen=True, kw_only=True):
    """What a log tells of a crash: the error's last line, its frames (innermost last), what kind it was.

    `kind`: memory, disk, crash, or empty where the log shows none. `where`: the innermost frame of the user's own code.
    """

    kind: str = ""
    error: str = ""
    where: str = ""
    frames: tuple[str, ...] = ()
    traceback: tuple[str, ...] = ()
    last_lines: tuple[str, ...] = ()


def post_mortem(tail: str | bytes) -> PostMortem:
    """What the end of a log tells of how the run died."""
    text = tail.decode("utf-8", "replace") if isinstance(tail, bytes) else tail
    dog = Watchdog(Config(lines=12))
    dog.see(text)
    kind = "memory" if dog._saw_memory else "disk" if dog._saw_disk else "crash" if dog._traceback else ""
    frames = tuple(f"{found[1]}:{found[2]} in {found[3]}" for line in dog._traceback if (found := _FRAME.match(line)))
    own = [frame for frame in frames if not _LIBRARY.search(frame)]
    return PostMortem(
        kind=kind, error=_error(dog._traceback) or dog._saw_memory or dog._saw_disk, where=own[-1] if own else "",
        frames=frames[-8:], traceback=tuple(dog._traceback[-40:]), last_lines=tuple(dog.last_lines),
    )  # fmt: skip


def _error(traceback: list[str]) -> str:
    found = [line for line in traceback if _ERROR.match(line) and not line.startswith(_TRACEBACK)]
    return found[-1] if found else traceback[-1] if traceback else ""


def card_of(traceback: list[str], tail: Iterable[str]) -> str:
    """A traceback in one line: the error, and where in the user's own code; without one the last line of TAIL."""
    if not traceback:
        last = next((line.strip() for line in reversed(list(tail)) if line.strip()), "no output")
        return last[:300]
    frames = [f"{found[1]}:{found[2]}" for line in traceback if (found := _FRAME.match(line))]
    own = [frame for frame in frames if not _LIBRARY.search(frame)] or frames
    return f"{_error(traceback)[:300]}{f' ({own[-1]})' if own else ''}"


def plain(text: str) -> list[str]:
    """TEXT as lines without what a terminal would obey; of a line that was written over, the last version."""
    lines = _ESCAPE.sub("", text).replace("\r\n", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.rstrip("\r").rpartition("\r")[2][:_LINE] for line in lines]
