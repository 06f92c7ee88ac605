"""SIGKILL of the process that owns a session, at many moments: a resume loses nothing and runs nothing twice."""

import contextlib
import json
import time
from pathlib import Path

import pytest

from support.endpoint import say, turn, use
from support.mlwb import Place

CALLS = 6
TASK = "---\nallow: ['Bash']\n---\nCount.\n"


def next_call(body):
    """The model: one numbered, non-repeatable command after the other, whatever the earlier results said."""
    made = sum(
        block["type"] == "tool_use"
        for message in body["messages"]
        if message["role"] == "assistant"
        for block in message["content"]
    )
    if made == CALLS:
        return say("counted")
    return turn(use("Bash", f"toolu_{made}", command=f"echo {made} >> count.txt; sleep 0.02"))


def events(place):
    journals = list((place.home / ".local/state/mlwb/sessions").glob("s-*/events.jsonl"))
    data = journals[0].read_bytes() if journals else b""
    return data[: data.rfind(b"\n") + 1].splitlines()  # a line that is being written is none yet


def test_what_a_killed_session_left_running_is_ended_by_its_resume(tmp_path):
    place = Place(tmp_path)
    command = "echo begun > begun; setsid sleep 1234.5 & sleep 1234.5; touch made"
    with place.endpoint([turn(use("Bash", command=command)), say("seen")]) as (_, env):
        with place.started("run", place.task(TASK), env=env) as process:
            deadline = time.monotonic() + 30
            while not (place.repo / "begun").exists() and time.monotonic() < deadline:
                time.sleep(0.005)
            process.kill()
            process.wait()
        session = json.loads(events(place)[0])["session"]
        assert sleepers(session)
        done = place.mlwb("run", "--resume", session, "--output-format", "json", env=env)
    assert done.code == 0 and "still ran and were ended" in done.stderr
    assert not sleepers(session) and not (place.repo / "made").exists()


def sleepers(session):
    """Processes that carry the session's variable."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"MLWB_SESSION={session}".encode() in path.read_bytes():
                found.append(path)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("lines", [3, 5, 7, 9, 11, 14, 18, 23])
def test_killed_when_its_journal_has_so_many_lines(tmp_path, lines):
    place = Place(tmp_path)
    with place.endpoint([], after=next_call) as (_, env):
        with place.started("run", place.task(TASK), env=env) as process:
            deadline = time.monotonic() + 30
            while len(events(place)) < lines and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.001)  # the journal is the only sign there is of the moment
            process.kill()
            process.wait()
        before = [json.loads(line) for line in events(place)]
        session = before[0]["session"]
        done = place.mlwb("run", "--resume", session, "--output-format", "json", env=env)
    assert done.code == 0 and done.result["result"] == "counted", done.stderr
    after = [json.loads(line) for line in events(place)]
    assert after[: len(before)] == before and [one["seq"] for one in after] == list(range(1, len(after) + 1))
    ran = (place.repo / "count.txt").read_text().split()
    assert len(set(ran)) == len(ran), "a command ran twice"
    finished = {
        one["event"]["call_id"]: one["event"]["status"] for one in after if one["event"]["type"] == "call_finished"
    }
    for call_id, status in finished.items():
        assert status in ("ok", "interrupted")
        if status == "ok":
            assert call_id.removeprefix("toolu_") in ran, "a result without its effect"
    assert len(finished) == CALLS and list(finished.values()).count("interrupted") <= 1
