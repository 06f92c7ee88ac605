"""One series per key from all that a run writes: printed lines and files, live, rewritten, torn and gone."""

import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from support import event_file
from workbench.experiments.collect import Collector, of_folder, of_run, series_of
from workbench.experiments.goals import goal_of
from workbench.experiments.ledger import Ledger
from workbench.experiments.points import Series, load, save
from workbench.experiments.readers.base import Column
from workbench.experiments.types import Run, Source

NAN = math.nan


class Place:
    """A run's folder in a ledger and the folder where its program works."""

    def __init__(self, root: Path, name: str = "r-1", cwd: Path | None = None) -> None:
        self.folder = root / "ledger" / name
        self.cwd = cwd or root / "work"
        self.folder.mkdir(parents=True)
        self.cwd.mkdir(exist_ok=True)
        self.pids: list[int] = []
        self.started = time.time()

    def collector(self, **more: object) -> Collector:
        return Collector(self.folder, self.cwd, (), self.started, lambda: self.pids, **more)  # type: ignore[arg-type]

    def status(self, status: str, *argv: str, ended: float | None = None) -> None:
        record = {"status": status, "argv": argv, "cwd": str(self.cwd), "started": self.started, "ended": ended}
        (self.folder / "run.json").write_text(json.dumps(record))

    def prints(self, text: str) -> None:
        append(self.folder / "output.log", text.encode())


def append(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)


def told(collector: Collector, key: str) -> list[tuple[float, float]]:
    series = collector.series[key]
    return list(zip(series.steps, series.values, strict=True))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- one series per key ---


def test_a_file_wins_over_what_is_printed_which_goes_on_where_the_file_is_behind(place: Place) -> None:
    collector = place.collector()
    place.prints("step 1 loss 0.33\nstep 2 loss 0.25\nstep 3 loss 0.12\nstep 3 acc 0.5\n")
    append(place.cwd / "metrics.jsonl", b'{"step": 1, "loss": 0.3333}\n{"step": 2, "loss": 0.2501}\n')
    assert collector.poll(thorough=True)
    assert told(collector, "loss") == [(1, 0.3333), (2, 0.2501), (3, 0.12)]
    assert told(collector, "acc") == [(3, 0.5)]
    append(place.cwd / "metrics.jsonl", b'{"step": 3, "loss": 0.1249}\n')
    collector.finish()
    assert told(collector, "loss") == [(1, 0.3333), (2, 0.2501), (3, 0.1249)]


def test_a_printed_series_that_is_another_does_not_go_on_a_files(place: Place) -> None:
    collector = place.collector()
    place.prints("step 2 loss 9.0\nstep 3 loss 8.0\n")
    append(place.cwd / "metrics.jsonl", b'{"step": 2, "loss": 0.25}\n')
    collector.finish()
    assert told(collector, "loss") == [(2, 0.25)]


def test_a_trainers_printed_epochs_go_on_the_steps_of_its_last_checkpoint(place: Place) -> None:
    collector = place.collector()
    for step in range(1, 6):
        place.prints(f"{{'loss': '{1 / step:.4g}', 'epoch': '{step / 8:.4g}'}}\n")
    history = [{"loss": 1 / step, "epoch": step / 8, "step": step} for step in range(1, 4)]
    append(place.cwd / "out/checkpoint-3/trainer_state.json", json.dumps({"log_history": history}).encode())
    collector.finish()
    assert told(collector, "loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 0.25), (5, 0.2)]


def test_the_same_value_from_three_sources_is_one_point(place: Place) -> None:
    collector = place.collector()
    place.prints("step 1 loss 0.5\n")
    append(place.cwd / "metrics.csv", b"step,loss\n1,0.5\n")
    append(place.cwd / "tb/events.out.tfevents.1", event_file.simple("loss", 0.5, 1, 10.0))
    collector.finish()
    assert told(collector, "loss") == [(1, 0.5)]
    assert {source.kind for source in collector.sources} == {"csv", "tensorboard"}


def test_two_writers_of_one_folder_and_of_two(place: Place) -> None:
    collector = place.collector()
    append(place.cwd / "tb/events.out.tfevents.1", event_file.simple("loss", 0.5, 1, 1.0))
    append(place.cwd / "tb/events.out.tfevents.2", event_file.simple("loss", 0.25, 2, 1.0))
    append(place.cwd / "tb/loss_b/events.out.tfevents.3", event_file.simple("loss", 0.75, 1, 1.0))
    append(place.cwd / "logs/validation/events.out.tfevents.4", event_file.simple("epoch_loss", 0.5, 1, 1.0))
    for name in ("one", "two"):
        append(place.cwd / f"{name}/metrics.jsonl", json.dumps({"step": 1, "acc": len(name)}).encode() + b"\n")
    collector.finish()
    assert told(collector, "loss") == [(1, 0.5), (2, 0.25)]
    assert told(collector, "loss_b/loss") == [(1, 0.75)]
    assert set(collector.series) >= {"validation/epoch_loss", "acc"} and len(collector.series) == 5


def test_steps_and_times_that_are_not_told(place: Place) -> None:
    collector, before = place.collector(), time.time()
    place.prints("loss 0.5\nloss 0.25\n")
    collector.poll()
    place.prints("loss nan\n")
    collector.poll()
    assert repr(told(collector, "loss")) == repr([(0.0, 0.5), (1.0, 0.25), (2.0, NAN)])
    times = list(collector.series["loss"].times)
    assert times == sorted(times) and before - 1 <= times[0] <= time.time() + 1
    collector.close()


def test_a_metric_that_turns_to_nan_and_to_text(place: Place) -> None:
    collector = place.collector()
    rows = ['{"step": 1, "loss": 0.5}', '{"step": 2, "loss": NaN}', '{"step": 3, "loss": "diverged"}']
    append(place.cwd / "log.jsonl", "\n".join([*rows, '{"step": 4, "loss": Infinity}', ""]).encode())
    collector.finish()
    assert repr(told(collector, "loss")) == repr([(1.0, 0.5), (2.0, NAN), (4.0, math.inf)])
    metric = collector.metrics(goal_of)["loss"]
    assert (metric.last, metric.best, metric.step, metric.count) == (None, 0.5, 4, 3)


def test_a_resumed_program_replaces_the_steps_that_it_repeats(place: Place) -> None:
    collector = place.collector()
    append(place.cwd / "log.jsonl", b"".join(b'{"step": %d, "loss": 0.5}\n' % step for step in range(1, 6)))
    collector.poll(thorough=True)
    append(place.cwd / "log.jsonl", b'{"step": 4, "loss": 0.125}\n{"step": 5, "loss": 0.0625}\n')
    collector.finish()
    assert told(collector, "loss") == [(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.125), (5, 0.0625)]
    assert collector.metrics(goal_of)["loss"].best == 0.0625


def test_a_file_that_was_rewritten_counts_once(place: Place) -> None:
    collector = place.collector()
    path = place.cwd / "metrics.csv"
    append(path, b"step,loss\n1,0.5\n2,0.25\n")
    collector.poll(thorough=True)
    path.write_bytes(b"step,loss,val\n1,0.5,\n2,0.25,0.75\n")
    collector.finish()
    assert told(collector, "loss") == [(1, 0.5), (2, 0.25)] and told(collector, "val") == [(2, 0.75)]


@pytest.mark.parametrize("moment", [math.inf, -math.inf, 1e300, -1.0])
def test_a_time_that_is_no_moment_is_that_of_the_reading(moment: float, place: Place) -> None:
    collector = place.collector()
    append(place.cwd / "events.out.tfevents.1", event_file.simple("loss", 0.5, 1, moment))
    collector.finish()
    assert abs(collector.series["loss"].times[0] - time.time()) < 60


def test_numbers_beyond_all_numbers_and_keys_of_no_characters_make_no_record_unreadable(place: Place) -> None:
    ledger = Ledger(place.folder.parent)
    run = ledger.begin(
        lambda run: Run(id=run, name="a", status="running", argv=("x",), cwd="/", workspace="/", created=1.0)
    )
    collector = place.collector()
    place.prints(f" 10%|#  | 1/10 [00:01<00:09, 1.0it/s]\n  1%|#  | 1/{'9' * 400} [00:01<00:00, 1.0it/s]\n")
    append(
        place.cwd / "log.jsonl",
        b'{"step": 1, "a\\ud800": 0.5, "config": {"\\udfff": "\\ud800", "n": 1%s}}\n' % (b"0" * 40),
    )
    append(place.cwd / "trainer_state.json", b'{"log_history": [{"step": 1e307, "epoch": 0.01, "eval_loss": 1}]}')
    place.prints("{'eval_loss': 1.0, 'epoch': 1e305}\n")
    collector.finish()
    told = {"metrics": collector.metrics(goal_of), "config": collector.config, "progress": collector.progress}
    ledger.update(run.id, lambda old: msgspec.structs.replace(old, **told))
    save(place.folder, collector.series)
    kept = ledger.get(run.id)
    assert kept.metrics["a?"].last == 0.5 and kept.config["?"] == "?" and kept.progress is None
    assert set(load(place.folder) or {}) == set(kept.metrics)


# --- whose files ---


def test_what_was_there_before_the_run_is_not_its_own(tmp_path: Path) -> None:
    place = Place(tmp_path)
    append(place.cwd / "old/metrics.csv", b"step,loss\n1,9\n")
    append(place.cwd / "results.jsonl", b'{"step": 1, "acc": 0.1}\n{"step": 2, "acc": 0.2}\n')
    append(place.cwd / "metrics.csv", b"step,lr\n1,0.5\n")
    hour = place.started - 3600
    for name in ("old/metrics.csv", "results.jsonl", "metrics.csv"):
        os.utime(place.cwd / name, (hour, hour))
    collector = place.collector()
    append(place.cwd / "results.jsonl", b'{"step": 3, "acc": 0.3}\n')
    append(place.cwd / "metrics.csv", b"2,0.25\n")
    collector.finish()
    assert told(collector, "acc") == [(3, 0.3)] and told(collector, "lr") == [(2, 0.25)]
    assert "loss" not in collector.series


def test_a_file_that_the_run_goes_on_with_later_holds_no_number_of_it_before(tmp_path: Path) -> None:
    place = Place(tmp_path)
    path = place.cwd / "log.jsonl"
    append(path, b'{"step": 1, "loss": 9}\n{"step": 2, "loss": 8}\n')
    os.utime(path, (place.started - 3600, place.started - 3600))
    collector, place.pids = place.collector(), [os.getpid()]
    with path.open("ab") as file:  # as a logger does at the start, minutes before its first row
        collector.poll(thorough=True)
        file.write(b'{"step": 1, "loss": 5}\n')
    collector.finish()
    assert told(collector, "loss") == [(1, 5)]


@pytest.mark.parametrize("rows", [2, 3, 5])
@pytest.mark.parametrize("anew", ["in place", "replaced"])
def test_a_file_of_the_run_before_that_is_written_anew_is_this_ones_from_its_beginning(
    rows: int, anew: str, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    path = place.cwd / "log.jsonl"
    append(path, b"".join(b'{"step": %d, "loss": 9}\n' % step for step in range(3)))
    os.utime(path, (place.started - 3600, place.started - 3600))
    collector = place.collector()
    if anew == "replaced":
        path.rename(path.with_suffix(".old"))
    path.write_bytes(b"".join(b'{"step": %d, "loss": 5}\n' % step for step in range(rows)))
    collector.finish()
    assert told(collector, "loss") == [(step, 5) for step in range(rows)]


def test_what_the_run_before_wrote_a_moment_ago_is_not_this_ones(tmp_path: Path) -> None:
    place = Place(tmp_path)
    append(place.cwd / "version_0/metrics.csv", b"step,loss\n1,9\n")
    place.started = (place.cwd / "version_0/metrics.csv").stat().st_mtime + 0.2
    collector = place.collector()
    append(place.cwd / "version_1/metrics.csv", b"step,loss\n1,0.5\n")
    os.utime(place.cwd / "version_1/metrics.csv", (place.started + 0.1, place.started + 0.1))
    collector.finish()
    assert told(collector, "loss") == [(1, 0.5)] and len(collector.series) == 1


def test_a_file_of_another_run_that_lives_is_not_taken_until_it_ends(tmp_path: Path) -> None:
    one, two = Place(tmp_path), Place(tmp_path, "r-2")
    one.status("running")
    first, second = one.collector(), two.collector()
    append(one.cwd / "log.jsonl", b'{"step": 1, "loss": 0.5}\n')
    first.poll(thorough=True)
    second.poll(thorough=True)
    assert "loss" in first.series and not second.series
    one.status("finished")
    third = Place(tmp_path, "r-3").collector()
    third.poll(thorough=True)
    assert "loss" in third.series


def test_of_two_runs_side_by_side_the_one_that_was_told_the_folder_takes_its_files(tmp_path: Path) -> None:
    one, two = Place(tmp_path), Place(tmp_path, "r-2")
    one.status("running")
    two.status("running")
    out = two.cwd / "out/two"
    out.mkdir(parents=True)
    first = one.collector()
    append(out / "metrics.csv", b"step,loss\n1,0.5\n")
    first.poll(thorough=True)
    program = "import sys; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, f"--output-dir={out}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        two.pids = [process.pid]
        second = two.collector()
        second.poll(thorough=True)
        process.communicate()
    append(one.cwd / "other.jsonl", b'{"step": 1, "acc": 0.5}\n')
    first.poll(thorough=True)
    assert set(second.series) == {"loss"} and not first.series
    first.finish()
    assert not first.series and "other.jsonl may be of this run or of one beside it" in first.notes[0]


def test_runs_side_by_side_are_told_apart_by_the_words_of_their_commands(tmp_path: Path) -> None:
    places = [Place(tmp_path, f"r-{number}") for number in (1, 2, 3)]
    for number, place in enumerate(places):
        place.status("running", "python", "train.py", f"--seed={number}")
    collectors = [place.collector() for place in places]
    for number in range(3):
        append(places[0].cwd / f"out/seed_{number}/metrics.csv", b"step,loss\n1,%d\n" % number)
        append(places[0].cwd / f"logs/version_{number}/metrics.csv", b"step,acc\n1,9\n")  # whose, nobody can tell
    for collector in reversed(collectors):
        collector.poll(thorough=True)
    for place in places:
        place.status("finished", "python", "train.py", ended=time.time())
    for number, collector in enumerate(collectors):
        collector.finish()
        assert told(collector, "loss") == [(1, number)] and len(collector.series) == 1
        assert all("version_" in note for note in collector.notes) and len(collector.notes) == 3


def test_a_file_elsewhere_that_a_process_of_the_run_holds_open(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.jsonl"
    row = '{"step": 1, "loss": 0.5}'
    program = (
        f"import sys; f = open({str(path)!r}, 'w', 1); print({row!r}, file=f); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        place.pids = [process.pid]
        collector = place.collector()
        collector.poll()
        process.communicate()
    assert told(collector, "loss") == [(1, 0.5)]
    collector.close()


def test_a_folder_that_the_command_names(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "scratch/deep/out"
    out.mkdir(parents=True)
    program = "import sys; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, "--output_dir", str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        place.pids = [process.pid]
        collector = place.collector()
        append(out / "metrics.jsonl", b'{"step": 1, "loss": 0.5}\n')
        collector.poll(thorough=True)
        collector.poll(thorough=True)
        process.communicate()
    assert told(collector, "loss") == [(1, 0.5)]
    collector.close()


def test_a_folder_that_the_command_names_and_makes_later(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "scratch/not/there/yet"
    program = "import sys; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, "--output_dir", str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        place.pids = [process.pid]
        collector = place.collector()
        collector.poll(thorough=True)
        process.communicate()
    append(out / "metrics.jsonl", b'{"step": 1, "loss": 0.5}\n')
    place.pids = []
    collector.finish()
    assert told(collector, "loss") == [(1, 0.5)]
    collector.close()


def test_ignored_and_deep_folders_and_links_in_a_circle(place: Place) -> None:
    append(place.cwd / "node_modules/x/metrics.jsonl", b'{"step": 1, "a": 1}\n')
    append(place.cwd / ".venv/metrics.jsonl", b'{"step": 1, "b": 1}\n')
    (place.cwd / "circle").symlink_to(place.cwd)
    os.mkfifo(place.cwd / "metrics.jsonl")
    collector = place.collector()
    collector.finish()
    assert not collector.series


# --- what happens to runs ---


def test_the_folder_that_is_deleted_under_the_reader(place: Place) -> None:
    collector = place.collector()
    place.prints("step 1 acc 0.5\n")
    append(place.cwd / "log.jsonl", b'{"step": 1, "loss": 0.5}\n')
    collector.poll(thorough=True)
    shutil.rmtree(place.folder)
    shutil.rmtree(place.cwd)
    collector.poll(thorough=True)
    collector.finish()
    assert told(collector, "loss") == [(1, 0.5)] and told(collector, "acc") == [(1, 0.5)]


def test_a_long_silence_does_not_end_the_reading(place: Place) -> None:
    collector = place.collector()
    place.prints("step 1 loss 0.5\n" + "nothing to see here\n" * 500_000 + "step 2 loss 0.25\n")
    collector.finish()
    assert told(collector, "loss") == [(1, 0.5), (2, 0.25)]


def test_a_last_line_without_its_end_counts_but_not_half_a_row_of_a_table(place: Place) -> None:
    collector = place.collector()
    place.prints("step 1 loss 0.5\nstep 2 loss 0.25")
    append(place.cwd / "log.jsonl", b'{"step": 1, "acc": 1}\n{"step": 2, "acc": 2}')
    append(place.cwd / "log.csv", b"step,lr\n1,0.5\n2,0.25")
    collector.poll(thorough=True)
    assert {key: len(one) for key, one in collector.series.items()} == {"loss": 1, "acc": 1, "lr": 1}
    collector.finish()
    assert {key: len(one) for key, one in collector.series.items()} == {"loss": 2, "acc": 2, "lr": 1}


def test_progress_and_what_is_left(place: Place) -> None:
    collector = place.collector()
    place.prints(" 10%|#   | 10/100 [00:10<01:30, 1it/s]\r")
    place.prints("\n")
    collector.poll()
    assert collector.progress == (10, 100) and collector.eta_s == 90
    place.prints("step 50/100 loss 0.5\n")
    collector.poll()
    assert collector.progress == (50, 100) and collector.eta_s is not None and collector.eta_s >= 0
    collector.close()


def test_configuration_has_no_secrets_and_a_bound(place: Place) -> None:
    collector = place.collector()
    config = {"lr": 0.1, "api_key": "sk-1", "max_tokens": 5, "eos_token": "</s>", "hub": {"hub_token": "x"}}
    append(place.cwd / "log.jsonl", json.dumps({"config": config | {"text": "x" * 100_000}}).encode() + b"\n")
    append(place.cwd / "out/.hydra/config.yaml", b"lr: 0.2\nmodel:\n  depth: 3\n")
    append(place.cwd / "out/.hydra/overrides.yaml", b"- lr=0.2\n")
    collector.finish()
    found = collector.config
    assert found["lr"] == 0.2 and found["model"] == {"depth": 3} and found["overrides"] == ["lr=0.2"]
    assert found["api_key"] == "…" and found["hub"] == {"hub_token": "…"}
    assert (found["max_tokens"], found["eos_token"]) == (5, "</s>") and len(found["text"]) == 4000


def test_a_run_that_ended_is_read_at_once_from_what_it_is_known_to_have(place: Place) -> None:
    append(place.cwd / "log.jsonl", b'{"step": 1, "loss": 0.5}\n')
    append(place.cwd / "other.jsonl", b'{"step": 1, "acc": 0.5}\n')
    run = Run(
        id="r-1", name="a", status="finished", argv=("x",), cwd=str(place.cwd), workspace="", created=place.started,
        sources=(Source(kind="jsonl", path="log.jsonl"), Source(kind="csv", path="gone.csv")),
    )  # fmt: skip
    assert set(of_run(run, place.folder).series) == {"loss"}


def test_numbers_of_a_later_run_in_the_same_file_are_not_an_earlier_ones(place: Place) -> None:
    append(place.cwd / "log.jsonl", b'{"step": 1, "loss": 0.5}\n')
    run = Run(
        id="r-1", name="a", status="finished", argv=("x",), cwd=str(place.cwd), workspace="", created=place.started,
        ended=place.started - 60, sources=(Source(kind="jsonl", path="log.jsonl"),),
    )  # fmt: skip
    numbers = of_run(run, place.folder)
    assert not numbers.series and "written to after the run had ended" in numbers.notes[0]
    assert set(series_of(msgspec.structs.replace(run, ended=None), place.folder)) == {"loss"}
    save(place.folder, {})  # it was looked for to the end, and there was none
    assert series_of(msgspec.structs.replace(run, ended=None), place.folder) == {}


def test_a_folder_made_elsewhere(place: Place) -> None:
    append(place.cwd / "log.jsonl", b'{"step": 1, "loss": 0.5}\n')
    os.utime(place.cwd / "log.jsonl", (1e9, 1e9))
    append(place.cwd / "checkpoint-2/trainer_state.json", b'{"log_history": [{"step": 2, "eval_loss": 0.5}]}')
    collector = of_folder(place.cwd)
    assert set(collector.series) == {"loss", "eval_loss"}
    assert sorted(path.name for path in place.cwd.iterdir()) == ["checkpoint-2", "log.jsonl"]


# --- series ---


def test_a_series_is_kept_and_loaded(tmp_path: Path) -> None:
    one = Series()
    column = Column()
    for step, value in ((1, 0.5), (2, NAN), (3, math.inf)):
        column.add(value, step, 10.0 + step)
    one.take(column, 0.0)
    save(tmp_path, {"loss": one})
    back = (load(tmp_path) or {})["loss"]
    assert [repr(list(part)) for part in (back.steps, back.times, back.values)] == [
        repr(list(part)) for part in (one.steps, one.times, one.values)
    ]
    (tmp_path / "points.bin").write_bytes(b"\x93junk")
    assert load(tmp_path) is None and load(tmp_path / "nowhere") is None
    save(tmp_path, {})
    assert load(tmp_path) == {}


def test_a_million_points_take_their_24_bytes_and_little_time() -> None:
    series, column = Series(), Column()
    for step in range(1_000_000):
        column.add(1.0, step, 1.0)
    began = time.process_time()
    series.take(column, 0.0)
    late = Column()
    late.add(2.0, 999_990)
    series.take(late, 0.0)
    assert time.process_time() - began < 1.0
    assert len(series) == 1_000_000 and series.best("max") == 2.0
    assert sum(part.itemsize * len(part) for part in (series.steps, series.times, series.values)) == 24_000_000
