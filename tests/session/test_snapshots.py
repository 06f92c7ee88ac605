"""Snapshots: everything that git does not ignore comes back byte for byte, and the user's repository notices nothing."""

import asyncio
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from workbench.session import snapshots as module
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.snapshots import Snapshots
from workbench.session.snapshots_held import SnapshotError

GIT = ("git", "-c", "user.name=ada", "-c", "user.email=ada@localhost", "-c", "init.defaultBranch=main")


def git(folder: Path, *args: str) -> str:
    return subprocess.run([*GIT, *args], cwd=folder, check=True, capture_output=True, text=True).stdout


class Bench:
    """A workspace, a session's folder and its snapshots."""

    def __init__(self, tmp_path: Path) -> None:
        self.workspace, self.folder = tmp_path / "work", tmp_path / "session"
        self.workspace.mkdir()
        self.folder.mkdir()
        self.roots: tuple[Path, ...] = ()
        self.limit = 10_000
        self.total = module.MAX_BYTES

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def repository(self, folder: str = ".") -> None:
        git(self.workspace / folder, "init", "-q")
        git(self.workspace / folder, "add", "-A")
        git(self.workspace / folder, "commit", "-qm", "one")

    def begin(self) -> None:
        self.changes = Changes.begin(self.workspace, self.roots, Blobs(self.folder / "blobs"), self.folder)
        asyncio.run(self.changes.ready())
        self.reopen()

    def reopen(self) -> None:
        roots = (self.workspace, *self.roots)
        blobs = Blobs(self.folder / "blobs")
        self.snapshots = Snapshots(
            self.folder, "s-aaaaaaaa", roots, self.changes, blobs, time.time, self.limit, self.total
        )

    def take(self, reason: str = "prompt") -> str:
        return asyncio.run(self.snapshots.take(reason, 1)).snapshot

    def restore(self, snapshot: str) -> list[tuple[str, str]]:
        """As a rewind does it: a snapshot, then the restore."""
        self.take("rewind")
        self.restored = asyncio.run(self.snapshots.restore(snapshot))
        return [(change.path, change.change) for change in self.restored.files]

    def preview(self, snapshot: str) -> list[tuple[str, str, int | None, int | None]]:
        found = asyncio.run(self.snapshots.preview(snapshot))
        return [(change.path, change.change, change.added, change.removed) for change in found.files]

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Everything in the workspace but git's own."""
        found = {}
        for folder, folders, names in os.walk(os.fsencode(self.workspace)):
            folders[:] = [name for name in folders if name != b".git"]
            for name in names + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
                path = os.path.join(folder, name)
                mode = os.lstat(path).st_mode
                held = os.readlink(path) if stat.S_ISLNK(mode) else Path(os.fsdecode(path)).read_bytes()
                found[os.fsdecode(os.path.relpath(path, os.fsencode(self.workspace)))] = mode, held
        return found


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(params=["git", "plain", "inside a larger repository"])
def place(request, bench):
    """A small project: in a repository, in none, in a folder of one."""
    bench.write("train.py", "a = 1\nb = 2\nc = 3\n")
    bench.write("sub/model.py", "x\n")
    bench.write("old.txt", "gone\nsoon\n")
    bench.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    bench.write(".gitignore", "out/\n*.log\n")
    bench.write("out/junk", "junk\n")
    bench.write("crlf.txt", b"one\r\ntwo\r\n")
    bench.write(".gitattributes", "* text=auto\n*.txt text eol=lf\n*.bin filter=upper\n")
    bench.write("w.bin", bytes(range(256)))
    (bench.workspace / "link").symlink_to("train.py")
    if request.param == "git":
        bench.repository()
    elif request.param == "inside a larger repository":
        top = bench.workspace.parent
        git(top, "init", "-q")
        (top / ".gitignore").write_text("*.tmp\nsession\n/work/above/\n")
        git(top, "add", "-A")
        git(top, "commit", "-qm", "one")
        bench.write("x.tmp", "ignored from above")
        bench.write("above/x", "ignored from above")
    bench.write("dirty.txt", "as\nit\nwas\n")
    bench.begin()
    return bench


def user_side(workspace: Path) -> list[object]:
    """What a snapshot must not touch."""
    if subprocess.run(["git", "rev-parse"], cwd=workspace, capture_output=True).returncode:
        return []
    top = Path(git(workspace, "rev-parse", "--show-toplevel").strip())
    listing = sorted(str(path.relative_to(top)) for path in (top / ".git").rglob("*"))
    words = [("stash", "list"), ("reflog",), ("for-each-ref",), ("status", "--porcelain"), ("branch", "-a")]
    return [(top / ".git/index").read_bytes(), listing, *(git(top, *one) for one in words)]


def test_everything_comes_back_and_nothing_of_the_user_s_is_touched(place):
    before, mine = place.files(), user_side(place.workspace)
    one = place.take()
    place.write("train.py", "a = 1\nb = 20\nc = 3\nd = 4\n")
    place.write("new/notes.md", "one\ntwo\n")
    place.write("dirty.txt", "as\nit\nis\n")
    place.write("crlf.txt", b"one\ntwo\n")
    place.write("w.bin", bytes(reversed(range(256))))
    (place.workspace / "old.txt").unlink()
    (place.workspace / "sub/model.py").rename(place.workspace / "sub/net.py")
    (place.workspace / "run.sh").chmod(0o644)
    (place.workspace / "link").unlink()
    (place.workspace / "link").symlink_to("elsewhere")
    place.write("out/more", "ignored, so it stays\n")
    after = place.files()
    assert place.preview(one) == [
        ("crlf.txt", "modified", 2, 2),
        ("dirty.txt", "modified", 1, 1),
        ("link", "modified", 1, 1),
        ("new/notes.md", "created", 2, 0),
        ("old.txt", "deleted", 0, 2),
        ("run.sh", "modified", 0, 0),
        ("sub/model.py", "deleted", 0, 1),
        ("sub/net.py", "created", 1, 0),
        ("train.py", "modified", 2, 1),
        ("w.bin", "modified", None, None),
    ]
    two = place.take("rewind")
    told = place.restore(one)
    assert ("new/notes.md", "deleted") in told and ("old.txt", "created") in told and len(told) == 10
    assert place.files() == before | {"out/more": after["out/more"]}
    assert not (place.workspace / "new").exists()
    assert place.restored.notes == ()
    assert place.preview(one) == []
    place.restore(two)
    assert place.files() == after

    place.restore(one)
    assert user_side(place.workspace) == mine


def test_what_did_not_change_is_the_same_snapshot_also_after_a_resume(place):
    one = place.take()
    assert place.take("answer") == one
    place.reopen()
    assert place.take() == one
    place.write("train.py", "b\n")
    two = place.take()
    assert two != one
    place.write("train.py", "c\n")
    place.reopen()
    place.restore(one)
    assert (place.workspace / "train.py").read_text().startswith("a = 1")
