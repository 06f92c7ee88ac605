"""What the end of a run's output tells: out of memory, a full disk, a traceback and where in it the user's code is."""

import re
from collections import deque
from collections.abc import Iterator

import msgspec

from workbench.experiments.types import Crash, Moment

_LINE = 400  # characters of a line that are kept
_TAIL = 200  # lines
_REST = 8192  # characters of a line that has not ended
_LONG_AGO = 60  # lines after which a traceback was survived
_TRACEBACK_LINES = 120
_MEMORY = re.compile(
    r"\b[Oo]ut of memory|OUT OF MEMORY|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED|"
    r"RESOURCE_EXHAUSTED: (?:Out of|Failed to alloc)|"
    r"^(?:numpy\S*)?MemoryError\b|Cannot allocate memory|std::bad_alloc|oom-kill|DefaultCPUAllocator: can.t alloc"
)
_DISK = re.compile(r"No space left on device|Disk quota exceeded|\bENOSPC\b|\bEDQUOT\b")
_TRACEBACK = "Traceback (most recent call last):"
_PREFIX = re.compile(r"^(?:\[[\w.:-]+\]:?\s?)+")  # of torchrun's --tee and of ranks
_FATAL = re.compile(r"Segmentation fault|Fatal Python error|terminate called after|\(core dumped\)|^Bus error|^Killed$")
_FRAME = re.compile(r'^\s+File "([^"]+)", line (\d+), in (.+)$')
# One of these is in whatever the patterns above find.
_TELLING = (
    ("Traceback", "emory", "EMORY", "Memory", "ALLOC", "bad_alloc", "EXHAUSTED", "oom-kill", "CPUAllocator",
     "space left", "quota", "ENOSPC", "EDQUOT", "Segmentation", "Fatal Python", "terminate called", "core dumped",
     "Bus error", "Killed")
)  # fmt: skip
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")
_LIBRARY = re.compile(r"site-packages|dist-packages|/lib/python\d|<frozen ")


class Log:
    """Output as it comes: its last lines, its last traceback, the lines that name a full memory or disk."""

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.traceback: list[str] = []
        self.memory = self.disk = ""  # the first line that says so
        self._open = False
        self._since = 0
        self._rest = ""

    def add(self, text: str) -> None:
        """More of it; a line that has not ended waits for its rest, or for `flush`."""
        whole, newline, rest = text.rpartition("\n")
        if newline:
            text, self._rest = self._rest + whole + newline, rest
        else:
            text, self._rest = "", self._rest + rest
        if len(self._rest) > _REST:  # a bar that is drawn over and over has no end
            self._rest = self._rest[-_REST // 2 :]
        if text:
            self._take(text)

    def flush(self) -> None:
        """The output has ended: what waits is a line."""
        if self._rest:
            text, self._rest = f"{self._rest}\n", ""
            self._take(text)

    def _take(self, text: str) -> None:
        if not self._open and not any(word in text for word in _TELLING):
            self._pass_over(text)
            return
        for line in plain(text):
            bare = _PREFIX.sub("", line)
            self.tail.append(line)
            self._follow(bare)
            if not self.memory and _MEMORY.search(bare):
                self.memory = bare.strip()
            if not self.disk and _DISK.search(bare):
                self.disk = bare.strip()

    def _pass_over(self, text: str) -> None:
        """TEXT without a word that tells: of a million lines of progress only the last are looked at."""
        self.tail.extend(plain("\n".join(text.split("\n")[-_TAIL - 1 :])))
        if self.traceback:
            self._since += text.count("\n")
            if self._since > _LONG_AGO:
                self.traceback = []

    def _follow(self, line: str) -> None:
        """Holds the last traceback, until so much follows that the program must have gone on."""
        if line.startswith(_TRACEBACK):
            self.traceback, self._open, self._since = [line], True, 0
        elif self._open:
            self.traceback.append(line)
            if len(self.traceback) > _TRACEBACK_LINES:
                del self.traceback[1:21]  # the innermost frames are the ones that tell
            self._open = line.startswith((" ", "\t")) or not line
        elif _FATAL.search(line):
            self.traceback, self._since = [line], 0
        elif self.traceback:
            self._since += 1
            if self._since > _LONG_AGO:
                self.traceback = []

    def last(self, count: int) -> list[str]:
        """The last COUNT lines that are not blank."""
        lines = [line for line in self.tail if line.strip()]
        return lines[-count:] if count else []

    @property
    def frames(self) -> list[tuple[str, str, str]]:
        """File, line and function of each frame of the traceback, the innermost last."""
        return [(found[1], found[2], found[3]) for line in self.traceback if (found := _FRAME.match(line))]

    @property
    def where(self) -> str:
        """The innermost frame that is the user's own code, not a library's, as `file:line`."""
        own = [frame for frame in self.frames if not _LIBRARY.search(frame[0])] or self.frames
        return f"{own[-1][0]}:{own[-1][1]}" if own else ""

    @property
    def error(self) -> str:
        """The line in which a traceback ends; empty without one."""
        said = [line for line in self.traceback[1:] if line.strip() and not line.startswith((" ", "\t"))]
        return (said or self.traceback or [""])[-1].strip()

    @property
    def short(self) -> str:
        """The error and where it was in one line; without a traceback the last line."""
        if not self.traceback:
            return (self.last(1) or ["no output"])[0].strip()[:300]
        return f"{self.error[:300]}{f' ({self.where})' if self.where else ''}"


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
    log = Log()
    log.add(tail.decode("utf-8", "replace") if isinstance(tail, bytes) else tail)
    log.flush()
    kind = "memory" if log.memory else "disk" if log.disk else "crash" if log.traceback else ""
    return PostMortem(
        kind=kind, error=log.error or log.memory or log.disk, where=log.where,
        frames=tuple(f"{file}:{line} in {name}" for file, line, name in log.frames[-8:]),
        traceback=tuple(log.traceback[-40:]), last_lines=tuple(log.last(12)),
    )  # fmt: skip


def rows(crash: Crash) -> Iterator[tuple[str, str]]:
    """CRASH as a card of two columns: what the output shows, memory before it, Xid errors, who else was there."""
    error = f"{crash.error}{f' ({crash.where})' if crash.where else ''}"
    yield from ((("error", error),) if crash.error else ())
    yield from (("", line) for line in crash.traceback)
    if not crash.traceback:
        yield from (("" if at else "said", line) for at, line in enumerate(crash.last_lines))
    end = crash.memory[-1].at if crash.memory else 0.0
    for at, one in enumerate(crash.memory[-5:]):
        when = f"{end - one.at:.0f} s before" if end > one.at else "at the last look"
        yield "" if at else "memory", f"{_moment(one)}, {when}"
    yield from (("xid", words) for words in crash.xids)
    yield from (("on its card", words) for words in crash.holders)


def _moment(one: Moment) -> str:
    parts = [f"{one.used / 1e9:.2f} GB used"]
    if one.free is not None:
        parts.append(f"{one.free / 1e9:.2f} GB free")
    if one.on_cards is not None:
        parts.append(f"{one.on_cards / 1e9:.2f} GB taken on its cards")
    return ", ".join(parts)


def plain(text: str) -> list[str]:
    """TEXT as lines without what a terminal would obey; of a line that was written over, the last version."""
    lines = _ESCAPE.sub("", text).replace("\r\n", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.rstrip("\r").rpartition("\r")[2][:_LINE] for line in lines]
