"""A host process for tests that journals events as fast as it can: `python -m support.flooding`.

It hosts a session as any host does and says which, as JSON. A line `N` on its standard input has it journal N notices,
with deltas between them; `N SIZE`: each of so many characters. It answers what that took of its own processor time, and
how much memory it holds.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import psutil

from workbench.host import local
from workbench.host.local import LocalClient
from workbench.host.server import Server
from workbench.protocol import events as e
from workbench.protocol.task import Task

_TURN = 100  # events, after which a request begins, as in a real session


async def main() -> None:
    """Serves standard input, to its end."""
    task = Task(prompt="", workspace=str(Path.cwd()), interactive=True)
    client = await local.start(task, local.Options(env=dict(os.environ)))
    assert isinstance(client, LocalClient)
    server = Server(client.hosting)
    server.open()
    following = asyncio.create_task(_follow(client))
    print(json.dumps({"session": client.session, "pid": os.getpid()}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await _flood(client, *map(int, line.split()))), flush=True)
    await server.close()
    following.cancel()
    await client.close()


async def _follow(client: LocalClient) -> None:
    async for _ in client.events():
        pass


async def _flood(client: LocalClient, count: int, size: int = 0) -> dict[str, float]:
    session = client.hosting.session
    began, cpu = time.monotonic(), time.process_time()
    slowest = 0.0
    for number in range(count):
        at = time.monotonic()
        if number % _TURN == 0:
            session.emit(e.RequestStarted(turn=number // _TURN, model="none"))
        session.emit(e.Notice(level="info", text=f"number {number} has happened; nothing more to it " + "." * size))
        session.show(e.TextDelta(turn=1, index=0, text="and so on "))
        await asyncio.sleep(0)
        slowest = max(slowest, time.monotonic() - at)
    process = psutil.Process()
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.monotonic() - began,
        "slowest": slowest,
        "rss": float(process.memory_info().rss),
        "seq": float(session.journal.seq),
    }


if __name__ == "__main__":
    asyncio.run(main())
