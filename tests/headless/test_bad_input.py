"""What is wrong around a run: one clear line, the right exit code, no traceback, nothing half-written."""

import contextlib
import json
import os
import subprocess

import pytest

from support.endpoint import say, turn, use
from support.mlwb import Place

ALLOW = "---\nallow: [Bash]\n---\nGo.\n"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def journal_of(place):
    [journal] = (place.home / ".local/state/mlwb/sessions").glob("s-*/events.jsonl")
    return journal


def one_line(done, *words):
    """DONE says what is wrong, with all of WORDS, and shows no traceback."""
    assert "Traceback" not in done.stderr
    [line] = [line for line in done.stderr.splitlines() if all(word in line for word in words)]
    return line


def test_a_journal_of_a_newer_version_is_not_touched(place):
    done = place.run_task("Go.\n", [say("one")])
    journal = journal_of(place)
    lines = journal.read_text().splitlines()
    first = json.loads(lines[0])
    first["event"]["protocol"] = "99.0"
    journal.write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
    before = journal.read_bytes()
    again = place.mlwb("run", "--resume", done.result["session_id"])
    assert again.code == 2 and one_line(again, "newer", "update mlwb")
    assert journal.read_bytes() == before


def test_a_damaged_line_in_the_middle_is_named(place):
    done = place.run_task("Go.\n", [say("one")])
    journal = journal_of(place)
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = b'{"seq": 3, "torn\n'
    journal.write_bytes(b"".join(lines))
    again = place.mlwb("run", "--resume", done.result["session_id"])
    assert again.code == 2 and one_line(again, "line 3")


def test_a_torn_tail_is_cut_off_with_a_word_about_it(place):
    done = place.run_task("Go.\n", [say("one")], "--max-turns", "1")
    with journal_of(place).open("ab") as file:
        file.write(b'{"seq": 99, "ev')
    with place.endpoint([]) as (_, env):
        again = place.mlwb("run", "--resume", done.result["session_id"], env=env)
    assert again.code == 0 and one_line(again, "torn", "15 bytes")


def test_of_two_resumes_at_once_one_is_refused(place):
    with (
        place.endpoint([turn(use("Bash", command="sleep 30"))]) as (_, env),
        place.started("run", place.task(ALLOW), "--output-format", "stream-json", env=env) as running,
    ):
        session = json.loads(running.stdout.readline())["session"]
        other = place.mlwb("run", "--resume", session, env=env)
    assert other.code == 2 and one_line(other, "in use by process", str(running.pid))


def test_a_workspace_that_is_no_repository_works_with_less(tmp_path):
    place = Place(tmp_path, git=False)
    done = place.run_task(ALLOW, [turn(use("Write", file_path="a.txt", content="a\n")), say("ok")])
    assert done.code == 0 and [change["path"] for change in done.result["files_changed"]] == ["a.txt"]


def test_no_git_is_needed(place):
    bare = place.home / "bin"
    bare.mkdir()
    for name in ("bash", "cat"):
        (bare / name).symlink_to(f"/bin/{name}")
    done = place.run_task(ALLOW, [turn(use("Bash", command="cat /dev/null")), say("ok")], env={"PATH": str(bare)})
    assert done.code == 0, done.stderr


def test_a_read_only_workspace_can_be_worked_in(tmp_path):
    place = Place(tmp_path, {"a.txt": "needle\n"})
    with read_only(place.repo):
        done = place.run_task(ALLOW, [turn(use("Grep", pattern="needle")), say("found"), say("still")])
    assert done.code == 0 and done.result["result"] == "found", done.stderr


@contextlib.contextmanager
def read_only(folder):
    """FOLDER without the right to write; for root, who has every right, a read-only mount of it."""
    if os.getuid() != 0:
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    mounted = subprocess.run(["mount", "--bind", folder, folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("root without the right to mount: nothing here can be made read-only")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("filled_by", ["the talk", "one large call"])
def test_a_full_disk_ends_the_run_with_words_and_room_lets_it_go_on(place, filled_by):
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    state = place.home / "small"
    state.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "none", state], capture_output=True).returncode:
        pytest.skip("root without the right to mount")
    try:
        text = "word " * 12_000
        turns = [turn(use("TodoWrite", f"toolu_{n}", todos=[]), {"type": "text", "text": text}) for n in range(6)]
        if filled_by == "one large call":
            turns = [turn(use("Write", file_path=str(place.repo / "large"), content=text * 5))]
        done = place.run_task("Go.\n", [*turns, say("ok")], env={"XDG_STATE_HOME": str(state)})
        assert done.code == 1 and one_line(done, "disk is full")
        assert done.result["subtype"] == "error_during_execution"
        assert "internal error" not in done.stderr
        assert ("summary.md" in done.stderr) == bool([*state.glob("mlwb/sessions/s-*/summary.md")])
        [journal] = state.glob("mlwb/sessions/s-*/events.jsonl")
        assert all(json.loads(line) for line in journal.read_bytes().splitlines())
        subprocess.run(["mount", "-o", "remount,size=64m", state], check=True)
        with place.endpoint([say("room again")]) as (_, env):
            again = place.mlwb(
                "run", "--resume", done.result["session_id"], "--output-format", "json",
                env={**env, "XDG_STATE_HOME": str(state)},
            )  # fmt: skip
        assert again.code == 0 and again.result["result"] == "room again"
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def test_a_file_whose_copy_cannot_be_kept_is_not_written_and_the_session_goes_on(place):
    place.write("spoil.py", "import os, pathlib\nhome = pathlib.Path.home() / '.local/state/mlwb/sessions'\n"
                "(home / os.environ['MLWB_SESSION'] / 'before.msgpack').mkdir()\n")  # fmt: skip
    turns = [
        turn(use("Bash", command="python3 spoil.py")),
        turn(use("Write", file_path="a.txt", content="x")),
        say("It could not be written."),
    ]
    done = place.run_task(ALLOW, turns)
    assert done.code == 0 and "internal error" not in done.stderr, done.stderr
    assert not (place.repo / "a.txt").exists()
    assert "Write failed: Is a directory" in json.dumps(done.requests[-1].body["messages"])
