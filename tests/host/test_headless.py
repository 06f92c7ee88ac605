"""Those who watch a headless run: its owner stops it, with an exit code that no job script requeues; nobody else."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import msgspec
import pytest

from support.endpoint import say, turn, use
from support.hosted import Followed, hosted
from support.mlwb import Place
from support.visitors import LI, MO, needs_root, visitor
from workbench.host import sockets
from workbench.host.remote import attach
from workbench.protocol import commands as c
from workbench.session import store

ALLOWED = "permissions: {allow: [Bash]}\n"
ASLEEP = turn(use("Bash", command="echo $$ > pid; exec sleep 1000"))
Stopping = Callable[[Place, str], Awaitable[None]]


@asynccontextmanager
async def at_work(place: Place) -> AsyncIterator[tuple["Popen[bytes]", str]]:
    """A headless run in the midst of a command, and its session."""
    with place.started("run", place.task("Wait.\n"), "--output-format", "json", env=dict(os.environ)) as run:
        end = time.monotonic() + 60
        while not ((place.repo / "pid").exists() and any(map(_reached, store.list_sessions()))):
            assert time.monotonic() < end, "it did not begin"
            await asyncio.sleep(0.02)
        yield run, store.list_sessions()[0].id


def _reached(one: store.SessionSummary) -> bool:
    return one.state == "live" and sockets.path_of(one.id).exists()


async def by_verb(place: Place, session: str) -> None:
    done = await asyncio.to_thread(place.mlwb, "sessions", "stop", session)
    assert (done.code, done.stdout) == (0, f"stopped {session}\n")


async def by_escape(place: Place, session: str) -> None:
    async with Followed(await attach(place.session(session))) as watching:
        assert (await watching.client.send(c.Interrupt(id="i", by=""))).ok
        await watching.until(lambda: watching.client.state.phase == "ended")


@pytest.mark.parametrize("stop", [by_verb, by_escape])
def test_a_run_that_its_owner_stops_is_none_to_requeue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: Stopping
) -> None:
    async def play(place: Place) -> dict[str, Any]:
        async with at_work(place) as (run, session):
            await stop(place, session)
            out, _ = await asyncio.to_thread(run.communicate, timeout=60)
            assert run.returncode == 130
            return dict(json.loads(out))

    with hosted(tmp_path, monkeypatch, [ASLEEP, say("Went on.")], ALLOWED) as place:
        result = asyncio.run(play(place))
        assert result["subtype"] == "error_interrupted"
        again = place.mlwb("run", "--resume", str(result["session_id"]), env=dict(os.environ))
        assert (again.code, again.stdout) == (0, "Went on.\n")


@needs_root
def test_no_guest_stops_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(place: Place) -> None:
        async with at_work(place) as (run, session), Followed(await attach(place.session(session))) as owner:
            for uid, role in ((LI, "viewer"), (MO, "driver")):
                ack = await owner.client.send(c.Share(id=role, who=(str(uid),), role=role, by=""))
                invited = msgspec.json.decode(ack.value, type=c.Invited)
                guest = await visitor(uid, invited.socket, invited.invitations[0].token, role)
                async with Followed(guest):
                    for stop in (c.Interrupt(id="i", by=""), c.Stop(id="s", reason="person", by="")):
                        refused = await guest.send(stop)
                        assert not refused.ok and refused.error.startswith("only "), refused
            assert run.poll() is None

    with hosted(tmp_path, monkeypatch, [ASLEEP], ALLOWED) as place:
        asyncio.run(play(place))
