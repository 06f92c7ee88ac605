"""What each role may do, asked of a real host by real clients."""

import asyncio
from pathlib import Path

import pytest

from support.endpoint import say
from support.hosted import Followed, begin, hosted
from workbench.host import remote
from workbench.protocol import commands as c


def test_a_viewer_does_not_steer_until_it_takes_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:

        async def run() -> None:
            async with Followed(await begin(place)) as one:
                client = one.client
                viewer = await remote.attach(place.session(client.session), "viewer")
                async with Followed(viewer) as two:
                    refused = await viewer.send(c.SubmitPrompt(id="p", text="Go.", by="x"))
                    assert not refused.ok and "viewer" in refused.error
                    assert (await viewer.send(c.TakeWheel(id="t", by="x"))).ok
                    assert (await viewer.send(c.SubmitPrompt(id="q", text="Go.", by="x"))).ok
                    await two.until(lambda: any(i.kind == "answer" for i in viewer.state.items))

        asyncio.run(run())
