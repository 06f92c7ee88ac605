"""What each role may do and who drives, asked of a real host by real clients."""

import asyncio
import getpass
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from support.endpoint import say, turn, use
from support.hosted import Followed, begin, hosted
from support.visitors import LI, MO, needs_root, visitor
from workbench.host import remote, roles, sockets
from workbench.protocol import commands as c
from workbench.protocol import events as e
from workbench.session.audit import audit

ME = getpass.getuser()
PACE_S = 0.25  # between two tellings of who is here
Steps = Callable[[Followed, Any], Awaitable[None]]


def driven(root: Path, monkeypatch: pytest.MonkeyPatch, steps: Steps, *turns: Any, away: str = "0.6") -> None:
    """STEPS with the followed client of the owner, and the place."""
    with hosted(root, monkeypatch, list(turns) or [say("Hello.")] * 4) as place:
        monkeypatch.setenv("MLWB_AWAY", away)

        async def run() -> None:
            async with Followed(await begin(place)) as owner:
                await steps(owner, place)

        asyncio.run(run())


async def guests(owner: Followed, *uids: int, role: str = "driver") -> list[Followed]:
    """A followed client of each of UIDS, invited as ROLE."""
    ack = await owner.client.send(c.Share(id="share", who=tuple(map(str, uids)), role=role, by=""))
    invited = msgspec.json.decode(ack.value, type=c.Invited)
    tokens = [one.token for one in invited.invitations]
    return [Followed(await visitor(uid, invited.socket, token)) for uid, token in zip(uids, tokens, strict=True)]


def test_every_command_stands_in_the_table() -> None:
    assert set(get_args(c.AnyCommand)) == set(roles.LEAST)
    levels = {roles.VIEWER, roles.SUGGESTER, roles.WHEEL, roles.OWNERS_WHEEL, roles.OWNER}
    assert set(roles.LEAST.values()) <= levels


def test_a_viewer_does_not_steer_until_it_takes_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        viewer = await remote.attach(place.session(owner.client.session), "viewer")
        async with Followed(viewer) as two:
            refused = await viewer.send(c.SubmitPrompt(id="p", text="Go.", by="x"))
            assert not refused.ok and "viewer" in refused.error
            assert not (await viewer.send(c.RunShell(id="r", command="id", by="x"))).ok
            assert not (await viewer.send(c.SetMode(id="m", mode="plan", by="x"))).ok
            assert (await viewer.send(c.Interrupt(id="i", by="x"))).ok  # the owner always may
            assert (await viewer.send(c.TakeWheel(id="t", by="x"))).ok
            assert (await viewer.send(c.SubmitPrompt(id="q", text="Go.", by="x"))).ok
            await two.until(lambda: any(i.kind == "answer" for i in viewer.state.items))
            assert next(i.by for i in viewer.state.items if i.kind == "prompt") == ME
            assert viewer.state.driver is None  # one user alone: there is nothing to tell

    driven(tmp_path, monkeypatch, steps)


def test_another_client_of_the_driver_simply_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        async with Followed(await remote.attach(place.session(owner.client.session))) as two:
            assert (await two.client.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok
            assert (await owner.client.send(c.SubmitPrompt(id="q", text="Go on.", by=""))).ok

    driven(tmp_path, monkeypatch, steps)


@needs_root
def test_two_who_race_for_a_free_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        li, mo = await guests(owner, LI, MO)
        async with li, mo:
            winner = owner.client
            for round_ in range(20):
                assert (await winner.send(c.LeaveWheel(id=f"l{round_}", by=""))).ok
                racing = [one.client.send(c.TakeWheel(id=f"t{round_}", by="")) for one in (li, mo)]
                acks = await asyncio.gather(*racing)
                assert sorted(ack.ok for ack in acks) == [False, True]
                winner = (li, mo)[acks[1].ok].client
                loser = next(ack for ack in acks if not ack.ok)
                assert f"{winner.user} drives" in loser.error
            await mo.until(lambda: mo.client.state.driver == winner.user)
            passed = [x.event for x in mo.seen if isinstance(x.event, e.WheelPassed)]
            assert all((one.to == "") == (place % 2 == 0) for place, one in enumerate(passed))

    driven(tmp_path, monkeypatch, steps)


@needs_root
def test_the_wheel_of_one_who_is_lost_is_kept_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        (li,) = await guests(owner, LI)
        async with li:
            assert (await owner.client.send(c.GrantWheel(id="g", to=str(LI), by=""))).ok
            refused = await owner.client.send(c.SubmitPrompt(id="p", text="Go.", by=""))
            assert not refused.ok and f"{LI} drives" in refused.error
            again, li.client._dial = li.client._dial, nowhere
            li.client._writer.transport.abort()  # type: ignore[union-attr]
            await owner.until(lambda: any(one.away for one in people(owner)))
            li.client._dial = again  # it comes back before that
            await owner.until(lambda: not any(one.away for one in people(owner)))
            assert owner.client.state.driver == str(LI)
            assert not [x for x in owner.seen if isinstance(x.event, e.ClientLeft)]
            li.client._dial = nowhere  # and then it does not
            await li.until(lambda: li.client._writer is not None)
            li.client._writer.transport.abort()  # type: ignore[union-attr]
            await owner.until(lambda: owner.client.state.driver == "")
            assert (await owner.client.send(c.SubmitPrompt(id="q", text="Go.", by=""))).ok
            await owner.until(lambda: owner.client.state.driver == ME)
        left = [x.event for x in owner.seen if isinstance(x.event, e.ClientLeft)]
        assert "not heard of" in left[0].why

    driven(tmp_path, monkeypatch, steps, away="6")


def test_who_comes_late_to_a_long_session_is_shown_who_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        await owner.client.send(c.Say(id="s", text="The loss?", by=""))
        for number in range(100):  # more than is told at once: who is here changes while it is told
            await owner.client.send(c.Rename(id=f"r-{number}", title=f"Title {number}", by=""))
        async with Followed(await remote.attach(place.session(owner.client.session), "viewer")) as late:
            await late.until(lambda: late.client.me in {one.client for one in people(late)})
            assert {one.client for one in people(late)} == {owner.client.me, late.client.me}

    driven(tmp_path, monkeypatch, steps)


def people(one: Followed) -> tuple[e.Person, ...]:
    told = [x.event for x in one.seen if isinstance(x.event, e.Presence)]
    return told[-1].people if told else ()


async def nowhere() -> Any:
    raise ConnectionRefusedError("nobody answers")


@pytest.mark.parametrize("first", ["interrupt", "approve"])
def test_an_approval_and_an_interruption_at_the_same_moment_are_one_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        assert (await owner.client.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok
        await owner.until(lambda: bool(owner.client.state.approvals))
        asked = next(iter(owner.client.state.approvals.values()))
        approve = c.Approve(id="a", request_id=asked.request_id, digest=asked.digest, decision="once", by="")
        both = [approve, c.Interrupt(id="i", by="")]
        if first == "interrupt":
            both.reverse()
        acks = await asyncio.gather(*(owner.client.send(one) for one in both))  # in one piece
        await owner.until(lambda: owner.client.state.phase == "idle")
        answer = next(one for one in acks if one.id == "a")
        resolved = [x.event.decision for x in owner.seen if isinstance(x.event, e.ApprovalResolved)]
        if first == "interrupt":
            assert not answer.ok and "gone" in answer.error and resolved == ["gone"]
        else:
            assert answer.ok and resolved == ["once"]

    curl = turn(use("Bash", command="curl -s http://127.0.0.1:9/ || true"))
    driven(tmp_path, monkeypatch, steps, curl, say("Done."))


@needs_root
def test_the_owner_takes_the_wheel_back_and_stops_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        (li,) = await guests(owner, LI)
        async with li:
            assert (await owner.client.send(c.GrantWheel(id="g", to=str(LI), by=""))).ok
            assert (await li.client.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok
            await owner.until(lambda: bool(owner.client.state.approvals))
            asked = next(iter(owner.client.state.approvals.values()))
            assert (await owner.client.send(c.Interrupt(id="i", by=""))).ok
            await owner.until(lambda: owner.client.state.waiting == "interrupted")
            late = c.Approve(id="a", request_id=asked.request_id, digest=asked.digest, decision="once", by="")
            ack = await li.client.send(late)
            assert not ack.ok and "gone" in ack.error  # an approval after a cancel
            assert (await owner.client.send(c.TakeWheel(id="t", by=""))).ok
            ack = await li.client.send(c.SubmitPrompt(id="q", text="Go.", by=""))
            assert not ack.ok and f"{ME} drives" in ack.error
            assert (await li.client.send(c.AskWheel(id="w", by=""))).ok
            await owner.until(lambda: owner.client.state.wheel_asked == (str(LI),))
            assert not (await li.client.send(c.TakeWheel(id="u", by=""))).ok
            assert not (await owner.client.send(c.GrantWheel(id="h", to="nobody-here", by=""))).ok

    curl = turn(use("Bash", command="curl -s http://127.0.0.1:9/ || true"))
    driven(tmp_path, monkeypatch, steps, curl, say("Done."))


@needs_root
def test_where_the_others_look_is_told_not_too_often_and_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        (li,) = await guests(owner, LI, role="viewer")
        async with li:
            await owner.until(lambda: len(people(owner)) == 2)
            before, seq, began = len(owner.seen), owner.client.state.seq, time.monotonic()
            for number in range(100):
                at = c.At(id=f"at{number}", looks=f"diff {number}.py", typing=True, by="")
                assert (await li.client.send(at)).ok
            await owner.until(lambda: people(owner)[-1].looks == "diff 99.py")
            told, took = len(owner.seen) - before, time.monotonic() - began
            assert people(owner)[-1].typing and told < min(100, 5 + took / PACE_S), (told, took)
            assert owner.client.state.seq == seq
            count = len(owner.seen)
            await asyncio.sleep(0.6)
            assert len(owner.seen) == count  # nothing when nothing changes

    driven(tmp_path, monkeypatch, steps)


ATTACK = """
import asyncio, sys
from pathlib import Path
from workbench.host import remote
from workbench.protocol.commands import Approve, TakeWheel
async def main():
    folder = Path(sys.argv[1])
    try:
        client = await remote.attach(folder)
    except remote.NotAttachedError as error:
        print("refused:", error)
        return
    print("in:", await client.send(TakeWheel(id="t", by="")))
asyncio.run(main())
"""


def test_a_command_of_the_agent_is_no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no sandbox here: it finds the socket and the token, and is turned away all the same."""
    (tmp_path / "attack.py").write_text(ATTACK)
    state = tmp_path / "home/.local/state/mlwb/sessions"
    line = f"MLWB_SOCKET_DIR={tmp_path}/home/sock {sys.executable} {tmp_path}/attack.py {state}/$(ls {state} | head -1)"
    away = f"( setsid sh -c '{line} > {tmp_path}/out; touch {tmp_path}/tried' & ) ; "
    away += f"until [ -e {tmp_path}/tried ]; do sleep 0.05; done"

    async def steps(owner: Followed, place: Any) -> None:
        assert sockets.token_of(place.session(owner.client.session))
        for number in range(2):
            assert (await owner.client.send(c.SubmitPrompt(id=f"p{number}", text="Go.", by=""))).ok
            await owner.until(lambda n=number: bool(owner.client.state.approvals) or done(owner, n))
            for asked in list(owner.client.state.approvals.values()):
                await owner.client.send(c.Approve(id=f"a{number}", request_id=asked.request_id, digest=asked.digest,
                                                  decision="once", by=""))  # fmt: skip
            await owner.until(lambda n=number: done(owner, n))
            await owner.until(lambda: owner.client.state.waiting == "done")
        assert "refused: a command of the session" in "".join(
            block.get("text", "")
            for x in owner.seen
            if isinstance(x.event, e.CallFinished)
            for block in x.event.content
        )
        assert (tmp_path / "out").read_text().startswith("refused")
        clients = {x.event.client for x in owner.seen if isinstance(x.event, e.ClientJoined)}
        assert len(clients) == 1

    def done(owner: Followed, number: int) -> bool:
        return sum(isinstance(x.event, e.CallFinished) for x in owner.seen) > number

    turns = [turn(use("Bash", "c1", command=line)), say("One."), turn(use("Bash", "c2", command=away)), say("Two.")]
    driven(tmp_path, monkeypatch, steps, *turns)


@needs_root
def test_the_audit_says_who_was_there_and_who_approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: list[Path] = []

    async def steps(owner: Followed, place: Any) -> None:
        folder.append(place.session(owner.client.session))
        (li,) = await guests(owner, LI)
        async with li:
            assert (await owner.client.send(c.GrantWheel(id="g", to=str(LI), by=""))).ok
            assert (await li.client.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok
            await li.until(lambda: bool(li.client.state.approvals))
            asked = next(iter(li.client.state.approvals.values()))
            yes = c.Approve(id="a", request_id=asked.request_id, digest=asked.digest, decision="once", by="")
            assert (await li.client.send(yes)).ok
            await li.until(lambda: li.client.state.waiting == "done")

    curl = turn(use("Bash", command="curl -s http://127.0.0.1:9/ || true"))
    driven(tmp_path, monkeypatch, steps, curl, say("Done."))
    found = audit(folder[0])
    assert [(row.by, row.decision) for row in found.calls] == [(str(LI), "once")]
    told = "\n".join(found.people)
    assert f"{LI} came as driver (guest" in told and f"{LI} drives: {ME} handed the wheel over" in told


@needs_root
def test_what_another_has_queued_is_taken_back_by_whoever_drives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        (li,) = await guests(owner, LI)
        async with li:
            await owner.client.send(c.SubmitPrompt(id="p", text="train it", by=""))
            await owner.until(lambda: bool(owner.client.state.approvals))

            async def queued(whose: Followed, text: str) -> str:
                assert (await whose.client.send(c.SubmitPrompt(id=text, text=text, by=""))).ok
                await li.until(lambda: any(one.text == text for one in li.client.state.queued.values()))
                return next(one.id for one in li.client.state.queued.values() if one.text == text)

            name = await queued(owner, "and plot it")
            refused = await li.client.send(c.Withdraw(id="w", prompt=name, by=ME))
            assert not refused.ok and f"{ME} drives" in refused.error
            assert (await owner.client.send(c.GrantWheel(id="g", to=li.client.user, by=""))).ok
            taken = await li.client.send(c.Withdraw(id="v", prompt=name, by=""))
            assert taken.ok and taken.value == "and plot it"

            name = await queued(li, "mine")
            refused = await owner.client.send(c.Withdraw(id="u", prompt=name, by=""))
            assert not refused.ok and f"{li.client.user} drives" in refused.error
            assert (await owner.client.send(c.TakeWheel(id="t", by=""))).ok
            assert (await li.client.send(c.Withdraw(id="s", prompt=name, by=""))).ok, "one's own, wheel or not"
            await owner.until(lambda: not owner.client.state.queued)

    driven(tmp_path, monkeypatch, steps, turn(use("Bash", command="make")))
