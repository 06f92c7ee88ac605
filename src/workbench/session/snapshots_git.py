"""Snapshots in a git repository of the session's own: the user's index, refs, stash and objects stay as they are.

Files are listed against a private index, whose stat cache makes an unchanged tree cheap. Ignore rules hold as the
user's git applies them. Paths are bytes.
"""
# pathlib takes no bytes:
# ruff: noqa: PTH112, PTH113, PTH118, PTH119, PTH120

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench import programs
from workbench.session.scan import MAX_FILES, SKIPPED, git
from workbench.session.snapshots_held import (
    EXECUTABLE,
    LINK,
    PLAIN,
    Delta,
    Held,
    LeftOut,
    Side,
    SnapshotError,
    Tree,
)  # fmt: skip
from workbench.session.snapshots_repo import Repository, Unit

STAGE = ".mlwb-restore-"
_UNITS = 200
_TRIES = 3  # a file may change while git reads it
_BULK = 500  # so many new files at once go into one pack
_BULK_SINCE = (2, 38)  # git: earlier ones would write a pack for each
_SMALL = 256 << 10  # what is taken in even where the store is full
_EMPTY = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_RAW = re.compile(rb":(\d+) (\d+) ([0-9a-f]+) ([0-9a-f]+) [A-Z]\d*")


class _Taken:
    """What one look at the files found besides what it keeps."""

    def __init__(self) -> None:
        self.left_out: list[LeftOut] = []
        self.copied = 0  # files whose content no repository of the user's may have


class GitStore:
    """The store of one session in FOLDER. In bytes, LIMIT: of one file, TOTAL: of all that is copied."""

    def __init__(self, folder: Path, session: str, roots: tuple[Path, ...], limit: int, total: int) -> None:
        self.notes: list[str] = []
        self._folder, self._session, self._limit, self._total = folder, session, limit, total
        self._roots = tuple(os.fsencode(os.path.realpath(root)) for root in roots)
        self._repo = Repository(folder)
        self._units: dict[bytes, Unit] = {}
        self._modes: dict[bytes, int] = {}
        self._usual = _usual_mode()
        self._copied = 0  # bytes in the store, roughly
        self._bulk = False

    @staticmethod
    def possible() -> bool:
        """Whether there is a git to ask."""
        return programs.find("git") is not None

    def recall(self, held: Held) -> None:
        """Takes over what the last snapshot knew of permissions."""
        self._modes, self._usual = dict(held.modes), held.usual

    def _open(self) -> None:
        if self._units:
            return
        self._repo.open(self._roots[0])
        for lock in self._folder.rglob("*.lock"):  # of a git that was killed: nobody else works here
            lock.unlink(missing_ok=True)
        self._copied = usage(self._repo.path)
        self._bulk = self._repo.version() >= _BULK_SINCE
        for root in self._roots:
            if not any(root.startswith(unit.root.rstrip(b"/") + b"/") for unit in self._units.values()):
                self._unit(root)

    def _unit(self, root: bytes) -> Unit:
        known = self._units.get(root)
        if known is None or (not known.repository and os.path.lexists(os.path.join(root, b".git"))):
            if len(self._units) >= _UNITS:
                raise SnapshotError(f"the workspace holds more than {_UNITS} repositories: no snapshots are taken")
            self._units[root] = self._new_unit(root)
        return self._units[root]

    def _new_unit(self, root: bytes) -> Unit:
        answer = git(root, "rev-parse", "--show-toplevel", "--git-path", "objects", "--git-path", "info/exclude")
        lines = (answer or b"").split(b"\n")
        if answer is None or len(lines) != 4:  # no repository, or a name with a line feed in it
            return Unit(root, root, False, (), self._folder)
        top, objects, exclude = lines[0], *(os.path.join(root, line) for line in lines[1:3])
        self._repo.borrow(root, os.path.realpath(objects))
        globally = git(root, "config", "--path", "core.excludesFile") or b""
        ignored = globally.rstrip(b"\n") or os.fsencode(_default_excludes())
        files = tuple(os.fsdecode(path) for path in (ignored, exclude) if os.path.isfile(path))
        # A repository further up may ignore this folder, which is the workspace all the same.
        if top != root and git(root, "check-ignore", "-q", ".") is not None:
            top = root
        return Unit(root, top, True, files, self._folder)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    # --- the files as they are ---

    def now(self) -> Held:
        """The files as they are, in the store. Raises SnapshotError."""
        self._open()
        taken = _Taken()
        if self._copied > self._total:
            self._copied = usage(self._repo.path)
        trees: list[Tree] = []
        pending = [root for root in self._roots if root in self._units]
        while pending:
            unit = self._unit(pending.pop(0))
            if not os.path.isdir(unit.root):
                continue
            pending += self._sync(unit, taken)
            trees.append(Tree(unit.root, unit.top, unit.tree or ""))
        left = sorted(taken.left_out, key=lambda one: -one.size)
        if left:
            self._note(_left_out_words(left, self._limit))
        return Held(
            trees=tuple(trees),
            left_out=tuple(left),
            usual=self._usual,
            modes=dict(self._modes),
        )

    def _sync(self, unit: Unit, taken: "_Taken") -> list[bytes]:
        """Brings the unit's index and tree up to its files; returns the repositories inside it."""
        for attempt in range(_TRIES):
            before, copied = len(taken.left_out), taken.copied
            listing, nested = self._listing(unit)
            add, remove = self._sort(unit, listing, taken)
            try:
                if add:
                    bulk = self._bulk and taken.copied - copied > _BULK
                    more = ("-c", "core.bigFileThreshold=1", "-c", "core.compression=1") if bulk else ()
                    paths = b"\0".join([*add, b""])
                    put = ("update-index", "-z", "--add", "--remove", "--replace", "--stdin")
                    self._repo.run(unit, *more, *put, stdin=paths)
                if remove:
                    paths = b"\0".join([*remove, b""])
                    self._repo.run(unit, "update-index", "-z", "--force-remove", "--stdin", stdin=paths)
                if add or remove or unit.tree is None:
                    unit.tree = self._repo.run(unit, "write-tree").decode().strip()
                return nested
            except SnapshotError:
                unit.tree = None
                if attempt == _TRIES - 1:
                    raise
                if attempt == _TRIES - 2:  # objects that the index names may be gone with the user's repository
                    unit.index.unlink(missing_ok=True)
                del taken.left_out[before:]
        raise AssertionError("unreachable")

    def ignored(self) -> set[bytes]:
        """The held files that the ignore rules, as they are now, would leave out. Raises SnapshotError."""
        found: set[bytes] = set()
        for root, unit in self._units.items():
            output = (
                self._repo.run(unit, "ls-files", "-z", "-c", "-i", *self._rules(unit)) if os.path.isdir(root) else b""
            )
            found |= {os.path.join(root, name) for name in output.split(b"\0") if name}
        return found

    def _rules(self, unit: Unit) -> list[str]:
        skipped = [word for name in SKIPPED for word in ("-x", os.fsdecode(name))]
        files = [word for file in unit.excludes if os.path.isfile(file) for word in ("-X", file)]
        return ["--exclude-per-directory=.gitignore", *files, *skipped, "-x", f"{STAGE}*", "-x", "**/.mlwb/runs/"]

    def _listing(self, unit: Unit) -> tuple[dict[bytes, bytes], list[bytes]]:
        """What differs from the index, path -> git's tag (? other, C changed, R removed), and repositories inside."""
        output = self._repo.run(unit, "ls-files", "-z", "-t", "-m", "-d", "-o", *self._rules(unit))
        found = {row[2:]: row[:1] for row in output.split(b"\0") if row}
        if unit.repository and not unit.index.exists():
            # Tracked files that an ignore rule matches are not ignored.
            more = git(unit.root, "ls-files", "-z", "-c", "-i", "--exclude-standard") or b""
            found |= {path: b"?" for path in more.split(b"\0") if path}
        if len(found) > MAX_FILES:
            raise SnapshotError(f"{os.fsdecode(unit.root)} has more than {MAX_FILES:,} files that git does not ignore")
        inside = [name for name in found if name.endswith(b"/")]
        for name in inside:
            del found[name]
        return found, [os.path.join(unit.root, name[:-1]) for name in inside]

    def _sort(self, unit: Unit, found: dict[bytes, bytes], taken: "_Taken") -> tuple[list[bytes], list[bytes]]:
        """Which paths go into the index, and which out of it."""
        add, remove = [], []
        borrowed = self._tracked(unit) if found and not unit.index.exists() else frozenset()
        folders: dict[bytes, bool] = {}
        for name, tag in found.items():
            path = os.path.join(unit.root, name)
            if self._fits(path, name in borrowed, taken, folders):
                add.append(name)
            elif tag != b"?":
                remove.append(name)
        return add, remove

    def _fits(self, path: bytes, borrowed: bool, taken: "_Taken", folders: dict[bytes, bool]) -> bool:
        """Whether the file at PATH is to be kept. FOLDERS remembers which are what their path says."""
        folder = os.path.dirname(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder) == folder
        try:
            info = os.lstat(path)
        except OSError:
            return False
        # A link may have taken the folder's place: what lies behind it is not this file.
        if not folders[folder] or not (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode)):
            return False
        if stat.S_ISREG(info.st_mode) and (not os.access(path, os.R_OK) or not self._room(info.st_size, borrowed)):
            taken.left_out.append(LeftOut(path, info.st_size, info.st_mtime_ns))
            return False
        taken.copied += not borrowed
        self._remember_mode(path, info.st_mode)
        return True

    def _tracked(self, unit: Unit) -> frozenset[bytes]:
        """What the user's repository holds already, which costs no room here."""
        if not unit.repository:
            return frozenset()
        return frozenset((git(unit.root, "ls-files", "-z", "-c") or b"").split(b"\0"))

    def _room(self, size: int, borrowed: bool) -> bool:
        if size > self._limit or (not borrowed and size > _SMALL and self._copied + size > self._total):
            return False
        self._copied += 0 if borrowed else size
        return True

    def _remember_mode(self, path: bytes, mode: int) -> None:
        permissions = stat.S_IMODE(mode)
        executable = self._usual | (self._usual & 0o444) >> 2
        if stat.S_ISREG(mode) and permissions not in (self._usual, executable):
            self._modes[path] = permissions
        else:
            self._modes.pop(path, None)

    # --- snapshots ---

    def keep(self, number: int, held: Held) -> None:
        """Puts refs on the trees of HELD. Raises SnapshotError."""
        rows = [f"update refs/mlwb/{self._session}/{number}.{at} {tree.oid}\n" for at, tree in enumerate(held.trees)]
        self._repo.run(None, "update-ref", "--stdin", stdin="".join(rows).encode())

    def drop(self, numbers: Iterable[int]) -> None:
        """Takes the refs of NUMBERS away, then the objects that nothing names any more. Raises SnapshotError."""
        if not (self._repo.path / "HEAD").exists():
            return
        gone = {f"{number}" for number in numbers}
        refs = self._repo.run(None, "for-each-ref", "--format=%(refname)", "refs/mlwb").decode().split()
        doomed = [ref for ref in refs if ref.rpartition("/")[2].partition(".")[0] in gone]
        self._repo.run(None, "update-ref", "--stdin", stdin="".join(f"delete {ref}\n" for ref in doomed).encode())
        # An index names objects as well, and is soon made anew.
        for index in self._folder.glob("index-*"):
            index.unlink()
        self._units.clear()
        self._repo.run(None, "gc", "-q", "--prune=now")

    def read(self, oids: Iterable[str]) -> Iterator[bytes]:
        """The contents of OIDS, in their order. Raises SnapshotError where one is gone."""
        return self._repo.read(oids)

    def heads(self, held: Held) -> tuple[Held, list[str]]:
        """What the repositories of HELD have committed, and roots of HELD that are in none."""
        trees, without = [], []
        for tree in held.trees:
            answer = git(tree.root, "rev-parse", "-q", "--verify", "HEAD^{tree}")
            if answer is None and git(tree.root, "rev-parse", "--git-dir") is None:
                without.append(os.fsdecode(tree.root))
                continue
            oid = answer.decode().strip() if answer else _EMPTY[len(tree.oid)]
            trees.append(Tree(tree.root, tree.top, oid))
        return Held(trees=tuple(trees)), without

    def compare(self, old: Held, new: Held) -> list[Delta]:
        """The files that differ, by path. Raises SnapshotError."""
        self._open()
        olds, news = ({tree.root: tree for tree in held.trees} for held in (old, new))
        found: dict[bytes, Delta] = {}
        for root, tree in (olds | news).items():
            before, after = (side[root].oid if root in side else _EMPTY[len(tree.oid)] for side in (olds, news))
            for delta in self._differences(tree, before, after) if before != after else ():
                known = found.get(delta.path)
                # A file moves from one repository's tree to another's when a `.git` comes or goes.
                found[delta.path] = delta if known is None else _joined(known, delta)
        return [found[path] for path in sorted(found) if found[path].old != found[path].new]

    def _differences(self, tree: Tree, before: str, after: str) -> Iterator[Delta]:
        scope = [os.fsdecode(os.path.relpath(tree.root, tree.top))] if tree.root != tree.top else []
        try:
            output = self._repo.run(
                None, "diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv",
                "--full-index", before, after, "--", *scope,
            )  # fmt: skip
        except SnapshotError as error:
            raise SnapshotError(
                f"contents of that moment are gone with the repository that had them ({error})"
            ) from None
        parts = output.split(b"\0")
        sides: dict[bytes, tuple[Side | None, Side | None]] = {}
        at = 0
        while at + 1 < len(parts) and (head := _RAW.fullmatch(parts[at])):
            old, new = (_side(head[n], head[n + 2]) for n in (1, 2))
            if old or new:
                sides[parts[at + 1]] = old, new
            at += 2
        for row in parts[at:]:
            added, _, rest = row.partition(b"\t")
            removed, _, name = rest.partition(b"\t")
            if name in sides:
                old, new = sides[name]
                yield Delta(os.path.join(tree.top, name), old, new, _number(added), _number(removed))


def usage(folder: Path) -> int:
    """Bytes of all files below FOLDER."""
    total, pending = 0, [os.fspath(folder)]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _side(mode: bytes, oid: bytes) -> Side | None:
    """The file that git's raw line tells; None for none, and for another repository's commit."""
    number = int(mode, 8)
    return Side(number, oid.decode()) if number in (PLAIN, EXECUTABLE, LINK) else None


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() else None


def _joined(one: Delta, two: Delta) -> Delta:
    return Delta(one.path, one.old or two.old, one.new or two.new)


def _usual_mode() -> int:
    """The permissions that a new file gets."""
    try:
        status = Path("/proc/self/status").read_bytes()
        return 0o666 & ~int(status.partition(b"Umask:")[2].split(b"\n")[0], 8)
    except (OSError, ValueError):  # macOS; asking the system otherwise would change it for a moment
        return 0o644


def _default_excludes() -> str:
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    return os.path.join(base, "git", "ignore")


def _left_out_words(left: list[LeftOut], limit: int) -> str:
    names = ", ".join(os.path.basename(one.path).decode("utf-8", "backslashreplace") for one in left[:3])
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    size = sum(one.size for one in left) / 1e6
    return f"too large for snapshots, so a rewind leaves them as they are: {names}{more} ({size:,.0f} MB)"
