"""Standard error whose reader is slow, or gone; standard output that goes on in a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.endpoint import say
from support.mlwb import Place

SAID = "from workbench.headless.streams import Console; c = Console(); c.say('x' * 200_000); c.say('later')"


def test_a_long_line_that_nobody_reads_holds_nothing_up() -> None:
    read, write = os.pipe()
    try:
        subprocess.run([sys.executable, "-c", SAID], stderr=write, timeout=60, check=True)
        told = os.read(read, 1 << 20)
    finally:
        os.close(read)
        os.close(write)
    assert told.startswith(b"mlwb run: xxx") and len(told) > 4096


@pytest.mark.parametrize(
    ("before", "told"), [('{"seq":1,"sess', ['{"seq":1,"sess']), ('{"seq":1}\n', ['{"seq":1}']), ("", [])]
)
def test_stream_json_begins_a_line_of_its_own_where_a_run_died_within_one(
    tmp_path: Path, before: str, told: list[str]
) -> None:
    """What is appended to a job's file is not glued to half a line; behind a whole one nothing is put between."""
    place, log = Place(tmp_path), tmp_path / "job.jsonl"
    log.write_text(before)
    with place.endpoint([say("hi")]) as (_, env), log.open("ab") as out:
        done = place.mlwb("run", place.task("x"), "--output-format", "stream-json", env=env, stdout=out)
    assert done.code == 0, done.stderr
    lines = log.read_text().splitlines()
    assert lines[: len(told)] == told
    rest = [json.loads(line) for line in lines[len(told) :]]
    assert (rest[0]["seq"], rest[-1]["type"]) == (1, "result")


def test_a_start_that_comes_to_no_session_is_not_glued_to_half_a_line(tmp_path: Path) -> None:
    place, log = Place(tmp_path), tmp_path / "job.jsonl"
    log.write_text("{")
    with log.open("ab") as out:
        done = place.mlwb("run", place.task("x"), "--output-format", "stream-json", "--agent", "nosuch", stdout=out)
    half, line = log.read_text().splitlines()
    assert (done.code, half, json.loads(line)["exit_code"]) == (3, "{", 3)
