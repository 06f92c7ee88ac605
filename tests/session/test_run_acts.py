"""What a person does with runs from a screen goes through the session, to the machine where they are."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.endpoint import Endpoint
from support.live import workspace
from support.running import Exp, until
from workbench.host import local
from workbench.protocol import commands as c
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.task import Caps, Task

__all__ = ["workspace"]


@pytest.fixture
def exp(workspace: Path) -> Iterator[Exp]:
    """The ledger of the workspace."""
    made = Exp(workspace)
    yield made
    made.stop_all()


@asynccontextmanager
async def session(place: Path, endpoint: Endpoint, **task: Any) -> AsyncIterator[tuple[Any, list[Any]]]:
    """A session that a person attends, and what happens in it."""
    env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "sk-test"}
    client = await local.start(Task(prompt="", workspace=str(place), interactive=True, **task), local.Options(env=env))
    seen: list[Any] = []

    async def hear() -> None:
        async for envelope in client.events():
            seen.extend((envelope.event,))

    hearing = asyncio.create_task(hear())
    await client.query(q.ListRuns())  # it is at work by then
    try:
        yield client, seen
    finally:
        await client.send(c.Stop(id="stop", reason="person", by="ana"))
        await asyncio.wait_for(hearing, 60)
        await client.close()


def test_runs_are_stopped_and_annotated(workspace: Path, exp: Exp) -> None:
    first, second = (exp.detached("--tag", "old", "--", "sleep", "1000") for _ in range(2))

    async def act() -> list[c.Ack]:
        with Endpoint([]) as endpoint:
            async with session(workspace, endpoint) as (client, _):
                return [
                    await client.send(c.AnnotateRun(id="1", run=first, note="too slow", by="ana")),
                    await client.send(c.AnnotateRun(id="2", run=first, tags=("new", "new"), by="ana")),
                    await client.send(c.StopRuns(id="3", runs=(first, second), by="ana")),
                    await client.send(c.StopRuns(id="4", runs=("r-9", "../x"), by="ana")),
                    await client.send(c.AnnotateRun(id="5", run="r-9", note="", by="ana")),
                ]

    done = asyncio.run(act())
    assert [one.ok for one in done] == [True, True, True, False, False]
    assert "no run r-9" in done[3].error and "'../x' is no run" in done[3].error and "no run r-9" in done[4].error
    ended = [exp.ended(run) for run in (first, second)]
    assert [(one.status, one.why.partition(";")[0]) for one in ended] == [("stopped", "stopped by ana")] * 2
    assert (ended[0].note, ended[0].tags) == ("too slow", ("new",))


def test_more_gpu_hours_are_given_and_stay_with_the_session(workspace: Path) -> None:
    async def act() -> tuple[list[c.Ack], list[Any]]:
        with Endpoint([]) as endpoint:
            async with session(workspace, endpoint, caps=Caps(max_gpu_hours=1.0)) as (client, seen):
                acks = [
                    await client.send(c.RaiseGpuHours(id=str(hours), hours=hours, by="ana"))
                    for hours in (0.5, float("nan"), float("inf"), 2.5)
                ]
                return acks, seen

    acks, seen = asyncio.run(act())
    assert [one.ok for one in acks] == [False, False, False, True]
    [raised] = [one for one in seen if isinstance(one, e.CapsRaised)]
    assert raised.caps.max_gpu_hours == 2.5 and raised.by == "ana"


def test_a_session_without_a_limit_has_none_to_raise(workspace: Path) -> None:
    async def act() -> c.Ack:
        with Endpoint([]) as endpoint:
            async with session(workspace, endpoint) as (client, _):
                return await client.send(c.RaiseGpuHours(id="1", hours=3, by="ana"))

    assert "no limit" in asyncio.run(act()).error


def test_a_run_of_the_person_wakes_nobody(workspace: Path, exp: Exp) -> None:
    (workspace / "train.py").write_text(
        "import pathlib, time\n"
        "for step in range(4): print(f'step {step} loss {1 / (step + 1)}')\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.02)\n"
        "raise SystemExit(3)\n"
    )

    async def act() -> tuple[int, list[Any]]:
        with Endpoint([]) as endpoint:
            async with session(workspace, endpoint) as (client, seen):
                await client.send(c.RunShell(id="1", command="python3 train.py", by="ana"))
                await asyncio.to_thread(until, lambda: any(isinstance(one, e.RunLinked) for one in seen))
                (workspace / "go").touch()
                await asyncio.to_thread(until, lambda: any(isinstance(one, e.ShellRan) for one in seen))
                await asyncio.to_thread(exp.ended, "r-1")
                await asyncio.sleep(2.5)  # more than two looks at the runs
                return len(endpoint.requests), seen

    asked, seen = asyncio.run(act())
    assert asked == 0 and not [one for one in seen if isinstance(one, e.RunsTold)]
