"""A list to pick from: what the cursor stands on, what keys and the mouse do, and what fits."""

import asyncio

from textual.app import App
from textual.content import Content

from support.screens import text_of
from workbench.tui.themes import Looks
from workbench.tui.widgets.picks import Pick, Picks

ROWS = [
    Pick(None, Content("here")), *(Pick(f"a{n}", Content(f"row a{n}")) for n in range(12)),
    Pick(None, Content("elsewhere")), Pick("b", Content("a row that is longer than its list by far")),
]  # fmt: skip


class Picking(App[None]):
    """A list alone."""

    CSS = "Picks { max-height: 50%; }"

    def __init__(self, careful: bool = False) -> None:
        super().__init__()
        self.picks, self.chosen, self.moves = Picks(careful=careful), [], 0
        Looks(env={"COLORTERM": "truecolor"}).wear(self, "mlwb-dark")

    def compose(self):
        yield self.picks

    def on_picks_chosen(self, event):
        self.chosen.append(event.id)

    def on_picks_moved(self):
        self.moves += 1


def on_list(steps, careful=False, rows=ROWS, at=None):
    """Runs STEPS (app, pilot) on a list of ROWS."""

    async def run():
        app = Picking(careful)
        async with app.run_test(size=(24, 12)) as pilot:
            app.picks.put(rows, at)
            app.picks.focus()
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(run())


def test_the_cursor_steps_over_headings_and_round_the_ends():
    async def steps(app, pilot):
        seen = [app.picks.current]
        for key in ("j", "up", "up", "k", "down", "down", "pagedown", "end", "home", "pageup", "pageup"):
            await pilot.press(key)
            seen.append(app.picks.current)
        assert seen == ["a0", "a1", "a0", "b", "a11", "b", "a0", "a5", "b", "a0", "a0", "a0"]
        assert "here" in text_of(app) and app.moves == 10  # one for the rows, none where nothing moved
        await pilot.press("down", "down", "enter")
        assert app.chosen == ["a2"]

    on_list(steps)


def test_the_cursor_is_in_sight_and_a_long_row_is_cut():
    async def steps(app, pilot):
        shown = text_of(app)
        assert "row a11" in shown and "row a0" not in shown and app.picks.size.height == 6
        await pilot.press("down")
        assert "…" in text_of(app) and "elsewhere" in text_of(app)
        await pilot.resize_terminal(24, 6)
        await pilot.pause()
        assert "a row that is" in text_of(app)

    on_list(steps, at=12)


def test_a_click_picks_and_a_careful_one_only_goes_there():
    for careful in (False, True):

        async def steps(app, pilot, careful=careful):
            await pilot.click(app.picks, offset=(2, 0))
            assert app.chosen == []  # a heading
            await pilot.click(app.picks, offset=(2, 3))
            assert (app.picks.current, app.chosen) == ("a2", [] if careful else ["a2"])
            await pilot.click(app.picks, offset=(2, 3))
            assert app.chosen == ["a2"] if careful else ["a2", "a2"]

        on_list(steps, careful)


def test_a_list_of_nothing_or_of_headings_does_nothing():
    for rows in ([], ROWS[:1]):

        async def steps(app, pilot, rows=rows):
            await pilot.press("down", "pagedown", "home", "end", "enter")
            assert (app.picks.current, app.chosen) == (None, [])
            app.picks.put(ROWS)
            await pilot.pause()
            assert app.picks.current == "a0" and app.picks.size.height == 6

        on_list(steps, rows=rows)
