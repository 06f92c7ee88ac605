"""The brief on the screen: after an absence by itself, by `/brief` at any time, and never in the way."""

import time
from typing import Any

import pytest
from textual.widgets import Input

from support.screens import text_of
from support.workbench import SESSION, playing, until
from workbench.protocol import events as e
from workbench.protocol.brief import BriefRow, BriefSection
from workbench.protocol.queries import Brief
from workbench.tui import prefs
from workbench.tui.screens.brief import BriefSheet

AWAY = Brief(
    heading="since 12:52, 2 h ago: it waits for 1 answer",
    sections=(
        BriefSection(heading="needs you", rows=(BriefRow(text="answer: How many seeds?", note="5", kind="decide"),)),
        BriefSection(heading="runs", rows=(BriefRow(text="r-7 failed", kind="bad"),), more=3),
    ),
)
ASKED = e.ApprovalRequested(
    request_id="r1", call_id="c1", tool="Bash", input={"command": "make"}, rule=None, reason="asks", digest="d"
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


async def resumed(pilot: Any, opener: Any, away: float = 7200.0) -> None:
    """A session is taken up, AWAY seconds after it was looked at."""
    opener.told, opener.phrases = AWAY, {SESSION: ("1 question to answer",)}
    prefs.look(SESSION, time.time() - away)
    await pilot.app.switch(lambda: opener.resume(SESSION))
    await until(pilot, lambda: ("brief", SESSION) in [one[:2] for one in opener.asked])


def sheet(app: Any) -> bool:
    return isinstance(app.screen, BriefSheet)


def test_after_an_absence_it_is_shown_and_any_key_closes_it_without_being_lost(home):
    async def play(pilot: Any, opener: Any) -> None:
        await resumed(pilot, opener)
        await until(pilot, lambda: sheet(pilot.app))
        await until(pilot, lambda: "and 3 more" in text_of(pilot.app))
        shown = text_of(pilot.app)
        for words in ("while you were away", "it waits for 1 answer", "● answer: How many seeds?   5", "✗ r-7 failed"):
            assert words in shown, words
        await pilot.press("down")
        assert sheet(pilot.app)
        await pilot.press("h")
        await until(pilot, lambda: not sheet(pilot.app))
        await pilot.press("i")
        await until(pilot, lambda: pilot.app.main.prompt.query_one(Input).value == "hi")

    playing(play, home)


def test_after_a_short_absence_a_line_is_enough(home):
    async def play(pilot: Any, opener: Any) -> None:
        await resumed(pilot, opener, 600.0)
        await until(pilot, lambda: "1 question to answer" in text_of(pilot.app))
        assert not sheet(pilot.app)

    playing(play, home)


def test_one_who_never_looked_is_told_all_and_a_journal_that_is_not_theirs_is_no_fault(home):
    async def play(pilot: Any, opener: Any) -> None:
        opener.told = AWAY

        async def resume(session: str) -> Any:
            client = await opener.resume(session)
            client.state.turns, client.state.started = 3, 1000.0
            return client

        await pilot.app.switch(lambda: resume(SESSION))
        await until(pilot, lambda: sheet(pilot.app))
        assert opener.asked[-1][:2] == ("brief", SESSION) and opener.asked[-1][2] in (1000.0, 1e9 + 1)
        await pilot.press("escape")
        told = opener.brief

        async def refused(*given: Any) -> Any:
            await told(*given)
            raise LookupError("it lies elsewhere")

        opener.brief = refused
        await pilot.app.switch(lambda: resume("s-cccccccc"))
        await until(pilot, lambda: opener.asked[-1][:2] == ("brief", "s-cccccccc"))
        await pilot.pause(0.1)
        assert not sheet(pilot.app) and not [one for one in pilot.app._notifications if "elsewhere" in one.message]

    playing(play, home)


def test_it_gives_way_to_an_approval(home):
    async def play(pilot: Any, opener: Any) -> None:
        await resumed(pilot, opener)
        await until(pilot, lambda: sheet(pilot.app))
        opener.client.give(ASKED)
        await until(pilot, lambda: not sheet(pilot.app))
        assert pilot.app.state.approvals

    playing(play, home)


def test_it_does_not_come_over_an_approval(home):
    async def play(pilot: Any, opener: Any) -> None:
        resume = opener.resume

        async def asking(session: str) -> Any:
            client = await resume(session)
            client.give(ASKED)
            return client

        opener.resume = asking
        sessions = opener.sessions

        async def later() -> Any:  # what is looked up comes after the approval is on the screen
            await until(pilot, lambda: pilot.app.state.approvals)
            return await sessions()

        opener.sessions = later
        await resumed(pilot, opener)
        await until(pilot, lambda: "1 question to answer" in text_of(pilot.app))
        assert not sheet(pilot.app)

    playing(play, home)


def test_it_is_there_for_the_asking(home):
    async def play(pilot: Any, opener: Any) -> None:
        opener.told = AWAY
        prefs.look(opener.client.session, 1000.0)
        pilot.app.do("brief")
        await until(pilot, lambda: sheet(pilot.app))
        assert opener.asked[-1] == ("brief", opener.client.session, 1000.0)
        await pilot.press("escape")
        await until(pilot, lambda: not sheet(pilot.app))
        pilot.app.do("brief", "start")
        await until(pilot, lambda: sheet(pilot.app))
        assert opener.asked[-1] == ("brief", opener.client.session, 0.0)

    playing(play, home)


def test_keys_of_a_replay_say_so_where_there_is_none(home):
    async def play(pilot: Any, opener: Any) -> None:
        pilot.app.do("replay_next")
        await until(pilot, lambda: any("no replay" in toast.message for toast in pilot.app._notifications))

    playing(play, home)
