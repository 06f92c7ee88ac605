"""Which files were training, validation and test data of a run, and whether what should be apart overlaps.

Everything is bounded: files, bytes, lines. Only hashes of lines are compared, and no content is kept.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.changes import flat
from workbench.experiments.readers import opening
from workbench.experiments.types import Alert, Data

FILES = 200  # of a run at most
_FOLDERS = 500  # below one that is named
SMALL = 64 << 20  # bytes up to which a file's content is hashed
LINES = 2_000_000  # of a file that are compared
_HASHED = 2 << 30  # bytes of a run that are hashed in all
_TOTAL = 512 << 20  # bytes that are read for all comparisons of a run
_LONGEST = 1 << 20  # bytes of a line; what follows counts as another
_SHORTEST = 8  # characters of a line that is no accident
_FEW = 0.001  # share of shared lines below which they may be one
_DATA = frozenset(
    (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".parquet", ".arrow", ".feather", ".npy", ".npz", ".pt",
     ".pth", ".h5", ".hdf5", ".bin", ".tfrecord", ".pkl", ".pickle", ".gz", ".zst", ".zip", ".tar", ".lmdb", ".db",
     ".mds", ".idx", ".mat")
)  # fmt: skip
_TEXT = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".txt"})
_NO_DATA = re.compile(
    r"config|setting|vocab|tokenizer|merges|requirements|package|license|readme|"
    r"(?:^|[^a-z])(?:logs?|results?|metrics?|predictions?)(?:$|[^a-z])",
    re.IGNORECASE,
)
_ROLES = {
    "train": re.compile(r"(?:^|[^a-z])(?:train(?:ing)?|trn|fit)(?:$|[^a-z])"),
    "validation": re.compile(r"(?:^|[^a-z])(?:val(?:id(?:ation)?)?|dev|eval(?:uation)?)(?:$|[^a-z])"),
    "test": re.compile(r"(?:^|[^a-z])(?:test(?:ing)?|tst|hold_?out|held_?out)(?:$|[^a-z])"),
}
_INDEX = frozenset({"", "id", "idx", "index", "unnamed: 0", "row"})


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Two files of different roles that share something. kind: file, content, or lines (`shared` of `lines` of `b`)."""

    a: Data
    b: Data
    kind: str
    shared: int = 0
    lines: int = 0

    @property
    def text(self) -> str:
        """In words."""
        a, b = f"{self.a.role} data {self.a.path}", f"{self.b.role} data {self.b.path}"
        if self.kind == "file":
            return f"{self.a.path} is {self.a.role} and {self.b.role} data at once"
        if self.kind == "content":
            return f"{a} and {b} have the same content"
        share = 100 * self.shared / max(1, self.lines)
        return f"{self.shared:,} of {self.lines:,} lines of the {b} ({share:.3g} %) are in the {a}"


# --- which files -------------------------------------------------------------------------------------------


def seen(
    argv: Sequence[str],
    config: Mapping[str, Any],
    cwd: Path,
    opened: Iterable[Path] = (),
    roots: Sequence[Path] = (),
    digests: "Digests | None" = None,
) -> tuple[Data, ...]:
    """The data files that the command ARGV, its CONFIG or OPENED name; the role by the option, else by the name.

    A folder stands for the files below it. Files that are no data by their ending are left out, as are those that
    cannot be read, and, where ROOTS are given, those that really lie elsewhere: a confined command must not have files
    read for it. A file that is named for two roles is there twice. DIGESTS are those that are known from earlier.
    """
    digests = digests or Digests()
    found: dict[tuple[str, str], Data] = {}
    within = [root.resolve() for root in roots]
    for key, word in [*_words(argv), *_strings(config), *(("", str(path)) for path in opened)]:
        for path in _files(cwd, word):
            if within and not any(path.resolve().is_relative_to(root) for root in within):
                continue
            _take(found, path, role_of(key) or _role_of_path(path, cwd), cwd, digests)
            if len(found) >= FILES:
                return tuple(found.values())
    return tuple(found.values())


def _strings(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys of a configuration with each text that is their value or in it."""
    for key, value in flat(config).items():
        for word in value if isinstance(value, list | tuple) else (value,):
            if isinstance(word, str) and 0 < len(word) < 4096:
                yield key, word


def _take(found: dict[tuple[str, str], Data], path: Path, role: str, cwd: Path, digests: "Digests") -> None:
    """Adds PATH; without a role only where it has none yet, and a role replaces none."""
    name = str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
    if (name, role) in found or (not role and any((name, other) in found for other in _ROLES)):
        return
    with suppress(OSError):
        status = path.stat()
        found.pop((name, ""), None)
        digest = digests.of(path, status)
        found[name, role] = Data(path=name, role=role, size=status.st_size, mtime=status.st_mtime, digest=digest)


def _words(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each word of a command with the option that it belongs to; the program is none."""
    before = ""
    for word in argv[1:]:
        name, equals, value = word.partition("=")
        if equals and "/" not in name:
            yield name, value
        elif word.startswith("-"):
            before = word
            continue
        else:
            yield before, word
        if not before.endswith("s"):  # an option in the plural may have several
            before = ""


def _files(cwd: Path, word: str) -> Iterator[Path]:
    """The data files at WORD, or below it."""
    with suppress(OSError, ValueError):
        path = Path(os.path.normpath(cwd / word))
        if path.is_dir():
            if path == cwd or path in cwd.parents:
                return
            for parent, folders, names in islice(os.walk(path), _FOLDERS):
                folders[:] = sorted(name for name in folders if not name.startswith("."))[:100]
                yield from (Path(parent, name) for name in sorted(names)[:FILES] if _is_data(Path(parent, name)))
        elif _is_data(path) and path.is_file():
            yield path


def _is_data(path: Path) -> bool:
    suffix = path.suffix.lower()
    inner = Path(path.stem).suffix.lower()  # train.csv.gz
    return (suffix in _DATA or inner in _DATA) and not _NO_DATA.search(path.name)


def role_of(name: str) -> str:
    """train, validation or test, by the first such word in a name; empty where there is none, or several."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    roles = [role for role, pattern in _ROLES.items() if pattern.search(re.sub(r"\d", "", spaced))]
    return roles[0] if len(roles) == 1 else ""


def _role_of_path(path: Path, cwd: Path) -> str:
    """By the file's name, else by the nearest folder that says something."""
    parts = path.relative_to(cwd).parts if path.is_relative_to(cwd) else path.parts
    return next((role for part in reversed(parts) if (role := role_of(part))), "")


def opened(pids: Iterable[int]) -> list[Path]:
    """Data files that the processes PIDS hold open for reading now; none where that cannot be seen."""
    found: dict[Path, None] = {}
    for pid in pids:
        with suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fd")[:1024]:  # noqa: PTH208 - names only
                with suppress(OSError, ValueError):
                    path = Path(os.readlink(f"/proc/{pid}/fd/{number}"))  # noqa: PTH115
                    flags = re.search(r"^flags:\s*([0-7]+)", Path(f"/proc/{pid}/fdinfo/{number}").read_text(), re.M)
                    reading = flags is not None and int(flags[1], 8) & os.O_ACCMODE == os.O_RDONLY
                    if reading and _is_data(path) and path.is_file():
                        found[path] = None
    return list(found)


class Digests:
    """Hashes of files, each taken once as long as the file stays as it is; none of what is too large, or too much."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str] = {}
        self._left = _HASHED

    def of(self, path: Path, status: os.stat_result) -> str:
        """The hash of PATH, empty where it is not taken. Raises OSError."""
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key not in self._known:
            if status.st_size > min(SMALL, self._left):
                return ""
            self._left -= status.st_size
            with opening.file(path) as file:
                self._known[key] = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        return self._known[key]


# --- what overlaps -----------------------------------------------------------------------------------------


def overlaps(data: Sequence[Data], cwd: Path) -> list[Overlap]:
    """What files of different roles share: the file, the content, or lines of text. Bounded, and never raises."""
    told = [one for one in data if one.role]
    order = {role: at for at, role in enumerate(_ROLES)}
    pairs = [(one, other) for at, one in enumerate(told) for other in told[at + 1 :] if one.role != other.role]
    found, left = [], [_TOTAL]
    held: dict[str, frozenset[bytes]] = {}
    for one, other in pairs:
        a, b = sorted((one, other), key=lambda data: order[data.role])
        if _same_file(cwd / a.path, cwd / b.path):
            found.append(Overlap(a=a, b=b, kind="file"))
        elif a.digest and a.digest == b.digest and a.size:
            found.append(Overlap(a=a, b=b, kind="content"))
        elif (overlap := _lines_shared(a, b, cwd, held, left)) is not None:
            found.append(overlap)
    return found


def _same_file(one: Path, other: Path) -> bool:
    with suppress(OSError):
        return one.samefile(other)
    return one == other


def _lines_shared(a: Data, b: Data, cwd: Path, held: dict[str, frozenset[bytes]], left: list[int]) -> Overlap | None:
    if Path(a.path).suffix.lower() not in _TEXT or Path(b.path).suffix.lower() not in _TEXT:
        return None
    sets = [_lines(cwd / one.path, held, left) for one in (a, b)]
    shared = len(sets[0] & sets[1])
    if not shared or shared < _FEW * min(len(sets[0]), len(sets[1])):
        return None
    return Overlap(a=a, b=b, kind="lines", shared=shared, lines=len(sets[1]))


def _lines(path: Path, held: dict[str, frozenset[bytes]], left: list[int]) -> frozenset[bytes]:
    """Hashes of the distinct lines of PATH, without a table's head and its column of row numbers."""
    if str(path) not in held:
        found: set[bytes] = set()
        with suppress(OSError), opening.file(path) as file:
            cut: bytes | None = None
            for at, raw in enumerate(iter(lambda: file.readline(_LONGEST), b"")):
                line = raw.strip()
                left[0] -= len(raw)
                if at >= LINES or left[0] < 0:
                    break
                if at == 0 and path.suffix.lower() in (".csv", ".tsv"):
                    cut = _index(line)
                    continue
                if cut is not None:
                    line = line.partition(cut)[2]
                if len(line) >= _SHORTEST:
                    found.add(hashlib.blake2b(line, digest_size=8).digest())
        held[str(path)] = frozenset(found)
    return held[str(path)]


def _index(head: bytes) -> bytes | None:
    """What ends the first column, where its name says that it only numbers the rows."""
    comma = b"\t" if b"\t" in head else b","
    name = head.partition(comma)[0].decode("utf-8", "replace").strip("\ufeff\"' ").lower()
    return comma if name in _INDEX else None


def alerts(found: Iterable[Overlap], at: float) -> tuple[Alert, ...]:
    """Overlaps as alerts of a run."""
    return tuple(Alert(kind="overlap", at=at, text=overlap.text) for overlap in found)


class Inputs:
    """The data of one run as it comes to light: what runs ARGV in CWD; for ROOTS see `seen`. Nothing here raises."""

    def __init__(self, argv: Sequence[str], cwd: Path, roots: Sequence[Path] = ()) -> None:
        self._argv, self._cwd, self._roots = tuple(argv), cwd, tuple(roots)
        self._opened: dict[Path, None] = {}
        self._known: tuple[object, ...] = ()
        self._told: set[str] = set()
        self._digests = Digests()
        self.files: tuple[Data, ...] = ()

    def look(self, config: Mapping[str, Any], pids: Iterable[int], now: float) -> list[Alert]:
        """Takes in what CONFIG names and what PIDS hold open now; alerts of overlaps that are new.

        `files` is then what is known. Files are hashed only when something comes to light that was not known.
        """
        self._opened |= dict.fromkeys(opened(pids))
        known = (tuple(self._opened), repr(config))
        if known == self._known:
            return []
        self._known = known
        before, self.files = self.files, seen(self._argv, config, self._cwd, self._opened, self._roots, self._digests)
        if self.files == before:
            return []
        fresh = [one for one in overlaps(self.files, self._cwd) if one.text not in self._told]
        self._told |= {one.text for one in fresh}
        return list(alerts(fresh, now))
