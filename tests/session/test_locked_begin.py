"""Locked files are read when the work begins, beside the loop that serves the clients."""

import asyncio
import json
import os
from pathlib import Path

from support.endpoint import Endpoint, say
from support.live import workspace
from workbench import places
from workbench.host import local
from workbench.protocol import events as e
from workbench.protocol.task import Task

__all__ = ["workspace"]


def test_a_session_is_there_before_its_locked_files_are_read(workspace: Path) -> None:
    (workspace / "eval.py").write_text("pass\n")

    async def whole(env: dict[str, str]) -> tuple[bool, Path, list[e.Event]]:
        task = Task(prompt="Go.", workspace=str(workspace), locked=("eval.py", "evil.py"))
        client = await local.start(task, local.Options(env=env))
        kept = places.sessions() / client.session / "locked.json"
        early = kept.exists()
        seen = [envelope.event async for envelope in client.events()]
        await client.close()
        return early, kept, seen

    with Endpoint([say("done")]) as endpoint:
        env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
        early, kept, seen = asyncio.run(asyncio.wait_for(whole(env), 60))
    assert not early and list(json.loads(kept.read_bytes())) == ["eval.py"]
    told = [isinstance(one, e.Notice) and "evil.py names no file" in one.text for one in seen].index(True)
    assert told < [isinstance(one, e.RequestStarted) for one in seen].index(True)
