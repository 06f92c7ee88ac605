"""Which files belong to a run: those that its processes hold open for writing, and those that appeared beside it."""

import contextlib
import fnmatch
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from workbench.experiments.alone import alone
from workbench.experiments.ledger import RECORD
from workbench.experiments.readers import opening
from workbench.experiments.readers.kinds import KINDS

CLAIMS = "files"  # in a run's folder: the files that it took, a line each: since when, path
_LOCK = ".files.lock"
_IGNORED = frozenset(
    (".git", ".hg", ".svn", ".mlwb", ".venv", "venv", "env", ".env", "node_modules", "__pycache__", "site-packages",
     ".tox", ".nox", ".cache", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", ".dvc")
)  # fmt: skip
_ENTRIES, _DEPTH = 20_000, 9  # of one walk below one root
_FDS, _PROCESSES = 4096, 256  # looked at in one poll
_ENDINGS, _TAIL = 1000, 64  # files whose last bytes are held, to tell what goes on from what was written anew
_NAMED = 16  # folders that are told to a run
_TICK, _COARSE = 0.05, 2.0  # seconds by which a file's time may lie too early: the kernel's tick, whole seconds
_NAMES = re.compile("|".join(sorted({fnmatch.translate(glob) for kind in KINDS for glob in kind.globs})))
_FOLDERS = (
    "TENSORBOARD_LOGGING_DIR",
    "WANDB_DIR",
    "TRACKIO_DIR",
    "MLFLOW_TRACKING_URI",
    "DVCLIVE_DIR",
    "TUNE_RESULT_DIR",
)
_Told = tuple[Path, str]  # a place, and the home of the process that was told it
_BLANK = re.compile(r"[_=-]")
_OPTION = re.compile(r"(?:out|log|save|result|run|exp|track|work|checkpoint|ckpt|project|root)", re.IGNORECASE)


class Sources:
    """Finds the files of one run, whose own record lies in FOLDER.

    CWD and ROOTS are where files are looked for, STARTED when the run began, PIDS its processes now, ALIVE whether the
    run with a folder still goes on. What matched before the run began is known by its size then.
    """

    def __init__(
        self,
        folder: Path,
        cwd: Path,
        roots: tuple[Path, ...],
        started: float,
        pids: Callable[[], list[int]],
        alive: Callable[[Path], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder, self.started = folder, started
        self._clock, self._ahead = clock, clock() - time.monotonic()
        self._roots = tuple(dict.fromkeys((cwd, *roots)))
        self._named: dict[Path, None] = {}  # folders that the run's processes were told
        self._awaited: dict[_Told, None] = {}  # such as nobody has made yet
        self._asked: set[int] = set()
        self._past: set[Path] = set()  # folders of runs that had ended before this one began
        self._pids, self._alive = pids, alive
        self._next_walk = self._pause = 0.0
        # What lay there before the run, by its size and time then.
        self.before = {path: status for path, status in self._walk() if not self._since(status)}
        newest = sorted(self.before, key=lambda path: self.before[path].st_mtime_ns)[-_ENDINGS:]
        self._endings = {path: _ending(path, self.before[path].st_size) for path in newest}
        self._next_walk = 0.0

    def candidates(self, thorough: bool = False) -> dict[Path, bool]:
        """Files with a known name that the run writes or wrote, and whether more than their place and time says so.

        THOROUGH: walks now, even if it did a moment ago.
        """
        pids = self._pids()[:_PROCESSES]
        found = dict.fromkeys((held for pid in pids for held in written_by(pid)), True)
        self._ask(pids)
        if thorough or time.monotonic() >= self._next_walk:
            for path, status in self._walk():
                if self._written(path, status):
                    found.setdefault(path, not self._named.keys().isdisjoint(path.parents))
        return found

    def _written(self, path: Path, status: os.stat_result) -> bool:
        """Whether PATH was written since the run began."""
        if (old := self.before.get(path)) is not None:
            return (old.st_mtime_ns, old.st_size) != (status.st_mtime_ns, status.st_size)
        return self._since(status)

    def _since(self, status: os.stat_result) -> bool:
        coarse = status.st_mtime_ns % 1_000_000_000 == 0  # a file system that keeps no fractions
        return status.st_mtime >= self.since - (_COARSE if coarse else _TICK)

    @property
    def since(self) -> float:
        """When the run began, by the clock of now where that was set back meanwhile: files have its time."""
        return self.started + min(0.0, self._clock() - time.monotonic() - self._ahead)

    def offset(self, path: Path) -> int:
        """Bytes of PATH that were there before the run and still are; 0 of a file that was written anew."""
        old = self.before.get(path)
        if old is None:
            return 0
        with contextlib.suppress(OSError):
            now = path.stat()
            same = os.path.samestat(now, old)
            if same and (now.st_mtime_ns, now.st_size) == (old.st_mtime_ns, old.st_size):
                return old.st_size  # opened, and not written to yet
            if not (same and now.st_size > old.st_size) or (
                path in self._endings and _ending(path, old.st_size) != self._endings[path]
            ):
                return 0
        return old.st_size

    def _walk(self) -> list[tuple[Path, os.stat_result]]:
        begun = time.monotonic()
        found = [entry for root in (*self._roots, *self._elsewhere()) for entry in matching(root)]
        ended = time.monotonic()
        self._next_walk = ended + max(1.0, 20 * (ended - begun))  # never more than 5% of a core
        return found

    def _elsewhere(self) -> list[Path]:
        return [path for path in self._named if not any(path.is_relative_to(root) for root in self._roots)]

    def _ask(self, pids: list[int]) -> None:
        """Looks once at what each process was told: folders of its own, wherever they lie, once they are there."""
        for pid in pids:
            if pid not in self._asked and len(self._named) + len(self._awaited) < _NAMED:
                self._asked.add(pid)
                self._awaited |= dict.fromkeys(told_to(pid))
        for told in list(self._awaited):
            if (path := _made(told)) is None:
                continue
            del self._awaited[told]
            apart = not any(root.is_relative_to(path) for root in self._roots)
            if apart and path not in self._named and len(path.parts) > 2 and str(path) != told[1]:
                self._named[path] = None
                self._next_walk = 0.0

    def claim(self, path: Path, sure: bool = True) -> bool | None:
        """Takes PATH for this run, unless another one has it that is alive or took it since this one began.

        None: not yet, for only its place and time speak for this run (it is not SURE), and for others beside it too.
        """
        if self._of_another(path):
            return False
        if not sure and not self._ours(path):
            return None
        try:
            with alone(self.folder.parent / _LOCK):
                if self._of_another(path):
                    return False
                with (self.folder / CLAIMS).open("a", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(f"{time.time():.3f} {path}\n")
        except OSError:
            return True  # nowhere to write it down: a number too many is better than none
        return True

    def _of_another(self, path: Path) -> bool:
        """Whether a run has PATH that is alive, or took it since this one began."""
        for folder in self._others():
            since = _claimed(folder / CLAIMS).get(str(path))
            if since is not None and (since >= self.started or self._alive(folder)):
                return True
        return False

    def _others(self) -> list[Path]:
        """The folders of runs that were alive at some time since this one began; others are asked once only."""
        found = []
        for folder in self.folder.parent.glob("r-*"):
            if folder == self.folder or folder in self._past:
                continue
            if self._alive(folder) or (_record(folder).ended or 0.0) >= self.started:
                found.append(folder)
            elif _record(folder).ended is not None:
                self._past.add(folder)
        return found

    def _ours(self, path: Path) -> bool:
        """Whether no other run can have written PATH, or a word of this one's command alone is in its name."""
        rivals = [run for run in map(_record, self._others()) if _may_write(run, path, self._roots[0])]
        if not rivals:
            return True
        theirs = {word for run in rivals for word in _words(run.argv)}
        name = _BLANK.sub("", str(path.relative_to(self._roots[0]) if path.is_relative_to(self._roots[0]) else path))
        own = _words(_record(self.folder).argv) - theirs
        return any(re.search(rf"{re.escape(word)}(?![A-Za-z0-9])", name) for word in own)


class _Record(msgspec.Struct):
    """What tells of another run whether a file may be its own."""

    argv: tuple[str, ...] = ()
    cwd: str = "/"
    started: float | None = None
    ended: float | None = None


def _record(folder: Path) -> _Record:
    with contextlib.suppress(OSError, UnicodeDecodeError, msgspec.DecodeError):
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=_Record)
    return _Record()


def _may_write(run: _Record, path: Path, cwd: Path) -> bool:
    """Whether RUN can have written PATH last, by when and where both are; CWD is where the one that asks works."""
    with contextlib.suppress(OSError):
        written = path.stat().st_mtime
        if (run.ended or written) < written - _COARSE or (run.started or written) > written + _COARSE:
            return False
    return path.is_relative_to(run.cwd) or not path.is_relative_to(cwd)


def _words(argv: Iterable[str]) -> set[str]:
    """What in a command may name a folder: its words, and of a number the option as well (`seed` and 3 as `seed3`)."""
    found, before = set[str](), ""
    for word in argv:
        option, _, value = word.rpartition("=")
        named = (option or before).lstrip("-").rpartition(".")[2]
        for part in value.split("/"):
            numeric = not any(map(str.isalpha, part))
            token = _BLANK.sub("", f"{named}{part}" if numeric else part)
            if len(token) > 2 and (named or not numeric):
                found.add(token)
        before = word if word[:1] == "-" else ""
    return found


def matching(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Files below ROOT whose name a format has, breadth first, as far as the bounds allow; no links are followed."""
    level, left = [str(root)], _ENTRIES
    for _ in range(_DEPTH):
        deeper: list[str] = []
        for folder in level:
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return
                    with contextlib.suppress(OSError):
                        if entry.is_dir(follow_symlinks=False):
                            if entry.name not in _IGNORED:
                                deeper.append(entry.path)
                        elif _NAMES.match(entry.name) and stat.S_ISREG((status := entry.stat()).st_mode):
                            yield Path(entry.path), status
        level = deeper


def written_by(pid: int) -> Iterator[Path]:
    """Files with a known name that the process PID holds open for writing; none where that cannot be seen."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for number in os.listdir(folder)[:_FDS]:  # noqa: PTH208 - names only
            with contextlib.suppress(OSError, ValueError):
                target = os.readlink(f"{folder}/{number}")  # noqa: PTH115
                if target[:1] != "/" or not _NAMES.match(target.rpartition("/")[2]):
                    continue
                flags = re.search(r"^flags:\s*([0-7]+)", Path(f"/proc/{pid}/fdinfo/{number}").read_text(), re.M)
                writing = flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY
                # A confined process names it as it sees it: its /tmp is another one.
                if writing and os.path.samestat(os.stat(f"{folder}/{number}"), os.stat(target)):  # noqa: PTH116
                    yield Path(target)


def told_to(pid: int) -> Iterator[_Told]:
    """Places for logs and results that PID's environment and command name, there or not, each with PID's home."""
    try:
        cwd = Path(os.readlink(f"/proc/{pid}/cwd"))  # noqa: PTH115
        environ = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="surrogateescape").split("\0")
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    except OSError:
        return
    variables = dict(pair.partition("=")[::2] for pair in environ)
    for word in (*_places(variables), *_options(argv)):
        with contextlib.suppress(ValueError):
            yield Path(os.path.normpath(cwd / _local(word))), variables.get("HOME", "")


def _made(told: _Told) -> Path | None:
    """The folder to look into for a place that was TOLD; None where there is none yet."""
    with contextlib.suppress(OSError, ValueError):
        return next((path for path in (told[0], told[0].parent) if path.is_dir()), None)
    return None


def _places(variables: Mapping[str, str]) -> Iterator[str]:
    for name in _FOLDERS:
        if variables.get(name):
            yield variables[name]
    if "HF_HOME" in variables or "HOME" in variables:
        yield str(Path(variables.get("HF_HOME") or f"{variables['HOME']}/.cache/huggingface") / "trackio")


def _options(argv: Iterable[str]) -> Iterator[str]:
    """Values of options whose name speaks of output: `--output_dir X`, `--logdir=X`, `hydra.run.dir=X`."""
    before = ""
    for word in argv:
        name, equals, value = word.partition("=")
        if equals and _OPTION.search(name) and "/" in value:
            yield value
        elif before[:2] == "--" and "=" not in before and _OPTION.search(before) and "/" in word:
            yield word
        before = word


def _local(word: str) -> str:
    """A path or an address of a file as a path; ValueError for what lies elsewhere."""
    if "://" not in word and not word.startswith("file:"):
        return word
    parts = urlsplit(word)
    if parts.scheme == "sqlite":
        return unquote(parts.path[1:])
    if parts.scheme == "file":
        return unquote(parts.path)
    raise ValueError("not of this machine")


def _ending(path: Path, size: int) -> bytes:
    """The last of the first SIZE bytes of PATH; empty where it cannot be read."""
    with contextlib.suppress(OSError), opening.file(path) as file:
        return os.pread(file.fileno(), _TAIL, max(0, size - _TAIL))[: min(size, _TAIL)]
    return b""


def _claimed(path: Path) -> dict[str, float]:
    """The files that the claims at PATH name, and since when."""
    found: dict[str, float] = {}
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            since, _, name = line.partition(" ")
            with contextlib.suppress(ValueError):
                found[name] = float(since)
    return found
