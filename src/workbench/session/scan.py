"""The files of a folder, as a repository's owner counts them: tracked and untracked ones, ignored ones left out.

By git where the folder is in a repository, else by a walk that honours `.gitignore`. Nothing of what the repository
configures is run, no file is read, nothing is written. Paths are bytes: names need not be text.
"""

# pathlib takes no bytes:
# ruff: noqa: PTH112, PTH114, PTH115, PTH116, PTH118, PTH120

import hashlib
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from workbench import programs

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MAX_FILES = 100_000
SKIPPED = (b".git", b".venv", b"node_modules", b"__pycache__")
_RUNS = b".mlwb/runs/"
_GIT_SECONDS = 60.0
# Optional locks, lazy fetches, hooks and the file watcher of the repository stay off (design: safety).
_HARDENED = (
    "--no-pager", "--no-optional-locks", "--literal-pathspecs", "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit", "-c", "protocol.allow=never",
)  # fmt: skip
# `git ls-files -z -s -co --debug`: for a tracked file mode, object, stage; then the path; then its cached stat.
_ENTRY = re.compile(
    rb"(?:(\d{6}) ([0-9a-f]{40,64}) (\d)\t)?([^\0]+)\0"
    rb"(?:  ctime: (\d+):(\d+)\n  mtime: (\d+):(\d+)\n  dev: \d+\tino: (\d+)\n"
    rb"  uid: \d+\tgid: \d+\n  size: (\d+)\tflags: [0-9a-f]+\n)?"
)


class Sign(NamedTuple):
    """What tells without reading whether a file changed. Writing moves ctime, which nobody can set back."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    mode: int


class Tracked(NamedTuple):
    """A file that git tracks. `clean`: its content is that object for certain."""

    repository: bytes
    oid: str
    clean: bool


class Scan:
    """Files found under some roots, by absolute path. `complete` is False past MAX_FILES."""

    def __init__(self) -> None:
        self.files: dict[bytes, Sign] = {}
        self.tracked: dict[bytes, Tracked] = {}
        self.complete = True

    def add(self, root: bytes) -> None:
        """Takes in the files under ROOT."""
        listed = _git_listing(root)
        # Nothing listed: a repository further up may ignore this folder, which is the workspace all the same.
        for path in self._listed(root, listed) if listed else _walk(root):
            if len(self.files) >= MAX_FILES:
                self.complete = False
                return
            if sign := sign_of(path):
                self.files[path] = sign

    def _listed(self, root: bytes, listing: bytes) -> Iterator[bytes]:
        racy = _index_time(root)
        real: dict[bytes, bool] = {}
        for found in _ENTRY.finditer(listing):
            mode, oid, stage, name, *cached = found.groups()
            if name.startswith(_RUNS) or b"/" + _RUNS in name:
                continue
            path = os.path.join(root, name.rstrip(b"/"))
            folder = os.path.dirname(path)
            if folder not in real:
                real[folder] = os.path.realpath(folder) == folder
            if not real[folder]:
                continue  # a link took the folder's place: git still lists what it tracks there
            if mode == b"160000" or name.endswith(b"/"):  # a submodule, or a repository inside this one
                if os.path.isdir(path) and not os.path.islink(path):
                    self.add(path)
                continue
            if oid and stage == b"0" and (sign := sign_of(path)):
                self.tracked[path] = Tracked(root, oid.decode(), _is_clean(sign, cached, racy))
            yield path


def names(root: bytes) -> Iterator[bytes]:
    """The files under ROOT, relative to it, without a look at any of them; those of repositories inside it as well."""
    skipped = [word for name in SKIPPED for word in ("-x", os.fsdecode(name))]
    listed = git(root, "ls-files", "-z", "-t", "-s", "-c", "-o", "-d", "--exclude-standard", *skipped)
    if not listed:
        yield from (path[len(root.rstrip(b"/")) + 1 :] for path in _walk(root))
        return
    found: dict[bytes, bytes] = {}  # name -> tag and mode
    for row in listed.split(b"\0")[:-1]:
        kind, _, name = (b"?", b"", row[2:]) if row[:1] == b"?" else row.partition(b"\t")
        # A tracked file is listed once more where it is gone (R), and listed though it was never there (S).
        if row[:1] in b"RS" or name.startswith(_RUNS):
            found.pop(name, None)
        elif kind[2:8] == b"160000" or name.endswith(b"/"):
            folder = name.rstrip(b"/")
            if os.path.isdir(os.path.join(root, folder)):
                yield from (folder + b"/" + more for more in names(os.path.join(root, folder)))
        else:
            found[name] = kind
    yield from found


def sign_of(path: bytes) -> Sign | None:
    """The sign of the file or link at PATH; None where there is none, or it is something else."""
    return sign_at(path)


def sign_at(path: bytes | str, folder: int | None = None) -> Sign | None:
    """The same; PATH may be a name in the folder held by FOLDER."""
    try:
        info = os.stat(path, dir_fd=folder, follow_symlinks=False)
    except (OSError, ValueError):
        return None
    if not (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode)):
        return None
    return Sign(info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, info.st_mode)


def content_of(path: bytes, most: int) -> bytes | None:
    """What the file at PATH holds, or where the link points; None where it cannot be read or exceeds MOST bytes."""
    try:
        if os.path.islink(path):
            return os.readlink(path)
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            info = os.fstat(fd)
            return file.read(most + 1)[:most] if stat.S_ISREG(info.st_mode) and info.st_size <= most else None
    except OSError:
        return None


def git_object(content: bytes, like: str) -> str:
    """The id that git gives to CONTENT, by the hash that made the id LIKE."""
    digest = hashlib.sha1 if len(like) == 40 else hashlib.sha256
    return digest(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def git(root: bytes, *args: str, stdin: bytes = b"") -> bytes | None:
    """What git prints for ARGS in ROOT; None where there is no git, no repository, or it fails."""
    done = run_git(root, *args, stdin=stdin)
    return done.stdout if done and done.returncode == 0 else None


def run_git(root: bytes, *args: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes] | None":
    """What came of git ARGS in ROOT; None where there is no git, or it takes too long."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    environment |= {"PATH": programs.path(), "GIT_ALLOW_PROTOCOL": "none"}  # what an older git knows
    try:
        return subprocess.run(
            [programs.git(), *_HARDENED, *args], cwd=root, env=environment, input=stdin, capture_output=True,
            timeout=_GIT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None


def _git_listing(root: bytes) -> bytes | None:
    skipped = [word for name in SKIPPED for word in ("-x", os.fsdecode(name))]
    return git(root, "ls-files", "-z", "-s", "-c", "-o", "--debug", "--exclude-standard", *skipped)


def _index_time(root: bytes) -> int:
    """When git wrote its index, in ns. A file as young as that may have changed in the same tick (git: racy)."""
    answer = git(root, "rev-parse", "--git-path", "index")
    try:
        return os.stat(os.path.join(root, (answer or b"").rstrip(b"\n"))).st_mtime_ns
    except OSError:
        return 0


def _is_clean(sign: Sign, cached: list[bytes | None], racy: int) -> bool:
    if cached[0] is None or sign.mtime_ns >= racy:
        return False
    ctime_s, ctime_ns, mtime_s, mtime_ns, inode, size = (int(number or 0) for number in cached)
    return (
        sign.mtime_ns == mtime_s * 10**9 + mtime_ns
        and sign.ctime_ns == ctime_s * 10**9 + ctime_ns
        and sign.inode & 0xFFFFFFFF == inode
        and sign.size & 0xFFFFFFFF == size
    )


# --- where there is no git ---------------------------------------------------------------------------------

_Rules = tuple[tuple[bytes, "GitIgnoreSpec"], ...]


def _walk(root: bytes) -> Iterator[bytes]:
    pending: list[tuple[bytes, _Rules]] = [(root, ())]
    while pending:
        folder, rules = pending.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        if any(entry.name == b".gitignore" for entry in entries):
            rules = _with_rules_of(folder, rules)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not _is_skipped(entry) and not (rules and _ignored(entry.path + b"/", rules)):
                    pending.append((entry.path, rules))
            elif not (rules and _ignored(entry.path, rules)):
                yield entry.path


def _is_skipped(entry: os.DirEntry[bytes]) -> bool:
    return entry.name in SKIPPED or entry.path.endswith(b"/.mlwb/runs")


def _with_rules_of(folder: bytes, rules: _Rules) -> _Rules:
    from pathspec import GitIgnoreSpec

    try:
        fd = os.open(os.path.join(folder, b".gitignore"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, encoding="utf-8", errors="surrogateescape") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):  # a pipe is not waited for
                return rules
            return ((folder, GitIgnoreSpec.from_lines(file.read(1 << 20).splitlines())), *rules)
    except (OSError, ValueError):  # a pattern that git would skip as well
        return rules


def _ignored(path: bytes, rules: _Rules) -> bool:
    """Whether the nearest `.gitignore` that has a word on PATH ignores it."""
    for folder, spec in rules:
        verdict = spec.check_file(os.fsdecode(path[len(folder) + 1 :])).include
        if verdict is not None:
            return verdict
    return False
