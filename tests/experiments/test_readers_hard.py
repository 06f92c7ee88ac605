"""What goes wrong under a reader: writers killed at any byte, files rotated, emptied and gone, clocks set back.

Real programs write, and are killed; a reader looks meanwhile. What stands whole on the disk in the end is what is told:
no point lost, none twice, none that nobody logged.
"""

import contextlib
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import event_file, wandb_file
from support.bombs import MERGED
from support.running import Exp, fixture, until
from workbench.experiments.collect import Collector, of_folder
from workbench.experiments.ledger import OUTPUT
from workbench.experiments.numbers import Feed, Numbers
from workbench.experiments.readers.kinds import KINDS

exp = fixture
KEYS = 3
# Writes the file BYTES to PATH in pieces of random size, appending, and is killed behind the byte END.
WRITER = """
import os, random, signal, sys, time
path, source, begin, end, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
rng, data = random.Random(seed), open(source, "rb").read()
out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while begin < end:
    size = min(rng.choice([1, 3, 40, 700, 5000]), end - begin)
    os.write(out, data[begin:begin + size])
    begin += size
    if rng.random() < 0.2:
        time.sleep(0.0005)
os.kill(os.getpid(), signal.SIGKILL)
"""
Points = dict[str, dict[float, float]]


def value(step: int, key: int) -> float:
    return step * 7.0 + key / 8


def _json(step: int) -> bytes:
    return json.dumps({"step": step, **{f"m{key}": value(step, key) for key in range(KEYS)}}).encode() + b"\n"


def _row(step: int) -> bytes:
    return ",".join([str(step), *(str(value(step, key)) for key in range(KEYS))]).encode() + b"\n"


def _printed(step: int) -> bytes:
    return f"step {step} | {' | '.join(f'm{key}: {value(step, key)}' for key in range(KEYS))}\n".encode()


def _event(step: int) -> bytes:
    return b"".join(event_file.simple(f"m{key}", value(step, key), step, 1.7e9) for key in range(KEYS))


def _wandb(records: int) -> bytes:
    rows = [
        wandb_file.history(step, {"_step": str(step), **{f"m{key}": str(value(step, key)) for key in range(KEYS)}})
        for step in range(1, records + 1)
    ]
    return wandb_file.written(rows)


HEADER = ("step," + ",".join(f"m{key}" for key in range(KEYS)) + "\n").encode()
# name of the file, what stands before the records, a record
FORMATS: dict[str, tuple[str, bytes, Callable[[int], bytes]]] = {
    "jsonl": ("metrics.jsonl", b"", _json),
    "csv": ("metrics.csv", HEADER, _row),
    "stdout": ("output.log", b"", _printed),
    "tensorboard": ("events.out.tfevents.1.host.1.0", b"", _event),
}


def feed_of(path: Path) -> Feed:
    """What a run has of PATH: read by the reader of its format, its points put in their places."""
    from workbench.experiments.readers.stdout import StdoutReader

    kind = next((kind for kind in KINDS if any(path.match(glob) for glob in kind.globs)), None)
    kind = None if path.name == OUTPUT else kind
    feed = Feed(kind.name if kind else "stdout", path.parent)
    feed.add(path, lambda: kind.open(path) if kind else StdoutReader(path))
    return feed


def points(feed: Feed) -> Points:
    for one in feed.series.values():
        assert len(set(one.steps)) == len(one.steps) == len(one.values) == len(one.times)
    return {key: dict(zip(one.steps, one.values, strict=True)) for key, one in feed.series.items()}


def read(feed: Feed, last: bool = False) -> None:
    while any(batch.columns or batch.more for batch in feed.poll(time.time(), last)):
        pass


def expected(steps: range) -> Points:
    return {f"m{key}": {float(step): value(step, key) for step in steps} for key in range(KEYS)} if steps else {}


def write(path: Path, source: Path, begin: int, end: int, seed: int, feed: Feed) -> None:
    """A process that writes bytes BEGIN to END of SOURCE and is killed, read all the while."""
    command = [sys.executable, "-S", "-E", "-c", WRITER, path, source, str(begin), str(end), str(seed)]
    writer = subprocess.Popen(command)
    try:
        while writer.poll() is None:
            feed.poll(time.time(), False)
    finally:
        writer.kill()
        writer.wait()
    assert writer.returncode == -signal.SIGKILL


@pytest.mark.parametrize("name", FORMATS)
def test_a_writer_killed_at_any_byte_leaves_what_stands_whole(name: str, tmp_path: Path) -> None:
    file, head, record = FORMATS[name]
    rng = random.Random(name)
    pieces = [head, *(record(step) for step in range(1, 401))]
    ends = [sum(map(len, pieces[: count + 1])) for count in range(len(pieces))]
    source = tmp_path / "bytes"
    source.write_bytes(b"".join(pieces))
    for turn in range(4):
        path = tmp_path / str(turn) / file
        path.parent.mkdir()
        feed, cut = feed_of(path), rng.randrange(1, ends[-1])
        write(path, source, 0, cut, turn, feed)
        whole = max([count for count, end in enumerate(ends) if end <= cut], default=0)
        read(feed)
        found = points(feed)
        if name == "tensorboard":  # an event of a step is whole by itself, the step's other keys may be missing
            assert all(set(found.get(key, {})) >= set(told) for key, told in expected(range(1, whole + 1)).items())
        else:
            assert found == expected(range(1, whole + 1))
        # The same bytes go on, from another process: nothing of what was torn is lost.
        write(path, source, cut, ends[-1], turn, feed)
        read(feed, last=True)
        assert points(feed) == expected(range(1, 401))
        feed.close()


@pytest.mark.parametrize("name", ["jsonl", "csv"])
def test_a_program_that_is_begun_again_behind_half_a_line(name: str, tmp_path: Path) -> None:
    """Half a line costs itself, and of a table the one behind it, whose step half a number may stand before."""
    file, head, record = FORMATS[name]
    path = tmp_path / file
    for cut in range(1, len(record(11))):
        path.write_bytes(head + b"".join(map(record, range(1, 11))) + record(11)[:cut])
        feed = feed_of(path)
        read(feed)
        with path.open("ab") as out:
            out.write(b"".join(map(record, range(11, 21))))
        read(feed, last=True)
        found, wanted = points(feed), expected(range(1, 21))
        for key, told in wanted.items():
            lost = {step for step in told if found[key].get(step) != told[step]}
            assert lost <= ({11.0} if name != "jsonl" else set()), (cut, key)
            extra = set(found[key]) - set(told)
            assert not extra or (name == "csv" and len(extra) == 1 and min(extra) > 100), (cut, key)
        feed.close()


def test_half_a_row_of_a_table_and_the_next_one_are_not_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"step,loss\n1,0.5\n2,0.2")
    feed = feed_of(path)
    read(feed)
    with path.open("ab") as out:
        out.write(b"3,0.1\n4,0.05\n")
    read(feed)
    assert points(feed) == {"loss": {1.0: 0.5, 4.0: 0.05}}


def test_a_table_that_a_second_program_goes_on_with_its_own_header(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"epoch,loss\n0,0.5\n1,0.25\n")
    feed = feed_of(path)
    read(feed)
    with path.open("ab") as out:
        out.write(b"epoch,acc,loss\n2,0.9,0.125\n")
    read(feed)
    assert points(feed) == {"loss": {0.0: 0.5, 1.0: 0.25, 2.0: 0.125}, "acc": {2.0: 0.9}}


@pytest.mark.parametrize("name", FORMATS)
def test_a_reader_that_was_closed_begins_anew_and_says_so(name: str, tmp_path: Path) -> None:
    file, head, record = FORMATS[name]
    path = tmp_path / file
    path.write_bytes(head + b"".join(map(record, range(1, 6))))
    feed = feed_of(path)
    read(feed)
    feed.close()
    with path.open("ab") as out:
        out.write(record(6))
    batches = feed.poll(time.time(), False)
    assert batches[0].restart
    assert points(feed) == expected(range(1, 7))


def test_wandb_is_read_again_after_it_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    path.write_bytes(_wandb(2000))
    feed = Feed("wandb", path)
    kind = next(kind for kind in KINDS if kind.name == "wandb")
    feed.add(path, lambda: kind.open(path))
    read(feed)
    feed.close()
    assert not [note for batch in feed.poll(time.time(), False) for note in batch.notes]
    read(feed)
    assert points(feed) == expected(range(1, 2001))


# --- rotated, emptied, gone --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jsonl", "stdout"])
def test_a_file_that_is_rotated_again_and_again_loses_nothing(name: str, tmp_path: Path) -> None:
    file, _, record = FORMATS[name]
    path, step = tmp_path / file, 0
    feed = feed_of(path)
    for turn in range(30):
        with path.open("ab") as out:
            for _ in range(turn % 4 + 1):
                step += 1
                out.write(record(step))
        if turn % 3:
            read(feed)
            with path.open("ab") as out:  # between the reader's look and the rotation
                step += 1
                out.write(record(step))
            path.rename(path.with_suffix(f".{turn}"))
            step += 1
            path.write_bytes(record(step))
        read(feed)
    assert points(feed) == expected(range(1, step + 1))


def test_half_a_line_before_a_rotation_does_not_spoil_the_first_one_after_it(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(_json(1) + _json(2)[:9])
    feed = feed_of(path)
    read(feed)
    path.rename(path.with_suffix(".1"))
    path.write_bytes(_json(3))
    read(feed)
    assert points(feed) == expected(range(1, 4, 2))


def test_a_file_that_is_emptied_and_written_on_goes_on(tmp_path: Path) -> None:
    """As logrotate's copytruncate does; one that starts from the first step again was begun anew."""
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"".join(map(_json, range(1, 6))))
    feed = feed_of(path)
    read(feed)
    os.truncate(path, 0)
    read(feed)
    with path.open("ab") as out:
        out.write(_json(6))
    read(feed)
    assert points(feed) == expected(range(1, 7))
    path.write_bytes(_json(1))
    read(feed)
    assert points(feed) == expected(range(1, 2))


def test_a_state_that_another_training_wrote_anew_counts_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"log_history": [{"step": 1, "loss": 9.0}, {"step": 2, "loss": 8.0}]}))
    feed = feed_of(path)
    read(feed)
    path.write_text(json.dumps({"log_history": [{"step": step, "loss": 1.0} for step in (1, 2, 3)]}))
    read(feed)
    assert points(feed) == {"loss": {1.0: 1.0, 2.0: 1.0, 3.0: 1.0}}


def test_folders_that_are_deleted_and_made_anew_under_a_collector(tmp_path: Path) -> None:
    run, work = tmp_path / "ledger" / "r-1", tmp_path / "work"
    run.mkdir(parents=True)
    work.mkdir()
    collector = Collector(run, work, (), time.time() - 1, list)
    (run / "output.log").write_bytes(b"".join(map(_printed, range(1, 4))))
    (work / "metrics.jsonl").write_bytes(b"".join(map(_json, range(1, 4))))
    collector.poll(thorough=True)
    before = {key: list(one.values) for key, one in collector.series.items()}
    for gone in (run, work):
        shutil.rmtree(gone)
        collector.poll(thorough=True)
    collector.finish()
    assert {key: list(one.values) for key, one in collector.series.items()} == before


def removed(folder: Path) -> bool:
    """Whether FOLDER is gone, after one more try: whoever supervises may be writing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def test_a_run_whose_folder_is_deleted_goes_on_to_its_own_end(exp: Exp) -> None:
    script = "touch begun; while [ ! -e go ]; do echo step 1 loss 2; sleep 0.05; done; touch done; exit 3"
    process = exp.start("run", "--", "bash", "-c", script)
    until((exp.folder / "begun").exists)
    until(lambda: exp.status("r-1") == "running")
    until(lambda: removed(exp.ledger.path("r-1")))
    (exp.folder / "go").touch()
    _, said = process.communicate(timeout=60)
    assert (exp.folder / "done").exists()
    assert process.returncode == 3
    assert b"Traceback" not in said


# --- many lines, many writers ------------------------------------------------------------------------------


def test_a_million_printed_lines(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    with path.open("wb") as out:
        for begin in range(0, 1_000_000, 50_000):
            out.write(b"".join(b"step %d loss %d.5\n" % (step, step % 97) for step in range(begin, begin + 50_000)))
    numbers = Numbers(path, tmp_path)
    began = time.process_time()
    numbers.read_all()
    loss = numbers.series["loss"]
    assert len(loss) == 1_000_000
    assert (loss.steps[-1], loss.values[123_456]) == (999_999, 123_456 % 97 + 0.5)
    assert time.process_time() - began < 20


def test_two_programs_that_append_to_one_file_and_repeat_steps(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    program = """
import json, sys
for step in range(int(sys.argv[2]), int(sys.argv[3])):
    with open(sys.argv[1], "a") as out:
        out.write(json.dumps({"step": step, "loss": step * 0.5}) + "\\n")
"""
    path.touch()
    feed = feed_of(path)
    writers = [
        subprocess.Popen([sys.executable, "-S", "-c", program, path, *span]) for span in (("0", "300"), ("200", "500"))
    ]
    while any(writer.poll() is None for writer in writers):
        feed.poll(time.time(), False)
    read(feed, last=True)
    assert points(feed) == {"loss": {float(step): step * 0.5 for step in range(500)}}


def test_a_metric_that_turns_from_number_to_nan_to_text_and_back_in_every_format(tmp_path: Path) -> None:
    values = ("0.5", "NaN", '"n/a"', "0.25")
    rows = [f'{{"step": {step}, "m": {value}}}\n' for step, value in enumerate(values, 1)]
    texts = {
        "metrics.jsonl": "".join(rows),
        "metrics.csv": "step,m\n1,0.5\n2,nan\n3,n/a\n4,0.25\n",
        "output.log": "step 1 m: 0.5\nstep 2 m: nan\nstep 3 m: n/a\nstep 4 m: 0.25\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        feed = feed_of(tmp_path / name)
        read(feed, last=True)
        found = points(feed)["m"]
        assert math.isnan(found.pop(2.0)), name
        assert found == {1.0: 0.5, 4.0: 0.25}, name


# --- databases ---------------------------------------------------------------------------------------------

MLFLOW = """
CREATE TABLE experiments (experiment_id INTEGER); CREATE TABLE params (key, value, run_uuid);
CREATE TABLE runs (run_uuid, name, start_time); CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan);
"""
LOGS = """
import os, random, signal, sqlite3, sys
path, begin, end, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rng = random.Random(seed)
base = sqlite3.connect(path, timeout=20)
for step in range(begin, end):
    with base:
        for key in range(3):
            base.execute(
                "INSERT INTO metrics VALUES (?, ?, 1700000000000, 'u', ?, 0)",
                (f"m{key}", step * 7.0 + key / 8, step),
            )
            if rng.random() < 0.002:
                os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_whose_writer_is_killed_within_a_transaction(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.execute(f"PRAGMA journal_mode={mode}")
        base.executescript(MLFLOW)
        base.execute("INSERT INTO runs VALUES ('u', 'name', 1700000000000)")
        base.commit()
    feed, begin = feed_of(path), 1
    for seed in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", LOGS, path, str(begin), str(begin + 60), str(seed)]
        )
        while writer.poll() is None:
            feed.poll(time.time(), False)
        with contextlib.closing(sqlite3.connect(path)) as base:  # rolls back what was torn
            begin = (base.execute("SELECT max(step) FROM metrics").fetchone()[0] or 0) + 1
    read(feed, last=True)
    assert points(feed) == expected(range(1, begin))


# --- clocks ------------------------------------------------------------------------------------------------


class Clock:
    """A clock that can be set."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
def test_files_are_still_the_runs_own_when_the_clock_is_set(seconds: float, tmp_path: Path) -> None:
    run, work, clock = tmp_path / "ledger" / "r-1", tmp_path / "work", Clock()
    run.mkdir(parents=True)
    work.mkdir()
    (work / "old.jsonl").write_bytes(_json(50))
    os.utime(work / "old.jsonl", (time.time() - 9000, time.time() - 9000))
    collector = Collector(run, work, (), clock(), list, clock=clock)
    clock.ahead = seconds
    path = work / "metrics.jsonl"
    for step in range(1, 4):
        with path.open("ab") as out:
            out.write(_json(step))
        os.utime(path, (clock(), clock()))
        collector.poll(thorough=True)
    assert (
        dict(zip(collector.series["m0"].steps, collector.series["m0"].values, strict=True))
        == expected(range(1, 4))["m0"]
    )


def test_times_that_go_back_keep_every_point(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = [
        {"step": step, "loss": step * 1.0, "_timestamp": at} for step, at in enumerate((2e9, 2e9 + 9, 1.9e9, 1.9e9 + 1))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    feed = feed_of(path)
    read(feed)
    assert list(feed.series["loss"].steps) == [0, 1, 2, 3]
    assert list(feed.series["loss"].times) == [row["_timestamp"] for row in rows]


# --- any bytes, in any pieces ------------------------------------------------------------------------------


def _damages(data: bytes, rng: random.Random) -> Iterator[bytes]:
    yield data
    for _ in range(6):
        begin = rng.randrange(len(data))
        yield (
            data[:begin]
            + bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40)))
            + data[begin + rng.randrange(40) :]
        )
    yield data[: len(data) // 2] + data[len(data) // 3 :]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_damage_anywhere_makes_no_reader_fail_and_no_point_double(kind: Any, tmp_path: Path) -> None:
    """Whatever a file of any format was turned into, a reader tells what it can and goes on."""
    rng, name = random.Random(kind.name), kind.globs[0].replace("*", "x")
    state = {"log_history": [{"step": step, "m": 1.0} for step in range(50)]}
    whole = {
        "wandb": _wandb(50),
        "tensorboard": b"".join(map(_event, range(1, 50))),
        "csv": HEADER + b"".join(map(_row, range(50))),
        "trainer": json.dumps(state).encode(),
        "hydra": b"a: {b: 1, c: [2, 3]}\n",
    }.get(kind.name, b"".join(map(_json, range(1, 50))))
    for turn, data in enumerate(_damages(whole, rng)):
        path = tmp_path / f"{turn}" / name
        path.parent.mkdir()
        feed = Feed(kind.name, path.parent)
        feed.add(path, lambda path=path: kind.open(path))
        at = 0
        while at < len(data):
            at += rng.randrange(1, 2000)
            path.write_bytes(data[:at])
            kind.recognises(path)
            feed.poll(time.time(), False)
        read(feed, last=True)
        points(feed)
        feed.close()


# --- files that are not what their format promises ----------------------------------------------------------


def _sqlite(path: Path, script: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(script)
        database.commit()


def test_a_database_that_holds_anything_in_its_columns_loses_no_number_beside_it(tmp_path: Path) -> None:
    _sqlite(
        tmp_path / "mlflow.db",
        "CREATE TABLE experiments(x); CREATE TABLE runs(run_uuid, name, start_time);"
        "CREATE TABLE params(run_uuid, key, value);"
        "CREATE TABLE metrics(run_uuid, key, step, timestamp, value, is_nan);"
        "INSERT INTO runs VALUES ('abc', 'n', 5); INSERT INTO params VALUES ('abc', NULL, NULL), ('abc', 'lr', '0.1');"
        "INSERT INTO metrics VALUES ('abc', 'loss', 1, 'x', '0.5', 0), ('abc', NULL, 1, NULL, NULL, 0),"
        " ('abc', 'loss', 2, 5000, 0.25, 0);",
    )
    _sqlite(
        tmp_path / "t.db",
        "CREATE TABLE metrics(id INTEGER PRIMARY KEY, run_name, timestamp, step, metrics);"
        "CREATE TABLE configs(id INTEGER PRIMARY KEY, run_name, config, created_at);"
        """INSERT INTO metrics VALUES (1, 'a', '0001-01-01T00:00:00', 'x', '{"acc": 0.5}'), (2, 'a', 5, 2, 5),"""
        """ (3, 'a', 5, 3, '{"acc": 0.75}');""",
    )
    found = of_folder(tmp_path)
    assert list(found.series["loss"].values) == [0.5, 0.25] and found.config["lr"] == 0.1
    assert list(found.series["acc"].values) == [0.5, 0.75]


def test_a_journal_with_a_choice_beyond_all_choices_is_read_on(tmp_path: Path) -> None:
    told = json.dumps(json.dumps({"attributes": {"choices": [1, 2]}}))
    row = '{"op_code": 5, "trial_id": 0, "param_name": "%s", "param_value_internal": %s, "distribution": %s}\n'
    begun = '{"op_code": 4, "datetime_start": "0001-01-01T00:00:00"}\n'
    rows = row % ("p", "Infinity", told) + row % ("q", "2", json.dumps('{"attributes": 1}'))
    (tmp_path / "study.journal").write_text(begun + rows)
    assert list(of_folder(tmp_path).series["params/q"].values) == [2.0]


def test_a_configuration_that_holds_itself_or_never_ends_is_cut(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("a: &x\n  b: *x\nlr: 0.1\n")
    deep = '{"config": ' + '{"a":' * 300 + "1" + "}" * 300 + ', "step": 1, "loss": 2}\n'
    (tmp_path / "metrics.jsonl").write_text(deep)
    found = of_folder(tmp_path)
    assert found.config["lr"] == 0.1 and found.series["loss"].values[0] == 2
    assert len(json.dumps(found.config)) < 1000


def test_a_configuration_of_aliases_of_aliases_holds_up_no_numbers(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(MERGED)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\n')
    found = of_folder(tmp_path)
    assert found.series["loss"].values[0] == 2 and found.notes == ["config.yaml of Hydra cannot be read"]


def test_a_text_summary_nested_without_end_is_no_configuration(tmp_path: Path) -> None:
    value = _field(1, b"args") + _field(8, b"\x08\x07" + _field(8, b'{"a":' + b"[" * 100_000))
    text = _field(5, _field(1, value + _field(9, _field(1, b"\n\x04text"))))
    found = _with_a_loss(tmp_path, b"\x10\x01" + text)
    assert list(found.series["loss"].values) == [0.5] and found.notes == []


def test_a_number_in_place_of_a_name_is_no_size(tmp_path: Path) -> None:
    plugin = b"\x08\xff\xff\xff\xff\xff\xff\xff\x3f"  # the plugin's name: as many zeros, if it were a size
    found = _with_a_loss(tmp_path, _field(5, _field(1, _field(1, b"args") + _field(9, _field(1, plugin)))))
    assert list(found.series["loss"].values) == [0.5] and "cannot be read" in found.notes[0]


def test_a_word_in_place_of_an_exit_code_is_none(tmp_path: Path) -> None:
    record = b"\x92\x01" + bytes([7]) + _field(1, b"hello")
    piece = struct.pack("<IHB", 0, len(record), 1) + record
    (tmp_path / "run-1.wandb").write_bytes(b":W&B\xe1\xbe\x00" + piece)
    assert of_folder(tmp_path).exit_code is None


def test_a_distribution_of_no_characters_ends_no_journal(tmp_path: Path) -> None:
    row = '{"op_code": 5, "trial_id": 0, "param_name": "%s", "param_value_internal": 2, "distribution": "%s"}\n'
    (tmp_path / "study.journal").write_text('{"op_code": 4}\n' + row % ("p", "\\ud800") + row % ("q", "{}"))
    assert list(of_folder(tmp_path).series["params/q"].values) == [2.0]


def _field(number: int, data: bytes) -> bytes:
    """A field of a protobuf message that holds DATA."""
    size, left = b"", len(data)
    while left > 127:
        size, left = size + bytes([left & 127 | 128]), left >> 7
    return bytes([number << 3 | 2]) + size + bytes([left]) + data


def _with_a_loss(folder: Path, content: bytes) -> Numbers:
    """What is read of an event file with an event of CONTENT, and one behind it that says a loss."""
    moment = b"\x09" + struct.pack("<d", 1e9)
    loss = moment + b"\x10\x02" + _field(5, _field(1, _field(1, b"loss") + b"\x15\0\0\0\x3f"))
    records = (struct.pack("<QI", len(one), 0) + one + bytes(4) for one in (moment + content, loss))
    (folder / "events.out.tfevents.1").write_bytes(b"".join(records))
    return of_folder(folder)


@pytest.mark.parametrize("scale", [1, 1e3, 1e6, 1e9])
def test_a_moment_in_any_unit_is_the_same_moment(tmp_path: Path, scale: float) -> None:
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"timestamp": int(1.7e9 * scale), "step": 1, "loss": 2}) + "\n")
    assert of_folder(tmp_path).series["loss"].times[0] == pytest.approx(1.7e9)
