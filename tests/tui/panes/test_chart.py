"""The chart: every point has its place, gaps are shown as such, and what is drawn can be read."""

import asyncio
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events
from textual.geometry import Region

from support.panes import Bench, lines
from workbench.tui.widgets.chart import LEFT, Chart
from workbench.tui.widgets.chart_axis import Axis, duration, number
from workbench.tui.widgets.chart_canvas import BRAILLE, NOBODY, Canvas
from workbench.tui.widgets.chart_plot import plot
from workbench.tui.widgets.chart_series import Series

NAN = math.nan


def text(drawn) -> list[str]:
    return ["".join(run for run, _ in row) for row in drawn.rows]


def dots(drawn) -> set[tuple[int, int]]:
    """Every dot as (column, row from the top)."""
    places = ((0, 0, 1), (0, 1, 2), (0, 2, 4), (1, 0, 8), (1, 1, 16), (1, 2, 32), (0, 3, 64), (1, 3, 128))
    found = set()
    for y, line in enumerate(text(drawn)):
        for x, character in enumerate(line):
            bits = BRAILLE.index(character) if character in BRAILLE else 0
            found |= {(x * 2 + right, y * 4 + down) for right, down, bit in places if bits & bit}
    return found


def noisy(count: int, seed: int = 0) -> list[tuple[float, float]]:
    """A falling curve with noise that is the same each time."""
    return [
        (float(x), 3 * math.exp(-x * 3 / count) + 0.2 * math.sin(x * 12.9898 + seed) + seed / 10) for x in range(count)
    ]


# --- series ------------------------------------------------------------------------------------------------

values = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([NAN, math.inf, -math.inf]))
points = st.lists(st.tuples(st.integers(0, 60).map(float), values), max_size=150)


@settings(max_examples=150, deadline=None)
@given(points, st.lists(st.integers(1, 9), max_size=10), st.integers(0, 150), st.integers(0, 150))
def test_however_points_come_the_series_is_the_same(told, cuts, start, end):
    one, two = Series("one", told), Series("two")
    for x, y in told:
        two.append(x, y)
    three, rest = Series("three"), told
    for cut in cuts:
        three.extend(rest[:cut])
        rest = rest[cut:]
    three.extend(rest)
    wanted = sorted(told, key=lambda point: point[0])
    start, end = sorted((min(start, len(told)), min(end, len(told))))
    finite = [y for _, y in wanted[start:end] if math.isfinite(y)]
    for series in (one, two, three):
        assert list(series.xs) == [x for x, _ in wanted]
        assert list(map(repr, series.ys)) == [repr(y) for _, y in wanted]
        low, high = series.extent(start, end)
        block = series._level(end - start)[1]
        if block == 1:
            assert (low, high) == (min(finite, default=math.inf), max(finite, default=-math.inf))
        else:  # nothing that was asked for is missing, and nothing from farther than a block is in it
            near = [y for _, y in wanted[max(0, start - block) : end + block] if math.isfinite(y)]
            assert low <= min(finite, default=math.inf)
            assert high >= max(finite, default=-math.inf)
            assert not near or min(near) <= low or low == math.inf


def test_a_point_without_a_place_is_refused():
    for x in (NAN, math.inf):
        with pytest.raises(ValueError, match="has no place"):
            Series("loss").append(x, 1.0)
        with pytest.raises(ValueError, match="has no place"):
            Series("loss", [(0.0, 1.0), (x, 1.0)])


def test_no_extreme_is_lost_however_many_points_there_are():
    ups = Series("ups", [(float(x), 9.0 if x == 77_777 else 1.0) for x in range(100_000)])
    drawn = plot([ups], 60, 10)
    column = round(77_777 / 99_999 * 119)
    assert any(abs(x - column) <= 1 and y <= 3 for x, y in dots(drawn)), "the one spike is at the top"


def test_the_nearest_point():
    series = Series("loss", [(0.0, 1.0), (10.0, 2.0), (20.0, 3.0)])
    assert [series.nearest(x) for x in (-5.0, 0.0, 4.9, 5.1, 14.0, 99.0)] == [0, 0, 0, 1, 1, 2]
    assert Series("none").nearest(1.0) is None


# --- canvas and axes ---------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-30, 60)] * 4), max_size=8))
def test_lines_never_leave_the_canvas_and_have_no_gaps(drawn):
    canvas = Canvas(8, 5)
    for owner, (x0, y0, x1, y1) in enumerate(drawn):
        canvas.upright(x0, y0, y0, owner)
        canvas.line(x0, y0, max(x0, x1), y1, owner)
    assert all(sum(len(run) for run, _ in row) == 8 for row in canvas.rows())


def test_a_line_is_connected():
    for y1 in (0, 3, 10, 19):
        canvas = Canvas(8, 5)
        canvas.upright(0, 19, 19, 0)
        canvas.line(0, 19, 15, y1, 0)

        class Drawn:
            rows = canvas.rows()

        found = dots(Drawn)
        assert (0, 19) in found
        assert (15, y1) in found
        columns = {x: [y for at, y in found if at == x] for x in range(16)}
        assert all(columns[x] for x in range(16))
        for x in range(15):
            assert min(abs(one - two) for one in columns[x] for two in columns[x + 1]) <= 1


def test_who_drew_last_has_the_cell():
    canvas = Canvas(2, 1)
    canvas.upright(0, 0, 3, 4)
    canvas.upright(1, 0, 0, 5)
    assert canvas.rows() == [[("⡏", 5), (" ", NOBODY)]]


def test_ticks_are_round_and_lie_on_the_axis():
    assert Axis(0.0, 1999.0, 100).ticks(5) == [0, 500, 1000, 1500]
    assert Axis(0.0, 7300.0, 100).ticks(5, time=True) == [0, 1800, 3600, 5400, 7200]
    assert Axis(0.0, 9 * 86400.0, 100).ticks(4, time=True) == [0, 5 * 86400]
    assert Axis(1.4, 2.4, 100).ticks(5) == pytest.approx([1.4, 1.6, 1.8, 2.0, 2.2, 2.4])
    assert Axis(1e-5, 1.0, 100, log=True).ticks(6) == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert Axis(1e-12, 1e12, 100, log=True).ticks(4) == pytest.approx([1e-12, 1e-5, 1e2, 1e9])
    assert Axis(1.1, 1.9, 100, log=True).ticks(4) == pytest.approx([1.2, 1.4, 1.6, 1.8])


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9), st.integers(1, 12), st.booleans())
def test_there_is_always_a_tick_and_never_too_many(low, span, most, log):
    low = abs(low) + 1e-9 if log else low
    high = low + span
    if (high - low) <= abs(high) * 1e-9:
        return
    axis = Axis(low, high, 100, log)
    ticks = axis.ticks(most)
    assert 1 <= len(ticks) <= most + 1
    assert all(-1 <= axis.dot(tick) <= 100 for tick in ticks)


def test_numbers_are_short():
    told = {0.0: "0", 1.472: "1.472", 3e-5: "3e-5", 0.0012345: "0.001234", 9999.0: "9999", 12500.0: "12.5k",
            -2.5e6: "-2.5M", 1e9: "1G", 3.21e13: "3.21e13", 100000.0: "100k"}  # fmt: skip
    assert {value: number(value) for value in told} == told
    assert (duration(130.0), duration(-8.0)) == ("2m10s", "-8s")


# --- plots -------------------------------------------------------------------------------------------------


def test_nothing_to_draw():
    assert plot([], 10, 4).rows == []
    assert plot([Series("none")], 10, 4).x is None
    assert plot([Series("one", [(5.0, 1.0)])], 10, 4).ends in ({0: 1}, {0: 2})
    assert plot([Series("one", [(5.0, 1.0)])], 0, 0).rows == []


def test_a_rising_line_goes_from_corner_to_corner():
    drawn = plot([Series("up", [(float(x), float(x)) for x in range(101)])], 20, 6)
    found = dots(drawn)
    assert min(y for x, y in found if x == 39) <= 1
    assert max(y for x, y in found if x == 0) >= 22
    assert {x for x, _ in found} == set(range(40)), "no column is empty"


def test_few_points_are_joined_by_lines():
    found = dots(plot([Series("two", [(0.0, 0.0), (10.0, 1.0)])], 20, 6))
    assert {x for x, _ in found} == set(range(40))


def test_a_gap_is_a_gap_with_a_mark():
    loss = Series("loss", [(float(x), NAN if 40 <= x < 60 else 1.0 + x / 100) for x in range(101)])
    drawn = plot([loss], 50, 8)
    rows = text(drawn)
    assert sum(row.count("×") for row in rows) == 1
    (mark,) = [row.index("×") for row in rows if "×" in row]
    assert 18 <= mark <= 21
    assert not [x for x, _ in dots(drawn) if 42 <= x <= 57], "nothing is drawn over the gap"


def test_one_bad_value_among_many_is_marked():
    loss = Series("loss", [(float(x), NAN if x == 5000 else 1.0) for x in range(10_001)])
    rows = text(plot([loss], 50, 8))
    assert sum(row.count("×") for row in rows) == 1


def test_nothing_but_nan():
    rows = text(plot([Series("nan", [(float(x), NAN) for x in range(100)])], 30, 6))
    assert sum(row.count("×") for row in rows) == 1
    assert "inf" not in "".join(rows)


def test_infinities_do_not_stretch_the_axis():
    drawn = plot([Series("loss", [(0.0, 1.0), (1.0, math.inf), (2.0, -math.inf), (3.0, 2.0)])], 30, 6)
    assert drawn.y is not None
    assert 0.9 < drawn.y.low < 1.0 < 2.0 < drawn.y.high < 2.1


def test_a_logarithmic_axis_leaves_out_what_has_no_logarithm():
    loss = Series("loss", [(0.0, 100.0), (1.0, 10.0), (2.0, 0.0), (3.0, 1.0), (4.0, -5.0), (5.0, 0.1)])
    drawn = plot([loss], 30, 8, log_y=True)
    assert drawn.y is not None
    assert 0.09 < drawn.y.low <= 0.1
    assert text(drawn)[-1].count("↓") == 2
    straight = plot([Series("lr", [(float(x), 10.0**-x) for x in range(5)])], 20, 5, log_y=True)
    first, last = min(y for x, y in dots(straight) if x == 0), max(y for x, y in dots(straight) if x == 39)
    middle = [y for x, y in dots(straight) if x == 20]
    assert any(abs(y - (first + last) / 2) <= 1 for y in middle), "powers of ten are a straight line"


def test_a_logarithmic_x_begins_at_the_first_point_above_zero():
    drawn = plot([Series("loss", [(float(x), 1.0) for x in range(1001)])], 30, 4, log_x=True)
    assert drawn.x is not None
    assert drawn.x.low == 1.0


def test_zoomed_in_lines_come_from_and_go_to_points_outside():
    series = Series("loss", [(0.0, 0.0), (100.0, 100.0)])
    assert {x for x, _ in dots(plot([series], 20, 6, (40.0, 60.0)))} == set(range(40))
    series.append(50.0, 50.0)
    drawn = plot([series], 20, 6, (40.0, 60.0))
    assert drawn.y is not None
    assert 40 < drawn.y.low < drawn.y.high < 60, "what is in sight sets the scale"
    assert {x for x, _ in dots(drawn)} <= set(range(40))


def test_equal_values_and_huge_ones():
    for level in (0.0, 5.0, -1e300, 1e-300):
        drawn = plot([Series("flat", [(float(x), level) for x in range(10)])], 20, 5)
        assert len({y for _, y in dots(drawn)}) == 1
    plot([Series("wild", [(0.0, -1e308), (1.0, 1e308)])], 20, 5)
    for least in (5e-324, 1e-300):
        assert plot([Series("small", [(0.0, least)])], 1, 1, log_y=True).y is not None


@settings(max_examples=100, deadline=None)
@given(st.lists(points, min_size=1, max_size=3), st.integers(1, 30), st.integers(1, 8), st.booleans(), st.booleans())
def test_any_series_can_be_drawn_in_any_size(told, width, height, log_x, log_y):
    drawn = plot([Series(str(at), one) for at, one in enumerate(told)], width, height, None, log_x, log_y)
    assert all(len(row) == width for row in text(drawn))


# --- the widget --------------------------------------------------------------------------------------------


def on_screen(test, *series: Series, size: tuple[int, int] = (80, 16), **more) -> None:
    async def run() -> None:
        chart = Chart("val_loss", **more)
        async with Bench(chart).run_test(size=size) as pilot:
            chart.show(series)
            chart.focus()
            await pilot.pause()
            await test(pilot, chart)

    asyncio.run(run())


def test_title_axes_and_names_where_lines_end():
    up = Series("rising", [(float(x), float(x)) for x in range(1001)])
    down = Series("falling", [(float(x), 1000.0 - x) for x in range(1001)])

    async def test(pilot, chart):
        shown = lines(chart)
        assert shown[0] == "val_loss"
        assert shown[-1].split() == ["0", "200", "400", "600", "800", "1000"]
        assert [row.split()[0] for row in shown if "┤" in row] == ["1000", "750", "500", "250", "0"]
        assert shown[1].endswith(" rising")
        assert shown[-2].endswith(" falling")

    on_screen(test, up, down)


def test_names_that_end_at_one_place_stand_below_each_other():
    same = [Series(f"r-{at}", [(0.0, 0.0), (10.0, 5.0)]) for at in range(5)]

    async def test(pilot, chart):
        named = [row.split()[-1] for row in lines(chart)[1:-1]]
        assert sorted(name for name in named if name.startswith("r-")) == [f"r-{at}" for at in range(5)]

    on_screen(test, *same)


def test_no_points_yet():
    async def test(pilot, chart):
        assert "no points yet" in lines(chart)[1]
        await pilot.press("left", "plus", "h", "L", "c", "0")
        chart.show([Series("loss", [(1.0, 2.0)])])
        await pilot.pause()
        assert any(BRAILLE[1] <= character for row in lines(chart) for character in row[LEFT:])

    on_screen(test)


def test_the_cursor_reads_values():
    loss = Series("r-14", [(float(x), x / 100) for x in range(101)])
    other = Series("r-13", [(float(x), NAN) for x in range(101)])

    async def test(pilot, chart):
        await pilot.press("c")
        assert lines(chart)[0] == "val_loss  step 100  r-14 1  r-13 nan"
        await pilot.press("home")
        assert chart.readings()[0] == ("r-14", 0.0, 0.0)
        await pilot.press("right", "right")
        assert 2.0 <= chart.readings()[0][1] <= 4.0
        assert sum(row[LEFT + 2 : LEFT + 3] == "│" for row in lines(chart)) > 5
        await pilot.hover(chart, offset=(LEFT + 34, 5))
        assert chart.readings()[0][1] == pytest.approx(50, abs=2)
        await pilot.press("c")
        assert chart.readings() == []
        assert lines(chart)[0] == "val_loss"

    on_screen(test, loss, other)


def test_zoom_pan_and_back():
    loss = Series("loss", noisy(2000))

    async def test(pilot, chart):
        await pilot.press("plus")
        await pilot.pause()
        low, high = chart.x_range
        assert (low + high) / 2 == pytest.approx(999.5, abs=5)
        assert high - low == pytest.approx(1000, rel=0.02)
        await pilot.press("l")
        await pilot.pause()
        assert chart.x_range[0] == pytest.approx(low + 250, abs=10)
        await pilot.press(*"llllll")
        await pilot.pause()
        assert chart.x_range[1] == pytest.approx(1999, abs=12), "it stops at the last point"
        await pilot.press("minus", "minus", "minus")
        await pilot.pause()
        assert chart.x_range is None
        await pilot.press(*["plus"] * 24)
        await pilot.pause()
        assert chart.x_range[1] > chart.x_range[0]
        await pilot.press("0")
        assert chart.x_range is None

    on_screen(test, loss)


def test_the_wheel_zooms_about_the_pointer():
    loss = Series("loss", noisy(2000))

    async def test(pilot, chart):
        before = chart._x_at(17)
        await pilot._post_mouse_events([events.MouseScrollUp], chart, offset=(LEFT + 17, 5))
        await pilot.pause()
        assert chart.x_range is not None
        lines(chart)
        assert chart._x_at(17) == pytest.approx(before, abs=40)

    on_screen(test, loss)


def test_a_zoomed_chart_is_dragged():
    loss = Series("loss", noisy(2000))

    async def test(pilot, chart):
        await pilot.press("plus")
        await pilot.pause()
        before = chart.x_range
        await pilot.mouse_down(chart, offset=(LEFT + 40, 5))
        await pilot.hover(chart, offset=(LEFT + 20, 5))
        await pilot.mouse_up(chart, offset=(LEFT + 20, 5))
        await pilot.pause()
        assert chart.x_range[0] > before[0] + 100
        assert chart.x_range[1] - chart.x_range[0] == pytest.approx(before[1] - before[0])

    on_screen(test, loss)


def test_it_follows_what_comes_unless_it_is_zoomed():
    loss = Series("loss", [(0.0, 1.0), (10.0, 2.0)])

    async def test(pilot, chart):
        loss.append(1000.0, 3.0)
        chart.changed()
        await pilot.pause()
        assert "1000" in lines(chart)[-1]
        await pilot.press("plus")
        await pilot.pause()
        fixed = chart.x_range
        loss.append(5000.0, 3.0)
        chart.changed()
        await pilot.pause()
        assert chart.x_range == fixed

    on_screen(test, loss)


def test_time_on_x():
    async def test(pilot, chart):
        assert lines(chart)[-1].split()[:2] == ["0s", "30m"]

    on_screen(test, Series("loss", [(0.0, 1.0), (7200.0, 2.0)]), x_name="time", x_time=True)


@pytest.mark.parametrize("size", [(10, 3), (20, 4), (30, 8), (200, 50)])
def test_every_size(size):
    async def test(pilot, chart):
        assert all(len(row) <= size[0] for row in lines(chart))

    on_screen(test, Series("a-very-long-name-indeed", noisy(300)), Series("\x1b[2J", noisy(300, 1)), size=size)


def reference() -> float:
    """Seconds of the processor for a fixed piece of work, so that a slow machine fails no test: 2 ms on a quick one."""
    started, value = time.thread_time(), 0.0
    for _ in range(100_000):
        value = value * 0.5 + 1.0
    return time.thread_time() - started


def test_ten_series_are_drawn_soon_enough():
    many = [Series(f"r-{at}", noisy(2000, at)) for at in range(10)]

    async def test(pilot, chart):
        best = base = math.inf
        for _ in range(12):
            many[0].append(many[0].xs[-1] + 1, 1.0)
            base = min(base, reference())
            started = time.thread_time()
            chart._styles_cache.clear()
            chart.render_lines(Region(0, 0, 200, 50))
            best = min(best, time.thread_time() - started)
        assert best < 20 * base, f"{best * 1000:.1f} ms, {best / base:.1f} times the reference; 13 ms are about 6 times"

    on_screen(test, *many, size=(200, 50))


def test_a_million_points_cost_what_a_screen_costs():
    few, many = Series("few", noisy(20_000)), Series("many", noisy(1_000_000))

    def best(series: Series) -> float:
        found = math.inf
        for _ in range(5):
            started = time.thread_time()
            plot([series], 200, 50)
            found = min(found, time.thread_time() - started)
        return found

    assert best(many) < 5 * best(few)
