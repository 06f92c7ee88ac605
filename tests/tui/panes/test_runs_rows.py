"""Which rows the table of runs has, in which order, and what stands in them; curves and their smoothing."""

import asyncio
import math
from itertools import pairwise

from support.runs import NOW, Ledger, metric, run
from workbench.protocol.queries import RunAlert, SeriesPage
from workbench.tui.widgets.chart_series import Series
from workbench.tui.widgets.runs_curves import Curves, smoothed
from workbench.tui.widgets.runs_glance import alert, line, nothing
from workbench.tui.widgets.runs_rows import entries, matches, metrics, value
from workbench.tui.widgets.runs_sheet import Sheet, Sorting
from workbench.tui.widgets.runs_shells import Shell


def losses(last: float | None, step: float = 2000) -> dict:
    return {"metrics": {"val_loss": metric(last, step)}}


ROWS = (
    run(14, "warmup", "running", against="r-13", progress=(812, 2000), eta_s=130.0, **losses(1.472, 812)),
    run(13, "baseline", **losses(1.583)),
    run(12, "wide", "failed", exit_code=1, against="r-13", tags=("sweep",), **losses(None)),
    *(run(8 + seed, "cosine", group="g", seed=seed, against="r-13", **losses(1.49 + seed / 100)) for seed in range(3)),
    run(7, "accurate", metrics={"acc": metric(0.5, goal="max")}),
)
KNOWN = {row.id: row for row in ROWS}


def keys(sort: str = "age", downward: bool = True, words: str = "", opened: tuple[str, ...] = ()) -> list[str]:
    return [entry.key for entry in entries(ROWS, words, set(opened), sort, downward, "val_loss")]


def sheet(key: str = "val_loss", opened: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The cells of the rows by their key."""
    made = Sheet()
    told = entries(ROWS, "", set(opened), "age", True, key)
    made.fill(told, key, KNOWN, {"r-13"}, set(opened), NOW, Sorting())
    return {entry.key: [cell.text for cell in row] for entry, row in zip(told, made.rows, strict=True)}


def test_seeds_are_one_row_that_opens():
    assert keys() == ["r-14", "r-13", "r-12", "group g", "r-7"]
    assert keys(opened=("group g",)) == ["r-14", "r-13", "r-12", "group g", "r-8", "r-9", "r-10", "r-7"]
    found = value([row for row in ROWS if row.group], "val_loss")
    assert found is not None
    assert math.isclose(found.last, 1.5)
    assert math.isclose(found.spread, 0.01)
    cells = sheet(opened=("group g",))
    assert cells["group g"][2] == "▾ ×3"
    assert cells["group g"][5] == "±0.01"
    assert cells["r-9"][3] == "seed 1"


def test_rows_without_a_value_come_last_whichever_way_it_is_sorted():
    assert keys("last", downward=False) == ["r-14", "group g", "r-13", "r-12", "r-7"]
    assert keys("last") == ["r-13", "group g", "r-14", "r-12", "r-7"]
    assert keys("vs", downward=False)[:2] == ["r-14", "group g"]
    assert keys("name", downward=False) == ["r-7", "r-13", "group g", "r-14", "r-12"]
    assert keys("state", downward=False)[0] == "r-14"
    assert keys("id", downward=False)[0] == "r-7"


def test_words_are_looked_for_in_name_tags_status_and_id():
    assert keys(words="SWEEP") == ["r-12"]
    assert keys(words="run warm") == ["r-14"]
    assert keys(words="cos") == ["group g"]
    assert keys(words="r-1 failed") == ["r-12"]
    assert not matches(ROWS[0], "warm baseline")


def test_the_telling_metric_comes_first():
    goals = {"lr": "", "step_time": "min", "train/loss": "min", "val/accuracy": "max", "val/loss": "min"}
    rows = [run(1, metrics={name: metric(1.0, goal=goal) for name, goal in goals.items()})]
    assert metrics(rows) == ["val/loss", "val/accuracy", "train/loss", "step_time", "lr"]
    assert metrics([]) == []


def test_numbers_stand_under_each_other_and_differences_have_their_sign():
    cells = sheet()
    lasts = [row[4] for row in cells.values() if "." in row[4]]
    assert len({text.index(".") for text in lasts}) == 1
    assert cells["r-14"][6].strip() == "~▼0.111", "the other one is further"
    assert cells["r-12"][4].strip() == "nan"
    assert cells["r-12"][6].strip() == ""
    assert cells["r-14"][7].strip() == "812/2000"
    assert [cells[name][8] for name in ("r-14", "r-13", "r-12")] == ["2m10s left", "done", "exit 1"]
    assert cells["r-13"][1] == "▪"
    assert cells["r-7"][4].strip() == ""


def test_seeds_against_one_run_are_too_few_and_a_group_stands_against_the_mean_of_a_group():
    assert (sheet()["group g"][6].strip()) == "?▼0.083"
    seeds = {"a": (0.77, 0.78, 0.79), "b": (0.47, 0.48, 0.52)}
    rows = [
        run(10 * at + seed, name, group=name, seed=seed, against=f"r-{10 + seed}" if at == 2 else "", **losses(last))
        for at, (name, lasts) in enumerate(seeds.items(), 1)
        for seed, last in enumerate(lasts)
    ]
    rows += [run(1, "alone", against="r-20", **losses(0.5)), run(2, "again", seed=2, against="r-22", **losses(0.53))]
    made, told = Sheet(), entries(rows, "", {"group b"}, "id", True, "val_loss")
    made.fill(told, "val_loss", {row.id: row for row in rows}, set(), set(), NOW, Sorting())
    cells = {entry.key: made.rows[at][6] for at, entry in enumerate(told)}
    assert (cells["group b"].text.strip(), cells["group b"].style) == ("▼0.29", "$success")
    assert cells["r-21"].text.strip() == "▼0.30", "a seed of an open group stands against its own"
    assert (cells["r-1"].text.strip(), cells["r-1"].style) == ("?▲0.01", "$muted")
    assert cells["r-2"].text.strip() == "▲0.01", "the same seed against the same seed"


def test_what_goes_on_is_compared_at_the_step_that_both_have():
    there = {"val_loss": (812.0, 1.472, 1.9)}
    rows = (run(14, "warmup", "running", against="r-13", level=there, **losses(1.472, 812)), ROWS[1])
    made, told = Sheet(), entries(rows, "", set(), "age", True, "val_loss")
    made.fill(told, "val_loss", {row.id: row for row in rows}, set(), set(), NOW, Sorting())
    cell = made.rows[0][6]
    assert (cell.text.strip(), cell.style) == ("▼0.428", "$muted")


def test_points_stand_under_each_other_and_an_exponent_moves_none_of_them():
    rows = (run(3, "near", against="r-1", **losses(1.58298)), run(2, "far", against="r-1", **losses(1.472)), ROWS[1])
    rows = (*rows[:2], run(1, "baseline", **losses(1.583)))
    made, told = Sheet(), entries(rows, "", set(), "age", True, "val_loss")
    made.fill(told, "val_loss", {row.id: row for row in rows}, set(), set(), NOW, Sorting())
    assert [row[6].text for row in made.rows] == [" ▼2e-5", "▼0.111", ""]


def test_a_chart_whose_points_are_on_their_way_says_so():
    assert nothing(ROWS[:1], "step") == "reading…"
    assert nothing((run(1, "new", "running"),), "step") == "no points yet"
    assert nothing(ROWS[:1], "epoch") == "nothing here tells its epochs"


def test_a_service_that_answers_is_ready():
    made, told = Sheet(), entries((run(1, "vllm", "running", ready=True),), "", set(), "age", True, "")
    made.fill(told, "", {}, set(), set(), NOW, Sorting())
    assert made.rows[0][8].text == "ready"


def test_widths_only_grow_so_that_nothing_jumps():
    made = Sheet()

    def width(step: float) -> int:
        told = entries([run(1, "a", "running", progress=(step, 2000))], "", set(), "age", True, "")
        made.fill(told, "", {}, set(), set(), NOW, Sorting())
        return len(made.rows[0][7].text)

    assert [width(step) for step in (9, 1999, 8)] == [len("9/2000"), len("1999/2000"), len("1999/2000")]


def test_the_strip_tells_the_run_that_goes_on():
    assert line(ROWS, [], "val_loss") == "● r-14 1.472 ▼"
    shell = Shell("b1", "python  serve.py", NOW, seen=True)
    assert line(ROWS, [shell], "val_loss") == "● r-14 1.472 ▼ +1"
    assert line(ROWS[1:2], [shell], "val_loss") == "● python serve.py"
    assert line(ROWS[1:2], [], "val_loss") == "✓ r-13 1.583"
    assert line((), [], "") == ""


def test_the_gravest_alert_is_told():
    seen = tuple(RunAlert(kind=kind, at=NOW, text=kind, step=5) for kind in ("plateau", "nan", "stall"))
    assert alert(run(1, alerts=seen)) == ("! nan · step 5", "$warning")
    assert alert(run(1, status="failed", why="exit code 1\nmore", alerts=seen[:1])) == ("✗ exit code 1", "$error")
    assert alert(run(1)) == ("", "")


# --- curves ------------------------------------------------------------------------------------------------


def test_smoothing_goes_by_x_and_leaves_gaps():
    flat = [(float(x), 2.0) for x in range(10)]
    assert all(math.isclose(y, 2.0) for _, y in smoothed(flat, 3.0))
    jump = smoothed([(0.0, 0.0), (1.0, math.nan), (100.0, 1.0)], 10.0)
    assert math.isnan(jump[1][1])
    assert jump[2][1] > 0.999, "what is far behind counts no more"
    near = smoothed([(0.0, 0.0), (1.0, 1.0)], 10.0)
    assert 0 < near[1][1] < 0.6
    assert [x for x, _ in jump] == [0.0, 1.0, 100.0]


def test_a_part_is_asked_for_where_the_whole_was_thinned():
    ledger = Ledger(*ROWS)
    ledger.points["r-13", "val_loss"] = [(float(x), float(x)) for x in range(100_000)]
    ledger.points["r-14", "val_loss"] = [(float(x), float(x)) for x in range(50)]
    curves = Curves(ledger.query)
    curves.key, curves.width = "val_loss", 100

    async def play() -> None:
        assert await curves.refresh(ROWS[:2])
        assert not await curves.refresh(ROWS[:2]), "nothing has grown"
        assert len(ledger.of(SeriesPage)) == 2
        assert curves.bounds(ROWS[:2]) == (0.0, 99_999.0)
        curves.view = (1000.0, 1100.0)
        assert await curves.refresh(ROWS[:2])
        asked = ledger.of(SeriesPage)[2:]
        assert [(one.run, one.start, one.end) for one in asked] == [("r-13", 950.0, 1150.0)]
        points = curves.points("r-13")
        assert [x for x, _ in points if 1000 <= x <= 1100] == [float(x) for x in range(1000, 1101)]
        assert points == sorted(points)
        assert (points[0][0], points[-1][0]) == (0.0, 99_500.0)

    asyncio.run(play())


def roughness(series: Series) -> float:
    return sum(abs(b - a) for a, b in pairwise(series.ys))


def test_raw_curves_stand_behind_smoothed_ones():
    ledger = Ledger(*ROWS)
    curves = Curves(ledger.query)
    curves.key, curves.width = "val_loss", 100

    async def play() -> None:
        await curves.refresh(ROWS[:2])
        named = [(row, row.id) for row in ROWS[:2]]
        told, behind = curves.series(named, 0.0)
        assert [one.name for one in told] == ["r-14", "r-13"]
        assert behind == []
        told, behind = curves.series(named, 0.1)
        assert len(told) == len(behind) == 2
        assert roughness(told[0]) < roughness(behind[0])

    asyncio.run(play())
