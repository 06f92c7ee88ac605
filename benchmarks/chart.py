"""A chart of 10 runs of 1,000,000 points each: from the pages of what is looked at anew to the lines on the screen."""

import asyncio
import itertools
import math
import random
import statistics
import time
from array import array

from textual.app import App, ComposeResult

from measure import figure, scratch
from workbench.experiments.ledger import Ledger
from workbench.experiments.points import Series as Points
from workbench.experiments.points import save
from workbench.experiments.types import Run
from workbench.protocol.queries import Series as Page
from workbench.protocol.queries import SeriesPage
from workbench.session.run_pages import RunPages
from workbench.tui.themes import defaults
from workbench.tui.widgets.chart import Chart
from workbench.tui.widgets.chart_series import Series

RUNS, POINTS = 10, 1_000_000
SIZE = (120, 30)  # cells of the chart
COLUMNS = 2 * SIZE[0]  # of dots
TRIES = 15


class Alone(App[None]):
    """The chart, and nothing else."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The project's own colours."""
        return defaults()

    def compose(self) -> ComposeResult:
        """The chart."""
        yield Chart("loss")


def fill(ledger: Ledger) -> None:
    """Runs whose losses fall, with noise, and a value that is no number here and there."""
    noise = [random.gauss(0, 0.05) for _ in range(99_991)]
    steps = array("d", map(float, range(POINTS)))
    for number in range(RUNS):
        one = Points()
        one.steps, one.times = steps, steps
        fall = (2 + number / 5) / 1000
        one.values = array("d", map(lambda n, more, fall=fall: 1 / (0.4 + fall * n**0.5) + more, steps,
                                    itertools.cycle(noise)))  # fmt: skip
        one.values[POINTS // 3] = math.nan
        run = ledger.begin(
            lambda name: Run(id=name, name=name, status="finished", argv=("python", "train.py"), cwd="/", created=1.0,
                             workspace="/", started=1.0, ended=2.0)
        )  # fmt: skip
        save(ledger.path(run.id), {"loss": one})


async def pages(runs: RunPages, start: float | None, end: float | None) -> list[Series]:
    """The curves of all runs between START and END, as a pane asks for them."""
    asked = [
        runs.answer(SeriesPage(run=f"r-{number}", key="loss", start=start, end=end, width=COLUMNS))
        for number in range(1, RUNS + 1)
    ]
    found = []
    for number, page in enumerate(await asyncio.gather(*asked), 1):
        assert isinstance(page, Page) and len(page.points) > COLUMNS
        found.append(Series(f"r-{number}", [(x, math.nan if y is None else y) for x, y in page.points]))
    return found


def draw(chart: Chart, series: list[Series]) -> None:
    """SERIES as the lines of a screen."""
    chart.show(series)
    for line in range(chart.size.height):
        chart.render_line(line)


async def measure(runs: RunPages) -> None:
    """Looks at part after part, none of which was looked at before."""
    app = Alone()
    async with app.run_test(size=SIZE) as pilot:
        chart = app.query_one(Chart)
        began = time.perf_counter()
        whole = await pages(runs, None, None)
        loaded = time.perf_counter() - began
        took: dict[str, list[float]] = {"page": [], "draw": [], "both": [], "again": [], "cpu": []}
        draw(chart, whole)
        for attempt in range(TRIES):
            low, high = 1000.0 * attempt, POINTS * (0.9 - attempt / 20)
            chart.x_range = (low, high)
            await pilot.pause()  # Textual has done with the part before
            began, cpu = time.perf_counter(), time.process_time()
            series = await pages(runs, low, high)
            came = time.perf_counter()
            draw(chart, series)
            done = time.perf_counter()
            took["cpu"].append(1000 * (time.process_time() - cpu))
            await pages(runs, low, high)
            again = time.perf_counter()
            for name, seconds in (
                ("page", came - began), ("draw", done - came), ("both", done - began), ("again", again - done)
            ):  # fmt: skip
                took[name].append(1000 * seconds)
    told = {name: statistics.median(values) for name, values in took.items()}
    figure(
        "chart of 10 runs of 1,000,000 points, another part of it", told["both"], "ms", 20, "the bound",
        cpu_ms=told["cpu"], pages_ms=told["page"], drawing_ms=told["draw"], same_pages_again_ms=told["again"],
        first_pages_s=loaded, slowest_ms=max(took["both"]),
    )  # fmt: skip


def main() -> None:
    """Fills a ledger, measures, prints the figure."""
    with scratch() as (work, _):
        fill(Ledger(work))
        asyncio.run(measure(RunPages(work)))


if __name__ == "__main__":
    main()
