"""What tracking tools and trainers leave behind: databases, checkpoints, binary logs, journals, configurations."""

import json
import math
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import event_file, wandb_file
from workbench.experiments.numbers import kind_of
from workbench.experiments.readers.base import Batch, Reader, Start
from workbench.experiments.readers.kinds import KINDS
from workbench.experiments.readers.mlflow import MlflowReader
from workbench.experiments.readers.wandb import WandbFiles

NAN = math.nan


def told(batch: Batch) -> dict[str, list[tuple[float, float]]]:
    return {key: list(zip(column.steps, column.values, strict=True)) for key, column in batch.columns.items()}


def reader_of(path: Path, since: float = 0.0) -> Reader:
    kind = kind_of(path)
    assert kind is not None, f"{path} is not recognised"
    return kind.open(path, Start(since))


# --- W&B ---


def test_rows_configuration_and_end_of_wandb(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    records = [
        wandb_file.run({"lr": "0.5", "_wandb": '{"version": 1}'}),
        wandb_file.history(0, {"loss": "0.25", "_timestamp": "1700000000.5", "_runtime": "3.0", "_step": "0"}),
        wandb_file.history(1, {"loss": "NaN", "eval": '{"acc": 0.5}', "text": '"words"'}),
        wandb_file.config({"late": "1"}),
        wandb_file.ended(3),
    ]
    path.write_bytes(wandb_file.written(records))
    batch = reader_of(path).poll()
    assert repr(told(batch)) == repr({"loss": [(0.0, 0.25), (1.0, NAN)], "eval/acc": [(1.0, 0.5)]})
    assert batch.columns["loss"].times[0] == 1700000000.5
    assert batch.config == {"lr": 0.5, "late": 1} and batch.exit_code == 3


LONG = wandb_file.written(
    [
        wandb_file.history(step, {"loss": str(step / 8), "text": json.dumps("x" * (step * 997 % 9000))})
        for step in range(40)
    ]
)  # several blocks, records across their borders


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.one_of(st.integers(0, len(LONG)), st.integers(32_750, 32_790)), max_size=12))
def test_wherever_wandb_pauses_no_row_is_lost(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    path = tmp_path_factory.mktemp("wandb") / "run-x.wandb"
    path.touch()
    reader, held, begin = WandbFiles().open(path), [], 0
    for cut in [*sorted(cuts), len(LONG)]:
        with path.open("ab") as file:
            file.write(LONG[begin:cut])
        begin = max(begin, cut)
        held += told(reader.poll()).get("loss", [])
    assert held == [(step, step / 8) for step in range(40)]


def test_a_block_of_garbage_costs_its_own_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "run-x.wandb"
    broken = bytearray(LONG)
    broken[40_000:40_100] = os.urandom(100)
    path.write_bytes(broken)
    steps = [step for step, _ in told(reader_of(path).poll())["loss"]]
    assert steps[0] == 0 and steps[-1] == 39 and len(steps) > 25


# --- Hugging Face ---


def state(rows: int) -> str:
    history = [{"loss": 1 / step, "step": step, "epoch": step / 10} for step in range(1, rows + 1)]
    return json.dumps({"global_step": rows, "max_steps": 10, "log_history": history, "logging_steps": 4})


def test_a_trainer_state_grows_and_is_seen_whole_only(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-2/trainer_state.json"
    path.parent.mkdir()
    path.write_text(state(2)[:50])
    reader = reader_of(path)
    assert not reader.poll()
    path.write_text(state(2))
    batch = reader.poll()
    assert told(batch)["loss"] == [(1, 1.0), (2, 0.5)]
    assert batch.progress == (2, 10) and batch.config == {"logging_steps": 4, "max_steps": 10}
    path.write_text(state(3))
    assert told(reader.poll())["loss"] == [(3, 1 / 3)]
    path.write_text(state(1))
    batch = reader.poll()
    assert batch.restart and told(batch)["loss"] == [(1, 1.0)]
    path.unlink()
    assert not reader.poll()


# --- databases ---


@pytest.fixture
def mlflow(tmp_path: Path) -> tuple[Path, sqlite3.Connection]:
    path = tmp_path / "mlflow.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(
        "CREATE TABLE experiments (experiment_id INTEGER);"
        "CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), start_time BIGINT);"
        "CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));"
        "CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT, "
        "is_nan BOOLEAN);"
    )
    for run, name, began in (("old", "before", 1000), ("a", "first", 5_000_000), ("b", "second", 6_000_000)):
        database.execute("INSERT INTO runs VALUES (?, ?, ?)", (run, name, began))
    return path, database


def log(database: sqlite3.Connection, run: str, key: str, step: int, value: float) -> None:
    row = (key, 0.0 if math.isnan(value) else value, 5_000_000 + step, run, step, math.isnan(value))
    database.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", row)


def test_runs_of_mlflow_that_began_since(mlflow: tuple[Path, sqlite3.Connection]) -> None:
    path, database = mlflow
    for run in ("old", "a", "b"):
        log(database, run, "loss", 1, 0.5)
    log(database, "a", "loss", 2, NAN)
    log(database, "a", "loss", 3, 1.7976931348623157e308)
    log(database, "a", "system/cpu", 3, 1)
    for key, value in (("lr", "0.1"), ("deep", "True"), ("name", "x")):
        database.execute("INSERT INTO params VALUES (?, ?, 'a')", (key, value))
    reader = reader_of(path, 5000.0)
    batch = reader.poll()
    assert repr(told(batch)) == repr({"loss": [(1.0, 0.5), (2.0, NAN), (3.0, math.inf)], "second/loss": [(1.0, 0.5)]})
    assert batch.config == {"lr": 0.1, "deep": True, "name": "x"} and batch.columns["loss"].times[0] == 5000.001
    assert not reader.poll()
    log(database, "a", "loss", 4, 0.25)
    assert told(reader.poll()) == {"loss": [(4, 0.25)]}


class Interrupted(MlflowReader):
    """A reader that has to wait behind its first look, as on a busy machine."""

    meanwhile: Callable[[], None] | None = None

    def new_rows(self, database: sqlite3.Connection, table: str, query: str, *values: Any) -> list[Any]:
        found = super().new_rows(database, table, query, *values)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return found


def test_a_run_that_begins_and_logs_between_two_looks_at_its_tables_is_read(
    mlflow: tuple[Path, sqlite3.Connection],
) -> None:
    path, database = mlflow

    def meanwhile() -> None:
        database.execute("INSERT INTO runs VALUES ('c', 'third', 7000000)")
        log(database, "c", "loss", 1, 0.5)

    reader = Interrupted(path, Start(6500.0))
    reader.poll()
    reader.meanwhile = meanwhile
    log(database, "a", "loss", 1, 0.5)  # something to look for
    found = told(reader.poll()) | told(reader.poll())
    assert found == {"loss": [(1, 0.5)]}


def test_a_writers_lock_makes_it_wait_and_its_own_reading_makes_nobody_wait(
    mlflow: tuple[Path, sqlite3.Connection],
) -> None:
    path, database = mlflow
    reader = reader_of(path)
    reader.poll()
    database.execute("BEGIN EXCLUSIVE")
    log(database, "a", "loss", 1, 0.5)
    assert not reader.poll().columns
    database.execute("COMMIT")
    assert told(reader.poll())["first/loss"] == [(1, 0.5)]
    database.execute("PRAGMA busy_timeout = 0")
    for step in range(2, 50):
        log(database, "a", "loss", step, 0.5)
        assert len(reader.poll().columns["first/loss"]) == 1


def test_a_database_that_is_replaced_and_one_that_is_damaged(mlflow: tuple[Path, sqlite3.Connection]) -> None:
    path, database = mlflow
    log(database, "a", "loss", 1, 0.5)
    reader = reader_of(path, 5000.0)
    reader.poll()
    database.close()
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    batch = reader.poll()
    assert batch.restart and told(batch) == {"loss": [(1, 0.5)]}
    path.write_bytes(path.read_bytes()[:3000] + os.urandom(9000))
    notes = reader.poll().notes + reader.poll().notes
    assert len(notes) <= 1
    path.unlink()
    assert not reader.poll()


def test_tables_that_are_still_being_made_are_no_news(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as database:
        for table in ("experiments", "runs", "metrics", "params"):
            database.execute(f"CREATE TABLE {table} (key VARCHAR(250))")
    reader = reader_of(path)
    assert not reader.poll()
    database.execute("ALTER TABLE metrics ADD COLUMN step BIGINT")
    assert not reader.poll()
    database.close()


def test_folders_of_mlflow(tmp_path: Path) -> None:
    run = tmp_path / "mlruns/1/abc"
    (run / "metrics/train").mkdir(parents=True)
    (run / "params").mkdir()
    (tmp_path / "mlruns/1/meta.yaml").write_text("experiment_id: '1'\n")
    (run / "meta.yaml").write_text("artifact_uri: x\nrun_id: abc\n")
    (run / "params/lr").write_text("0.5")
    (run / "metrics/train/loss").write_text("1700000000000 0.5 1\n1700000001000 nan 2\n1700000002000 0.2")
    assert kind_of(tmp_path / "mlruns/1/meta.yaml") is None
    reader = reader_of(run / "meta.yaml")
    batch = reader.poll()
    assert repr(told(batch)) == repr({"train/loss": [(1.0, 0.5), (2.0, NAN)]}) and batch.config == {"lr": 0.5}
    with (run / "metrics/train/loss").open("a") as file:
        file.write("5 3\n")
    assert told(reader.poll()) == {"train/loss": [(3, 0.25)]}


def test_trackio_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "project.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode = WAL;"
        "CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT);"
        "CREATE TABLE configs (id INTEGER PRIMARY KEY, run_name TEXT, config TEXT, created_at TEXT);"
        "CREATE TABLE alerts (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, title TEXT, text TEXT, level TEXT,"
        " step INTEGER);"
    )
    add = "INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?)"
    for second, run, step in ((100, "old", 1), (5000, "a", 1), (5001, "a", 2), (5002, "b", 1)):
        stamp = datetime.fromtimestamp(second, UTC).isoformat()
        database.execute(add, (stamp, run, step, json.dumps({"loss": step / 4, "deep": {"x": 1}, "step": 9})))
    stamp = datetime.fromtimestamp(5000, UTC).isoformat()
    database.execute("INSERT INTO configs VALUES (1, 'a', ?, ?)", (json.dumps({"lr": 0.5, "_Username": "me"}), stamp))
    database.execute("INSERT INTO alerts VALUES (1, ?, 'a', 'Overfit', 'val loss up', 'warn', 2)", (stamp,))
    batch = reader_of(path, 5000.0).poll()
    assert told(batch)["deep/x"] and told(batch)["b/loss"] == [(1, 0.25)]
    assert [value for _, value in told(batch)["loss"]] == [0.25, 0.5] and batch.config == {"lr": 0.5}
    assert batch.notes == ["the program says at step 2: warn Overfit: val loss up"]
    database.close()


def operation(**words: object) -> str:
    return json.dumps(words) + "\n"


def test_a_journal_of_optuna(tmp_path: Path) -> None:
    choices = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": [16, 32]}})
    path = tmp_path / "journal.log"
    path.write_text(
        '{"op_code":0,"study_name":"s"}\n'
        + operation(op_code=4, study_id=0, datetime_start="1970-01-01T00:00:01+00:00")
        + operation(op_code=4, study_id=0, datetime_start="2026-01-01T00:00:00+00:00")
        + operation(op_code=5, trial_id=1, param_name="batch", param_value_internal=1, distribution=choices)
        + operation(op_code=7, trial_id=1, step=0, intermediate_value=NAN)
        + operation(op_code=6, trial_id=0, state=1, values=[9.0])
        + operation(op_code=6, trial_id=1, state=1, values=[0.5])
        + operation(op_code=6, trial_id=7, state=1, values=[0.5])
        + "[]\nno json\n"
    )
    path.write_text(path.read_text().replace('"op_code": ', '"op_code":'))
    assert repr(told(reader_of(path, 1e9).poll())) == repr(
        {"params/batch": [(1.0, 32.0)], "trial_1/value": [(0.0, NAN)], "value": [(1.0, 0.5)]}
    )


def test_results_of_ray_tune(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    row = {"loss": 0.5, "training_iteration": 3, "timestamp": 1_700_000_000, "config": {"lr": 0.1}, "done": False}
    path.write_text(json.dumps(row) + "\n")
    batch = reader_of(path).poll()
    assert told(batch) == {"loss": [(3, 0.5)]} and batch.config == {"lr": 0.1}


def test_a_configuration_of_hydra_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / ".hydra/config.yaml"
    path.parent.mkdir()
    for text in ("a: [1\n", "a: !!bool maybe\n", 'a: !!int ""\n', "a: !!timestamp x\n"):
        path.write_text(text)
        assert reader_of(path).poll().notes
    path.write_text("a: 1\nwhen: 2026-01-01\n")
    assert reader_of(path).poll().config["a"] == 1
    assert kind_of(tmp_path / "config.yaml") is None


# --- all formats ---

SEEDS: dict[str, Callable[[], bytes]] = {
    "events.out.tfevents.1": lambda: event_file.simple("loss", 0.5, 1, 1.0) + event_file.text("t", '{"a": 1}', 1.0),
    "run-a.wandb": lambda: LONG[:3000],
    "m.jsonl": lambda: b'{"step": 1, "loss": 0.5, "config": {"a": 1}}\n',
    "journal.log": lambda: b'{"op_code":4}\n{"op_code":6,"trial_id":0,"state":1,"values":[1]}\n',
    "metrics.csv": lambda: b"step,loss\n1,0.5\n",
    "trainer_state.json": lambda: state(2).encode(),
    "mlflow.db": lambda: b"SQLite format 3\0" + bytes(200),
    ".hydra/config.yaml": lambda: b"a: 1\n",
    "meta.yaml": lambda: b"run_id: x\n",
}


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=60), at=st.integers(0, 3000), length=st.integers(0, 60))
def test_no_bytes_make_a_reader_fail(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes, at: int, length: int
) -> None:
    path = tmp_path_factory.mktemp("hostile") / name
    path.parent.mkdir(exist_ok=True)
    good = SEEDS[name]()
    at %= len(good) + 1
    path.write_bytes(good[:at] + data + good[at + length :])
    for kind in KINDS:
        kind.recognises(path)
        reader = kind.open(path)
        reader.poll()
        reader.poll()
        reader.close()


def test_each_kind_has_its_name_and_none_takes_what_is_not_there(tmp_path: Path) -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert not any(kind.open(tmp_path / "nowhere" / name.replace("*", "x")).poll() for name in kind.globs)
