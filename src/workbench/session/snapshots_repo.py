"""A git repository of a session's own: where no setting of the user's repository, and of the user, counts.

No hook, watcher or filter runs in it and no line end is changed. It borrows objects from the user's repositories and
writes none there.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench import programs
from workbench.session.files import write_whole
from workbench.session.scan import git
from workbench.session.snapshots_held import SnapshotError

_SECONDS = 120.0
# Whatever `.gitattributes` say, contents are taken and given back byte for byte.
_ATTRIBUTES = b"* -text -ident -filter -working-tree-encoding !eol !diff\n"
_OPTIONS = (
    "--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
    "-c", "core.protectNTFS=false", "-c", "core.protectHFS=false", "-c", "gc.auto=0", "-c", "core.quotePath=false",
)  # fmt: skip


class Unit:
    """A folder with an index of its own: the workspace, an added folder, a repository inside one of them."""

    def __init__(self, root: bytes, top: bytes, repository: bool, excludes: tuple[str, ...], folder: Path) -> None:
        self.root, self.top, self.repository, self.excludes = root, top, repository, excludes
        name = hashlib.sha256(root).hexdigest()[:16]
        self.index = folder / f"index-{name}"
        self.tree: str | None = None  # of the index as it stands


class Repository:
    """The repository in FOLDER, made on first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "git"

    def open(self, like: bytes) -> None:
        """Makes it where it is not there yet, with the hash of the repository that LIKE is in. Raises SnapshotError."""
        if (self.path / "HEAD").exists():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        form = (git(like, "rev-parse", "--show-object-format") or b"sha1").decode().strip()
        made = self.folder / "git.new"
        shutil.rmtree(made, ignore_errors=True)
        self.run(None, "init", "-q", "--bare", "--template=", f"--object-format={form}", str(made))
        (made / "info").mkdir(exist_ok=True)
        (made / "info" / "attributes").write_bytes(_ATTRIBUTES)
        made.replace(self.path)

    def version(self) -> tuple[int, int]:
        """Of git."""
        found = re.search(rb"(\d+)\.(\d+)", self.run(None, "version"))
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def run(self, unit: Unit | None, *args: str, stdin: bytes = b"", fine: tuple[int, ...] = (0,)) -> bytes:
        """What git prints for ARGS, in UNIT's folder and with its index if one is given. Raises SnapshotError."""
        try:
            done = subprocess.run(
                [programs.git(), *_OPTIONS, *args], cwd=os.fsdecode(unit.root) if unit else self.folder,
                env=self._env(unit), input=stdin, capture_output=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SnapshotError(f"git {args[0]}: {error}") from None
        if done.returncode not in fine:
            raise SnapshotError(f"git {args[0]}: {done.stderr.decode('utf-8', 'replace').strip()[:500]}")
        return done.stdout

    def _env(self, unit: Unit | None) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env |= {
            "PATH": programs.path(),
            "GIT_DIR": str(self.path), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C",
        }  # fmt: skip
        if unit:
            env |= {"GIT_WORK_TREE": os.fsdecode(unit.top), "GIT_INDEX_FILE": str(unit.index)}
        return env

    def borrow(self, root: bytes, objects: bytes) -> None:
        """Lets this find the OBJECTS of the repository that ROOT is in, so that they are not copied."""
        form = git(root, "rev-parse", "--show-object-format") or b""
        if form.strip() != self.run(None, "rev-parse", "--show-object-format").strip() or b"\n" in objects:
            return
        path = self.path / "objects" / "info" / "alternates"
        known = path.read_bytes() if path.exists() else b""
        if objects not in known.split(b"\n"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, known + objects + b"\n")

    def read(self, oids: Iterable[str]) -> Iterator[bytes]:
        """The contents of OIDS, in their order. Raises SnapshotError where one is gone."""
        with subprocess.Popen(
            [programs.git(), *_OPTIONS, "cat-file", "--batch"], cwd=self.folder, env=self._env(None),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdin and process.stdout
            for oid in oids:
                process.stdin.write(oid.encode() + b"\n")
                process.stdin.flush()
                head = process.stdout.readline().split()
                if len(head) != 3 or head[1] != b"blob":
                    process.stdin.close()
                    raise SnapshotError(f"the content {oid[:12]} is gone: git's garbage collection took it")
                yield process.stdout.read(int(head[2]) + 1)[:-1]
            process.stdin.close()
