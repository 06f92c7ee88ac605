"""A client whose connection breaks: nothing is lost, nothing comes twice, nothing is done twice. Real hosts."""

import asyncio
import random
import time
from pathlib import Path

import psutil
import pytest

from support.endpoint import say
from support.hosted import Followed, Relay, begin, hosted
from support.mlwb import Place
from workbench.host.connection import MISSED
from workbench.host.remote import RemoteClient, attach
from workbench.protocol import wire
from workbench.protocol.commands import Ack, Rename, Say, Stop, SubmitPrompt
from workbench.protocol.events import AnswerCompleted, ClientJoined, PromptSubmitted, Renamed, SessionEnded, TextDelta
from workbench.protocol.fold import apply
from workbench.protocol.queries import Brief, BriefSince, FindFiles, Paths
from workbench.protocol.state import SessionState, state_digest
from workbench.session.journal import Reader

TALK = "The loss falls as it should. " * 40


def folded(place: Place, session: str, upto: int | None = None) -> SessionState:
    """The state that the journal of SESSION says."""
    state = SessionState()
    with Reader(place.session(session)) as reader:
        for envelope in reader.read():
            if upto is None or envelope.seq <= upto:
                apply(state, envelope)
    return state


def idle(client: RemoteClient, turns: int = 1) -> bool:
    return client.state.phase == "idle" and client.state.turns >= turns


def lost(client: RemoteClient) -> bool:
    return client.lost_since is not None


def test_a_command_whose_answer_was_lost_is_answered_and_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        first = await begin(place)
        async with Followed(first) as owner, Relay(place, first.session) as relay:
            async with Followed(await relay.client()) as far:
                relay.deaf = True
                sending = asyncio.create_task(far.client.send(SubmitPrompt(id="p-1", text="Once.", by="li")))
                await owner.until(lambda: idle(first))
                assert not sending.done()
                relay.deaf = False
                relay.cut()
                assert await asyncio.wait_for(sending, 20) == Ack(id="p-1", ok=True)
                await far.until(lambda: idle(far.client))
                assert far.seqs == sorted(set(far.seqs))
            assert sum(isinstance(one.event, PromptSubmitted) and one.event.text == "Once." for one in owner.seen) == 1

    with hosted(tmp_path, monkeypatch, [say("Yes."), say("Twice?")]) as place:
        asyncio.run(run())


def test_what_is_asked_without_a_connection_waits_for_it_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        first = await begin(place)
        async with Followed(first), Relay(place, first.session) as relay, Followed(await relay.client()) as far:
            told: list[bool] = []
            far.client.on_line = lambda: told.append(lost(far.client))
            relay.shut = True
            relay.cut()
            await far.until(lambda: lost(far.client))
            sending = [
                asyncio.create_task(far.client.send(Rename(id=f"r-{n}", title=f"Title {n}", by="li"))) for n in range(5)
            ]
            page = asyncio.create_task(far.client.query(FindFiles(pattern="train")))
            await asyncio.sleep(0)
            assert far.client.waiting == 5
            relay.shut = False
            assert all(ack.ok for ack in await asyncio.wait_for(asyncio.gather(*sending), 20))
            assert await asyncio.wait_for(page, 20) == Paths(paths=("train.py",), total=1)
            await far.until(lambda: far.client.state.title == "Title 4")
            assert [one.event.title for one in far.seen if isinstance(one.event, Renamed)] == [
                f"Title {n}" for n in range(5)
            ]
            assert told == [True, False]

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run())


def test_no_event_is_missed_and_none_comes_twice_however_often_it_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        first = await begin(place)
        chance = random.Random(1)
        async with (
            Followed(first) as owner,
            Relay(place, first.session) as relay,
            Followed(await relay.client()) as far,
        ):
            began = far.client.state.seq
            for number in range(6):
                await first.send(SubmitPrompt(id=f"p-{number}", text=f"Say {number}.", by="li"))
                for _ in range(4):
                    await asyncio.sleep(chance.uniform(0, 0.05))
                    relay.cut()
                await owner.until(lambda turns=number + 1: idle(first, turns))
            await far.until(lambda: far.client.state.seq == first.state.seq)
            assert [seq for seq in far.seqs if seq > began] == list(range(began + 1, first.state.seq + 1))
            assert far.client.renewed == 0
            whole = folded(place, first.session, far.client.state.seq)
            assert state_digest(far.client.state) == state_digest(whole)

    with hosted(tmp_path, monkeypatch, [say(TALK, pace=0.002) for _ in range(6)]) as place:
        asyncio.run(run())


def test_one_that_missed_too_much_begins_anew_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        first = await begin(place)
        async with Followed(first), Relay(place, first.session) as relay, Followed(await relay.client()) as far:
            assert (await first.send(Say(id="s-1", text="The first item.", by="li"))).ok
            relay.shut = True
            relay.cut()
            await far.until(lambda: lost(far.client))
            for start in range(0, MISSED + 100, 100):
                await asyncio.gather(
                    *(first.send(Rename(id=f"r-{n}", title=f"Title {n}", by="li")) for n in range(start, start + 100))
                )
            relay.shut = False
            await far.until(lambda: far.client.renewed == 1 and far.client.state.title == f"Title {MISSED + 99}")
            assert len(far.seqs) < MISSED
            assert state_digest(far.client.state) == state_digest(folded(place, first.session))
            async with Followed(await attach(place.session(first.session))) as late:  # its item is further back
                await late.until(lambda: late.client.me in {one.client for one in joined(late)})
                assert not late.client.renewed

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run())


def joined(one: Followed) -> list[ClientJoined]:
    return [x.event for x in one.seen if isinstance(x.event, ClientJoined)]


def test_of_another_host_process_it_takes_the_state_and_says_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        first = await begin(place)
        near = await attach(place.session(first.session))
        async with (
            Relay(place, first.session) as relay,
            Followed(first),
            Followed(near) as beside,
            Followed(await relay.client()) as far,
        ):
            relay.deaf = True
            sending = asyncio.create_task(far.client.send(Rename(id="r-1", title="Perhaps", by="li")))
            await beside.until(lambda: near.state.title == "Perhaps")
            psutil.Process(first.state.pid).kill()
            relay.cut()
            for client in (first, near):  # no other host comes by itself, and these two are told
                await beside.until(lambda client=client: client.ended)
                assert client.ended == "gone" and "hosted the session is gone" in client.why
                assert not (await client.send(Rename(id="r-2", title="Late", by="li"))).ok
            async with Followed(await begin(place, resume=first.session)) as again:
                relay.deaf = False
                ack = await asyncio.wait_for(sending, 30)
                assert not ack.ok and "may have been done or not" in ack.error
                await far.until(lambda: far.client.state.seq == again.client.state.seq)
                assert far.client.renewed == 1 and far.client.state.title == "Perhaps"

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run())


def test_the_end_of_the_session_is_the_end_of_its_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        first = await begin(place)
        async with Relay(place, first.session) as relay, Followed(first), Followed(await relay.client()) as far:
            await first.send(Stop(id="s-1", reason="signal", by="li"))
            await far.until(lambda: far.client.ended)
            assert far.client.ended == "ended"
            said = await far.client.send(SubmitPrompt(id="late", text="Go on.", by="li"))
            assert said.error == f"the session has ended; `mlwb --resume {first.session}` takes it up again"
            assert isinstance(far.seen[-1].event, SessionEnded)

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run())


def test_leaving_is_quick_though_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        first = await begin(place)
        async with Followed(first), Relay(place, first.session) as relay:
            far = await relay.client()
            relay.shut = True
            relay.cut()
            waiting = asyncio.create_task(far.send(Rename(id="r-1", title="Never", by="li")))
            await asyncio.sleep(0.1)
            began = time.monotonic()
            await far.close()
            assert time.monotonic() - began < 2.0
            assert not (await waiting).ok

    with hosted(tmp_path, monkeypatch, []) as place:
        asyncio.run(run())


def test_who_comes_in_the_middle_of_an_answer_is_shown_what_was_written_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        first = await begin(place)
        async with Followed(first) as owner:
            await first.send(SubmitPrompt(id="p-1", text="Talk.", by="li"))
            await owner.until(lambda: len(written(owner)) > 200)
            talk["pace"] = 0.3  # it is still written when the other has come
            async with Followed(await attach(place.session(first.session))) as late:
                talk["pace"] = 0.0
                await late.until(lambda: any(isinstance(one.event, AnswerCompleted) for one in late.seen))
                assert written(late) == TALK
            async with Followed(await attach(place.session(first.session))) as later:
                await later.until(lambda: idle(later.client))
                assert written(later) == "", "it is told whole by now"

    talk = say(TALK, pace=0.02)
    with hosted(tmp_path, monkeypatch, [talk]) as place:
        asyncio.run(run())


def test_what_was_written_while_the_connection_was_lost_is_told_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        first = await begin(place)
        async with (
            Followed(first) as owner,
            Relay(place, first.session) as relay,
            Followed(await relay.client()) as far,
        ):
            await first.send(SubmitPrompt(id="p-1", text="Talk.", by="li"))
            await far.until(lambda: len(written(far)) > 100)
            relay.shut = True
            relay.cut()
            await far.until(lambda: lost(far.client))
            missed = len(written(owner))
            await owner.until(lambda: len(written(owner)) > missed + 200)
            talk["pace"] = 0.3  # it is still written when the connection is back
            relay.shut = False
            await far.until(lambda: not lost(far.client) and written(far) == written(owner) != "")
            assert not any(isinstance(one.event, AnswerCompleted) for one in far.seen), "it goes on"
            talk["pace"] = 0.0
            await far.until(lambda: idle(far.client))
            assert written(far) == TALK and far.client.renewed == 0

    talk = say(TALK, pace=0.03)
    with hosted(tmp_path, monkeypatch, [talk]) as place:
        asyncio.run(run())


def test_who_was_here_comes_back_as_soon_as_there_is_room(tmp_path: Path) -> None:
    welcome = wire.Welcome(
        session="s-1", client="c-1", user="ana", role="driver", owner=True, seq=0, state=wire.raw(SessionState())
    )
    answers = [welcome, wire.Refused(code="full", why="no room"), welcome]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(wire.line(answers.pop(0)))
        await writer.drain()
        if not answers:
            await reader.read()
        writer.close()

    async def run() -> None:
        path = str(tmp_path / "host.sock")
        async with await asyncio.start_unix_server(serve, path):
            client = RemoteClient(lambda: asyncio.open_unix_connection(path), wire.Hello, 20.0)
            await client.begin()
            async with Followed(client) as one:
                await one.until(lambda: not answers and not lost(client))
                assert not client.ended

    asyncio.run(run())


def test_the_brief_is_asked_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        first = await begin(place)
        async with Followed(first) as owner:
            before = time.time()
            await first.send(SubmitPrompt(id="p-1", text="Is it flat? My key is ghp_" + "a1B2" * 9, by="li"))
            await owner.until(lambda: idle(first))
            told = await first.query(BriefSince(after=before - 1))
            assert isinstance(told, Brief) and told.phrases == ("1 turn",)
            asked = next(one for one in told.sections if any("Is it flat?" in row.text for row in one.rows))
            assert "[redacted: github token]" in str(asked) and "ghp_" not in str(told)
            nothing = await first.query(BriefSince(after=time.time() + 60))
            assert isinstance(nothing, Brief) and not nothing.phrases

    with hosted(tmp_path, monkeypatch, [say("It is flat.")]) as place:
        asyncio.run(run())


def written(followed: Followed) -> str:
    """The answer that was written, as a screen puts it together."""
    text = ""
    for event in (one.event for one in followed.seen if isinstance(one.event, TextDelta)):
        text = event.text if event.whole else text + event.text
    return text
