"""Runs beyond the session: what they came to since one was here, with a key and without; references to them."""

import asyncio
import json
import time

from support.running import Exp, fixture, until
from support.screens import text_of
from support.workbench import PLAIN, playing
from support.workbench import until as shown
from workbench.experiments.launch.alive import alive
from workbench.protocol import queries as q
from workbench.tui.opening import NotOpenedError
from workbench.tui.panes.runs import RunsPane
from workbench.verbs.workbench import Opening
from workbench.verbs.workbench_flags import read

exp = fixture
NO_KEY = NotOpenedError("error_authentication", "no key for the model service")
WIDE = (160, 40)


def trained(exp: Exp, level: float) -> None:
    """Three seeds of a script whose last loss is near LEVEL."""
    value = "float(sys.argv[2]) + int(sys.argv[4]) / 1000"
    script = f"import sys\nfor step in range(9):\n    print(f'step {{step}} val_loss {{{value}}}')\n"
    (exp.folder / "train.py").write_text(script)
    exp("run", "--seeds", "0..2", "--", "python3", "train.py", "--level", str(level), "--seed", "{seed}")
    until(lambda: not any(alive(exp.ledger.path(run)) for run in exp.ledger.ids()))


def was_here(tmp_path, exp: Exp, at: float) -> None:
    (tmp_path / "state/mlwb").mkdir(exist_ok=True)
    (tmp_path / "state/mlwb/looked.json").write_text(json.dumps({str(exp.folder): at}))


def test_a_new_session_says_which_runs_ended_since_one_was_here(tmp_path, exp: Exp):
    trained(exp, 1.5)
    was_here(tmp_path, exp, time.time())
    trained(exp, 1.0)

    async def play(pilot, opener):
        await shown(pilot, lambda: "r-6 finished just now: better by 0.5" in text_of(pilot.app))
        assert "n=3 (val_loss against r-3)" in text_of(pilot.app)

    async def later(pilot, opener):
        await shown(pilot, lambda: not pilot.app.main.footer.message)
        assert "finished just now" not in text_of(pilot.app)

    playing(play, exp.folder, WIDE)
    was_here(tmp_path, exp, time.time())
    playing(later, exp.folder, WIDE)


def test_one_who_was_never_here_is_told_nothing_and_leaving_is_kept(tmp_path, exp: Exp):
    trained(exp, 1.5)

    async def play(pilot, opener):
        await shown(pilot, lambda: not pilot.app.main.footer.message)
        assert "finished just now" not in text_of(pilot.app)
        await pilot.press("ctrl+q")
        await shown(pilot, lambda: opener.client.closed)

    playing(play, exp.folder, WIDE)
    looked = json.loads((tmp_path / "state/mlwb/looked.json").read_text())
    assert abs(looked[str(exp.folder)] - time.time()) < 60


def test_without_a_key_the_monitor_says_it_and_has_the_pages(tmp_path, exp: Exp):
    was_here(tmp_path, exp, time.time())
    trained(exp, 1.5)

    async def play(pilot, opener):
        await shown(pilot, lambda: "r-3 finished just now: val_loss 1.502" in text_of(pilot.app))
        page = await opener.runs(q.ListRuns())
        assert [row.id for row in page.rows] == ["r-3", "r-2", "r-1"]
        pilot.app.do("open_reference", "r-2@4")
        await shown(pilot, lambda: pilot.app.main.focused_view == "runs")

    playing(play, exp.folder, WIDE, error=NO_KEY)


def test_a_reference_opens_any_run_of_the_workspace_at_its_step(exp: Exp):
    trained(exp, 1.5)
    opened: list[tuple[str, float | None]] = []

    class Pane(RunsPane):
        def open_run(self, run: str, step: float | None = None) -> None:
            opened.append((run, step))
            super().open_run(run, step)

    async def play(pilot, opener):
        pilot.app.do("open_reference", "r-2@4")
        await shown(pilot, lambda: opened)
        await shown(pilot, lambda: pilot.app.main.focused_view == "runs")
        pilot.app.do("open_reference", "r-3")  # also from the pane itself, which stays
        await shown(pilot, lambda: ("r-3", None) in opened)
        assert opened[0] == ("r-2", 4)
        assert pilot.app.main.focused_view == "runs"
        pilot.app.do("open_reference", "r-99")
        await shown(pilot, lambda: "no run r-99 is known here" in text_of(pilot.app))

    playing(play, exp.folder, WIDE, parts={**PLAIN, "runs": Pane})


def test_the_program_itself_answers_without_a_key_or_a_session(exp: Exp):
    trained(exp, 1.5)
    opener = Opening(read([]), exp.folder, {})
    page = asyncio.run(opener.runs(q.ListRuns()))
    assert [row.status for row in page.rows] == ["finished"] * 3
    assert asyncio.run(opener.runs(q.ListRuns(stamp=page.stamp))).same
    points = asyncio.run(opener.runs(q.SeriesPage(run="r-2", key="val_loss"))).points
    assert points == tuple((float(step), 1.501) for step in range(9))
    assert asyncio.run(opener.runs_since(1.0))[0].startswith("r-3 finished just now")
    assert asyncio.run(opener.runs_since(time.time() + 9)) == ()
