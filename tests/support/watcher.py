"""A client process for tests: `python -m support.watcher FOLDER [N]` attaches N clients to the live session in FOLDER.

A line on its standard input is answered, once all clients hold the seq that the line names, by a line of JSON: the
digests of what they show, and how often they began anew.
"""

import asyncio
import json
import sys
from pathlib import Path

from support.hosts import Watching
from workbench.host.remote import attach
from workbench.protocol.state import state_digest


async def main(folder: Path, count: int) -> None:
    """Serves standard input."""
    clients = [await attach(folder, "viewer") for _ in range(count)]
    watching = [Watching(client) for client in clients]
    print(json.dumps({"begun": count}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        for one in watching:
            await one.until(lambda state: state.seq >= int(line), 240.0)
        said = [(one.state.seq, state_digest(one.state), one.renewed) for one in clients]
        print(json.dumps(said), flush=True)
    for one in watching:
        await one.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
