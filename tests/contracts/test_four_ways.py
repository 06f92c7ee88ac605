"""Real programs, each begun in every way there is: their curves as the runs pane asks for them, while they run.

The programs run in the environment of the contract tests, beside an `mlwb` in its own, as on a machine of a user; what
they logged, in full precision, they write into files that no reader reads. Commands of the agent are confined.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("anthropic", reason="mlwb itself is not installed in this environment")

from support.endpoint import Endpoint, say, turn, use
from support.live import workspace
from support.mlwb import MLWB
from support.running import Exp
from workbench.host import local
from workbench.host.client import Client
from workbench.protocol import events as e
from workbench.protocol.commands import Stop, SubmitPrompt
from workbench.protocol.queries import ListRuns, RunRow, SeriesPage
from workbench.protocol.task import Task
from workbench.sandbox import layers

__all__ = ["workspace"]

PROGRAMS = Path(__file__).parent / "programs"
PYTHON = Path(__file__).parents[2] / ".venv-contracts/bin/python"
PATIENCE_S = 120.0  # for a program to begin, on a machine that is busy
SHOWN_S = 20.0  # at most, until what was logged can be seen
REAL = ("tensorboard_torch", "trainer", "lightning_csv", "mlflow_sklearn", "print_loop")
QUIET = "HF_HUB_OFFLINE=1 MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1"
GATED = f"GATED=1 {QUIET}"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="`make test-contracts` makes the environment")


@pytest.fixture(autouse=True)
def nothing_stays(workspace: Path) -> Iterator[None]:
    """Runs outlive their sessions, but not the tests."""
    yield
    Exp(workspace).stop_all()


def confine(layer: str) -> None:
    """Commands of the agent run in LAYER, without asking."""
    held = {one.name: one for one in layers.probe()}.get(layer)
    if held is None or not held.ok:
        why = f"{layer} does not hold here: {held.detail if held else 'not known'}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    (Path.home() / ".config/mlwb/config.yaml").write_text(f"sandbox: {{mode: {layer}, autoAllow: true}}\n")


def lay_down(place: Path, program: str) -> str:
    """PROGRAM as `train.py` in PLACE; the command by which it is started."""
    shutil.copy(PROGRAMS / f"{program}.py", place / "train.py")
    shutil.copy(PROGRAMS / "logged.py", place)
    return f"{PYTHON} train.py"


def started(command: list[str], folder: Path, output: Any = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
    """COMMAND as a person starts it, whose program waits to be looked at."""
    env = os.environ | dict(pair.split("=") for pair in GATED.split())
    return subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )


@contextlib.asynccontextmanager
async def session(place: Path, endpoint: Endpoint) -> AsyncIterator[Client]:
    """A live session, which a person attends, as a client has it. Ended afterwards."""
    env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "sk-test"}
    client = await local.start(Task(prompt="", workspace=str(place), interactive=True), local.Options(env=env))
    heard = asyncio.create_task(_heard(client))
    try:
        yield client
    finally:
        await client.send(Stop(id="c-stop", reason="person", by="ana"))
        await asyncio.wait_for(heard, 60)
        await client.close()


async def _heard(client: Client) -> None:
    async for envelope in client.events():
        if isinstance(envelope.event, e.SessionEnded):
            return


async def follow(client: Client, place: Path, alive: Callable[[], bool] = lambda: True) -> RunRow:
    """Looks at each phase of the program in PLACE through CLIENT, lets it go on; its run, ended, all of it seen."""
    for phase in (1, 2, 3):
        truth = await told(place / f"truth-{phase}.txt", alive)
        row = await shows(client, truth)
        assert row.status == "running", "the curve is seen while it runs"
        (place / f"go-{phase}").touch()
    truth = await told(place / "truth.txt", alive)
    until = time.monotonic() + PATIENCE_S
    while (row := await only(client)) is None or row.status == "running":
        assert time.monotonic() < until, "it did not end"
        await asyncio.sleep(0.1)
    await shows(client, truth)
    return row


async def told(path: Path, alive: Callable[[], bool]) -> dict[str, Any]:
    """What the program says that it has logged, once it says so."""
    until = time.monotonic() + PATIENCE_S
    while not path.exists():
        if time.monotonic() > until or not alive():
            logs = [one.read_text(errors="replace")[-2000:] for one in path.parent.glob(".mlwb/runs/*/output.log")]
            raise AssertionError(f"{path.name} did not come: {logs}")
        await asyncio.sleep(0.05)
    return dict(json.loads(path.read_text())["points"])


async def only(client: Client) -> RunRow | None:
    """The run of the workspace."""
    rows = (await client.query(ListRuns())).rows
    assert len(rows) <= 1, [row.id for row in rows]
    return rows[0] if rows else None


async def shows(client: Client, truth: dict[str, Any]) -> RunRow:
    """The run, once every curve of it is TRUTH; fails where that does not come."""
    until, row, curves = time.monotonic() + SHOWN_S, None, {}
    while True:
        if (row := await only(client)) is not None:
            curves = {key: await curve(client, row.id, key) for key in truth}
            # The later of two values of one step counts, and what is no number has no place on a chart.
            if all(repr(curves[key]) == repr(expected(points)) for key, points in truth.items()):
                return row
        if time.monotonic() > until:
            for key, points in truth.items():
                assert repr(curves.get(key)) == repr(expected(points)), (key, row)
        await asyncio.sleep(0.2)


async def curve(client: Client, run: str, key: str) -> list[tuple[float, float | None]]:
    """All points, as the pane has them."""
    return list((await client.query(SeriesPage(run=run, key=key, width=4000))).points)


def expected(points: list[list[float]]) -> list[tuple[float, float | None]]:
    """What a chart shall show of POINTS."""
    kept = {float(step): float(value) for step, value in points}
    return [(step, value if abs(value) < float("inf") else None) for step, value in sorted(kept.items())]


@pytest.mark.parametrize("layer", ["bubblewrap", "landlock"])
@pytest.mark.parametrize("way", ["Bash", "mlwb exp"])
@pytest.mark.parametrize("program", REAL)
def test_an_agent_begins_it(program: str, way: str, layer: str, workspace: Path) -> None:
    confine(layer)
    command = lay_down(workspace, program)
    command = f"{GATED} {command}" if way == "Bash" else f"{GATED} mlwb exp run --name real -- {command}"

    async def act() -> RunRow:
        with Endpoint([turn(use("Bash", command=command, timeout=600_000)), say("It has run.")]) as endpoint:
            async with session(workspace, endpoint) as client:
                await client.send(SubmitPrompt(id="c-1", text="Train it.", by="ana"))
                return await follow(client, workspace)

    row = asyncio.run(act())
    assert (row.status, row.exit_code, row.origin) == ("finished", 0, "bash" if way == "Bash" else "exp")
    assert row.session and row.turn == 1


@pytest.mark.parametrize("program", REAL)
def test_a_person_begins_it_in_another_shell(program: str, workspace: Path) -> None:
    command = lay_down(workspace, program).split()

    async def act() -> RunRow:
        with Endpoint([]) as endpoint:
            async with session(workspace, endpoint) as client:
                shell = started([*MLWB, "exp", "run", "--", *command], workspace)
                row = await follow(client, workspace, lambda: shell.poll() in (None, 0))
                assert await asyncio.to_thread(shell.wait, 60) == 0
                return row

    row = asyncio.run(act())
    assert (row.status, row.exit_code, row.origin, row.session) == ("finished", 0, "exp", "")


@pytest.mark.parametrize("program", REAL)
def test_one_that_runs_elsewhere_is_imported_and_followed(program: str, workspace: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = lay_down(elsewhere, program).split()

    async def act() -> RunRow:
        with Endpoint([]) as endpoint, (elsewhere / "train.log").open("wb") as log:
            async with session(workspace, endpoint) as client:
                shell = started(command, elsewhere, log)
                path = elsewhere / "train.log" if program == "print_loop" else elsewhere
                await told(elsewhere / "truth-1.txt", lambda: shell.poll() is None)
                follows = ["exp", "import", "--follow", "--name", "elsewhere", str(path)]
                importing = started([*MLWB, *follows], workspace)
                try:
                    for phase in (1, 2, 3):
                        truth = await told(elsewhere / f"truth-{phase}.txt", lambda: shell.poll() is None)
                        await shows(client, truth)
                        assert shell.poll() is None, "the curve is seen while it runs"
                        (elsewhere / f"go-{phase}").touch()
                    truth = await told(elsewhere / "truth.txt", lambda: shell.poll() in (None, 0))
                    assert (await shows(client, truth)).status == "running", "it is followed"
                finally:
                    importing.send_signal(signal.SIGINT)
                    await asyncio.to_thread(importing.wait, 60)
                    shell.kill()
                    shell.wait()
                return await shows(client, truth)

    row = asyncio.run(act())
    assert (row.status, row.origin, row.name) == ("finished", "import", "elsewhere")
