"""The journal: whole lines or none, one writer, nothing dropped in silence."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from support.sample_events import SESSION, answer, call, clock, session_events, started, text, write_journal
from workbench.protocol import events as e
from workbench.session.journal import (
    EVENTS,
    Journal,
    JournalError,
    JournalVersionError,
    Reader,
    SessionBusyError,
    is_live,
)


def python(code: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_what_is_appended_is_read_back(tmp_path):
    written = write_journal(tmp_path / SESSION, session_events())
    with Journal.open(tmp_path / SESSION, clock()) as journal:
        assert list(journal.read()) == written
        assert [envelope.seq for envelope in written] == list(range(1, len(written) + 1))
        assert list(journal.read(after=5)) == written[5:]
        assert list(journal.read(after=2, until=4)) == written[2:4]
        assert list(journal.read(after=10_000)) == []
        assert (journal.session, journal.cut, journal.seq) == (SESSION, 0, len(written))
        more = journal.append(e.Notice(level="info", text="on"), sync=True)
        assert more.seq == len(written) + 1
        assert [*journal.read(after=len(written))] == [more]


def test_files_are_for_their_owner_alone(tmp_path):
    write_journal(tmp_path / "sessions" / SESSION, session_events())
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "sessions").rglob("*")}
    assert modes == {SESSION: 0o700, EVENTS: 0o600, "lock": 0o600}


@pytest.fixture
def memory(tmp_path):
    """A folder where syncing thousands of times costs nothing, if there is one."""
    shared = Path("/dev/shm")
    place = shared if os.access(shared, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def test_cut_at_every_byte_the_journal_opens_with_its_whole_lines(memory):
    events = [started(), e.RequestStarted(turn=1, model="m"), answer(1, text("naïve")), *call("toolu_1", "ls")]
    written = write_journal(memory / "whole", events)
    data = (memory / "whole" / EVENTS).read_bytes()
    folder = memory / SESSION
    folder.mkdir()
    first = data.index(b"\n") + 1
    for size in range(len(data) + 1):
        (folder / EVENTS).write_bytes(data[:size])
        whole = data[:size].rfind(b"\n") + 1
        if size < first:
            with pytest.raises(JournalError, match="the session never began"):
                Journal.open(folder, clock())
            assert (folder / EVENTS).stat().st_size == size
            continue
        with Journal.open(folder, clock()) as journal:
            assert journal.cut == size - whole
            assert journal.seq == data[:size].count(b"\n")
        assert (folder / EVENTS).read_bytes() == data[:whole]
    with Reader(folder) as reader:
        assert list(reader.read()) == written


def test_a_cut_journal_goes_on_where_its_last_whole_line_stood(tmp_path):
    folder = tmp_path / SESSION
    written = write_journal(folder, session_events())
    with (folder / EVENTS).open("ab") as file:
        file.write(b'{"seq":14,"session":"s-aa')
    with Journal.open(folder, clock()) as journal:
        assert journal.cut == 25
        journal.append(e.Notice(level="info", text="on"))
        assert [envelope.seq for envelope in journal.read()] == list(range(1, len(written) + 2))


def test_a_last_line_with_a_lost_block_is_cut_too(tmp_path):
    folder = tmp_path / SESSION
    written = write_journal(folder, session_events())
    with (folder / EVENTS).open("ab") as file:
        file.write(b"\0" * 40 + b'"}}\n')
    with Journal.open(folder, clock()) as journal:
        assert (journal.cut, list(journal.read())) == (44, written)


@pytest.mark.parametrize("damage", [b"not json", b"{}", b'{"seq":3,"session":"s","at":0,"event":{"type":"renamed"}}'])
def test_a_damaged_line_in_the_middle_is_told_with_its_place(tmp_path, damage):
    folder = tmp_path / SESSION
    write_journal(folder, session_events())
    lines = (folder / EVENTS).read_bytes().split(b"\n")
    lines[2] = damage
    (folder / EVENTS).write_bytes(b"\n".join(lines))
    with Journal.open(folder, clock()) as journal, pytest.raises(JournalError, match=r"events\.jsonl: line 3 is dam"):
        list(journal.read())


def test_a_line_that_went_missing_is_told(tmp_path):
    folder = tmp_path / SESSION
    write_journal(folder, session_events())
    lines = (folder / EVENTS).read_bytes().split(b"\n")
    del lines[4]
    (folder / EVENTS).write_bytes(b"\n".join(lines))
    with Reader(folder) as reader, pytest.raises(JournalError, match="line 5 is out of order: it has seq 6"):
        list(reader.read())


@pytest.mark.parametrize("event", [{"protocol": "2.0", "type": "session_started"}, {"protocol": "2.7", "type": "born"}])
def test_a_newer_major_version_is_refused_in_one_line(tmp_path, event):
    folder = tmp_path / SESSION
    folder.mkdir()
    (folder / EVENTS).write_text(json.dumps({"seq": 1, "session": SESSION, "event": event, "v": []}) + "\n")
    before = (folder / EVENTS).read_bytes()
    with pytest.raises(JournalVersionError) as told:
        Journal.open(folder, clock())
    assert "newer mlwb" in str(told.value)
    assert "\n" not in str(told.value)
    assert (folder / EVENTS).read_bytes() == before
    assert not is_live(folder)


def test_a_newer_minor_version_is_read(tmp_path):
    folder = tmp_path / SESSION
    written = write_journal(folder, [started(protocol="1.9")])
    line = {"seq": 2, "session": SESSION, "at": 5.0, "event": {"type": "dreamt", "of": ["sheep"]}}
    with (folder / EVENTS).open("a") as file:
        file.write(json.dumps(line) + "\n")
    with Journal.open(folder, clock()) as journal:
        first, second = journal.read()
        assert first == written[0]
        assert second.event == e.Unknown(name="dreamt", data={"of": ["sheep"]})
        assert journal.append(e.Renamed(title="on")).seq == 3


def test_no_journal_no_session(tmp_path):
    with pytest.raises(JournalError, match="no such journal"):
        Journal.open(tmp_path / "s-none", clock())
    assert not (tmp_path / "s-none").exists()
    with pytest.raises(JournalError, match="No such file"):
        Reader(tmp_path / "s-none")


def test_a_name_is_given_once(tmp_path):
    write_journal(tmp_path / SESSION, session_events())
    before = (tmp_path / SESSION / EVENTS).read_bytes()
    with pytest.raises(JournalError, match="already"):
        Journal.create(tmp_path / SESSION, SESSION, clock())
    assert (tmp_path / SESSION / EVENTS).read_bytes() == before


def test_two_openers_one_is_told_who_holds_it(tmp_path):
    folder = tmp_path / SESSION
    write_journal(folder, session_events())
    code = """
        import sys, pathlib
        from workbench.session.journal import Journal
        journal = Journal.open(pathlib.Path(sys.argv[1]), lambda: 0.0)
        print("open", flush=True)
        sys.stdin.read()
    """
    holder = python(code, str(folder))
    try:
        assert holder.stdout.readline() == "open\n"
        assert is_live(folder)
        with pytest.raises(SessionBusyError, match=rf"{SESSION} is in use by process {holder.pid} on {os.uname()[1]}"):
            Journal.open(folder, clock())
        with Reader(folder) as reader:  # whoever only reads is not in the way
            assert reader.seq == len(session_events())
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert not is_live(folder)
        Journal.open(folder, clock()).close()  # a dead holder leaves nothing behind
    finally:
        holder.kill()
        holder.communicate()


def test_a_child_of_the_holder_does_not_keep_the_lock(tmp_path):
    journal = Journal.create(tmp_path / SESSION, SESSION, clock())
    journal.append(started())
    child = subprocess.Popen(["sleep", "30"], close_fds=False)
    try:
        journal.close()
        journal.close()
        assert not is_live(tmp_path / SESSION)
        Journal.open(tmp_path / SESSION, clock()).close()
    finally:
        child.kill()
        child.wait()


def test_a_reader_sees_what_is_written_after_it_began(tmp_path):
    with Journal.create(tmp_path / SESSION, SESSION, clock()) as journal:
        journal.append(started())
        with Reader(tmp_path / SESSION) as reader:
            second = journal.append(e.Renamed(title="two"))
            with (tmp_path / SESSION / EVENTS).open("ab") as file:
                file.write(b'{"half')
            reader.refresh()
            assert list(reader.read(after=1)) == [second]


LIMITED = """
    import pathlib, resource, sys
    from support.sample_events import clock, started
    from workbench.protocol import events as e
    from workbench.session.journal import Journal, JournalError
    journal = Journal.create(pathlib.Path(sys.argv[1]), "s-aaaaaaaa", clock())
    journal.append(started())
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        while True:
            journal.append(e.Notice(level="info", text="x" * 1500), sync=True)
    except JournalError as error:
        print(error)
    print(journal.seq)
    print([envelope.seq for envelope in journal.read()] == list(range(1, journal.seq + 1)))
"""


def full_disk(*args: str) -> list[str]:
    tests = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {tests!r})\n" + textwrap.dedent(LIMITED)
    done = python(code, *args)
    out, err = done.communicate(timeout=30)
    assert done.returncode == 0, err
    return out.splitlines()


def test_a_file_that_may_not_grow_leaves_whole_lines(tmp_path):
    message, seq, whole = full_disk(str(tmp_path / SESSION), "20000")
    assert "the disk is full" in message
    assert whole == "True"
    data = (tmp_path / SESSION / EVENTS).read_bytes()
    assert data.endswith(b"\n")
    assert data.count(b"\n") == int(seq)
    with Journal.open(tmp_path / SESSION, clock()) as journal:
        assert journal.cut == 0


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small tmpfs takes root")
def test_a_full_disk_leaves_whole_lines(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        message, *_ = full_disk(str(small / SESSION))
        assert "No space left on device: the disk is full" in message
        assert (small / SESSION / EVENTS).read_bytes().endswith(b"\n")
        with Journal.open(small / SESSION, clock()) as journal:  # resuming needs no room by itself
            assert journal.cut == 0
            with pytest.raises(JournalError, match="the disk is full"):
                while True:
                    journal.append(e.Notice(level="info", text="y" * 300))
            assert journal.read(until=1)
    finally:
        subprocess.run(["umount", small], check=True)


def test_names_that_are_no_text_are_kept_readable(tmp_path):
    with Journal.create(tmp_path / SESSION, SESSION, clock()) as journal:
        journal.append(started(workspace=os.fsdecode(b"/data/caf\xe9")))
        assert next(journal.read()).event.workspace == "/data/caf\\udce9"
