"""Files of metrics, read while they are written: torn, rotated, truncated, rewritten, deleted."""

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import event_file
from workbench.experiments.readers.base import Batch, Reader
from workbench.experiments.readers.jsonl import JsonLines
from workbench.experiments.readers.tables import LiveTables, Tables
from workbench.experiments.readers.tensorboard import EventFiles


def told(batch: Batch) -> dict[str, list[tuple[float, float]]]:
    return {key: list(zip(column.steps, column.values, strict=True)) for key, column in batch.columns.items()}


def all_of(reader: Reader) -> dict[str, list[tuple[float, float]]]:
    """All points so far, as a collector would hold them."""
    held: dict[str, list[tuple[float, float]]] = {}
    while batch := reader.poll():
        if batch.restart:
            held = {}
        for key, points in told(batch).items():
            held.setdefault(key, []).extend(points)
    return held


def write(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


# --- TensorBoard ---


def test_scalars_of_both_kinds_with_their_times(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.host"
    write(path, event_file.record(event_file.message([(1, 5.0), (3, b"brain.Event:2")])))
    write(path, event_file.simple("loss", 0.5, 0, 10.0) + event_file.simple("loss", 0.25, 300, 11.0))
    write(path, event_file.tensor("loss", 0.125, 2**33, 12.0) + event_file.simple("nan", math.nan, 1, 13.0))
    batch = EventFiles().open(path).poll()
    assert told(batch)["loss"] == [(0, 0.5), (300, 0.25), (2**33, 0.125)]
    assert list(batch.columns["loss"].times) == [10.0, 11.0, 12.0] and math.isnan(batch.columns["nan"].values[0])


def test_a_configuration_written_as_text(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.host"
    write(path, event_file.text("args/text_summary", '{"lr": 0.1}', 1.0) + event_file.text("about", "prose", 1.0))
    assert EventFiles().open(path).poll().config == {"args": {"lr": 0.1}}


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_wherever_the_writer_pauses_no_point_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("tb") / "events.out.tfevents.1"
    data = b"".join(event_file.simple("loss", float(step), step, 1.0) for step in range(8))
    reader, held, begin = EventFiles().open(path), [], 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        write(path, data[begin:cut])
        begin = cut
        held += told(reader.poll()).get("loss", [])
    assert held == [(float(step), float(step)) for step in range(8)]


def test_garbage_ends_the_reading_and_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    write(path, event_file.simple("loss", 0.5, 1, 1.0) + os.urandom(5000))
    reader = EventFiles().open(path)
    batch = reader.poll()
    assert told(batch) == {"loss": [(1, 0.5)]} and len(batch.notes) == 1
    write(path, b"more")
    assert not reader.poll()


# --- JSON lines and tables ---


def test_json_lines_with_nesting_nan_and_configuration(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"step": 1, "loss": 0.5, "eval": {"acc": "0.25"}, "config": {"lr": 0.1}}\n'
        '{"step": 2, "loss": NaN, "name": "b", "ok": true}\nnot json\n{"step": 3, "loss": "diverged"}\n{"step": 4, "lo'
    )
    reader = JsonLines().open(path)
    batch = reader.poll()
    assert repr(told(batch)) == repr({"loss": [(1.0, 0.5), (2.0, math.nan)], "eval/acc": [(1.0, 0.25)]})
    assert batch.config == {"lr": 0.1} and len(batch.notes) == 1
    write(path, b'ss": 0.125}\n')
    assert told(reader.poll()) == {"loss": [(4, 0.125)]}


def test_a_table_that_is_rewritten_with_a_new_column_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,train_loss\n0,9,0.5\n0,19,\n")
    reader = Tables().open(path)
    assert told(reader.poll()) == {"epoch": [(9, 0), (19, 0)], "train_loss": [(9, 0.5)]}
    path.write_text("epoch,step,train_loss,val_loss\n0,9,0.5,\n0,19,,0.75\n1,29,0.25,\n")
    batch = reader.poll()
    assert batch.restart and told(batch)["train_loss"] == [(9, 0.5), (29, 0.25)]
    assert told(batch)["val_loss"] == [(19, 0.75)]


def test_a_table_of_data_is_no_metrics(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("name,age\nana,30\n")
    assert not Tables().recognises(path)


def test_a_live_table_is_named_by_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "dvclive/plots/metrics/train"
    folder.mkdir(parents=True)
    (folder / "loss.tsv").write_text("step\tloss\n0\t0.5\n1\t0.25\n")
    assert LiveTables().recognises(folder / "loss.tsv")
    assert told(LiveTables().open(folder / "loss.tsv").poll()) == {"train/loss": [(0, 0.5), (1, 0.25)]}


# --- what happens to files ---


def line(step: int) -> bytes:
    return json.dumps({"step": step, "loss": float(step)}).encode() + b"\n"


@pytest.fixture
def followed(tmp_path: Path) -> tuple[Path, Reader]:
    path = tmp_path / "metrics.jsonl"
    write(path, line(1) + line(2))
    reader = JsonLines().open(path)
    assert len(told(reader.poll())["loss"]) == 2
    return path, reader


def test_a_rotated_file_goes_on(followed: tuple[Path, Reader]) -> None:
    path, reader = followed
    write(path, line(3))
    path.rename(path.with_suffix(".1"))
    write(path, line(4))
    assert [step for step, _ in all_of(reader)["loss"]] == [3, 4]


def test_a_truncated_file_restarts_and_so_does_one_rewritten_as_long(followed: tuple[Path, Reader]) -> None:
    path, reader = followed
    path.write_bytes(line(7))
    batch = reader.poll()
    assert batch.restart and told(batch)["loss"] == [(7, 7.0)]
    path.write_bytes(line(8) + line(9) + line(10))
    batch = reader.poll()
    assert batch.restart and len(told(batch)["loss"]) == 3


def test_a_replaced_file_restarts(followed: tuple[Path, Reader]) -> None:
    path, reader = followed
    write(path.with_suffix(".new"), line(5))
    path.with_suffix(".new").replace(path)
    batch = reader.poll()
    assert batch.restart and told(batch)["loss"] == [(5, 5.0)]


def test_a_deleted_file_is_read_to_its_end_and_then_gives_nothing(followed: tuple[Path, Reader]) -> None:
    path, reader = followed
    with path.open("ab") as writer:
        path.unlink()
        writer.write(line(3))
        writer.flush()
        assert told(reader.poll())["loss"] == [(3, 3.0)]
    assert not reader.poll()
    reader.close()
    assert not reader.poll()


def test_a_file_that_is_not_there_yet_and_a_folder_in_its_place(tmp_path: Path) -> None:
    reader = JsonLines().open(tmp_path / "later.jsonl")
    assert not reader.poll()
    write(tmp_path / "later.jsonl", line(1))
    assert reader.poll()
    (tmp_path / "folder.jsonl").mkdir()
    assert JsonLines().open(tmp_path / "folder.jsonl").poll().notes
