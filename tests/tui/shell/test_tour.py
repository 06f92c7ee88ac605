"""The demo's guide: each step shows the next key, and the last one what there is to do next."""

from rich.cells import cell_len

from support.screens import text_of
from support.workbench import playing, until
from workbench.protocol import events as e
from workbench.tui import tour
from workbench.tui.tour import Tour


def test_every_line_holds_in_80_columns():
    for seen, key, does in tour._LINES.values():
        assert cell_len(f" demo  {seen}  {key} {does}") <= 80, seen


def test_it_leads_from_the_prompt_to_the_check(tmp_path):
    guide = Tour("mend it", "!check")

    async def play(pilot, opener):
        app = pilot.app
        opener.tour = guide
        app.do("model", "local-7b")  # a session opened with the guide
        await until(pilot, lambda: "begins: it is asked" in text_of(app) and app.focused.value == "mend it")
        app.focused.value = ""
        give = opener.client.give
        give(e.RequestStarted(turn=1, model="m"))
        await until(pilot, lambda: "It looks and measures" in text_of(app))
        asked = {
            "request_id": "r",
            "call_id": "c",
            "tool": "Edit",
            "input": {},
            "rule": None,
            "reason": "",
            "digest": "",
        }
        give(e.ApprovalRequested(**asked))
        await until(pilot, lambda: "allows it once" in text_of(app))
        give(e.ApprovalResolved(request_id="r", decision="once", by="ana"))
        give(e.CallFinished(call_id="c", tool="Edit", status="ok", changed=("train.py",)))
        await until(pilot, lambda: "to the diff" in text_of(app))
        give(e.Idle(reason="done"))
        await until(pilot, lambda: "runs the check yourself" in text_of(app) and app.focused.value == "!check")
        give(e.ShellRan(command="check", output="ok", exit_code=0, by="ana"))
        await until(pilot, lambda: "lists all there is" in text_of(app))

    playing(play, tmp_path)


def test_a_refusal_and_a_check_that_fails_have_their_words(tmp_path):
    async def play(pilot, opener):
        opener.tour = Tour("mend it", "!check")
        pilot.app.do("model", "local-7b")
        await until(pilot, lambda: "begins" in text_of(pilot.app))
        opener.client.give(e.ApprovalResolved(request_id="r", decision="no", by="ana"))
        await until(pilot, lambda: "cannot do otherwise" in text_of(pilot.app))
        opener.tour.stage = "done"
        opener.client.give(e.ShellRan(command="check", output="no", exit_code=1, by="ana"))
        await until(pilot, lambda: "The check fails" in text_of(pilot.app))

    playing(play, tmp_path)
