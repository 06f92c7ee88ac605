"""What changed on disk since the session began, whoever changed it."""

import asyncio
import os
import resource
import subprocess
import time
from pathlib import Path

import pytest

from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.diffs import count, lines_of, unified

GIT = ("git", "-c", "user.name=ada", "-c", "user.email=ada@localhost", "-c", "init.defaultBranch=main")


def git(folder: Path, *args: str) -> str:
    return subprocess.run([*GIT, *args], cwd=folder, check=True, capture_output=True, text=True).stdout


class Bench:
    """A workspace, a session's folder, and what changed between them."""

    def __init__(self, tmp_path: Path) -> None:
        self.workspace, self.folder = tmp_path / "work", tmp_path / "session"
        self.workspace.mkdir()
        self.folder.mkdir()
        self.roots: tuple[Path, ...] = ()
        self.changes: Changes

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def repository(self) -> None:
        git(self.workspace, "init", "-q")
        git(self.workspace, "add", "-A")
        git(self.workspace, "commit", "-qm", "one")

    def begin(self) -> None:
        self.changes = Changes.begin(self.workspace, self.roots, Blobs(self.folder / "blobs"), self.folder)
        asyncio.run(self.changes.ready())

    def resume(self) -> None:
        self.changes = Changes.load(self.workspace, self.roots, Blobs(self.folder / "blobs"), self.folder)

    def told(self) -> list[tuple[str, str, int | None, int | None]]:
        found = asyncio.run(self.changes.finish())
        return [(change.path, change.change, change.added, change.removed) for change in found]

    def diff(self, path: str) -> list[str]:
        return asyncio.run(self.changes.diff(path))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(params=["git", "plain", "git not installed"])
def place(request, bench, monkeypatch, tmp_path):
    """A small project: in a repository, in none, and in one where there is no git to ask."""
    bench.write("train.py", "a = 1\nb = 2\nc = 3\n")
    bench.write("sub/model.py", "x\n")
    bench.write("old.txt", "gone\nsoon\n")
    bench.write(".gitignore", "out/\n*.log\n!keep.log\n")
    bench.write("out/junk", "junk\n")
    if request.param != "plain":
        bench.repository()
    bench.write("dirty.txt", "as\nit\nwas\n")
    if request.param == "git not installed":
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    bench.begin()
    return bench


def test_nothing_changed(place):
    assert place.told() == []
    assert place.diff("train.py") == []


def test_created_modified_deleted(place):
    place.write("train.py", "a = 1\nb = 20\nc = 3\nd = 4\n")
    place.write("new/notes.md", "one\ntwo\n")
    place.write("dirty.txt", "as\nit\nis\n")
    (place.workspace / "old.txt").unlink()
    (place.workspace / "sub/model.py").rename(place.workspace / "sub/net.py")
    place.write("out/more", "not told: git ignores it\n")
    place.write("x.log", "neither\n")
    place.write("keep.log", "this is\n")
    expected = [
        ("dirty.txt", "modified", 1, 1),
        ("keep.log", "created", 1, 0),
        ("new/notes.md", "created", 2, 0),
        ("old.txt", "deleted", 0, 2),
        ("sub/model.py", "deleted", 0, 1),
        ("sub/net.py", "created", 1, 0),
        ("train.py", "modified", 2, 1),
    ]
    assert place.told() == expected
    place.resume()
    assert place.told() == expected
    assert place.diff("train.py") == [
        "--- a/train.py", "+++ b/train.py", "@@ -1,3 +1,4 @@", " a = 1", "-b = 2", "+b = 20", " c = 3", "+d = 4",
    ]  # fmt: skip
    assert place.diff("old.txt") == ["--- a/old.txt", "+++ /dev/null", "@@ -1,2 +0,0 @@", "-gone", "-soon"]
    assert place.diff("new/notes.md")[:3] == ["--- /dev/null", "+++ b/new/notes.md", "@@ -0,0 +1,2 @@"]


def test_a_change_taken_back_is_none(place):
    for name in ("train.py", "dirty.txt"):
        before = (place.workspace / name).read_bytes()
        place.write(name, "something else\n")
        place.write(name, before)
    place.write("new.txt", "x")
    (place.workspace / "new.txt").unlink()
    assert place.told() == []


def test_same_size_and_time_but_other_content(place):
    path = place.workspace / "train.py"
    before = path.stat()
    path.write_text("a = 1\nb = 7\nc = 3\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert place.told() == [("train.py", "modified", 1, 1)]


def test_a_mode_is_a_change(place):
    (place.workspace / "train.py").chmod(0o755)
    assert place.told() == [("train.py", "modified", 0, 0)]
    assert place.diff("train.py") == ["old mode 100644", "new mode 100755"]


def test_commits_of_the_session_do_not_hide_its_changes(bench):
    bench.write("train.py", "a\n")
    bench.repository()
    bench.begin()
    bench.write("train.py", "b\n")
    git(bench.workspace, "commit", "-qam", "two")
    assert bench.told() == [("train.py", "modified", 1, 1)]
    git(bench.workspace, "checkout", "-q", "HEAD~1")
    assert bench.told() == []


def test_a_dirty_file_counts_from_the_start_of_the_session(bench):
    bench.write("train.py", "committed\n")
    bench.repository()
    bench.write("train.py", "dirty\nat the start\n")
    bench.begin()
    assert bench.told() == []
    bench.write("train.py", "committed\n")
    assert bench.diff("train.py")[2:] == ["@@ -1,2 +1 @@", "-dirty", "-at the start", "+committed"]


def test_only_the_folder_itself_of_a_larger_repository(bench):
    bench.write("pkg/a.py", "a\n")
    bench.write("other/b.py", "b\n")
    bench.repository()
    bench.workspace = bench.workspace / "pkg"
    bench.begin()
    bench.write("../other/b.py", "changed\n")
    bench.write("a.py", "changed\n")
    assert bench.told() == [("a.py", "modified", 1, 1)]


def test_a_pipe_named_gitignore_is_not_waited_for(bench):
    os.mkfifo(bench.workspace / ".gitignore")
    bench.begin()
    bench.write("a.py", "a\n")
    assert bench.told() == [("a.py", "created", 1, 0)]


def test_a_workspace_that_an_outer_repository_ignores(bench):
    bench.write(".gitignore", "scratch/\n")
    bench.write("scratch/a.py", "a\n")
    bench.repository()
    bench.workspace = bench.workspace / "scratch"
    bench.begin()
    bench.write("a.py", "b\n")
    bench.write("b.py", "b\n")
    assert [line[:2] for line in bench.told()] == [("a.py", "modified"), ("b.py", "created")]


def test_who_waits_for_the_baseline_may_be_cancelled(bench):
    bench.write("a.py", "a\n")

    async def impatient():
        waiting = asyncio.ensure_future(bench.changes.ready())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return await bench.changes.finish()

    bench.changes = Changes.begin(bench.workspace, (), Blobs(bench.folder / "blobs"), bench.folder)
    assert asyncio.run(impatient()) == []


def test_a_repository_inside_and_one_beside(bench, tmp_path):
    bench.write("a.py", "a\n")
    bench.repository()
    inner = bench.workspace / "inner"
    inner.mkdir()
    (inner / "i.py").write_text("i\n")
    git(inner, "init", "-q")
    beside = tmp_path / "beside"
    beside.mkdir()
    bench.roots = (beside,)
    bench.begin()
    (inner / "i.py").write_text("changed\n")
    (beside / "n.txt").write_text("new\n")
    assert bench.told() == [(str(beside / "n.txt"), "created", 1, 0), ("inner/i.py", "modified", 1, 1)]


@pytest.mark.parametrize("repository", [True, False])
def test_names_of_every_kind(bench, repository):
    names = [
        b"new\nline.txt",
        b"tab\there",
        b" lead",
        b"caf\xe9.txt",
        "naïve–日本.txt".encode(),
        b"-rf",
        b"100644 a\tb",
    ]
    for name in names:
        (bench.workspace / os.fsdecode(name)).write_text("one\n")
    if repository:
        bench.repository()
    bench.begin()
    assert bench.told() == []
    for name in names:
        (bench.workspace / os.fsdecode(name)).write_text("two\n")
    told = bench.told()
    assert [line[1:] for line in told] == [("modified", 1, 1)] * len(names)
    assert {line[0] for line in told} == {name.decode("utf-8", "backslashreplace") for name in names}
    assert bench.diff("new\nline.txt")[0] == "--- a/new\\nline.txt"
    assert bench.diff("caf\\xe9.txt")[-1] == "+two"


def test_what_a_tool_notes_is_told_wherever_it_lies(place, tmp_path):
    outside, ignored, made = tmp_path / "outside.txt", place.workspace / "out/junk", place.workspace / "out/made"
    outside.write_text("was\n")
    for path in (outside, ignored, made):
        place.changes.note_before(path)
        path.write_text("is\n")
    expected = [
        (str(outside), "modified", 1, 1),
        ("out/junk", "modified", 1, 1),
        ("out/made", "created", 1, 0),
    ]
    assert sorted(place.told()) == sorted(expected)
    place.resume()
    assert sorted(place.told()) == sorted(expected)
    assert place.diff("out/junk")[-2:] == ["-junk", "+is"]


def test_a_file_that_a_command_made_and_a_tool_edited_is_created(place):
    path = place.write("made.txt", "by a command\n")
    place.changes.note_before(path)
    path.write_text("by a command\nand a tool\n")
    assert place.told() == [("made.txt", "created", 2, 0)]
    assert place.diff("made.txt")[0] == "--- /dev/null"


def test_what_is_kept_is_for_its_owner_alone(place):
    place.changes.note_before(place.workspace / "train.py")
    kept = {path.name: path.stat().st_mode & 0o777 for path in place.folder.rglob("*")}
    assert {"baseline.msgpack", "before.msgpack", "blobs"} <= set(kept)
    assert set(kept.values()) == {0o600, 0o700}


def test_a_torn_note_is_left_out(place):
    place.changes.note_before(place.workspace / "out/junk")
    (place.workspace / "out/junk").write_text("x\n")
    with (place.folder / "before.msgpack").open("ab") as file:
        file.write(b"\0\0\0\x50half")
    place.resume()
    assert place.told() == [("out/junk", "modified", 1, 1)]


def test_binary_and_large_files_have_no_line_counts(place):
    place.write("weights.bin", b"\0\1\2")
    place.write("big.csv", b"1,2\n" * 400_000)
    place.resume()
    assert place.told() == [("big.csv", "created", None, None), ("weights.bin", "created", None, None)]
    assert "no text" in place.diff("weights.bin")[0]


def test_a_large_binary_that_git_tracks_is_compared_by_content(bench):
    data = os.urandom(2 << 20)
    bench.write("weights.bin", data)
    bench.repository()
    bench.begin()
    bench.write("weights.bin", data)
    assert bench.told() == []
    bench.write("weights.bin", data[:-1] + bytes([data[-1] ^ 1]))
    assert bench.told() == [("weights.bin", "modified", None, None)]


def test_links_are_looked_at_and_never_followed(place, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("hidden\n")
    (place.workspace / "link").symlink_to(secret / "key")
    (place.workspace / "folder").symlink_to(secret)
    # A folder of the baseline becomes a link to another one with the same name in it.
    (place.workspace / "sub").rename(place.workspace / "moved")
    (secret / "model.py").write_text("hidden\n")
    (place.workspace / "sub").symlink_to(secret)
    told = {line[0]: line[1] for line in place.told()}
    assert told["sub/model.py"] == "deleted"
    assert told["link"] == told["folder"] == "created"
    assert not any("hidden" in line for path in (*told, "folder/key", "../secret/key") for line in place.diff(path))
    assert place.diff("../secret/key") == place.diff(str(secret / "key")) == []


def test_line_ends_that_git_converts_are_no_change(bench):
    bench.write(".gitattributes", "*.txt text eol=crlf\n")
    bench.write("a.txt", "one\r\ntwo\r\n")
    bench.repository()
    (bench.workspace / "a.txt").unlink()
    git(bench.workspace, "checkout", "-q", "--", "a.txt")
    time.sleep(0.02)  # the file must be older than git's index for git to call it clean
    git(bench.workspace, "update-index", "--refresh")
    bench.begin()
    bench.write("a.txt", "one\r\ntwo\r\n")
    assert bench.told() == []
    bench.write("a.txt", "one\r\n2\r\n")
    assert bench.told() == [("a.txt", "modified", 1, 1)]


def test_a_repository_runs_nothing_of_its_own(bench, tmp_path):
    bench.write("a.py", "a\n")
    bench.write(".gitattributes", "*.py filter=evil diff=evil\n")
    bench.repository()
    witness = tmp_path / "witness"
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "core.sshCommand"):
        git(bench.workspace, "config", key, f"touch {witness}; cat")
    bench.write("b.py", "untracked\n")
    bench.write("a.py", "b\n")
    bench.begin()
    bench.write("a.py", "c\n")
    assert bench.told() == [("a.py", "modified", 1, 1)]
    assert bench.diff("a.py")[-2:] == ["-b", "+c"]
    assert not witness.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_workspace_that_cannot_be_written(bench):
    bench.write("a.py", "a\n")
    bench.workspace.chmod(0o500)
    try:
        bench.begin()
        assert bench.told() == []
    finally:
        bench.workspace.chmod(0o700)


def test_nothing_is_written_into_the_workspace(place):
    def listing():
        return sorted((str(path), path.stat().st_mtime_ns) for path in place.workspace.rglob("*"))

    before = listing()
    place.changes = Changes.begin(place.workspace, (), Blobs(place.folder / "blobs"), place.folder)
    assert place.told() == []
    assert listing() == before


def test_a_session_without_a_baseline_says_so(bench, tmp_path):
    bench.write("a.py", "a\n")
    (other := tmp_path / "other").mkdir()
    bench.roots = (other,)
    bench.resume()
    asyncio.run(bench.changes.ready())
    bench.write("b.py", "b\n")
    (other / "c.py").write_text("c\n")
    assert bench.told() == [(str(other / "c.py"), "created", 1, 0), ("b.py", "created", 1, 0)]
    assert "cannot be told" in bench.changes.notes[0]


def test_a_baseline_that_cannot_be_kept_is_said_aloud(bench):
    (bench.folder / "baseline.msgpack").mkdir()
    bench.begin()
    bench.write("b.py", "b\n")
    assert bench.told() == [("b.py", "created", 1, 0)]
    assert "resume" in bench.changes.notes[0]


def noted(bench, name: str, text: str) -> None:
    """A tool writes a file that git ignores, so that nothing but what was noted tells how it was."""
    bench.changes.note_before(bench.workspace / name)
    bench.write(name, text)


def ignoring(bench) -> None:
    bench.write(".gitignore", "*.log\n")
    for name in ("a.log", "b.log", "c.log"):
        bench.write(name, "a\n")
    bench.repository()
    bench.begin()


@pytest.mark.parametrize(
    "torn",
    [b"\0" * 64, b"\0\0\0\x09\x93", b"\0\0", b"\0\0\0\x02\xff\xff"],
    ids=["nulls", "half a record", "half a length", "another type"],
)
def test_a_torn_end_of_what_was_noted_costs_that_alone(bench, torn):
    ignoring(bench)
    noted(bench, "a.log", "b\n")
    with (bench.folder / "before.msgpack").open("ab") as file:
        file.write(torn)
    bench.resume()
    assert "tore" in bench.changes.notes[0]
    noted(bench, "b.log", "b\n")
    bench.resume()
    assert not bench.changes.notes
    assert bench.told() == [("a.log", "modified", 1, 1), ("b.log", "modified", 1, 1)]


def test_a_full_disk_leaves_no_half_of_a_note(bench):
    ignoring(bench)
    noted(bench, "a.log", "b\n")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((bench.folder / "before.msgpack").stat().st_size + 10, unlimited[1]))
    try:
        with pytest.raises(OSError, match="large"):
            bench.changes.note_before(bench.workspace / "b.log")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    noted(bench, "c.log", "b\n")
    bench.resume()
    assert not bench.changes.notes
    assert bench.told() == [("a.log", "modified", 1, 1), ("c.log", "modified", 1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("repository", [True, False])
def test_five_thousand_files(bench, repository):
    for folder in range(50):
        (bench.workspace / f"d{folder}").mkdir()
        for name in range(100):
            (bench.workspace / f"d{folder}" / f"f{name}.py").write_text("x\n")
    (bench.workspace / ".gitignore").write_text("*.pt\n")
    if repository:
        bench.repository()
    started = time.process_time()
    begun = time.perf_counter()
    bench.changes = Changes.begin(bench.workspace, (), Blobs(bench.folder / "blobs"), bench.folder)
    at_once = time.perf_counter() - begun
    asyncio.run(bench.changes.ready())
    assert at_once < (time.perf_counter() - begun) / 2  # the start of a session does not wait
    bench.write("d7/f7.py", "y\n")
    bench.write("d7/model.pt", "ignored\n")
    assert bench.told() == [("d7/f7.py", "modified", 1, 1)]
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "a\n"), ("a\n", ""), ("a", "a\n"), ("a\nb\n", "a\nb"), ("a\r\n", "a\n"), ("x\x0cy\n", "x\n"),
        ("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", "1\n2x\n3\n4\n5\n6\n7\n8\n9\n10\n11x\n12\n"),
        ("".join(f"{n}\n" for n in range(5000)), "".join(f"{n * 7}\n" for n in range(5000))),
    ],
)  # fmt: skip
def test_a_diff_makes_the_new_text_from_the_old(tmp_path, before, after):
    old, new = lines_of(before.encode()), lines_of(after.encode())
    diff = unified(old, new, "a/f", "b/f")
    assert count(old, new) == (
        sum(line.startswith("+") for line in diff[2:]),
        sum(line.startswith("-") for line in diff[2:]),
    )
    (tmp_path / "f").write_bytes(before.encode())
    patch = "\n".join(diff) + "\n"
    subprocess.run(["git", "apply", "--unidiff-zero", "-p1", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    assert (tmp_path / "f").read_bytes() == after.encode() if (tmp_path / "f").exists() else after == ""


def test_a_diff_of_much_is_quick():
    old, new = [f"{n}\n" for n in range(60_000)], [f"{n * 3}\n" for n in range(60_000)]
    started = time.process_time()
    assert len(unified(old, new, "a", "b")) > 60_000
    assert time.process_time() - started < 2


def test_a_file_written_again_within_a_moment_is_counted_again(place):
    for round_ in range(20):
        place.write("train.py", "a = 1\nb = 2\nc = 4\n" if round_ % 2 else "a = 7\nb = 8\nc = 9\n")
        assert ("train.py", "modified", *((1, 1) if round_ % 2 else (3, 3))) in place.told()
        assert len([line for line in place.diff("train.py")[2:] if line[0] == "+"]) == (1 if round_ % 2 else 3)


def test_what_git_had_is_asked_for_once(bench):
    bench.write("train.py", "a\nb\n")
    bench.repository()
    bench.begin()
    bench.write("train.py", "a\nc\n")
    assert bench.told() == [("train.py", "modified", 1, 1)]
    (bench.workspace / ".git").rename(bench.folder / "git")
    assert bench.diff("train.py")[-2:] == ["-b", "+c"]
