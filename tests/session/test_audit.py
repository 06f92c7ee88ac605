"""`mlwb sessions audit`: from a real session's journal alone, also a damaged one."""

import json
from pathlib import Path

import pytest

from support.endpoint import say, turn, use
from support.mlwb import Place

TURNS = [
    turn(
        use("Write", file_path="new.txt", content="x\n"),
        use("Bash", command="exit 3"),
        use("Bash", command="curl http://example.org"),
        use("Read", file_path=".env"),
    ),
    turn(use("Edit", file_path="new.txt", old_string="y", new_string="z"), use("Bash", command="echo \u202eolleh")),
    say("Done."),
]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, {".env": "A=1\n"})


def ran(place: Place) -> Path:
    done = place.run_task("Go.\n", TURNS, "--allow", "Bash(exit:*)", "--deny", "Bash(curl:*)")
    assert done.result["num_turns"] == 3, done
    return place.session(done.result["session_id"])


def test_each_call_is_told_with_who_decided_what_and_how_it_ended(place):
    folder = ran(place)
    done = place.mlwb("sessions", "audit", folder.name, "--json")
    rows = json.loads(done.stdout)
    assert done.code == 0 and done.stderr == "" and len(rows) == 6
    write, exits, curl, read, edit, odd = rows
    assert [row["turn"] for row in rows] == [1, 1, 1, 1, 2, 2]
    assert (write["tool"], write["target"], write["verdict"], write["status"]) == ("Write", "new.txt", "allow", "ok")
    assert write["files_changed"] == [str(place.repo / "new.txt")] and write["by"] is None
    assert (exits["rule"], exits["exit_code"], exits["status"]) == ("Bash(exit:*)", 3, "error")
    assert (curl["verdict"], curl["rule"], curl["status"]) == ("deny", "Bash(curl:*)", "denied")
    assert (read["verdict"], read["by"]) == ("deny", "nobody") and "secrets" in read["reason"]
    assert (edit["status"], edit["files_changed"]) == ("error", [])
    assert odd["target"] == "echo \u202eolleh"
    assert all(row["at"].startswith("20") and row["call_id"] for row in rows)


def test_the_table_shows_nothing_that_moves_a_terminal(place):
    done = place.mlwb("sessions", "audit", ran(place).name)
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["TURN", "TOOL", "TARGET", "VERDICT"] and len(lines) == 7
    assert "exit 3" in lines[2] and "nobody" in lines[4] and "\\u{202E}" in lines[6]
    assert "\u202e" not in done.stdout


def test_damaged_lines_cost_what_they_said_and_are_named(place):
    folder = ran(place)
    path = folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if b'"call_finished"' in line)
    lines[at] = b'{"seq": 1, "\xff\x1b]0;t\x07\n'
    path.write_bytes(b"".join(lines)[:-20])
    done = place.mlwb("sessions", "audit", folder.name, "--json")
    rows = json.loads(done.stdout)
    assert done.code == 0 and [row["status"] for row in rows][:2] == ["running", "error"]
    assert f"line {at + 1} cannot be read" in done.stderr and f"line {len(lines)} cannot be read" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_session_that_is_not_there_is_said(place):
    done = place.mlwb("sessions", "audit", "s-none")
    assert done.code == 2 and done.stdout == "" and "s-none" in done.stderr


def test_where_nothing_was_called_this_is_said(place):
    done = place.run_task("Go.\n", [say("Done.")])
    audit = place.mlwb("sessions", "audit", done.result["session_id"])
    assert (audit.code, audit.stdout, audit.stderr) == (0, "", "Nothing was called in this session yet.\n")
    audit = place.mlwb("sessions", "audit", done.result["session_id"], "--json")
    assert (audit.code, json.loads(audit.stdout), audit.stderr) == (0, [], "")
