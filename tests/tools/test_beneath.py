"""Nothing that becomes a link between the verdict and the opening is followed: with openat2 and without."""

import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.tool_calls import Session
from workbench.tools import beneath, search
from workbench.tools.base import ToolError

SECRET = "the secret of another folder"
SECONDS = 1.0


@pytest.fixture(params=["openat2", "part by part"])
def way(request, monkeypatch):
    """Both ways to open; where the kernel has no openat2 the first is the second."""
    if request.param == "part by part":
        monkeypatch.setattr(beneath, "_openat2", lambda: None)
    return request.param


def code_of(call, *args):
    with pytest.raises(OSError) as caught:
        os.close(call(*args))
    return caught.value.errno


@pytest.mark.usefixtures("way")
def test_no_part_of_a_path_may_be_a_link(tmp_path):
    (tmp_path / "real/inner").mkdir(parents=True)
    (tmp_path / "real/inner/file").write_text("text")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/last").symlink_to("inner/file")
    (tmp_path / "real/out").symlink_to("/etc")
    with beneath.holding(str(tmp_path)) as held:
        fd = beneath.open_at(held, "real/inner/file", os.O_RDONLY)
        assert os.read(fd, 10) == b"text"
        os.close(fd)
        for path in ("link/inner/file", "real/last", "real/out/passwd", "../x", "real/../../x"):
            assert code_of(beneath.open_at, held, path, os.O_RDONLY) == errno.ELOOP, path
        assert code_of(beneath.open_at, held, "real/none", os.O_RDONLY) == errno.ENOENT
        assert code_of(beneath.open_at, held, "real/inner/file/x", os.O_RDONLY) == errno.ENOTDIR
    assert code_of(beneath.hold, f"{tmp_path}/link") == errno.ELOOP
    assert code_of(beneath.hold, f"{tmp_path}/link/inner") == errno.ELOOP
    assert code_of(beneath.hold, "/proc/self/cwd") == errno.ELOOP


@pytest.mark.usefixtures("way")
def test_a_folder_stays_held_when_its_path_leads_elsewhere(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("ours")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/file").write_text("theirs")
    with beneath.holding(f"{tmp_path}/a") as held:
        (tmp_path / "a").rename(tmp_path / "moved")
        (tmp_path / "a").symlink_to("b")
        fd = beneath.open_at(held, "file", os.O_RDONLY)
        assert os.read(fd, 10) == b"ours"
        os.close(fd)


@pytest.mark.usefixtures("way")
def test_folders_are_made_beneath_and_taken_away_where_they_are_empty(tmp_path):
    held, made = beneath.make_folders(f"{tmp_path}/a/b/c")
    os.close(held)
    assert made == [f"{tmp_path}/{name}" for name in ("a", "a/b", "a/b/c")]
    (tmp_path / "a/keep").write_text("")
    beneath.unmake(made)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "keep"]
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert code_of(lambda: beneath.make_folders(f"{tmp_path}/link/x")[0]) == errno.ELOOP
    assert not (tmp_path / "a/x").exists()


FILTERED = """
import ctypes, errno, os, struct, sys
allow, refuse, load, equal = 0x7FFF0000, 0x00050000 | int(sys.argv[1]), 0x20, 0x15
code = [(load, 0, 0, 0), (equal, 0, 1, 437), (0x06, 0, 0, refuse), (0x06, 0, 0, allow)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(program)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, ctypes.byref(head), 0, 0) == 0, os.strerror(ctypes.get_errno())
from workbench.tools import beneath
with beneath.holding(sys.argv[2]) as held:
    print(os.read(beneath.open_at(held, "file", os.O_RDONLY), 10).decode())
    for path in ("link", "out/passwd", "../x"):
        try:
            beneath.open_at(held, path, os.O_RDONLY)
        except OSError as error:
            assert error.errno == errno.ELOOP, (path, error)
        else:
            raise AssertionError(path)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of system calls is Linux's")
@pytest.mark.parametrize("refused", [errno.ENOSYS, errno.EPERM])
def test_where_the_system_call_is_missing_or_filtered_out_files_are_opened_part_by_part(tmp_path, refused):
    (tmp_path / "file").write_text("ours")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "out").symlink_to("/etc")
    command = [sys.executable, "-c", FILTERED, str(refused), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.stdout == "ours\n", done.stderr


# --- between the verdict and the call ----------------------------------------------------------------------------


@pytest.fixture
def session(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file.txt").write_text(SECRET)
    (tmp_path / "outside/elsewhere.txt").write_text("")
    (tmp_path / "work/sub").mkdir(parents=True)
    (tmp_path / "work/sub/file.txt").write_text("ours\n")
    return Session(tmp_path / "work")


def judged(session, *paths):
    """What the gate saw: every path leads where it leads now."""
    for path in paths:
        session.context.judged[str(path)] = os.path.realpath(path)


CALLS = [
    ("Read", {"file_path": "sub/file.txt"}),
    ("Edit", {"file_path": "sub/file.txt", "old_string": "ours", "new_string": "x"}),
    ("Write", {"file_path": "sub/file.txt", "content": "x"}),
    ("Write", {"file_path": "sub/new.txt", "content": "x"}),
    ("Grep", {"pattern": "secret", "path": "sub/file.txt", "output_mode": "content"}),
    ("Grep", {"pattern": "secret", "path": "sub", "output_mode": "content"}),
    ("Glob", {"pattern": "*", "path": "sub"}),
    ("LS", {"path": "sub"}),
]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("tool", "given"), CALLS, ids=lambda part: part if isinstance(part, str) else "")
def test_a_link_that_was_put_in_between_is_refused_with_words(session, tmp_path, tool, given):
    work = tmp_path / "work"
    session.call("Read", file_path="sub/file.txt")
    judged(session, work / "sub", work / "sub/file.txt", work / "sub/new.txt")
    (work / "sub").rename(work / "was")
    (work / "sub").symlink_to(tmp_path / "outside")
    said = session.error(tool, **given)
    assert "became a link since the call was judged" in said and SECRET not in said
    assert sorted(path.name for path in (tmp_path / "outside").iterdir()) == ["elsewhere.txt", "file.txt"]
    assert (tmp_path / "outside/file.txt").read_text() == SECRET


def test_the_file_itself_is_not_followed_either(session, tmp_path):
    file = tmp_path / "work/sub/file.txt"
    judged(session, file)
    file.unlink()
    file.symlink_to(tmp_path / "outside/file.txt")
    for tool, more in (("Read", {}), ("Write", {"content": "x"}), ("Grep", {"pattern": "secret"})):
        where = {"path": "sub/file.txt"} if tool == "Grep" else {"file_path": "sub/file.txt"}
        assert "became a link" in session.error(tool, **where, **more)
    assert (tmp_path / "outside/file.txt").read_text() == SECRET


def test_a_link_that_the_gate_followed_is_followed_to_where_it_saw_it_lead(session, tmp_path):
    work = tmp_path / "work"
    (work / "link").symlink_to("sub/file.txt")
    judged(session, work / "link")
    (work / "link").unlink()
    (work / "link").symlink_to(tmp_path / "outside/file.txt")
    assert "ours" in session.text("Read", file_path="link")


# --- races -------------------------------------------------------------------------------------------------------


def swap(work: str, outside: str, until: float) -> None:
    """`work/sub` is a folder and a link to OUTSIDE in turn, as quickly as it goes."""
    sub, aside, link = f"{work}/sub", f"{work}/aside", f"{work}/link"
    while time.monotonic() < until:
        os.symlink(outside, link)
        os.rename(sub, aside)
        put(link, sub)
        os.unlink(sub)
        put(aside, sub)


def put(one: str, sub: str) -> None:
    """ONE in the place of SUB: where a Write has made that folder anew in between, it goes."""
    while True:
        try:
            return os.rename(one, sub)
        except OSError:
            shutil.rmtree(sub, ignore_errors=True)


@pytest.fixture
def racing(session, tmp_path):
    work = tmp_path / "work"
    judged(session, work / "sub", work / "sub/file.txt", work / "sub/new.txt", work)
    until = time.monotonic() + SECONDS
    args = (str(work), str(tmp_path / "outside"), until)
    racer = multiprocessing.get_context("fork").Process(target=swap, args=args)
    racer.start()
    yield until
    racer.join()


def outcome_of(session, tool, **given):
    try:
        return session.text(tool, **given)
    except ToolError as error:
        return str(error)


@pytest.mark.usefixtures("way")
def test_a_race_never_writes_or_reads_outside(session, tmp_path, racing):
    seen = set()
    while time.monotonic() < racing:
        for number in range(20):
            said = outcome_of(session, "Read", file_path="sub/file.txt")
            seen.add(said.partition(" ")[0])
            assert SECRET not in said
            outcome_of(session, "Write", file_path="sub/file.txt", content=f"ours {number}\n")
            outcome_of(session, "Write", file_path="sub/new.txt", content="new\n")
        outside = Path(tmp_path / "outside")
        assert sorted(path.name for path in outside.iterdir()) == ["elsewhere.txt", "file.txt"]
        assert (outside / "file.txt").read_text() == SECRET
    assert len(seen) > 1, "the race was never met"


@pytest.mark.parametrize("engine", ["rg", "re"])
def test_a_race_never_makes_a_search_show_what_lies_outside(session, racing, engine, monkeypatch):
    if engine == "rg" and search.engine() != "rg":
        pytest.skip("ripgrep is not installed")
    monkeypatch.setattr(search, "engine", lambda: engine)
    rounds = 0
    while time.monotonic() < racing or rounds < 3:
        for given in ({"path": "."}, {"path": "sub"}, {"path": "sub/file.txt"}):
            said = outcome_of(session, "Grep", pattern="secret|ours", output_mode="content", **given)
            assert SECRET not in said
        for tool, given in (("LS", {"path": "sub"}), ("Glob", {"pattern": "**/*"})):
            assert "elsewhere" not in outcome_of(session, tool, **given)
        rounds += 1


def test_what_a_search_shows_is_in_the_files_themselves(session, tmp_path):
    """A search that read another file than the one that is there now is not believed."""
    from workbench.tools.search_confirm import has_lines, is_there

    (tmp_path / "work/wide.txt").write_text("a\n" + "b" * 5000 + "\nc")
    with beneath.holding(f"{tmp_path}/work") as held:
        assert has_lines(held, "wide.txt", {1: b"a", 3: b"c"})
        assert has_lines(held, "wide.txt", {2: b"b" * 4000 + b" [... omitted end of long line]"})
        assert not has_lines(held, "wide.txt", {1: b"a", 2: b"x"})
        assert not has_lines(held, "wide.txt", {4: b"d"})
        (tmp_path / "work/out").symlink_to(tmp_path / "outside")
        assert not has_lines(held, "out/file.txt", {1: SECRET.encode()})
        assert is_there(held, "sub/file.txt") and not is_there(held, "out/file.txt")
