"""Runs by page: the list, their series, logs and changes, from a real ledger; what is broken, gone or still growing."""

import asyncio
import math
import os
import random
import shlex
import time
from array import array

import msgspec
import pytest

from support.running import Exp, fixture, until
from workbench.experiments.launch.alive import alive, hold
from workbench.experiments.points import Series, save
from workbench.experiments.types import Alert, Metric, Run
from workbench.protocol import queries as q
from workbench.session.run_against import program_of
from workbench.session.run_log import LONG
from workbench.session.run_pages import RunPages

exp = fixture
LOOP = """
import sys, time
for step in range({steps}):
    print(f"step {{step}} loss {{{value}}}", flush=True)
    time.sleep({pause})
"""


class Asked:
    """The pages of one workspace, asked as a client does."""

    def __init__(self, exp: Exp) -> None:
        self.pages = RunPages(exp.folder)

    def __call__(self, query):
        return asyncio.run(self.pages.answer(query))

    def rows(self):
        return {row.id: row for row in self(q.ListRuns()).rows}


@pytest.fixture
def ask(exp):
    return Asked(exp)


def script(exp, name="train.py", steps=5, value="1 / (step + 1)", pause=0.0):
    (exp.folder / name).write_text(LOOP.format(steps=steps, value=value, pause=pause))


def put(exp, points=None, **more):
    """A run that ended, with POINTS as its watcher keeps them."""
    given = {
        "name": "one", "status": "finished", "argv": ("python", "train.py"), "cwd": str(exp.folder),
        "workspace": str(exp.folder), "created": 1.0, "started": 1.0, "ended": 100.0, "exit_code": 0,
    }  # fmt: skip
    run = exp.ledger.begin(lambda name: Run(id=name, **(given | more))).id
    if points is not None:
        keep(exp, run, points)
    return run


def keep(exp, run, points):
    """POINTS: key -> (steps, times, values)."""
    held = {}
    for key, columns in points.items():
        held[key] = one = Series()
        one.steps, one.times, one.values = (array("d", column) for column in columns)
    save(exp.ledger.path(run), held)


def curve(count, value=math.sin):
    return [float(n) for n in range(count)], [1.0 + n for n in range(count)], [value(n) for n in range(count)]


def test_a_run_is_told_at_the_step_that_it_and_the_other_both_have(exp, ask):
    def short(points, step):
        return {key: Metric(last=v, best=v, step=step, count=1) for key, v in points.items()}

    put(exp, {"loss": curve(100, float)}, metrics=short({"loss": 99.0}, 99))
    put(exp, {"loss": curve(41, lambda n: n / 2)}, status="stopped", metrics=short({"loss": 20.0}, 40))
    put(exp, {"loss": curve(301, lambda n: 3.0 * n)}, status="stopped", metrics=short({"loss": 900.0}, 300))
    put(exp, {"loss": curve(100, float)}, metrics=short({"loss": 99.0}, 99))
    rows = ask.rows()
    assert rows["r-2"].against == "r-1" and rows["r-2"].level == {"loss": (40.0, 20.0, 40.0)}
    assert rows["r-3"].level == {"loss": (99.0, 297.0, 99.0)}, "it went further than the other"
    assert rows["r-4"].level == {}, "it has ended by itself"


# --- the list ----------------------------------------------------------------------------------------------


def test_what_really_ran_is_listed_with_its_numbers_and_what_it_is_compared_with(exp, ask):
    script(exp)
    exp("run", "--name", "base", "--seeds", "0..1", "--", "python3", "train.py", "--seed", "{seed}")
    exp("run", "--name", "wide", "--tag", "w", "--", "python3", "./train.py", "--width", "9")
    until(lambda: not any(alive(exp.ledger.path(run)) for run in exp.ledger.ids()))  # the last look comes after the end
    page = ask(q.ListRuns())
    assert [row.id for row in page.rows] == ["r-3", "r-2", "r-1"]
    newest = page.rows[0]
    assert (newest.name, newest.status, newest.exit_code, newest.tags) == ("wide", "finished", 0, ("w",))
    assert newest.metrics["loss"] == q.RunMetric(last=0.2, best=0.2, step=4, count=5, goal="min")
    assert [row.against for row in page.rows] == ["r-1", "", ""]
    assert [row.group for row in page.rows] == ["", "r-1", "r-1"]
    assert ask(q.ListRuns(stamp=page.stamp)) == q.Runs(stamp=page.stamp, same=True)


def test_a_change_of_a_record_a_new_run_and_a_removed_one_are_news(exp, ask):
    put(exp), put(exp)
    page = ask(q.ListRuns())
    exp("note", "r-1", "good")
    noted = ask(q.ListRuns(stamp=page.stamp))
    assert not noted.same and noted.rows[1].note == "good"
    put(exp)
    assert len(ask(q.ListRuns(stamp=noted.stamp)).rows) == 3
    exp("rm", "r-1")
    left = ask(q.ListRuns(stamp=noted.stamp))
    assert [row.id for row in left.rows] == ["r-3", "r-2"]
    assert ask(q.ListRuns(stamp=left.stamp)).same


def test_records_that_cannot_be_read_are_noted_and_the_others_are_there(exp, ask):
    put(exp), put(exp), put(exp)
    (exp.ledger.path("r-2") / "run.json").write_text('{"id": "r-2"')
    (exp.ledger.path("r-3") / "run.json").unlink()
    (exp.ledger.path("r-3") / "output.log").write_text("what it printed")
    (exp.ledger.folder / "r-4").mkdir()  # one that is just being begun
    page = ask(q.ListRuns())
    assert [row.id for row in page.rows] == ["r-1"]
    assert len(page.notes) == 2 and "r-2" in page.notes[0] and "r-3" in page.notes[1]
    assert ask(q.ListRuns(stamp=page.stamp)).same
    for query in (q.SeriesPage(run="r-2", key="loss"), q.RunLogPage(run="r-2"), q.RunChangesPage(run="r-2")):
        assert ask(query) in (q.Series(points=()), q.RunLog(), q.RunChanges())


def test_a_folder_that_was_copied_is_the_run_that_it_is_called(exp, ask):
    put(exp, {"loss": curve(3)}, status="running", ended=None)
    record = (exp.ledger.path("r-1") / "run.json").read_text()
    for name, told in (("r-7", "r-1"), ("r-8", "../../x")):
        exp.ledger.path(name).mkdir()
        (exp.ledger.path(name) / "run.json").write_text(record.replace('"r-1"', f'"{told}"'))
    assert list(ask.rows()) == ["r-8", "r-7", "r-1"]
    assert ask(q.SeriesPage(run="r-8", key="loss")) == q.Series(points=())
    assert ask(q.RunChangesPage(run="r-8")).words and ask(q.RunLogPage(run="r-8")) == q.RunLog()


def test_a_workspace_without_a_run_and_names_that_are_no_runs(exp, ask):
    page = ask(q.ListRuns())
    assert page.rows == () and ask(q.ListRuns(stamp=page.stamp)).same
    for name in ("r-1", "../../etc", "", "r-0", "x" * 9999):
        assert ask(q.SeriesPage(run=name, key="loss")) == q.Series(points=())
        assert ask(q.RunLogPage(run=name)) == q.RunLog()
        assert ask(q.RunChangesPage(run=name)) == q.RunChanges()
    assert not (exp.folder / ".mlwb").exists()
    put(exp)
    assert len(ask(q.ListRuns(stamp=page.stamp)).rows) == 1


def test_a_run_whose_supervisor_was_killed_has_failed(exp, ask):
    put(exp, status="running", ended=None, exit_code=None)
    assert ask.rows()["r-1"].status == "failed"
    assert "gone" in ask.rows()["r-1"].why


@pytest.mark.slow
def test_a_run_is_followed_while_it_goes_on(exp, ask):
    script(exp, steps=2000, pause=0.02)
    run = exp.detached("--", "python3", "train.py")
    until(lambda: ask.rows()[run].points_at and ask.rows()[run].metrics)
    first = until(lambda: ask(q.SeriesPage(run=run, key="loss")).points)
    assert ask.rows()[run].status == "running"
    more = until(lambda: len(now := ask(q.SeriesPage(run=run, key="loss")).points) > len(first) and now)
    assert more[: len(first)] == first
    assert all(value == 1 / (step + 1) for step, value in more)
    assert ask(q.RunLogPage(run=run, line=0, n=1)).lines == ("step 0 loss 1.0",)
    exp("stop", "--now", run)
    assert until(lambda: ask.rows()[run].status == "stopped")


def test_a_thousand_runs_cost_little_while_nothing_changes(exp, ask):
    record = exp.ledger.path(put(exp, metrics={"loss": Metric(last=1.0, best=1.0, step=1.0, count=1)})) / "run.json"
    for number in range(2, 1001):
        (folder := exp.ledger.path(f"r-{number}")).mkdir()
        (folder / "run.json").write_text(record.read_text().replace('"r-1"', f'"r-{number}"'))
    page = ask(q.ListRuns())
    began = time.process_time()
    for _ in range(5):
        assert ask(q.ListRuns(stamp=page.stamp)).same
    assert len(page.rows) == 1000 and (time.process_time() - began) / 5 < 0.1  # about 5 ms


# --- what a run is compared with ---------------------------------------------------------------------------


def against(ask):
    return {name: row.against for name, row in ask.rows().items()}


def test_a_run_is_compared_with_the_newest_earlier_end_of_the_same_program(exp, ask):
    work = str(exp.folder)
    put(exp, argv=("python", "train.py", "--lr", "1"))
    put(exp, argv=("python3", f"{work}/train.py"), status="failed", exit_code=1)
    put(exp, argv=("bash", "-c", "cd . && python train.py"))
    put(exp, argv=("torchrun", "--nproc", "2", "train.py"))
    put(exp, argv=("python", "-m", "pkg.train"))
    put(exp, argv=("python", "eval.py"))
    put(exp, argv=("python", "-u", "-m", "pkg.train", "x"))
    put(exp, argv=("python", "eval.py"), status="stopped")
    put(exp, argv=("python", "train.py"), parent="r-1")
    put(exp, argv=("yolo", "train", "data=a"))
    put(exp, argv=("/usr/bin/yolo", "train", "data=b"))
    put(exp, argv=("yolo", "val"))
    put(exp, argv=("python", "sub/train.py"))
    assert against(ask) == {
        "r-1": "", "r-2": "r-1", "r-3": "", "r-4": "r-1", "r-5": "", "r-6": "", "r-7": "r-5", "r-8": "r-6",
        "r-9": "r-1", "r-10": "", "r-11": "r-10", "r-12": "", "r-13": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("python3.11 -m pkg.train --lr 1", "python -u -m pkg.train", True),
        ("python -m pkg.train", "python -m pkg.eval", False),
        ("python -m torch.distributed.run --nproc 2 train.py", "python train.py", True),
        ("uv run python -m torch.distributed.launch -m pkg.train", "torchrun -m pkg.train", True),
        ("env A=1 timeout 2h python train.py", "accelerate launch --config_file a.yaml train.py --lr 2", True),
        ("nnunet -m 2d", "nnunet -m 3d", True),
        ("python config=a.py train.py", "python train.py", True),
        ("make train", "make eval", False),
        ("bash -c 'python train.py'", "sh -lc 'python train.py --x'", True),
        ("python -c 'print(1'", "python -c 'print(2'", False),
        ("", "", True),
    ],
)
def test_what_is_the_same_program(exp, one, other, alike):
    programs = {
        program_of(exp.ledger.get(put(exp, argv=tuple(shlex.split(command))))) for command in (one, other)
    }  # fmt: skip
    assert len(programs) == (1 if alike else 2)


def test_seeds_are_compared_with_the_same_seeds_and_never_with_their_own_group(exp, ask):
    for seed in (0, 1):
        put(exp, group="r-1", seed=seed)
    put(exp, group="r-1", seed=2, status="failed")
    for seed in (1, 2, 0):
        put(exp, group="r-4", seed=seed)
    assert against(ask) == {"r-1": "", "r-2": "", "r-3": "", "r-4": "r-2", "r-5": "r-1", "r-6": "r-1"}


def test_one_with_a_metric_in_common_goes_before_a_newer_one_without(exp, ask):
    loss = {"loss": Metric(last=1.0, best=1.0, step=1.0, count=1)}
    put(exp, metrics=loss)
    put(exp, metrics={"f1": Metric(last=1.0, best=1.0, step=1.0, count=1)})
    put(exp, metrics=loss, status="stopped")
    put(exp, metrics=loss)
    put(exp)
    assert against(ask) == {"r-1": "", "r-2": "r-1", "r-3": "r-1", "r-4": "r-1", "r-5": "r-4"}


def test_one_that_ended_in_nan_is_compared_with_only_where_there_is_no_other(exp, ask):
    seen = (Alert(kind="nan", at=1.0, text="loss is NaN"),)
    nan = {"loss": Metric(last=None, best=1.0, step=1.0, count=1)}
    put(exp, metrics=nan, alerts=seen)
    loss = {"loss": Metric(last=1.0, best=1.0, step=1.0, count=1)}
    put(exp, metrics=loss)
    put(exp, metrics=nan, alerts=seen)
    put(exp, metrics=loss, group="r-4", seed=0)
    put(exp, metrics=loss, alerts=seen)  # it came back
    put(exp, metrics=loss)
    assert against(ask) == {"r-1": "", "r-2": "r-1", "r-3": "r-2", "r-4": "r-2", "r-5": "r-4", "r-6": "r-5"}


# --- series ------------------------------------------------------------------------------------------------


def test_few_points_come_as_they_were_logged_and_many_by_their_extremes(exp, ask):
    rng = random.Random(3)
    values = [rng.gauss(0, 1) for _ in range(100_003)]
    steps = [float(n * n % 7 + 7 * n) for n in range(len(values))]
    put(exp, {"loss": (steps, steps, values)})
    logged = dict(zip(steps, values, strict=True))
    page = ask(q.SeriesPage(run="r-1", key="loss", width=50))
    assert (page.total, page.first, page.last) == (len(values), steps[0], steps[-1])
    assert 100 <= len(page.points) <= 300
    assert [x for x, _ in page.points] == sorted(x for x, _ in page.points)
    assert all(logged[x] == value for x, value in page.points)
    told = [value for _, value in page.points]
    assert (min(told), max(told)) == (min(values), max(values))
    assert page.points[0] == (steps[0], values[0]) and page.points[-1] == (steps[-1], values[-1])

    part = ask(q.SeriesPage(run="r-1", key="loss", start=steps[1000], end=steps[1100], width=50))
    assert part.total == 101
    assert list(part.points) == list(zip(steps[999:1102], values[999:1102], strict=True))
    for start, end in ((-5.0, -1.0), (1e9, 2e9), (5.0, 1.0), (math.nan, math.nan)):
        ask(q.SeriesPage(run="r-1", key="loss", start=start, end=end))
    assert ask(q.SeriesPage(run="r-1", key="loss", start=1e9)).total == 0
    assert ask(q.SeriesPage(run="r-1", key="f1")) == q.Series(points=())


@pytest.mark.parametrize("width", [2, 7, 50, 333])
def test_each_column_has_its_least_and_greatest(exp, ask, width):
    rng = random.Random(width)
    values = [rng.random() for _ in range(20_000)]
    steps = [float(n) for n in range(len(values))]
    put(exp, {"loss": (steps, steps, values)})
    kept = {int(x) for x, _ in ask(q.SeriesPage(run="r-1", key="loss", width=width)).points}
    size = len(values) // width
    for start in range(0, len(values) - size, size // 2):  # a column may end a quarter later than asked
        near = [values[at] for at in range(start, start + size)]
        told = [values[at] for at in range(max(0, start - 2 * size), min(start + 3 * size, len(values))) if at in kept]
        assert min(told) <= min(near) and max(told) >= max(near)


def test_what_is_no_number_stays_a_gap_and_hides_nothing(exp, ask):
    values = [float(n % 100) for n in range(50_000)]
    for at in (0, 777, 30_000, 30_001, 49_999):
        values[at] = math.nan
    values[40_000], values[12_345] = math.inf, 1e9
    steps = [float(n) for n in range(len(values))]
    put(exp, {"loss": (steps, steps, values), "bad": (steps[:9], steps[:9], [math.nan] * 9)})
    page = ask(q.SeriesPage(run="r-1", key="loss", width=40))
    none = [x for x, value in page.points if value is None]
    assert {0.0, 777.0, 30_000.0, 30_001.0, 40_000.0, 49_999.0} <= set(none)
    assert (12_345.0, 1e9) in page.points
    around = dict(page.points)
    assert around[776.0] == 76.0 and around[778.0] == 78.0
    assert [value for _, value in ask(q.SeriesPage(run="r-1", key="bad")).points] == [None] * 9


def test_columns_by_the_logarithm_show_the_beginning(exp, ask):
    put(exp, {"loss": curve(100_000)})
    page = ask(q.SeriesPage(run="r-1", key="loss", width=50, log=True))
    assert sum(0 < x <= 10 for x, _ in page.points) == 10
    assert sum(0 < x <= 10 for x, _ in ask(q.SeriesPage(run="r-1", key="loss", width=50)).points) < 5


def test_by_time_and_by_epoch(exp, ask):
    steps = [float(n) for n in range(10, 110, 10)]
    times = [101.0, 102, 103, 50, 60, 106, 107, 108, 109, 110]  # a clock that was set back, and on again
    put(exp, {"loss": (steps, times, steps), "epoch": (steps, times, [n // 40 for n in range(10, 110, 10)]),
              "train/epoch": ([50.0], [1.0], [9.0])}, started=100.0)  # fmt: skip
    put(exp, {"loss": (steps, times, steps), "epoch": ([50.0, 100.0], [1, 2], [0.5, 1.0])}, started=100.0)
    put(exp, {"loss": (steps, times, steps)})

    def xs(run, x):
        return [place for place, _ in ask(q.SeriesPage(run=run, key="loss", x=x)).points]

    assert xs("r-1", "time") == [1, 2, 3, 3, 3, 6, 7, 8, 9, 10]
    assert xs("r-1", "epoch") == pytest.approx([0, 1 / 3, 2 / 3, 1, 1.25, 1.5, 1.75, 2, 2.25, 2.5])
    assert xs("r-2", "epoch") == pytest.approx([n / 10 for n in range(1, 11)])
    assert xs("r-3", "epoch") == [] and xs("r-3", "nonsense") == []


def test_a_series_that_grows_changes_or_goes_is_told_as_it_is(exp, ask):
    run = put(exp, {"loss": curve(5000), "f1": curve(10)})
    query = q.SeriesPage(run=run, key="loss", width=2000)

    def told():
        page = ask(query)
        return [value for _, value in page.points]

    assert told() == [math.sin(n) for n in range(5000)]
    keep(exp, run, {"a": curve(3), "loss": curve(6000), "f1": curve(20)})  # another place in the file, and longer
    assert told() == [math.sin(n) for n in range(6000)]
    steps, times, values = curve(6000)
    values[17] = 8.0  # one of two writers came late
    keep(exp, run, {"loss": (steps, times, values)})
    assert told() == values
    assert ask(q.SeriesPage(run=run, key="f1")) == q.Series(points=())
    keep(exp, run, {"loss": curve(20)})
    assert told() == [math.sin(n) for n in range(20)]


def test_points_that_are_torn_are_none_and_come_back(exp, ask):
    run = put(exp, {"loss": curve(500)})
    path = exp.ledger.path(run) / "points.bin"
    whole = path.read_bytes()
    for cut in (0, 1, 9, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert ask(q.SeriesPage(run=run, key="loss")) in (q.Series(points=()),)
    path.write_bytes(whole)
    assert len(ask(q.SeriesPage(run=run, key="loss")).points) == 500
    exp("rm", run)
    assert ask(q.SeriesPage(run=run, key="loss")) == q.Series(points=())


def test_a_run_without_kept_points_is_read_from_what_it_printed(exp, ask):
    script(exp, steps=7)
    exp("run", "--", "python3", "train.py")
    until(lambda: not alive(exp.ledger.path("r-1")))  # its watcher has looked for the last time
    kept = ask(q.SeriesPage(run="r-1", key="loss")).points
    (exp.ledger.path("r-1") / "points.bin").unlink()
    assert Asked(exp)(q.SeriesPage(run="r-1", key="loss")).points == kept
    assert len(kept) == 7


def test_what_grows_is_read_from_its_end_not_from_its_beginning(exp, ask):
    count = 400_000
    run = put(exp, {"loss": curve(count)})
    query = q.SeriesPage(run=run, key="loss", width=20)

    def cost():
        began = time.process_time()
        total = ask(query).total
        return total, time.process_time() - began

    total, first = cost()
    keep(exp, run, {"loss": curve(count + 100)})
    grown, more = cost()
    assert (total, grown) == (count, count + 100) and more < first / 3  # about a fortieth


# --- logs --------------------------------------------------------------------------------------------------


def log(exp, data):
    run = put(exp)
    (exp.ledger.path(run) / "output.log").write_bytes(data)
    return run


def test_lines_from_the_end_from_anywhere_and_as_they_come(exp, ask):
    run = log(exp, b"".join(b"line %d\r\n" % n for n in range(200_000)))
    page = ask(q.RunLogPage(run=run, n=3))
    assert page == q.RunLog(lines=("line 199997", "line 199998", "line 199999"), first=199_997, total=200_000)
    for line in (0, 1, 12_345, 131_072, 199_999):
        assert ask(q.RunLogPage(run=run, line=line, n=1)).lines == (f"line {line}",)
    assert ask(q.RunLogPage(run=run, line=500_000)) == q.RunLog(first=200_000, total=200_000)
    path = exp.ledger.path(run) / "output.log"
    with path.open("ab") as file:
        file.write(b"half of a")
    assert ask(q.RunLogPage(run=run, n=1)) == q.RunLog(lines=("half of a",), first=200_000, total=200_001)
    with path.open("ab") as file:
        file.write(b" line\n\nlast")
    assert ask(q.RunLogPage(run=run, n=3)).lines == ("half of a line", "", "last")
    path.write_bytes(b"")
    assert ask(q.RunLogPage(run=run)) == q.RunLog()
    path.write_bytes(b"anew")
    assert ask(q.RunLogPage(run=run)) == q.RunLog(lines=("anew",), total=1)
    path.unlink()
    assert ask(q.RunLogPage(run=run)) == q.RunLog()


def test_a_log_that_was_written_anew_and_is_longer_than_before_is_counted_anew(exp, ask):
    run = log(exp, b"a\n" * 400_000)
    assert ask(q.RunLogPage(run=run, n=1)).total == 400_000
    (exp.ledger.path(run) / "output.log").write_bytes(b"b" * 900_000 + b"\nend\n")
    page = ask(q.RunLogPage(run=run, n=1))
    assert (page.lines, page.first, page.total) == (("end",), 1, 2)
    assert ask(q.RunLogPage(run=run, line=100_000)) == q.RunLog(first=2, total=2)


def test_words_are_found_both_ways_of_either_case_and_not_under_a_progress_bar(exp, ask):
    lines = [b"epoch %d" % n for n in range(100_000)]
    lines[5], lines[70_000] = b"Error: caf\xc3\xa9 CAF\xc3\x89", b"  ERROR: two"
    lines[80_000] = b"error 1%\rerror 2%\rdone   "
    run = log(exp, b"\n".join(lines))

    def found(find, line=-1, backwards=False):
        page = ask(q.RunLogPage(run=run, find=find, line=line, n=1, backwards=backwards))
        return page.first if page.lines else None

    assert found("error") == found("ERROR", 5) == 5
    assert found("error", 6) == 70_000
    assert found("error", 70_001) is None
    assert found("Error", backwards=True) == 70_000
    assert found("error", 70_000, backwards=True) == 5
    assert found("error", 5, backwards=True) is None and found("error", 0, backwards=True) is None
    assert found("epoch 0", backwards=True) == 0 and found("epoch 99999") == 99_999
    assert found("done") == 80_000 and found("DONE", backwards=True) == 80_000
    assert found("Café") == found("café café", backwards=True) == 5
    assert found("café café café") is None and found("x" * 5000) is None


def test_a_line_is_what_stands_behind_its_last_return_however_long_it_is(exp, ask):
    bar = b"".join(b"\r%3d%%|####" % (n % 101) for n in range(400_000))
    run = log(exp, b"start\n" + bar + b"\r 77%|##  \n" + b"x" * (3 * LONG) + b"\n\x1b[31mred\x1b[0m \xff\nend \r\n")
    page = ask(q.RunLogPage(run=run, line=0))
    assert page.lines[:2] == ("start", " 77%|##  ")
    assert page.lines[2] == "x" * LONG + "…"
    assert page.lines[3] == "\x1b[31mred\x1b[0m �" and page.lines[4] == "end "
    assert page.total == 5
    assert ask(q.RunLogPage(run=run, find="77%")).first == 1
    assert ask(q.RunLogPage(run=run, find="red", n=1)).first == 3
    assert ask(q.RunLogPage(run=run, find="start", backwards=True)).first == 0
    assert ask(q.RunLogPage(run=run, find="none of it")).lines == ()


def test_a_page_is_bounded_whatever_is_asked(exp, ask):
    run = log(exp, b"\n".join(b"y" * 60_000 for _ in range(300)))
    page = ask(q.RunLogPage(run=run, n=10**9))
    assert sum(map(len, page.lines)) <= 1 << 21 and page.first + len(page.lines) == page.total == 300
    page = ask(q.RunLogPage(run=run, line=3, n=10**9))
    assert page.first == 3 and 1 < len(page.lines) < 300
    assert ask(q.RunLogPage(run=run, line=3, n=-4)).lines == ()


# --- changes -----------------------------------------------------------------------------------------------


def test_config_first_then_the_code_and_the_verdict_over_seeds(exp, ask):
    git(exp, "init", "-q")
    script(exp, value="float(sys.argv[2]) + int(sys.argv[4]) / 100")
    command = ("--", "python3", "train.py", "--level", "{}", "--seed", "{{seed}}")
    exp("run", "--name", "base", "--seeds", "0..2", *(word.format("2.0") for word in command))
    (exp.folder / "train.py").write_text((exp.folder / "train.py").read_text() + "print('changed')\n")
    exp("run", "--name", "less", "--seeds", "0..2", *(word.format("1.5") for word in command))
    until(lambda: not any(alive(exp.ledger.path(run)) for run in exp.ledger.ids()))
    page = ask(q.RunChangesPage(run="r-5"))
    assert page.against == "r-2" and page.verdict == "better"
    assert page.words[0].startswith("better by 0.5") and "n = 3 vs 3" in page.words[0]
    assert q.ConfigChange(key="--level", before="2.0", after="1.5", kind="command") in page.config
    assert "+print('changed')" in page.diff and page.diff[0].startswith("diff --git")
    assert ask(q.RunChangesPage(run="r-5")) is page
    for sent in (page, ask(q.ListRuns()), ask(q.SeriesPage(run="r-1", key="loss")), ask(q.RunLogPage(run="r-1"))):
        assert msgspec.json.decode(msgspec.json.encode(sent), type=q.AnyPage) == sent
    one = ask(q.RunChangesPage(run="r-5", against="r-4"))  # of one group: each by itself
    assert one.verdict == "only_seed_changed" and one.diff == ()


def test_what_cannot_be_compared_says_why(exp, ask):
    put(exp, metrics={"loss": Metric(last=1.0, best=1.0, step=1.0, count=1)}, config={"lr": 0.1})
    put(exp, metrics={"f1": Metric(last=1.0, best=1.0, step=1.0, count=1)}, config={"lr": 0.2})
    first = ask(q.RunChangesPage(run="r-1"))
    assert first.against == "" and "no earlier run" in first.words[0]
    page = ask(q.RunChangesPage(run="r-2"))  # without a repository
    assert page.verdict == "" and "no metric in common" in page.words[0]
    assert page.config == (q.ConfigChange(key="lr", before="0.1", after="0.2"),)
    assert any("code" in note for note in page.notes)
    assert "itself" in ask(q.RunChangesPage(run="r-2", against="r-2")).words[0]
    assert "no run r-9" in ask(q.RunChangesPage(run="r-2", against="r-9")).words[0]


# --- what happened since -----------------------------------------------------------------------------------


def since(ask, after):
    return asyncio.run(ask.pages.since(after))


def group(exp, level, name, ended):
    for seed in range(5):
        value = level + (-0.02, 0.01, 0.0, 0.015, -0.005)[seed]
        put(exp, {"val_loss": ([1.0], [1.0], [value])}, seed=seed, group=name, ended=ended, config={"level": level})


def test_the_most_telling_run_is_told_first(exp, ask):
    now = time.time()
    group(exp, 1.5, "r-1", 100.0)
    assert since(ask, 200.0) == ()
    group(exp, 1.4, "r-6", now - 3 * 3600)
    assert since(ask, now - 99999)[0].startswith("r-6 finished 3 h ago: better by 0.1")
    assert since(ask, now - 99999)[0].endswith(", n=5 (val_loss against r-1)")
    put(exp, status="failed", exit_code=1, ended=now - 60, alerts=(Alert(kind="memory", at=now, text="out of memory"),))
    put(exp, status="stopped", ended=now - 61, why="by ana")
    put(exp, {"val_loss": ([1.0], [1.0], [1.39])}, ended=now - 30, config={"level": 0})
    told = since(ask, now - 99999)
    assert told[0].startswith("r-6 finished 3 h ago: better by 0.1") and told[1] == "and 3 more"
    assert since(ask, now - 3600) == ("r-11 failed 1 min ago: out of memory", "and 2 more")
    assert since(ask, now - 45)[0].startswith("r-13 finished just now: val_loss 1.39, ")
    assert since(ask, now - 45)[0].endswith(" less than r-6; one run, inside of what the spread of 5 explains")


def test_a_run_that_ended_in_nan_is_told_as_that(exp, ask):
    now, seen = time.time(), Alert(kind="nan", at=time.time(), text="loss is NaN at step 8120")
    group(exp, 1.5, "r-1", 100.0)
    put(exp, {"val_loss": ([1.0], [1.0], [math.nan])}, ended=now - 5, config={"level": 0}, alerts=(seen,))
    assert since(ask, now - 60) == ("r-6 finished just now, but loss is NaN at step 8120",)


def test_seeds_that_are_to_come_and_alerts_of_what_goes_on_are_told(exp, ask):
    (exp.folder / "train.py").write_text(
        "import sys, time\n"
        "for step in range(9):\n    print('step', step, 'loss', 'nan' if step > 4 and sys.argv[1] == '1' else 1.5)\n"
        "time.sleep(60 if sys.argv[1] == '1' else 0)\n"
    )
    exp("run", "--detach", "--seeds", "0..1", "--", "python3", "train.py", "{seed}")
    until(lambda: exp.status("r-1") == "finished" and exp.status("r-2") == "running" and exp.ledger.get("r-2").alerts)
    until(lambda: exp.ledger.get("r-1").metrics)
    alert, more = since(ask, 1.0)
    assert alert.startswith("r-2 still runs, but ") and "NaN" in alert and more == "and 1 more"
    seed = exp.ledger.get("r-2").alerts[-1].at
    exp("stop", "--now", "r-2")
    assert "r-2 was stopped" in " ".join(since(ask, seed))


def test_what_cannot_be_judged_is_told_plainly(exp, ask):
    put(exp, metrics={"loss": Metric(last=None, best=1.0, step=1.0, count=1)}, ended=time.time() - 7200)
    assert since(ask, 1.0) == ("r-1 finished 2 h ago: loss NaN",)
    put(exp, argv=("new",), ended=time.time() - 90, group="r-2", metrics={"loss": Metric(last=2.0, best=2.0, step=1.0)})
    keep_alive = hold(exp.ledger.path(put(exp, status="running", ended=None, group="r-2")))
    assert since(ask, time.time() - 100) == ("r-2 finished 1 min ago, 1 of its seeds to come: loss 2",)
    os.close(keep_alive)
    put(exp, argv=("other",), ended=time.time() - 2)
    assert since(ask, time.time() - 60) == ("r-4 finished just now",)


# --- helpers -----------------------------------------------------------------------------------------------


def git(exp, *words):
    import subprocess

    env = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run(["git", *words], cwd=exp.folder, env=env, check=True, capture_output=True)
