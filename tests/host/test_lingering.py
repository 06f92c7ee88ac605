"""A host that is about to end for want of clients, and a client that comes at that moment."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.endpoint import say
from support.hosted import begin, hosted, raw
from workbench.host import sockets
from workbench.host.lingering import Lingering
from workbench.protocol.version import PROTOCOL


class Looking(Lingering):
    """Takes as long as it is let to see that nothing is at work."""

    def __init__(self, hosting: Any) -> None:
        super().__init__(hosting)
        self.asked, self.seen = asyncio.Event(), asyncio.Event()

    async def busy(self) -> bool:
        self.asked.set()
        await self.seen.wait()
        return False


def test_who_comes_while_it_is_seen_whether_something_is_at_work_keeps_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLWB_LINGER", "0")

    async def run() -> None:
        hosting: Any = SimpleNamespace(session=SimpleNamespace(task=SimpleNamespace(workspace=str(tmp_path))))
        lingering = Looking(hosting)
        server: Any = SimpleNamespace(connections=set(), shut=False)
        lingering.server = server
        over = asyncio.create_task(lingering.over())
        await lingering.asked.wait()
        server.connections.add("somebody")
        lingering.changed()
        lingering.seen.set()
        done, _ = await asyncio.wait({over}, timeout=0.2)
        assert not done and not server.shut
        server.connections.clear()
        lingering.changed()
        await asyncio.wait_for(over, 10)
        assert server.shut

    asyncio.run(run())


def test_who_says_hello_when_the_last_one_has_left_is_told_that_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        first = await begin(place)
        token = sockets.token_of(place.session(first.session))
        async with raw(first.session) as last, raw(first.session) as late:
            last.say(type="hello", protocol=PROTOCOL, token=token)
            await last.hears("welcome")
            await first.close()
            assert first.lives
            last.say(type="bye")
            assert (await last.hears("bye"))["code"] == "ended"
            late.say(type="hello", protocol=PROTOCOL, token=token)
            assert (await late.hears("refused"))["code"] == "gone"

    with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:
        asyncio.run(run())
