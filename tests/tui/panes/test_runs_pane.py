"""The runs pane in the workbench: choosing, filtering, charts, log and changes, by keys and mouse."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.panes import lines
from support.runs import NOW, Ledger, metric, run
from support.screens import text_of
from support.workbench import PLAIN, playing, until
from workbench.protocol import queries as q
from workbench.protocol.commands import AnnotateRun, StopRuns
from workbench.protocol.state import SessionState
from workbench.tui import prefs
from workbench.tui.panes.runs import RunsPane


def ledger() -> Ledger:
    def losses(last: float | None, step: float) -> dict[str, Any]:
        return {"metrics": {"val_loss": metric(last, step), "acc": metric(0.5, step, goal="max")}}

    seen = (q.RunAlert(kind="nan", at=NOW, text="loss is NaN", step=150),)
    made = Ledger(
        run(14, "warmup", "running", against="r-13", progress=(100, 200), **losses(1.4, 100)),
        run(13, "baseline", **losses(1.5, 199)),
        run(12, "broken", "failed", exit_code=1, why="exit code 1", against="r-13", alerts=seen, **losses(None, 150)),
        *(run(8 + seed, "cosine", group="g", seed=seed, **losses(1.45 + seed / 100, 199)) for seed in range(3)),
    )
    made.logs["r-14"] = [f"step {step}" if step % 100 else f"checkpoint {step}" for step in range(5000)]
    made.changes["r-12"] = q.RunChanges(
        words=("nothing to compare it with",), crash=(("error", "RuntimeError: out of memory"), ("", "at train.py:9"))
    )
    made.changes["r-14"] = q.RunChanges(
        against="r-13", verdict="better", words=("0.1 lower, beyond the noise",),
        config=(
            q.ConfigChange(key="optim.lr", before="0.03", after="0.003"), q.ConfigChange(key="warmup", after="100"),
        ),
        diff=("--- a/train.py", "+++ b/train.py", "@@ -1 +1 @@", "-lr=3e-2", "+lr=cfg.lr"),
    )  # fmt: skip
    return made


def in_pane(
    play: Callable[[Any, RunsPane, Ledger], Awaitable[None]], place: Any, size: tuple[int, int] = (120, 40)
) -> None:
    """PLAY in a workbench whose runs pane has the focus and knows its runs."""

    async def begin(pilot: Any, opener: Any) -> None:
        held = ledger()
        opener.client.query = held.query
        pilot.app.do("runs")
        pane = pilot.app.panes["runs"]
        await until(pilot, lambda: pane.is_mounted and pane.seen)
        pane.feed.look()
        await until(pilot, lambda: pane.feed.rows and pane.table.has_focus)
        await until(pilot, lambda: pane.chart.series)
        await play(pilot, pane, held)

    playing(begin, place, size=size, parts={**PLAIN, "runs": RunsPane})


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def names(pane: RunsPane) -> list[str]:
    return [one.name for one in pane.chart.series]


def test_the_run_that_goes_on_is_looked_at_first_against_the_one_it_is_compared_with(tmp_path):
    async def play(pilot, pane, held):
        assert pane.selected == "r-14"
        await until(pilot, lambda: names(pane) == ["r-14 warmup", "r-13 baseline"])
        assert pane.chart.title == "val_loss"
        assert pane.heading == "val_loss ▾ · 1 running"
        assert pane.strip(pilot.app.state).plain == "● r-14 1.4 ▼"
        await pilot.press("j", "j")
        await until(pilot, lambda: names(pane)[:1] == ["r-12 broken"])
        assert "! loss is NaN · step 150" in text_of(pilot.app)

    in_pane(play, tmp_path)


def test_what_was_seen_on_a_run_is_whole_where_the_names_of_the_parts_leave_it_no_room(tmp_path):
    async def play(pilot, pane, held):
        words = "loss is NaN at step 8120, after 1.5179"
        held.put(run(15, "noreset", alerts=(q.RunAlert(kind="nan", at=NOW, text=words, step=8120),)))
        await until(pilot, lambda: words in text_of(pilot.app))
        assert "chart  log" not in text_of(pilot.app)
        held.put(run(15, "noreset"))
        await until(pilot, lambda: "chart  log  changes" in text_of(pilot.app))

    in_pane(play, tmp_path)


def test_words_that_need_a_bar_to_scroll_are_wrapped_beside_it(tmp_path):
    async def play(pilot, pane, held):
        words = " ".join("a" * (1 + at * 7 % 11) for at in range(150))  # some lines are full to the last column
        held.changes["r-14"] = q.RunChanges(against="r-13", words=(words,), diff=tuple(f"+{at}" for at in range(60)))
        await pilot.press("z", "o")
        shown = pane.changes_view
        await until(pilot, lambda: shown.show_vertical_scrollbar)
        # what is wider lies under the bar
        await until(pilot, lambda: max(map(len, lines(shown))) <= shown.scrollable_content_region.width)

    in_pane(play, tmp_path, size=(160, 50))


def test_until_a_person_chooses_the_run_that_goes_on_is_looked_at(tmp_path):
    async def play(pilot, pane, held):
        ended = [one if one.status != "running" else run(14, "warmup", "finished") for one in held.rows]
        held.put(*ended)
        await until(pilot, lambda: pane.feed.known["r-14"].status == "finished")
        assert pane.selected == "r-14", "what has ended stays until something begins"
        held.put(run(15, "newer", "running"), *ended)
        await until(pilot, lambda: pane.selected == "r-15")
        held.put(run(16, "brief", "finished"), run(15, "newer", "finished"), *ended)
        await until(pilot, lambda: "r-16" in pane.feed.known)
        assert pane.selected == "r-15"
        await pilot.press("j")
        held.put(run(17, "newest", "running"), run(15, "newer", "finished"), *ended)
        await until(pilot, lambda: "r-17" in pane.feed.known)
        assert pane.selected == "r-14"

    in_pane(play, tmp_path)


def test_a_group_opens_and_folds_and_marked_runs_are_drawn_beside_what_is_selected(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("G")
        assert pane.selected == "group g"
        await until(pilot, lambda: len(names(pane)) == 3)
        await pilot.press("enter")
        assert pane.table.rows == 7
        await pilot.press("enter")
        assert pane.table.rows == 4
        await pilot.press("space", "g")
        assert pane.selected == "r-14"
        await until(pilot, lambda: len(names(pane)) == 5)
        assert "▪" in lines(pane.table)[4]

    in_pane(play, tmp_path)


def test_what_is_selected_stays_so_when_other_runs_come_and_the_order_changes(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("j")
        assert pane.selected == "r-13"
        held.put(run(15, "newer", "queued"), *held.rows)
        await until(pilot, lambda: "r-15" in pane.feed.known)
        assert (pane.selected, pane.table.cursor) == ("r-13", 2)
        await pilot.press("s", "S")
        assert pane.selected == "r-13"
        assert pane.sorting == ("id", False)
        assert "id↑" in lines(pane.table)[0]

    in_pane(play, tmp_path)


def test_what_is_selected_stays_so_when_the_whole_state_is_told_anew(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("j")
        pilot.app.present(SessionState(), ())
        pilot.app.present(pilot.app.client.state, ())
        await pilot.pause()
        assert (pane.selected, pane.picked, pane.table.cursor) == ("r-13", True, 1)
        held.put(run(15, "newer", "running"), *held.rows)
        await until(pilot, lambda: "r-15" in pane.feed.known)
        assert pane.selected == "r-13"

    in_pane(play, tmp_path)


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_it_round(tmp_path):
    async def play(pilot, pane, held):
        column = lines(pane.table)[0].index("last")
        await pilot.click(pane.table, offset=(column, 0))
        assert pane.sorting == ("last", False)
        assert [line.split()[1] for line in lines(pane.table)[1:3]] == ["r-14", "▸"]
        await pilot.click(pane.table, offset=(column, 0))
        assert pane.sorting == ("last", True)
        assert "r-13" in lines(pane.table)[1]

    in_pane(play, tmp_path)


def test_words_filter_as_one_types_enter_keeps_them_escape_gives_them_up(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("slash", *"cos")
        await until(pilot, lambda: pane.table.rows == 1)
        await pilot.press("enter")
        await until(pilot, lambda: pane.table.has_focus)
        assert pane.table.rows == 1
        assert "filter: cos" in pane.heading
        await pilot.press("slash", *"zzz")
        await until(pilot, lambda: pane.table.rows == 0)
        assert "esc shows all" in text_of(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: pane.table.rows == 4)

    in_pane(play, tmp_path)


def test_the_metric_that_was_chosen_is_remembered(tmp_path):
    async def play(pilot, pane, held):
        assert pane.metric == "val_loss"
        await pilot.press("M")
        assert pane.metric == "acc"
        await until(pilot, lambda: pane.chart.title == "acc")
        assert prefs.load().metrics == {str(tmp_path): "acc"}
        await pilot.press("m")
        await until(pilot, lambda: len(pilot.app.screen_stack) > 1)
        assert "lower is better" in text_of(pilot.app)
        await pilot.press(*"val", "enter")
        await until(pilot, lambda: pane.metric == "val_loss")

    in_pane(play, tmp_path)


def test_the_chart_by_keys(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("right", "plus")
        assert pane.chart.cursor is not None
        assert pane.chart.x_range is not None
        assert "zoomed, 0 shows all" in text_of(pilot.app)
        await until(pilot, lambda: pane.curves.view == pane.chart.x_range)
        await pilot.press("0", "w", "L")
        assert pane.chart.x_range is None
        await until(pilot, lambda: len(pane.chart.behind) == 2)
        assert "smoothed 1% · log y" in text_of(pilot.app)
        await pilot.press("a")
        assert (pane.chart.x_name, pane.chart.x_time) == ("time", True)
        await until(pilot, lambda: any(one.x == "time" for one in held.of(q.SeriesPage)))

    in_pane(play, tmp_path)


def test_the_name_of_the_run_at_the_cursor_is_copied(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("y")
        assert pilot.app.clipboard == "r-14@100"
        pane.chart.point(42.0)
        await pilot.press("y")
        assert pilot.app.clipboard == "r-14@42"

    in_pane(play, tmp_path)


def test_a_reference_opens_its_run_at_its_step_also_one_that_is_not_known_yet(tmp_path):
    async def play(pilot, pane, held):
        pane.open_run("r-9", 42)
        assert (pane.selected, pane.chart.cursor) == ("r-9", 42)
        pane.open_run("r-15", 7)
        assert pane.selected == "r-9"
        held.put(run(15, "newer", "running", metrics={"val_loss": metric(1.0, 9)}), *held.rows)
        await until(pilot, lambda: pane.selected == "r-15")
        assert pane.chart.cursor == 7

    in_pane(play, tmp_path)


def test_the_log_follows_until_one_scrolls_and_finds_words_on_any_page(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("enter")
        await until(pilot, lambda: pane.log_view.has_focus and pane.log_view.total == 5000)
        await until(pilot, lambda: "step 4999" in lines(pane.log_view)[-1])
        held.logs["r-14"].append("step 5000 at last")
        held.put(*held.rows)
        await until(pilot, lambda: "at last" in lines(pane.log_view)[-1])
        await pilot.press("g")
        await until(pilot, lambda: lines(pane.log_view)[0] == "checkpoint 0")
        held.logs["r-14"].append("step 5001")
        await until(pilot, lambda: pane.log_view.total == 5002)
        assert lines(pane.log_view)[0] == "checkpoint 0"
        await pilot.press("slash", *"checkpoint 21")
        await until(pilot, lambda: pane.log_view.match == 2100)
        await until(pilot, lambda: "checkpoint 2100" in lines(pane.log_view))
        await until(pilot, lambda: "line 2,101 of 5,002" in text_of(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: pane.log_view.has_focus)
        await pilot.press("n")
        await until(pilot, lambda: "nothing further down" in text_of(pilot.app))
        await pilot.press("escape")
        assert pane.table.has_focus

    in_pane(play, tmp_path)


def test_a_log_that_cannot_be_read_says_why_and_the_curve_is_drawn_all_the_same(tmp_path):
    async def play(pilot, pane, held):
        answer = held.query

        async def query(asked):
            if isinstance(asked, q.RunLogPage):
                raise LookupError("OSError: [Errno 116] Stale file handle")
            return await answer(asked)

        pilot.app.client.query = query
        await pilot.press("z", "j", "j")
        await until(pilot, lambda: pane.big and pane.selected == "r-12")
        await until(pilot, lambda: names(pane)[:1] == ["r-12 broken"])
        await until(pilot, lambda: "Stale file handle" in "".join(lines(pane.log_view)))
        await pilot.press("e")
        await until(pilot, lambda: "the log of r-12 cannot be read" in " ".join(text_of(pilot.app).split()))

    in_pane(play, tmp_path, size=(160, 48))


def test_the_changes_begin_with_the_verdict_then_config_then_code(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("o", "o")
        await until(pilot, lambda: any("optim.lr" in line for line in lines(pane.changes_view)))
        told = [line for line in lines(pane.changes_view) if line]
        assert told[0] == "▲ better  r-14 against r-13"
        assert told[1] == "0.1 lower, beyond the noise"
        at = told.index("config")
        assert told[at + 1 : at + 3] == ["optim.lr  0.03    → 0.003", "warmup    not set → 100"]
        assert told[told.index("code") + 5] == "+lr=cfg.lr"

    in_pane(play, tmp_path)


def test_how_a_run_crashed_stands_under_what_was_seen_on_it(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("j", "j", "o", "o")
        await until(pilot, lambda: "how it ended" in lines(pane.changes_view))
        told = [line for line in lines(pane.changes_view) if line]
        assert told[:3] == ["nothing to compare it with", "! loss is NaN · step 150", "✗ exit code 1"]
        at = told.index("how it ended")
        assert told[at + 1 : at + 3] == ["error  RuntimeError: out of memory", "       at train.py:9"]

    in_pane(play, tmp_path)


def test_a_stop_asks_first(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("x")
        await until(pilot, lambda: len(pilot.app.screen_stack) > 1)
        assert "python train.py" in text_of(pilot.app)
        await pilot.press("n")
        await pilot.press("j", "x")
        assert len(pilot.app.screen_stack) == 1, "one that has ended cannot be stopped"
        await pilot.press("k", "x")
        await until(pilot, lambda: len(pilot.app.screen_stack) > 1)
        await pilot.press("y")
        await until(pilot, lambda: any(isinstance(one, StopRuns) for one in pilot.app.client.sent))
        [stopping] = [one for one in pilot.app.client.sent if isinstance(one, StopRuns)]
        assert (stopping.runs, stopping.by) == (("r-14",), pilot.app.opener.user)

    in_pane(play, tmp_path)


def test_a_note_and_tags_are_written_where_the_run_is(tmp_path):
    async def play(pilot, pane, held):
        await pilot.press("c")
        await until(pilot, lambda: len(pilot.app.screen_stack) > 1)
        await pilot.press(*"too slow", "enter")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 1)
        await pilot.press("t")
        await until(pilot, lambda: len(pilot.app.screen_stack) > 1)
        await pilot.press(*" b a", "enter")
        await until(pilot, lambda: len([one for one in pilot.app.client.sent if isinstance(one, AnnotateRun)]) == 2)
        noted, tagged = [one for one in pilot.app.client.sent if isinstance(one, AnnotateRun)]
        assert (noted.run, noted.note, noted.tags) == ("r-14", "too slow", None)
        assert tagged.note is None and set(tagged.tags) >= {"a", "b"}

    in_pane(play, tmp_path)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48), (220, 60), (60, 16)])
def test_with_room_chart_and_log_stand_beside_each_other(tmp_path, size):
    async def play(pilot, pane, held):
        await pilot.press("z")
        if size[0] > 110:
            await until(pilot, lambda: pane.big and pane.log_view.region.x > pane.chart.region.right)
        await pilot.pause(0.1)
        assert pane.big == (size[0] > 110)
        assert pane.log_view.display == pane.big
        assert pane.chart.display
        assert pane.table.size.height >= 3
        if pane.big:
            assert pane.log_view.region.x > pane.chart.region.right

    in_pane(play, tmp_path, size)


def test_nothing_is_drawn_while_nothing_changes(tmp_path):
    async def play(pilot, pane, held):
        held.put(*held.rows[1:])
        await until(pilot, lambda: not pane.feed.alive)
        await pilot.pause(0.3)
        asked, drawn = len(held.of(q.ListRuns)), []
        for part in (pane.table, pane.chart):
            part.refresh = lambda *regions, **more: drawn.append(regions)
        await until(pilot, lambda: len(held.of(q.ListRuns)) > asked)
        await pilot.pause(0.1)
        assert drawn == []

    in_pane(play, tmp_path)


def test_a_ledger_that_cannot_be_read_is_said(tmp_path):
    async def begin(pilot, opener):
        async def fails(query):
            raise OSError("the disk is gone")

        opener.client.query = fails
        pilot.app.do("runs")
        await until(pilot, lambda: "the runs cannot be read: the disk is gone" in text_of(pilot.app))

    playing(begin, tmp_path, parts={**PLAIN, "runs": RunsPane})


def test_the_footer_names_no_key_that_would_do_nothing(tmp_path):
    async def play(pilot, pane, held):
        def foot() -> str:
            return text_of(pilot.app).splitlines()[-1]

        await until(pilot, lambda: "x stop the run" in foot())
        await pilot.press("j")
        await until(pilot, lambda: "m metric" in foot() and "x stop the run" not in foot())
        held.put()
        pane.feed.look()
        await until(pilot, lambda: "esc back" in foot() and "m metric" not in foot())

    in_pane(play, tmp_path)


def test_a_pane_of_a_session_that_was_left_looks_no_more_though_it_was_never_seen(tmp_path):
    async def play(pilot, opener):
        left = pilot.app.panes["runs"]
        await until(pilot, lambda: left.feed._timer is not None)
        pilot.app.do("sessions", "s-bbbbbbbb")
        await until(pilot, lambda: pilot.app.state.session == "s-bbbbbbbb")
        assert not left.is_mounted and left.feed._timer is None

    playing(play, tmp_path, size=(80, 24), parts={**PLAIN, "runs": RunsPane})
