"""Guests of a session: invited by name, by their own token, with limits, through a door of their own."""

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.endpoint import say, turn, use
from support.hosted import Followed, begin, hosted
from support.visitors import LI, MO, STRANGER, TEAM, connected_as, needs_root, visitor
from workbench.host.remote import NotAttachedError, RemoteClient
from workbench.protocol import commands as c
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.session.audit import audit
from workbench.tui.opening import NotOpenedError
from workbench.tui.screens.first_run import words
from workbench.verbs.attach_invited import InvitedOpening

pytestmark = needs_root
Steps = Callable[[Followed, Any], Awaitable[None]]


def shared(root: Path, monkeypatch: pytest.MonkeyPatch, steps: Steps, turns: tuple[Any, ...] = (), **more: Any) -> None:
    """STEPS with the followed client of the owner, and the place."""
    with hosted(root, monkeypatch, list(turns) or [say("Hello.")] * 3, **more) as place:
        monkeypatch.setenv("MLWB_AWAY", "0.5")

        async def run() -> None:
            async with Followed(await begin(place)) as owner:
                await steps(owner, place)

        asyncio.run(run())


async def invite(client: RemoteClient, *who: str, **more: Any) -> c.Invited:
    """The answer to an invitation that is taken."""
    ack = await client.send(c.Share(id=f"share-{time.monotonic_ns()}", who=who, by="", **more))
    assert ack.ok, ack.error
    return msgspec.json.decode(ack.value, type=c.Invited)


def token(invited: c.Invited, place: int = 0) -> str:
    return invited.invitations[place].token


async def refused(uid: int, path: str, word: str, **more: Any) -> str:
    """Why UID was not let in."""
    with pytest.raises(NotAttachedError) as caught:
        await visitor(uid, path, word, **more)
    return f"{caught.value.code}: {caught.value}"


def test_the_listed_come_in_by_their_token_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI), f"@{TEAM}", role="driver")
        door = Path(invited.socket)
        assert stat.S_IMODE(door.parent.stat().st_mode) == 0o711
        assert [one.who for one in invited.invitations] == [str(LI), f"@{TEAM}"]
        li, team = token(invited), token(invited, 1)
        assert "not invited" in await refused(STRANGER, invited.socket, li)
        assert "token" in await refused(LI, invited.socket, team)  # the group's, of which li is not
        assert "not invited" in await refused(MO, invited.socket, team)
        assert "token" in await refused(MO, invited.socket, li, gid=TEAM)
        async with Followed(await visitor(LI, invited.socket, li)) as one:
            assert (one.client.user, one.client.role, one.client.owner) == (str(LI), "driver", False)
        async with Followed(await visitor(MO, invited.socket, team, gid=TEAM, role="viewer")) as two:
            assert (two.client.user, two.client.role) == (str(MO), "viewer")
        told = [x.event.text for x in owner.seen if isinstance(x.event, e.Notice) and x.event.about == "sharing"]
        assert any(str(STRANGER) in text for text in told) and any("wrong token" in text for text in told)
        with pytest.raises(PermissionError):  # the owner's own door is in a folder that is closed
            connected_as(LI, f"{os.environ['MLWB_SOCKET_DIR']}/{owner.client.session}.sock")

    shared(tmp_path, monkeypatch, steps)


def test_after_some_wrong_tokens_the_right_one_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI))
        for _ in range(5):
            assert "token" in await refused(LI, invited.socket, "guess")
        assert "too many" in await refused(LI, invited.socket, token(invited))

    shared(tmp_path, monkeypatch, steps)


def test_what_a_guest_may_not_do_even_at_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI), role="driver")
        assert "confines" in invited.warning  # tests run without a sandbox
        async with Followed(await visitor(LI, invited.socket, token(invited))) as guest:
            li = guest.client
            assert (await owner.client.send(c.GrantWheel(id="g", to=str(LI), by=""))).ok
            forbidden: list[c.AnyCommand] = [
                c.RunShell(id="1", command="id", by=""),
                c.SetMode(id="2", mode="plan", by=""),
                c.Stop(id="3", reason="person", by=""),
                c.Fork(id="4", by=""),
                c.Rename(id="5", title="x", by=""),
                c.Rewind(id="6", seq=1, by=""),
                c.UndoRewind(id="7", by=""),
                c.RevertHunks(id="8", path="train.py", by=""),
                c.StageHunks(id="9", path="train.py", by=""),
                c.Share(id="10", who=(str(MO),), by=""),
                c.EndShare(id="11", by=""),
            ]
            for command in forbidden:
                ack = await li.send(command)
                assert not ack.ok and "only" in ack.error, command
            assert (await li.send(c.SubmitPrompt(id="p", text="Go.", by="root"))).ok
            await guest.until(lambda: any(one.kind == "answer" for one in li.state.items))
            assert next(one.by for one in li.state.items if one.kind == "prompt") == str(LI)

    shared(tmp_path, monkeypatch, steps)


def test_a_guest_approves_once_by_name_and_saves_no_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI), role="driver")
        async with Followed(await visitor(LI, invited.socket, token(invited))) as guest:
            li = guest.client
            assert (await owner.client.send(c.GrantWheel(id="g", to=str(LI), by=""))).ok
            assert (await li.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok
            await guest.until(lambda: bool(li.state.approvals))
            asked = next(iter(li.state.approvals.values()))
            bound = {"request_id": asked.request_id, "digest": asked.digest, "by": "root"}
            ack = await owner.client.send(c.Approve(id="0", decision="once", **bound))
            assert not ack.ok and f"{LI} drives" in ack.error  # only the driver approves, whoever owns it
            for number, wider in enumerate(({"decision": "always", "rule": "Bash(*)"}, {"decision": "session"},
                                            {"decision": "once", "input": {"command": "id"}},
                                            {"decision": "once", "outside": True}), 1):  # fmt: skip
                ack = await li.send(c.Approve(id=f"a{number}", **{**bound, **wider}))
                assert not ack.ok and "only root" in ack.error
            assert not (await li.send(c.Approve(id="b", decision="once", **{**bound, "digest": "0" * 64}))).ok
            assert (await li.send(c.Approve(id="c", decision="once", **bound))).ok
            again = await li.send(c.Approve(id="d", decision="once", **bound))
            assert not again.ok and "answered already" in again.error
            await guest.until(lambda: li.state.waiting == "done")
            resolved = [x.event for x in guest.seen if isinstance(x.event, e.ApprovalResolved)]
            assert [(one.decision, one.by) for one in resolved] == [("once", str(LI))]

    turns = (turn(use("Bash", command="curl -s http://127.0.0.1:9/ || true")), say("Done."))
    shared(tmp_path, monkeypatch, steps, turns)


def test_what_reaches_beyond_the_workspace_is_the_owners_to_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        place.write("../notes.txt", "mine")
        place.write("../.ssh/id_rsa", "secret")
        invited = await invite(owner.client, str(LI), role="driver")
        async with Followed(await visitor(LI, invited.socket, token(invited))) as guest:
            li = guest.client
            assert (await owner.client.send(c.GrantWheel(id="g", to=str(LI), by=""))).ok
            assert (await li.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok
            for number in range(2):
                await guest.until(lambda: bool(li.state.approvals))
                asked = next(iter(li.state.approvals.values()))
                assert asked.tool == "Read"
                bound = {"request_id": asked.request_id, "digest": asked.digest, "by": ""}
                ack = await li.send(c.Approve(id=f"a{number}", decision="once", **bound))
                assert not ack.ok and "only root" in ack.error, ack
                assert (await li.send(c.Approve(id=f"n{number}", decision="no", **bound))).ok
                await guest.until(lambda gone=asked.request_id: gone not in li.state.approvals)
            for query in (q.DiffPage(path="../.ssh/id_rsa"), q.DiffPage(path="/etc/passwd"),
                          q.RunLogPage(run="../../.ssh"), q.BlobPage(blob="../../id_rsa")):  # fmt: skip
                try:
                    page = await li.query(query)
                except LookupError:
                    continue
                assert b"secret" not in msgspec.json.encode(page) and b"root:" not in msgspec.json.encode(page)

    reads = [turn(use("Read", file_path=str(tmp_path / "home" / name))) for name in ("notes.txt", ".ssh/id_rsa")]
    shared(tmp_path, monkeypatch, steps, (*reads, say("Done.")))


def test_stopping_shows_everybody_out_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI), role="driver")
        async with Followed(await visitor(LI, invited.socket, token(invited))) as guest:
            assert (await guest.client.send(c.AskWheel(id="w", by=""))).ok
            await owner.until(lambda: owner.client.state.wheel_asked == (str(LI),))
            assert (await owner.client.send(c.EndShare(id="s", by=""))).ok
            await guest.until(lambda: guest.client.ended != "")
            assert (guest.client.ended, "root ended it" in guest.client.why) == ("stopped", True)
        await owner.until(lambda: not owner.client.state.shares and not owner.client.state.wheel_asked)
        assert not Path(invited.socket).parent.exists()

    shared(tmp_path, monkeypatch, steps)


def test_an_invitation_ends_by_the_clock_and_frees_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI), role="driver", until=time.time() + 4.0)
        async with Followed(await visitor(LI, invited.socket, token(invited))) as guest:
            assert (await owner.client.send(c.GrantWheel(id="g", to=str(LI), by=""))).ok
            await guest.until(lambda: guest.client.ended == "stopped")
            assert "held until" in guest.client.why
        await owner.until(lambda: owner.client.state.driver == "")
        assert (await owner.client.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok

    shared(tmp_path, monkeypatch, steps)


def test_dollars_end_the_lease_and_what_the_agent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI), role="driver", max_usd=0.000_001)
        async with Followed(await visitor(LI, invited.socket, token(invited))) as guest:
            assert (await owner.client.send(c.GrantWheel(id="g", to=str(LI), by=""))).ok
            assert (await guest.client.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok
            await guest.until(lambda: guest.client.state.driver == "root")
            ack = await guest.client.send(c.SubmitPrompt(id="q", text="Go on.", by=""))
            assert not ack.ok and "spent" in ack.error
            ack = await owner.client.send(c.GrantWheel(id="h", to=str(LI), by=""))
            assert not ack.ok and "invite them anew" in ack.error
        passed = [x.event for x in owner.seen if isinstance(x.event, e.WheelPassed)]
        assert "has spent" in passed[-1].why

    shared(tmp_path, monkeypatch, steps)


def test_another_invitation_does_not_lift_the_limit_of_dollars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        watching = await invite(owner.client, str(LI), role="viewer")
        driving = await invite(owner.client, str(LI), role="driver", max_usd=0.000_001)
        async with (
            Followed(await visitor(LI, watching.socket, token(watching))),
            Followed(await visitor(LI, driving.socket, token(driving))) as guest,
        ):
            assert (await owner.client.send(c.LeaveWheel(id="l", by=""))).ok
            assert (await guest.client.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok
            await guest.until(lambda: guest.client.state.driver == "root")
            assert "spent" in (await guest.client.send(c.SubmitPrompt(id="q", text="Go on.", by=""))).error

    shared(tmp_path, monkeypatch, steps)


def test_a_guest_drives_while_the_owner_sleeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI), role="driver")
        async with Followed(await visitor(LI, invited.socket, token(invited))) as guest:
            ack = await guest.client.send(c.SubmitPrompt(id="early", text="Go.", by=""))
            assert not ack.ok and "root drives" in ack.error
            await owner.client.close()
            await guest.until(lambda: guest.client.state.driver == "")
            assert (await guest.client.send(c.SubmitPrompt(id="p", text="Go.", by=""))).ok
            await guest.until(lambda: any(one.kind == "answer" for one in guest.client.state.items))
            assert guest.client.state.driver == str(LI)

    shared(tmp_path, monkeypatch, steps)


def test_what_a_killed_host_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = Path(f"/tmp/mlwb-share-{os.getuid()}-left{os.getpid()}")
    left.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left / "s-gone.sock"))

    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI))
        assert not left.exists() and Path(invited.socket).exists()
        session = place.session(owner.client.session)
        os.kill(owner.client.state.pid, signal.SIGKILL)
        await owner.until(lambda: owner.client.lost_since is not None)
        again = await begin(place, session.name)
        async with Followed(again) as resumed:
            assert not resumed.client.state.shares and resumed.client.state.driver is None
            other = await invite(again, str(LI))
            assert not Path(invited.socket).exists()
            assert "token" in await refused(LI, other.socket, token(invited))  # the old one opens nothing

    shared(tmp_path, monkeypatch, steps)


def test_a_guests_workbench_tells_why_it_is_not_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI))
        with pytest.raises(NotOpenedError, match="not invited") as told:
            await InvitedOpening(invited.socket, token(invited), "viewer").open()  # the owner is no guest
        shown = words(told.value).plain
        assert f"mlwb attach {invited.socket}" in shown and "agents" not in shown
        with pytest.raises(NotOpenedError, match="no such invitation"):
            await InvitedOpening(f"{invited.socket}x", "", "viewer").open()

    shared(tmp_path, monkeypatch, steps)


def test_suggestions_and_talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        invited = await invite(owner.client, str(LI), role="suggester")
        watching = await invite(owner.client, str(MO))
        async with Followed(await visitor(LI, invited.socket, token(invited))) as guest:
            li = guest.client
            assert (await li.send(c.Say(id="s", text="hi", by="root"))).ok
            assert (await li.send(c.Suggest(id="g", text="Try warm-up.", path="train.py", by="root"))).ok
            await owner.until(lambda: bool(owner.client.state.suggestions))
            found = next(iter(owner.client.state.suggestions.values()))
            assert (found.by, found.text, found.path) == (str(LI), "Try warm-up.", "train.py")
            taken = await li.send(c.TakeSuggestion(id="t", suggestion=found.id, by=""))
            assert not taken.ok
            async with Followed(await visitor(MO, watching.socket, token(watching))) as watcher:
                assert watcher.client.role == "viewer"
                assert not (await watcher.client.send(c.Say(id="s", text="hi", by=""))).ok
                assert not (await watcher.client.send(c.Suggest(id="u", text="hi", by=""))).ok
            ack = await owner.client.send(c.TakeSuggestion(id="t", suggestion=found.id, words="Three seeds.", by=""))
            assert ack.ok
            await owner.until(lambda: any(one.kind == "answer" for one in owner.client.state.items))
            prompt = next(one for one in owner.client.state.items if one.kind == "prompt")
            assert prompt.by == "root" and not owner.client.state.suggestions
            assert prompt.text == f"{LI} suggests about train.py, root took it:\n\nTry warm-up.\n\nThree seeds."
            told = audit(place.session(owner.client.session)).people
            assert any(one.endswith(f" {LI} suggested about train.py ({found.id}): Try warm-up.") for one in told), told
            twice = await owner.client.send(c.TakeSuggestion(id="v", suggestion=found.id, by=""))
            assert not twice.ok and "already" in twice.error
            for number in range(70):
                ack = await li.send(c.Say(id=f"n{number}", text="and", by=""))
            assert not ack.ok and "much at once" in ack.error

    shared(tmp_path, monkeypatch, steps)


def test_what_cannot_be_shared_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(owner: Followed, place: Any) -> None:
        for why, command in {
            "no user 'no-such-user'": c.Share(id="1", who=("no-such-user",), by=""),
            "no group": c.Share(id="2", who=("@no-such-group",), by=""),
            "is you": c.Share(id="3", who=("root",), by=""),
            "1 to 32": c.Share(id="4", who=(), by=""),
            "yet to come": c.Share(id="5", who=(str(LI),), until=time.time() - 60, by=""),
            "--role driver": c.Share(id="6", who=(str(LI),), max_usd=3.0, by=""),
            "a role is one of": c.Share(id="7", who=(str(LI),), role="owner", by=""),
            "nobody is invited": c.EndShare(id="8", by=""),
        }.items():
            ack = await owner.client.send(command)
            assert not ack.ok and why in ack.error, ack

    shared(tmp_path, monkeypatch, steps)
