"""What configures a workspace, looked at before and after a command: the last layer, behind the gate and the sandbox.

Watched are the protected names at the top of each root: files, and folders with all that is in them; of `.git` what
names programs (config, hooks, attributes), of `.mlwb` all but the runs; and the agent's definition. A file is read
again only where its state (size, times, inode) is another one.
"""

import contextlib
import difflib
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from workbench.permissions.git import names_program
from workbench.permissions.paths import protected_names
from workbench.permissions.words import names
from workbench.permissions.world import parse_git_config
from workbench.sandbox import small
from workbench.tools import beneath

_MOST = 5_000  # entries of one root
_KEPT = 64 << 10  # bytes of a file that are kept to show what changed
_READ = 16 << 20  # a larger file has changed when its state has
_SHOWN = 12  # lines of a change
_TICK = 0.05  # seconds by which a file's time may lie too early
_GIT = ("config", "config.worktree", "commondir", "hooks", "info/attributes", "info/grafts")
# Protected, but written by programs at work all the time: the sandbox and the gate keep these, not the watch.
_BUSY = names(
    ".idea .fleet .config .local .cargo .gradle .yarn .ipython .jupyter .docker .kube .bundle .vim .nvim .emacs.d"
    " .direnv .aider .continue .hushlogin"
)


class Seen(msgspec.Struct, frozen=True):
    """An entry as it was. `what` tells it from any other: a digest, a link's target; `text`: a small file's bytes."""

    kind: int
    what: bytes
    text: bytes | None = None


class Change(msgspec.Struct, frozen=True):
    """A watched path that is not as it was. kind: changed, removed, appeared. `moved` is where what appeared lies now.

    `shown` are lines that say what is different.
    """

    path: str
    kind: str
    moved: str = ""
    shown: tuple[str, ...] = ()


class Watch:
    """The watched paths of one session. ROOTS are its folders; what appears is moved to ASIDE. Its methods block."""

    def __init__(self, roots: tuple[Path, ...], aside: Path) -> None:
        self._roots = tuple(dict.fromkeys(os.path.realpath(root) for root in roots))
        self._aside = aside
        self._files: list[str] = []
        self._names = frozenset(protected_names()) - _BUSY
        self._signs: dict[str, tuple[tuple[int, ...], Seen]] = {}
        self._known: dict[str, Seen] | None = None
        self._cut = False  # there are more entries than are looked at
        self._looked = 0.0  # when the look began whose entries are known

    def also(self, path: str) -> None:
        """Watches the file at PATH too."""
        if path.startswith("/"):
            self._files.append(os.path.realpath(path))

    def look(self) -> None:
        """Takes everything as it is now for right."""
        self._looked, self._known = time.time(), self._now()

    def accept(self, path: str) -> None:
        """What an approved call wrote at PATH is right."""
        if self._known is not None:
            now = self._now()
            for one in (path, *map(str, Path(path).parents)):
                if one in now:
                    self._known[one] = now[one]

    def compare(self) -> list[Change]:
        """What is different since the last look, by path; what appeared is moved aside. A look for the next time."""
        before, looked, began, now = self._known, self._looked, time.time(), self._now()
        if before is None:
            self._looked, self._known = began, now
            return []
        changes = [
            change for path in sorted(before.keys() | now.keys()) if (change := _change(path, before, now)) is not None
        ]
        if self._cut:  # then others are seen than the last time, though they stood there
            changes = [change for change in changes if _true(change, looked)]
        appeared = {change.path for change in changes if change.kind == "appeared"}
        inner = {path for path in appeared if not appeared.isdisjoint(map(str, Path(path).parents))}
        changes = [self._moved(change) for change in changes if change.path not in inner]
        self._looked, self._known = time.time(), self._now()
        return changes

    def _moved(self, change: Change) -> Change:
        if change.kind != "appeared":
            return change
        try:
            return msgspec.structs.replace(change, moved=self._put_aside(change.path))
        except (OSError, shutil.Error) as error:
            return msgspec.structs.replace(change, shown=(f"it could not be moved aside: {error}",))

    def _put_aside(self, path: str) -> str:
        above, _, name = path.rpartition("/")
        self._aside.mkdir(mode=0o700, exist_ok=True)
        number = 1
        while os.path.lexists(target := self._aside / f"{number}-{name}"):
            number += 1
        with beneath.holding(above) as folder:
            try:
                os.rename(name, target, src_dir_fd=folder)
            except OSError:  # another file system
                shutil.move(path, target)
        return str(target)

    # --- looking ---

    def _now(self) -> dict[str, Seen]:
        found: dict[str, Seen] = {}
        for root in self._roots:
            with contextlib.suppress(OSError):
                for name in os.listdir(root):  # noqa: PTH208 - names only
                    if name.casefold() in self._names:
                        self._top(f"{root}/{name}", name.casefold(), found)
        for path in self._files:
            self._take(path, found)
        self._signs = {path: sign for path, sign in self._signs.items() if path in found}
        return found

    def _top(self, path: str, name: str, found: dict[str, Seen]) -> None:
        if name == ".git":
            self._take(path, found)
            for inner in _GIT:
                self._tree(f"{_git_folder(path)}/{inner}", found)
        else:
            self._tree(path, found, but=f"{path}/runs" if name == ".mlwb" else "")

    def _tree(self, path: str, found: dict[str, Seen], but: str = "") -> None:
        todo = [path]
        while todo and len(found) < _MOST * len(self._roots):
            here = todo.pop()
            seen = self._take(here, found)
            if seen is not None and stat.S_ISDIR(seen.kind):
                with contextlib.suppress(OSError):
                    inner = [f"{here}/{name}" for name in os.listdir(here)]  # noqa: PTH208 - names only
                    todo += [one for one in inner if one != but]
        self._cut |= bool(todo)

    def _take(self, path: str, found: dict[str, Seen]) -> Seen | None:
        try:
            state = os.lstat(path)
        except OSError:
            return None
        sign = (state.st_mode, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev)
        known = self._signs.get(path)
        seen = known[1] if known is not None and known[0] == sign else _seen(path, state)
        if not stat.S_ISDIR(state.st_mode):
            self._signs[path] = sign, seen
        found[path] = seen
        return seen


def _seen(path: str, state: os.stat_result) -> Seen:
    kind = stat.S_IFMT(state.st_mode) | state.st_mode & 0o111
    try:
        if stat.S_ISLNK(kind):
            return Seen(kind, os.fsencode(os.readlink(path)))  # noqa: PTH115
        if stat.S_ISREG(kind) and state.st_size <= _READ:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as file:
                data = file.read(_READ)
            return Seen(kind, hashlib.blake2b(data).digest(), data if len(data) <= _KEPT else None)
    except OSError as error:
        return Seen(kind, str(error).encode())
    if stat.S_ISDIR(kind):
        return Seen(stat.S_IFDIR, b"")
    return Seen(kind, f"{state.st_ino} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}".encode())


def _git_folder(path: str) -> str:
    """The folder of the repository whose `.git` is at PATH: that folder, or the one that the file names."""
    line = (small.text(Path(path)) or "").partition("\n")[0].strip()
    if line.startswith("gitdir: ") and "\0" not in line:
        return os.path.normpath(Path(path).parent / line[8:])
    return path


def _change(path: str, before: dict[str, Seen], now: dict[str, Seen]) -> Change | None:
    old, new = before.get(path), now.get(path)
    if old is None:
        return Change(path, "appeared")
    if new is None:
        return Change(path, "removed")
    if (old.kind, old.what) == (new.kind, new.what) or (path.endswith("/config") and _harmless(old, new)):
        return None
    return Change(path, "changed", shown=tuple(_difference(old, new)))


def _true(change: Change, looked: float) -> bool:
    """Whether CHANGE came about since LOOKED (Unix time), as the file system tells."""
    try:
        state = os.lstat(change.path)
    except OSError:
        return change.kind == "removed"
    return change.kind == "changed" or (change.kind == "appeared" and state.st_ctime >= looked - _TICK)


def _harmless(old: Seen, new: Seen) -> bool:
    """Whether two git configurations differ only in what names no program: `git push -u` writes there too."""
    if old.text is None or new.text is None or old.kind != new.kind:
        return False
    was, now = (parse_git_config(one.text.decode("utf-8", "replace")) for one in (old, new) if one.text is not None)
    return names_program({key: value for key, value in now.items() if was.get(key) != value}) is None


def _difference(old: Seen, new: Seen) -> Iterator[str]:
    if old.kind != new.kind:
        yield "it is of another kind, or may be run now"
    elif stat.S_ISLNK(old.kind):
        yield f"it leads to {os.fsdecode(new.what)}, and led to {os.fsdecode(old.what)}"
    if old.text is None or new.text is None:
        return
    was, now = (text.decode("utf-8", "replace").splitlines() for text in (old.text, new.text))
    lines = [line for line in difflib.unified_diff(was, now, lineterm="", n=0) if line[:3] not in ("---", "+++")]
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"… ({len(lines) - _SHOWN} more lines)"
