import asyncio
import os
import re
import stat
import subprocess
import time

import pytest
from hypothesis import assume
from hypothesis import given as given_by
from hypothesis import strategies as st

from support.tool_calls import Session
from workbench.tools.replacing import substitute
from workbench.tools.text import Text


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def given(session, path, data):
    """A file that the model has read."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    session.call("Read", file_path=str(path))
    return path


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


# --- what a file keeps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encode", "bom"),
    [
        (lambda text: text.encode(), b""),
        (lambda text: text.encode(), b"\xef\xbb\xbf"),
        (lambda text: text.encode("utf-16-le"), b"\xff\xfe"),
        (lambda text: text.encode("utf-16-be"), b"\xfe\xff"),
        (lambda text: text.encode("latin-1"), b""),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encoding_mark_and_line_ends_are_kept(session, tmp_path, encode, bom, end):
    path = given(session, tmp_path / "a", bom + encode(f"naïve{end}two{end}three"))
    session.call("Edit", file_path="a", old_string="naïve\ntwo\n", new_string="1\nzwölf\n2\n")
    assert path.read_bytes() == bom + encode(f"1{end}zwölf{end}2{end}three")
    session.call("Write", file_path="a", content="über\nall\n")
    assert path.read_bytes() == bom + encode(f"über{end}all{end}")


def test_mixed_line_ends_stay_where_nothing_was_replaced(session, tmp_path):
    path = given(session, tmp_path / "a", b"a\r\nb\nc\r\nd\r\n\r\ne\n")
    session.call("Edit", file_path="a", old_string="c\nd", new_string="C\nD")
    assert path.read_bytes() == b"a\r\nb\nC\r\nD\r\n\r\ne\n"
    session.call("Edit", file_path="a", old_string="b\n", new_string="")
    assert path.read_bytes() == b"a\r\nC\r\nD\r\n\r\ne\n"


@given_by(
    lines=st.lists(st.tuples(st.text("ab", max_size=3), st.sampled_from(["\n", "\r\n"])), max_size=8),
    last=st.text("ab", max_size=2),
    old=st.text("ab\n", min_size=1, max_size=4),
    new=st.text("xy\n", max_size=4),
)
def test_whatever_the_line_ends_the_model_gets_the_replacement_it_sees(lines, last, old, new):
    text = "".join(line + end for line, end in lines) + last
    seen = text.replace("\r\n", "\n")
    assume(old in seen and old != new)
    after = substitute(Text(text), text, old, new, everywhere=True, shown="a")
    assert after.replace("\r\n", "\n") == seen.replace(old, new)
    if "\n" not in old + new:  # then no line end was touched
        assert re.findall(r"\r?\n", after) == re.findall(r"\r?\n", text)


def test_a_character_that_the_encoding_lacks_is_said(session, tmp_path):
    path = given(session, tmp_path / "a", "naïve\n".encode("latin-1"))
    assert "LATIN-1, which has no '\\u2192'" in session.error("Edit", file_path="a", old_string="naïve", new_string="→")
    assert path.read_bytes() == b"na\xefve\n"
    session.call("Write", file_path="a", content="→\n")
    assert path.read_bytes() == "→\n".encode()


def test_mode_and_attributes_are_kept(session, tmp_path):
    path = given(session, tmp_path / "run.sh", "echo a\n")
    path.chmod(0o4751)
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    session.call("Edit", file_path="run.sh", old_string="a", new_string="b")
    assert stat.S_IMODE(path.stat().st_mode) == 0o4751
    assert os.getxattr(path, "user.note") == b"kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_is_kept(session, tmp_path):
    path = given(session, tmp_path / "a", "a\n")
    os.chown(path, 12345, 23456)
    session.call("Edit", file_path="a", old_string="a", new_string="b")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_a_link_stays_and_its_target_changes(session, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/real").write_text("a\n")
    (tmp_path / "link").symlink_to("d/real")
    session.call("Read", file_path="link")
    outcome = session.call("Edit", file_path="link", old_string="a", new_string="b")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "d/real").read_text() == "b\n"
    assert outcome.changed == [str(tmp_path / "d/real")]
    assert names(tmp_path / "d") == ["real"]


@pytest.mark.parametrize("call", [("Edit", {"old_string": "a", "new_string": "b"}), ("Write", {"content": "b\n"})])
def test_a_file_with_a_second_name_is_not_written(session, tmp_path, call):
    tool, more = call
    path = given(session, tmp_path / "a", "a\n")
    os.link(path, tmp_path / "b")
    assert "a has 2 names (hard links)" in session.error(tool, file_path="a", **more)
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("a\n", "a\n")
    assert names(tmp_path) == ["a", "b"]


# --- when writing fails --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["Write", "Edit"])
def test_what_is_no_file_is_not_written(session, tmp_path, tool):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    more = {"content": "x"} if tool == "Write" else {"old_string": "", "new_string": "x"}
    for path, said in (
        ("pipe", "named pipe"),
        ("folder", "is a folder"),
        ("folder/", "names a folder"),
        ("new/", "names a folder"),
        ("/dev/null", "a device"),
        ("loop", "link that leads back to itself"),
        ("file/x", "a file, not a folder"),
        ("n" * 300, "too long"),
    ):
        assert said in session.error(tool, file_path=path, **more)
    assert names(tmp_path) == ["file", "folder", "loop", "pipe"]
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_file_or_folder_is_left_alone(session, tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    path = given(session, folder / "a", "a\n")
    path.chmod(0o444)
    assert "write-protected" in session.error("Edit", file_path=str(path), old_string="a", new_string="b")
    path.chmod(0o644)
    folder.chmod(0o555)
    try:
        assert "permissions" in session.error("Edit", file_path=str(path), old_string="a", new_string="b")
        assert "permissions" in session.error("Write", file_path=str(folder / "new"), content="x")
    finally:
        folder.chmod(0o755)
    assert names(folder) == ["a"] and path.read_text() == "a\n"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root mounts file systems")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(session, small_disk):
    path = given(session, small_disk / "a", "old\n")
    error = session.error("Write", file_path=str(path), content="x" * 200_000)
    assert "no space left" in error
    assert "no space left" in session.error("Write", file_path=str(small_disk / "d/e/new"), content="x" * 200_000)
    assert (names(small_disk), path.read_text()) == (["a"], "old\n")
    session.call("Edit", file_path=str(path), old_string="old", new_string="new")


def test_a_read_only_file_system_is_said(session, small_disk):
    path = given(session, small_disk / "a", "old\n")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "read-only" in session.error("Edit", file_path=str(path), old_string="old", new_string="new")
    assert "read-only" in session.error("Write", file_path=str(small_disk / "d/new"), content="new")
    assert (names(small_disk), path.read_text()) == (["a"], "old\n")


def test_readers_see_the_old_text_or_the_new_never_a_part(session, tmp_path):
    path = given(session, tmp_path / "a", "0" * 200_000)

    async def both():
        done = False
        seen = set()

        def look():
            while not done:
                text = path.read_text()
                seen.add((len(text), "".join(sorted(set(text)))))

        reader = asyncio.create_task(asyncio.to_thread(look))
        for digit in "123456789":
            await session.acall("Write", file_path="a", content=digit * 200_000)
        done = True
        await reader
        return seen

    assert all(length == 200_000 and len(digits) == 1 for length, digits in asyncio.run(both()))


def test_two_edits_at_once_never_lose_one_in_silence(session, tmp_path):
    path = given(session, tmp_path / "a", "one\ntwo\n" + "filler\n" * 50_000)

    async def both():
        return await asyncio.gather(
            session.acall("Edit", file_path="a", old_string="one", new_string="ONE"),
            session.acall("Edit", file_path="a", old_string="two", new_string="TWO"),
            return_exceptions=True,
        )

    outcomes = asyncio.run(both())
    text = path.read_text()
    for outcome, word in zip(outcomes, ("ONE", "TWO"), strict=True):
        assert (word in text) is not isinstance(outcome, Exception)
    assert names(tmp_path) == ["a"]


def test_a_cancelled_write_has_ended_when_the_cancellation_is_seen(session, tmp_path):
    async def scenario():
        call = asyncio.create_task(session.acall("Write", file_path="a", content="x" * 5_000_000))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        return names(tmp_path)

    after = asyncio.run(scenario())
    assert after in ([], ["a"]) and names(tmp_path) == after


def test_large_rewrites_are_compared_in_bounded_time(session, tmp_path):
    given(session, tmp_path / "a", "".join(f"{n % 7}\n" for n in range(60_000)))
    began = time.process_time()
    outcome = session.call("Write", file_path="a", content="".join(f"{n % 5}\n" for n in range(60_000)))
    assert time.process_time() - began < 5
    diff = outcome.display[0]
    assert len(diff.text) <= 30_000 and session.blobs[diff.blob].startswith(diff.text.encode())
    assert len(outcome.content[0]["text"]) < 5000
