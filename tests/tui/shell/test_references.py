"""References to sessions, turns and runs: read, typed, clicked, and opened calmly."""

import pytest

from support.screens import text_of
from support.workbench import playing, until
from workbench.protocol import events as e
from workbench.tui.opening import SessionRow
from workbench.tui.panes.talk import Talk
from workbench.tui.references import Reference, parse, typed

ROW = SessionRow(id="s-4fabcdef", title="Old", workspace="/w", state="resumable", turns=20)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("s-4f:t12", Reference("s-4f", 12)),
        (" s-4fabcdef ", Reference("s-4fabcdef")),
        ("r-14@812", Reference("r-14", 812)),
        ("r-14", Reference("r-14")),
        ("s-4f:t", None),
        ("see s-4f:t12", None),
        ("s-4f:t12\nr-1", None),
        ("", None),
        ("s-4f:t99999999999", None),
    ],
)
def test_what_is_a_reference(text, found):
    assert parse(text) == found


def test_what_is_typed_to_be_opened_and_what_to_be_said():
    assert typed("s-4f:t12") and typed("r-14") and typed("s-4fabcdef")
    assert not typed("s-4f") and not typed("s-4f:t12 is odd")


def test_a_clicked_reference_opens_its_session(tmp_path):
    async def play(pilot, opener):
        opener.rows = [ROW]
        pilot.app.main.talk.post_message(Talk.Reference("s-4f:t12"))
        await until(pilot, lambda: pilot.app.state.session == "s-4fabcdef")

    playing(play, tmp_path)


def test_one_that_is_live_elsewhere_is_joined(tmp_path):
    async def play(pilot, opener):
        opener.rows = [SessionRow(id="s-live0000", state="live", workspace="/w")]
        pilot.app.do("open_reference", "s-live:t1")
        await until(pilot, lambda: ("resume", "s-live0000") in opener.asked)

    playing(play, tmp_path)


def test_one_that_is_unknown_is_said_and_nothing_is_left(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("open_reference", "s-none:t1")
        await until(pilot, lambda: "there is no session" in text_of(pilot.app))
        pilot.app.do("open_reference", "what?")
        await until(pilot, lambda: "is no reference" in text_of(pilot.app))
        assert pilot.app.state.session == "s-00000000" and not opener.client.closed

    playing(play, tmp_path)


def test_a_run_is_not_known_yet_or_leads_to_the_runs(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("open_reference", "r-14@812")
        await until(pilot, lambda: "no run r-14 is known here" in text_of(pilot.app))
        opener.client.give(e.RunLinked(run="r-14"))
        await until(pilot, lambda: pilot.app.state.runs)
        pilot.app.do("open_reference", "r-14@812")
        await until(pilot, lambda: pilot.app.main.focused_view == "runs")

    playing(play, tmp_path)


def test_the_palette_opens_a_reference_and_asks_for_one(tmp_path):
    async def play(pilot, opener):
        opener.rows = [ROW]
        await pilot.press("ctrl+p", *"s-4f:t3")
        await until(pilot, lambda: "open s-4f:t3" in text_of(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.state.session == "s-4fabcdef")

    playing(play, tmp_path)


def test_a_reference_typed_at_the_real_prompt_opens_and_is_not_sent(tmp_path):
    from support.workbench import PLAIN
    from workbench.tui.widgets.prompt import Prompt

    async def play(pilot, opener):
        opener.rows = [ROW]
        await pilot.press(*"s-4f", "colon", *"t2", "enter")
        await until(pilot, lambda: pilot.app.state.session == "s-4fabcdef")
        assert all(type(command).__name__ != "SubmitPrompt" for client in opener.clients for command in client.sent)

    playing(play, tmp_path, parts={**PLAIN, "prompt": Prompt})


def test_pages_scroll_the_talk_from_the_real_prompt(tmp_path):
    from support.workbench import PLAIN
    from workbench.tui.widgets.prompt import Prompt

    async def play(pilot, opener):
        await pilot.press("pageup", "pagedown", "ctrl+home", "ctrl+end")
        assert pilot.app.main.talk.did == ["page_up", "page_down", "to_start", "to_end"]
        assert pilot.app.main.focused_view == "prompt"

    playing(play, tmp_path, parts={**PLAIN, "prompt": Prompt})
