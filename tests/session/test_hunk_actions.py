"""Single changes of a file taken back, or staged: only what was seen, byte for byte."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from support.sample_events import SESSION, clock, started
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.commands import RevertHunks, StageHunks
from workbench.protocol.hunks import hunk_digest, parse
from workbench.session import hunk_actions
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.journal import Journal
from workbench.session.pages import Pages
from workbench.session.snapshots import Snapshots

GIT = ("git", "-c", "user.name=ada", "-c", "user.email=ada@localhost")
LINES = [f"line {number}\n" for number in range(40)]


class Live:
    """A session's parts around a workspace."""

    def __init__(self, tmp_path: Path) -> None:
        self.workspace, self.folder = tmp_path / "work", tmp_path / SESSION
        self.workspace.mkdir()
        self.events: list[object] = []

    def begin(self, repository: bool = True) -> None:
        if repository:
            for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
                self.git(*words)
        self.journal = Journal.create(self.folder, SESSION, clock())
        self.journal.append(started(workspace=str(self.workspace)))
        self.journal.append(e.PromptSubmitted(text="go", origin="person", by="ana"))
        blobs = Blobs(self.folder / "blobs")
        self.changes = Changes.begin(self.workspace, (), blobs, self.folder)
        asyncio.run(self.changes.ready())
        self.snapshots = Snapshots(self.folder, SESSION, (self.workspace,), self.changes, blobs, clock())
        self.journal.append(asyncio.run(self.snapshots.take("prompt", 1)))
        self.pages = Pages(self.journal, blobs, self.changes, snapshots=self.snapshots)

    def git(self, *words: str) -> str:
        return subprocess.run([*GIT, *words], cwd=self.workspace, check=True, capture_output=True, text=True).stdout

    def emit(self, event, *, sync=False) -> None:
        self.events.append(event)

    def digests(self, path: str, since: str = "start") -> list[str]:
        """As a client names the changes that it was shown."""
        page = asyncio.run(self.pages.answer(q.DiffPage(path=path, since=since)))
        return [hunk_digest(path, hunk) for hunk in parse(page.lines).hunks]

    def revert(self, path: str, *hunks: str, since: str = "start") -> str:
        command = RevertHunks(id="r", path=path, since=since, hunks=hunks, by="ana")
        return asyncio.run(hunk_actions.revert(self, command))

    def stage(self, path: str, *hunks: str) -> str:
        return asyncio.run(hunk_actions.stage(self, StageHunks(id="s", path=path, hunks=hunks, by="ana")))


@pytest.fixture
def live(tmp_path):
    return Live(tmp_path)


def edited(first="FIRST\n", last="LAST\n", lines=LINES):
    return "".join([first, *lines[1:-1], last])


@pytest.mark.parametrize("since", ["start", "turn", "head", "rewind:2"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_one_change_is_taken_back_and_the_other_stays(live, since, ends):
    path = live.workspace / "a.txt"
    lines = [line.replace("\n", ends) for line in LINES]
    path.write_bytes("".join(lines).encode())
    path.chmod(0o640)
    live.begin()
    path.write_bytes(edited(f"FIRST{ends}", f"LAST{ends}", lines).encode())
    one, two = live.digests("a.txt", since)
    assert live.revert("a.txt", one, since=since) == ""
    assert path.read_bytes() == edited(lines[0], f"LAST{ends}", lines).encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert live.events == [e.HunksReverted(path="a.txt", hunks=1, by="ana")]
    assert "not there any more" in live.revert("a.txt", one, since=since)
    assert live.digests("a.txt", since) == [two]
    assert live.revert("a.txt", since=since) == ""
    assert path.read_bytes() == "".join(lines).encode()
    assert "no change" in live.revert("a.txt", since=since)


def test_bytes_that_are_no_text_stay_what_they_are(live):
    path = live.workspace / "latin.txt"
    old = [b"caf\xe9 %d\n" % number for number in range(40)]
    path.write_bytes(b"".join(old)[:-1])
    live.begin()
    path.write_bytes(b"".join([b"th\xe9\n", *old[1:-1], b"fin\xff"]))
    _, two = live.digests("latin.txt")
    assert live.revert("latin.txt", two) == ""
    assert path.read_bytes() == b"".join([b"th\xe9\n", *old[1:]])[:-1]


def test_a_file_that_moved_on_is_refused(live):
    path = live.workspace / "a.txt"
    path.write_text("".join(LINES))
    live.begin()
    path.write_text(edited())
    one, two = live.digests("a.txt")
    path.write_text(edited(first="OTHER\n"))
    assert "not there any more" in live.revert("a.txt", one, two)
    assert path.read_text() == edited(first="OTHER\n")
    assert live.revert("a.txt", two) == ""
    assert path.read_text() == edited(first="OTHER\n", last=LINES[-1])


@pytest.mark.parametrize("since", ["start", "turn"])
def test_whole_files(live, since):
    (live.workspace / "gone.txt").write_text("was here\n")
    (live.workspace / "run.sh").write_text("#!/bin/sh\n")
    (live.workspace / "run.sh").chmod(0o755)
    (live.workspace / "pic.png").write_bytes(b"\x89PNG\0\1\2")
    (live.workspace / "link").symlink_to("run.sh")
    live.begin(repository=since == "start")
    (live.workspace / "gone.txt").unlink()
    (live.workspace / "run.sh").chmod(0o644)
    (live.workspace / "pic.png").write_bytes(b"\x89PNG\0\3")
    (live.workspace / "sub").mkdir()
    (live.workspace / "sub/new.txt").write_text("new\n")
    (live.workspace / "link").unlink()
    (live.workspace / "link").symlink_to("elsewhere")
    created = live.digests("sub/new.txt", since)
    assert live.revert("sub/new.txt", *created, since=since) == ""
    for path in ("gone.txt", "run.sh", "pic.png", "link"):
        assert live.revert(path, since=since) == "", path
    assert (live.workspace / "gone.txt").read_text() == "was here\n"
    assert (live.workspace / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (live.workspace / "pic.png").read_bytes() == b"\x89PNG\0\1\2"
    assert os.readlink(live.workspace / "link") == "run.sh"
    assert not (live.workspace / "sub/new.txt").exists()
    assert asyncio.run(live.pages.answer(q.ChangedFiles(since=since))).files == ()


def test_what_cannot_be_taken_back_says_why(live, tmp_path):
    (live.workspace / "a.txt").write_text("".join(LINES))
    live.begin()
    (live.workspace / "a.txt").write_text(edited())
    assert "no change" in live.revert("../../etc/passwd")
    assert "no moment" in live.revert("a.txt", since="yesterday")
    (live.workspace / "a.txt").chmod(0o444)
    if os.geteuid():
        assert "write-protected" in live.revert("a.txt")
    assert live.events == []


def test_changes_are_staged_one_by_one(live):
    path = live.workspace / "a.txt"
    path.write_text("".join(LINES))
    (live.workspace / "other.txt").write_text("x\n")
    live.begin()
    path.write_text(edited())
    (live.workspace / "other.txt").write_text("y\n")
    one, two = live.digests("a.txt")
    assert live.stage("a.txt", two) == ""
    assert live.git("show", ":a.txt") == "".join([*LINES[:-1], "LAST\n"])
    assert path.read_text() == edited()
    assert live.git("diff", "--cached", "--name-only") == "a.txt\n"
    assert live.stage("a.txt", one) == ""
    assert live.git("show", ":a.txt") == edited()
    assert "not there any more" in live.stage("a.txt", "0" * 32)


def test_new_deleted_and_odd_files_are_staged(live):
    (live.workspace / "gone.txt").write_text("x\n")
    odd = 'we "ird\tnäme'
    (live.workspace / odd).write_text("".join(LINES))
    live.begin()
    (live.workspace / "gone.txt").unlink()
    (live.workspace / "*").write_text("new\n")
    (live.workspace / "another").write_text("not meant\n")
    (live.workspace / odd).write_text(edited())
    assert live.stage("gone.txt") == "" and live.stage("*", *live.digests("*")) == ""
    assert live.git("diff", "--cached", "--name-status") == "A\t*\nD\tgone.txt\n"
    assert live.stage(odd, live.digests(odd)[0]) == ""
    assert live.git("show", f":{odd}") == edited(last=LINES[-1])


def test_lines_that_git_keeps_with_other_ends(live):
    path = live.workspace / "a.txt"
    (live.workspace / ".gitattributes").write_text("*.txt text\n")
    lines = [line.replace("\n", "\r\n") for line in LINES]
    path.write_bytes("".join(lines).encode())
    live.begin()
    path.write_bytes(edited("FIRST\r\n", "LAST\r\n", lines).encode())
    one, _ = live.digests("a.txt", "head")
    assert live.stage("a.txt", one) == ""
    assert live.git("show", ":a.txt") == edited(last=LINES[-1])


def test_nothing_to_stage_and_nowhere(live):
    (live.workspace / "a.txt").write_text("x\n")
    live.begin(repository=False)
    assert "no change" in live.stage("a.txt")
    (live.workspace / "a.txt").write_text("y\n")
    assert "not in a git repository" in live.stage("a.txt")


def test_git_that_refuses_is_told(live):
    (live.workspace / "a.txt").write_text("x\n")
    live.begin()
    (live.workspace / "a.txt").write_text("y\n")
    (live.workspace / ".git/index.lock").touch()
    assert "index.lock" in live.stage("a.txt")


# --- odd files -------------------------------------------------------------------------------------------------

ODD = "a\nb \x1b[31m\u202e é.txt"


@pytest.mark.parametrize("name", [ODD, "-n.txt", '"quoted"\\t.txt', "sub dir/ü.txt"])
def test_a_name_of_any_kind_is_taken_back_and_staged(live, name):
    path = live.workspace / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(LINES))
    live.begin()
    path.write_text(edited())
    asyncio.run(live.changes.finish())
    one, two = live.digests(name)
    assert live.stage(name, two) == ""
    staged = subprocess.run([*GIT, "diff", "--cached"], cwd=live.workspace, capture_output=True, check=True).stdout
    assert b"+LAST" in staged and b"FIRST" not in staged
    assert live.revert(name, one) == ""
    assert path.read_text() == edited(LINES[0])


@pytest.mark.parametrize("since", ["start", "turn", "head"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_end_of_a_file_without_a_line_feed(live, since, ends):
    path = live.workspace / "a.txt"
    old = "".join(line.replace("\n", ends) for line in LINES)
    path.write_bytes(old.removesuffix(ends).encode())
    live.begin()
    path.write_bytes(("FIRST" + old[6:]).encode())  # another first line, and the line feed at the end
    one, two = live.digests("a.txt", since)
    assert live.stage("a.txt", two) == ""
    assert live.git("show", ":a.txt").endswith("line 39\n")
    assert live.revert("a.txt", two, since=since) == ""
    assert path.read_bytes() == ("FIRST" + old[6:]).removesuffix(ends).encode()
    assert live.revert("a.txt", one, since=since) == ""
    assert path.read_bytes() == old.removesuffix(ends).encode()


@pytest.mark.parametrize("since", ["start", "turn", "head"])
def test_a_mode_goes_back_with_the_whole_file_alone(live, since):
    path = live.workspace / "run.sh"
    path.write_text("".join(LINES))
    live.begin()
    path.write_text(edited())
    path.chmod(0o755)
    one, _ = live.digests("run.sh", since)
    assert live.revert("run.sh", one, since=since) == "" and path.stat().st_mode & 0o777 == 0o755
    assert live.revert("run.sh", since=since) == "" and path.stat().st_mode & 0o111 == 0
    path.chmod(0o755)  # nothing but the mode
    assert live.digests("run.sh", since) == []
    assert live.stage("run.sh") == "" and "100755" in live.git("ls-files", "-s")
    assert live.revert("run.sh", since=since) == "" and path.stat().st_mode & 0o111 == 0


@pytest.mark.parametrize("since", ["start", "turn", "head"])
def test_a_renamed_file_goes_back_name_by_name(live, since):
    old, new = live.workspace / "old.txt", live.workspace / "new.txt"
    old.write_text("".join(LINES))
    live.begin()
    old.rename(new)
    assert live.stage("new.txt") == "" and live.stage("old.txt") == ""
    assert live.git("diff", "--cached", "--name-status", "-M").split() == ["R100", "old.txt", "new.txt"]
    assert live.revert("old.txt", since=since) == "" and old.read_text() == "".join(LINES)
    assert live.revert("new.txt", since=since) == "" and not new.exists()


@pytest.mark.parametrize("since", ["start", "turn", "head"])
def test_a_file_that_went_meanwhile(live, since):
    path = live.workspace / "a.txt"
    path.write_text("".join(LINES))
    live.begin()
    path.write_text(edited())
    one, _ = live.digests("a.txt", since)
    path.unlink()
    assert "not there any more" in live.revert("a.txt", one, since=since) and not path.exists()
    assert live.revert("a.txt", since=since) == "" and path.read_text() == "".join(LINES)


@pytest.mark.parametrize("since", ["start", "turn", "head"])
def test_a_file_with_no_lines_goes_back_as_a_whole(live, since):
    path = live.workspace / "model.bin"
    path.write_bytes(b"\0" + b"x" * 100)
    live.begin()
    path.write_bytes(b"\0" + b"y" * 100)
    assert live.digests("model.bin", since) == []
    assert live.stage("model.bin") == "" and "model.bin" in live.git("diff", "--cached", "--name-only")
    assert live.revert("model.bin", since=since) == "" and path.read_bytes() == b"\0" + b"x" * 100


def test_a_repository_without_a_commit(live):
    path = live.workspace / "a.txt"
    path.write_text("".join(LINES))
    live.git("init", "-q")
    live.begin(repository=False)
    path.write_text(edited())
    (live.workspace / "new.txt").write_text("new\n")
    one, two = live.digests("a.txt")
    asyncio.run(live.pages.answer(q.ChangedFiles(since="head")))
    assert live.stage("a.txt", one) == ""  # nothing is in the index yet: git takes the file
    assert live.git("ls-files").split() == ["a.txt"]
    assert live.stage("new.txt") == "" and live.git("ls-files").split() == ["a.txt", "new.txt"]
    assert live.revert("a.txt", two) == "" and path.read_text() == edited(last=LINES[-1])
    head = asyncio.run(live.pages.answer(q.ChangedFiles(since="head")))
    assert [(file.path, file.change) for file in head.files] == [("a.txt", "created"), ("new.txt", "created")]


def test_no_repository(live):
    path = live.workspace / "a.txt"
    path.write_text("".join(LINES))
    live.begin(repository=False)
    path.write_text(edited())
    one, _ = live.digests("a.txt")
    assert "not in a git repository" in live.stage("a.txt", one)
    assert live.revert("a.txt", one) == "" and path.read_text() == edited(LINES[0])
    assert live.revert("a.txt", since="turn") == "" and path.read_text() == "".join(LINES)
    head = asyncio.run(live.pages.answer(q.ChangedFiles(since="head")))
    assert not head.files and "not in a git repository" in head.notes[0]
