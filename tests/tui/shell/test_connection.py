"""The connection to a session's host: what the screen says while it is away, and what it draws when it is back."""

import re
import time

from support.screens import text_of
from support.workbench import SESSION, FakeClient, playing, until
from workbench.protocol import events as e
from workbench.protocol.state import SessionState
from workbench.tui import connection


class FarClient(FakeClient):
    """A fake that has a connection to lose."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed, self.waiting = 0, 0
        self.lost_since: float | None = None
        self.ended = self.why = self.trouble = ""
        self.on_line = lambda: None


async def opened(pilot, opener) -> FarClient:
    """The workbench's client from now on."""
    client = FarClient()
    client.give(e.Renamed(title="Far away"))
    await pilot.app.attach(client, time.time())
    await until(pilot, lambda: "Far away" in text_of(pilot.app))
    return client


def seconds(app) -> int:
    """How long ago the connection was lost, as the footer says it; -1 where it says nothing of it."""
    said = re.search(r"connection lost (\d+) s ago", text_of(app))
    return int(said[1]) if said else -1


def test_a_lost_connection_is_told_in_the_footer_and_what_is_typed_stays(tmp_path):
    async def play(pilot, opener):
        client = await opened(pilot, opener)
        await pilot.press("h", "i")
        client.lost_since, client.waiting, client.trouble = time.monotonic() - 12, 1, "ssh: no route to host"
        client.on_line()
        await until(pilot, lambda: seconds(pilot.app) >= 12)
        first = seconds(pilot.app)
        assert "s ago, trying again; 1 command waiting: ssh: no route to host" in text_of(pilot.app)
        await until(pilot, lambda: seconds(pilot.app) > first)
        client.lost_since = None
        client.on_line()
        await until(pilot, lambda: "connection lost" not in text_of(pilot.app))
        assert pilot.app.focused.value == "hi"

    playing(play, tmp_path)


def test_a_state_that_is_another_is_drawn_anew(tmp_path):
    async def play(pilot, opener):
        client = await opened(pilot, opener)
        shown = pilot.app.main.talk.states
        client.state = SessionState(session=SESSION, title="Much later", turns=40)
        client.renewed = 1
        client.on_line()
        await until(pilot, lambda: "Much later" in text_of(pilot.app))
        assert shown[-2].session == "" and shown[-1] is client.state, "first nothing, so that nothing old is left"

    playing(play, tmp_path)


def test_a_host_that_is_gone_is_told_with_the_way_to_go_on(tmp_path):
    async def play(pilot, opener):
        client = await opened(pilot, opener)
        client.ended, client.why = "gone", "the process that hosted the session is gone"
        client.end()
        await until(
            pilot, lambda: f"`mlwb --resume {SESSION}` takes it up again" in " ".join(text_of(pilot.app).split())
        )

    playing(play, tmp_path)


def test_who_left_or_saw_the_end_is_told_nothing_and_a_far_one_goes_on_there():
    client = FarClient()
    client.ended, client.why = "gone", "it is gone"
    assert "ctrl+o or `mlwb --resume" in connection.parted(client, "ctrl+o")
    assert f"on gpu07 `mlwb --resume {SESSION}` takes" in connection.parted(client, "ctrl+o", "gpu07")
    client.ended = "left"
    assert connection.parted(client, "ctrl+o") == ""
    client.ended, client.state.phase = "ended", "ended"
    assert connection.parted(client, "ctrl+o") == ""


def test_a_headless_run_is_said_to_be_watched():
    client = FarClient()
    assert connection.watching(client) == [] and connection.watching(None) == []
    client.attended = False
    assert "you watch it" in "".join(part.text for part in connection.watching(client))
    client.state.phase = "ended"
    assert connection.watching(client) == [], "there is nothing to stop any more"


def test_a_session_that_was_left_while_it_was_lost_says_nothing_more(tmp_path):
    async def play(pilot, opener):
        client = await opened(pilot, opener)
        client.lost_since = time.monotonic()
        client.on_line()
        await until(pilot, lambda: "connection lost" in text_of(pilot.app))
        left, told = pilot.app._connection, []
        pilot.app.do("sessions", "s-bbbbbbbb")
        await until(pilot, lambda: pilot.app.state.session == "s-bbbbbbbb")
        opener.client.end()
        await until(pilot, lambda: "let go" in pilot.app.main.footer.lost)
        told.append(pilot.app.main.footer.lost)
        await until(pilot, lambda: left._timer is None)
        assert [pilot.app.main.footer.lost] == told, "the words are of the session that is open"

    playing(play, tmp_path)
