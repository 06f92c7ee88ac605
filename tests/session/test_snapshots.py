"""Snapshots: all that git does not ignore comes back byte for byte, and the user's repository notices nothing."""

import asyncio
import contextlib
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.protocol.result import FileChange
from workbench.session import snapshots as module
from workbench.session.blobs import Blobs
from workbench.session.changes import NOTED_LIMIT, Changes
from workbench.session.journal import take_lock
from workbench.session.snapshots import Snapshots
from workbench.session.snapshots_held import SnapshotError, change_of

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
        return [(change.path, change.change) for change in self.told(self.restored)]

    def told(self, difference: module.Difference) -> list[FileChange]:
        return [change_of(one, self.snapshots.shown(one.path)) for one in difference.deltas]

    def preview(self, snapshot: str) -> list[tuple[str, str, int | None, int | None]]:
        found = asyncio.run(self.snapshots.preview(snapshot))
        return [(change.path, change.change, change.added, change.removed) for change in self.told(found)]

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


ODD = ["a b", "line\nfeed", 'tab\tquote"', "back\\slash", "ümläut", "-dash", "*star?[x]", ":(top)x", "git~1"]


def test_any_name_comes_back(bench):
    for name in ODD:
        bench.write(name, f"{name} one\n")
        bench.write(f"in {name}/file", "one\n")
    raw = os.fsencode(bench.workspace) + b"/\xff\xfe.txt"
    Path(os.fsdecode(raw)).write_bytes(b"raw\n")
    bench.write("-x/y", "1")
    before = bench.files()
    bench.begin()
    one = bench.take()
    for path in list(bench.files()):
        (bench.workspace / path).unlink()
    assert len(bench.restore(one)) == len(before)
    assert bench.files() == before


def test_kinds_that_changed_places(bench):
    bench.write("file", "f\n")
    bench.write("folder/inside/deep.txt", "d\n")
    bench.write("empty", "")
    bench.repository()
    bench.begin()
    before, one = bench.files(), bench.take()
    (bench.workspace / "file").unlink()
    bench.write("file/now/a/folder", "x\n")
    (bench.workspace / "folder/inside/deep.txt").unlink()
    (bench.workspace / "folder/inside").rmdir()
    (bench.workspace / "folder").rmdir()
    (bench.workspace / "folder").symlink_to("/etc")
    after, two = bench.files(), bench.take()
    bench.restore(one)
    assert bench.files() == before and not (bench.workspace / "folder").is_symlink()
    bench.restore(two)
    assert bench.files() == after


def test_nothing_is_written_through_a_link(bench, tmp_path):
    bench.write("data/x.txt", "mine\n")
    bench.write(".gitignore", "data\n!data/\n")
    bench.begin()
    one = bench.take()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.txt").write_text("theirs\n")
    (bench.workspace / "data/x.txt").unlink()
    (bench.workspace / "data").rmdir()
    # Ignored as a link, so no snapshot knows it, and nothing removes it.
    bench.write(".gitignore", "data\n")
    (bench.workspace / "data").symlink_to(outside)
    bench.restore(one)
    assert (outside / "x.txt").read_text() == "theirs\n"
    assert any("data/x.txt could not be put back" in note for note in bench.restored.notes)


def test_permissions_come_back(bench):
    bench.write("key", "secret\n").chmod(0o600)
    bench.write("tool", "#!\n").chmod(0o750)
    bench.begin()
    before, one = bench.files(), bench.take()
    (bench.workspace / "key").unlink()
    (bench.workspace / "tool").unlink()
    bench.reopen()
    bench.restore(one)
    assert bench.files() == before
    (bench.workspace / "tool").chmod(0o640)
    bench.restore(one)
    assert bench.files() == before


def test_large_files_are_left_out_and_told_and_never_removed(bench):
    bench.limit = 1000
    bench.write("weights.bin", b"w" * 2000)
    bench.write("old.bin", b"w" * 2000)
    bench.write("grows.log", "small\n")
    bench.begin()
    one = bench.take()
    assert any("old.bin" in note and "too large for snapshots" in note for note in bench.snapshots.notes)
    bench.write("grows.log", "l" * 3000)
    bench.write("checkpoint.pt", b"c" * 5000)
    bench.write("weights.bin", b"v" * 2000)
    (bench.workspace / "old.bin").unlink()
    bench.write("code.py", "new\n")
    assert bench.restore(one) == [("code.py", "deleted")]
    assert sorted(bench.files()) == ["checkpoint.pt", "grows.log", "weights.bin"]
    told = " ".join(bench.restored.notes)
    assert "checkpoint.pt (0.0 MB) came" in told and "weights.bin (0.0 MB) changed" in told
    assert "old.bin (0.0 MB) is gone" in told and "grows.log" in told


def test_a_file_that_was_too_large_then_is_not_taken_for_a_new_one(bench):
    bench.limit = 1000
    bench.write("train.log", "l" * 2000)
    bench.write("locked", "x").chmod(0o000)
    bench.begin()
    one = bench.take()
    bench.write("train.log", "l" * 20)
    (bench.workspace / "locked").chmod(0o644)
    assert bench.restore(one) == [] and bench.preview(one) == []
    assert (bench.workspace / "train.log").stat().st_size == 20
    assert "train.log was 0.0 MB then" in " ".join(bench.restored.notes)


def test_what_was_ignored_then_is_not_taken_for_new(bench):
    bench.write(".gitignore", "data/\n")
    bench.write("data/set.csv", "long there\n")
    bench.write("code.py", "x\n")
    bench.begin()
    one = bench.take()
    bench.write(".gitignore", "")
    bench.write("new.py", "x\n")
    assert bench.restore(one) == [(".gitignore", "modified"), ("new.py", "deleted")]
    assert (bench.workspace / "data/set.csv").read_text() == "long there\n"
    assert "1 file(s) stay" in " ".join(bench.restored.notes)


def test_what_the_repository_has_is_not_copied(bench):
    for number in range(50):
        bench.write(f"f{number}", os.urandom(5_000))
    bench.repository()
    bench.begin()
    one = bench.take()
    assert module.usage(bench.folder) < 30_000
    bench.write("f1", "x")
    bench.restore(one)
    assert (bench.workspace / "f1").stat().st_size == 5_000
    # Contents that git's garbage collection took are told, and then nothing is changed.
    bench.write("f2", "y")
    shutil.rmtree(bench.workspace / ".git")
    with pytest.raises(SnapshotError, match="gone"):
        bench.restore(one)
    assert (bench.workspace / "f2").read_text() == "y"


def test_a_full_store_takes_small_files_on(bench):
    bench.total = 1_000_000
    bench.limit = 600_000
    for number in range(4):
        bench.write(f"data{number}.bin", os.urandom(500_000))
    bench.write("code.py", "x\n")
    bench.begin()
    one = bench.take()
    assert any("data" in note for note in bench.snapshots.notes)
    bench.write("code.py", "y\n")
    bench.restore(one)
    assert (bench.workspace / "code.py").read_text() == "x\n"
    assert module.usage(bench.folder) < 1_500_000


def test_repositories_inside_come_back_too(bench):
    bench.write("top.py", "t\n")
    bench.write("vendor/lib/a.py", "a\n")
    bench.repository("vendor/lib")
    bench.repository()
    bench.begin()
    before, one = bench.files(), bench.take()
    inner = user_side(bench.workspace / "vendor/lib")
    bench.write("vendor/lib/a.py", "changed\n")
    bench.write("vendor/lib/b.py", "new\n")
    bench.write("another/x.py", "x\n")
    bench.repository("another")
    two, after = bench.take(), bench.files()
    assert [row[:2] for row in bench.preview(one)] == [
        ("another/x.py", "created"),
        ("vendor/lib/a.py", "modified"),
        ("vendor/lib/b.py", "created"),
    ]
    bench.restore(one)
    assert bench.files() == before
    assert user_side(bench.workspace / "vendor/lib") == inner
    bench.restore(two)
    assert bench.files() == after


def test_a_folder_that_becomes_a_repository_is_no_change(bench):
    bench.write("sub/a.py", "a\n")
    bench.repository()
    bench.begin()
    one = bench.take()
    git(bench.workspace / "sub", "init", "-q")
    assert bench.preview(one) == []
    bench.write("sub/a.py", "b\n")
    assert bench.preview(one) == [("sub/a.py", "modified", 1, 1)]
    bench.restore(one)
    assert (bench.workspace / "sub/a.py").read_text() == "a\n"


def test_added_folders_are_covered(bench, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "data.csv").write_text("1,2\n")
    bench.write("train.py", "x\n")
    bench.roots = (other,)
    bench.begin()
    one = bench.take()
    (other / "data.csv").write_text("3,4\n")
    assert bench.restore(one) == [(str(other / "data.csv"), "modified")]
    assert (other / "data.csv").read_text() == "1,2\n"


def test_nothing_that_the_repository_configures_is_run(bench, tmp_path):
    bench.write("train.py", "x\n")
    bench.write(".gitattributes", "* filter=evil diff=evil\n")
    bench.repository()
    trap, touched = tmp_path / "trap", tmp_path / "touched"
    trap.write_text(f"#!/bin/sh\ntouch {touched}\ncat\n")
    trap.chmod(0o755)
    for key in ("filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "core.fsmonitor", "diff.external"):
        git(bench.workspace, "config", key, str(trap))
    git(bench.workspace, "config", "core.hooksPath", str(tmp_path))
    (tmp_path / "post-index-change").write_text(trap.read_text())
    (tmp_path / "post-index-change").chmod(0o755)
    bench.begin()
    one = bench.take()
    bench.write("train.py", "y\n")
    bench.restore(one)
    assert (bench.workspace / "train.py").read_text() == "x\n"
    assert not touched.exists()


def test_the_user_s_own_ignore_rules_hold(bench, tmp_path, monkeypatch):
    bench.write("a.py", "x\n")
    bench.write("private.txt", "p\n")
    bench.write("scratch.txt", "s\n")
    bench.write("kept.log", "tracked although a rule matches it\n")
    bench.write(".gitignore", "*.log\n")
    git(bench.workspace, "init", "-q")
    git(bench.workspace, "add", "-f", "kept.log", "a.py", ".gitignore")
    git(bench.workspace, "commit", "-qm", "one")
    (bench.workspace / ".git/info/exclude").write_text("private.txt\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/git").mkdir(parents=True)
    (tmp_path / "config/git/ignore").write_text("scratch.txt\n")
    bench.begin()
    one = bench.take()
    for name in ("private.txt", "scratch.txt", "kept.log", "other.log"):
        bench.write(name, "changed\n")
    assert [row[:2] for row in bench.preview(one)] == [("kept.log", "modified")]


def test_without_git_what_tools_wrote_comes_back(bench, monkeypatch, tmp_path):
    bench.write("train.py", "one\n")
    bench.write("other.py", "one\n")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    bench.begin()
    assert "no git" in bench.snapshots.notes[0]
    one = bench.take()
    bench.changes.note_before(bench.workspace / "train.py")
    bench.changes.note_before(bench.workspace / "new.py")
    bench.write("train.py", "two\n")
    bench.write("new.py", "new\n")
    bench.write("other.py", "a command's doing\n")
    two, after = bench.take(), bench.files()
    bench.write("train.py", "three\n")
    assert bench.preview(one) == [("new.py", "created", 1, 0), ("train.py", "modified", 1, 1)]
    bench.restore(one)
    assert (bench.workspace / "train.py").read_text() == "one\n" and not (bench.workspace / "new.py").exists()
    bench.reopen()
    bench.restore(two)
    assert bench.files() == after


def test_without_git_a_file_too_large_to_be_kept_stays_as_it_is(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    path = bench.write("data.csv", "a\n")
    bench.begin()
    small = bench.take()
    bench.changes.note_before(path)
    bench.write("data.csv", b"x" * (NOTED_LIMIT + 1))
    large = bench.take()
    assert bench.restore(small) == []
    assert path.stat().st_size == NOTED_LIMIT + 1, "no snapshot holds it: it could not come back"
    assert "data.csv (33.6 MB) came or grew since and stays as it is" in bench.restored.notes[0]
    bench.write("data.csv", "b\n")
    assert bench.restore(large) == []
    assert path.read_text() == "b\n", "it was there then, only larger"
    assert bench.restore(small) == [("data.csv", "modified")]
    assert path.read_text() == "a\n"


def test_old_and_large_snapshots_are_given_up(bench):
    bench.write("a.bin", os.urandom(9_000))
    bench.begin()
    one = bench.take()
    os.utime(bench.folder / "snapshots/1.msgpack", (1000.0, 1000.0))
    bench.write("a.bin", os.urandom(9_000))
    two = bench.take()
    before = module.usage(bench.folder)
    assert module.prune(bench.folder, before=2000.0) > 0
    assert module.usage(bench.folder) < before
    bench.reopen()
    bench.write("a.bin", "x")
    with pytest.raises(SnapshotError, match="not kept any more"):
        bench.restore(one)
    bench.restore(two)
    assert (bench.workspace / "a.bin").stat().st_size == 9_000
    assert module.prune_all(bench.folder.parent, time.time()) == 0
    assert module.prune_all(bench.folder.parent, time.time() + module.MAX_AGE_S + 60) > 0
    assert module.usage(bench.folder) == 0
    bench.reopen()
    assert bench.take().endswith("/1")


def aged(bench, *names):
    """Sessions like BENCH's, the first one's snapshots the oldest; their folders."""
    bench.write("a.bin", os.urandom(9_000))
    bench.begin()
    bench.take()
    made = []
    for number, name in enumerate(names):
        folder = bench.folder.parent / "sessions" / name
        shutil.copytree(bench.folder, folder)
        os.utime(folder / "snapshots/1.msgpack", (1000.0 + number, 1000.0 + number))
        made.append(folder)
    return made


def test_the_longest_unused_go_where_all_take_too_much_and_never_a_live_ones(bench):
    first, second, third, making = aged(bench, "s-1", "s-2", "s-3", ".fork-s-4")
    size = module.usage(first)
    room = int(2.5 * size)
    lock = take_lock(first)
    try:
        assert module.prune_all(first.parent, 2000.0, max_size=room) == size
        assert module.prune_all(first.parent, 2000.0, max_age_s=1.0, max_size=room) == size
    finally:
        os.close(lock)
    assert module.usage(first) and not module.usage(second) and not module.usage(third) and module.usage(making)


def test_old_snapshots_are_looked_for_once_a_day(bench):
    first, second = aged(bench, "s-1", "s-2")
    day = 86_400.0
    assert module.prune_daily(first.parent, 5000.0, day, 10**9) == 0
    assert module.prune_daily(first.parent, 5000.0 + day - 1, 1.0, 0) == 0 and module.usage(first)
    assert module.prune_daily(first.parent, 5000.0 + day + 1, 1.0, 0) > 0
    assert not module.usage(first) and not module.usage(second)


def test_a_git_that_was_killed_leaves_no_lock_behind(bench):
    bench.write("a.py", "x\n")
    bench.begin()
    one = bench.take()
    index = next((bench.folder / "snapshots").glob("index-*"))
    index.with_name(index.name + ".lock").touch()
    bench.reopen()
    bench.write("a.py", "y\n")
    bench.restore(one)
    assert (bench.workspace / "a.py").read_text() == "x\n"


KILLED = """
import asyncio, sys, time
from pathlib import Path
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.snapshots import Snapshots
folder, work = Path(sys.argv[1]), Path(sys.argv[2])
blobs = Blobs(folder / "blobs")
snapshots = Snapshots(folder, "s-aaaaaaaa", (work,), Changes.load(work, (), blobs, folder), blobs, time.time)
asyncio.run(snapshots.take("rewind", 1))
print("now", flush=True)
asyncio.run(snapshots.restore(sys.argv[3]))
print("done", flush=True)
"""


@pytest.mark.slow
def test_killed_in_the_midst_each_file_is_the_old_or_the_new_one(bench):
    old, new = b"old\n" * 5000, b"new\n" * 6000
    for number in range(200):
        bench.write(f"d{number % 7}/f{number}", old)
    bench.limit = module.FILE_LIMIT
    bench.begin()
    one = bench.take()
    for number in range(200):
        bench.write(f"d{number % 7}/f{number}", new)
    for delay in (0.0, 0.02, 0.04, 0.06, 0.08):
        command = [sys.executable, "-c", KILLED, str(bench.folder), str(bench.workspace), one]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout and process.stdout.readline() == b"now\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(delay)
            process.kill()
        files = {name: content for name, (_, content) in bench.files().items() if not name.startswith(".mlwb-restore")}
        assert len(files) == 200 and set(files.values()) <= {old, new}
    bench.reopen()
    bench.restore(one)
    assert {content for _, content in bench.files().values()} == {old} and len(bench.files()) == 200
