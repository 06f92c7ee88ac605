"""A stop that comes at an awkward moment: the session ends once, with a result, and who watches is told."""

import asyncio
import os

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import workspace
from workbench.host import local
from workbench.protocol.commands import SubmitPrompt
from workbench.protocol.events import CallFinished, Envelope, Idle, SessionEnded
from workbench.protocol.task import Caps, Task

__all__ = ["workspace"]


@pytest.mark.parametrize("attended", [False, True], ids=["by itself", "attended"])
def test_stops_at_every_moment_around_the_end_of_the_work_leave_it_an_end(workspace, attended):
    last = Idle if attended else CallFinished  # behind that the work ends, at the limit of its turns
    task = Task(
        prompt="" if attended else "Go.", workspace=str(workspace), caps=Caps(max_turns=1), interactive=attended
    )

    async def ended(after: int, times: int) -> Envelope:
        """The last event of a session that is stopped so many turns of the event loop AFTER that, and TIMES running."""
        with Endpoint([turn(use("LS", path=str(workspace))), say("done")]) as endpoint:
            env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
            client = await local.start(task, local.Options(env=env))
            session, loop = client.hosting.session, asyncio.get_running_loop()

            def stop(wait: int, left: int) -> None:
                if wait == 0:
                    session.stop("interrupt")
                    left -= 1
                if left:
                    loop.call_soon(stop, max(0, wait - 1), left)

            session.listeners.append(lambda told: stop(after, times) if isinstance(told.event, last) else None)
            if attended:
                await client.send(SubmitPrompt(id="p", text="Go.", by="ana"))
            async with asyncio.timeout(20):
                told = [envelope async for envelope in client.events()]
            await client.close()
            return told[-1]

    for after, times in ((0, 1), (1, 1), (2, 1), (0, 2), (0, 20)):
        end = asyncio.run(ended(after, times)).event
        assert isinstance(end, SessionEnded) and end.result.is_error, (after, times)
