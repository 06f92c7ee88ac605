"""Real commands in tests: a session's side of Bash, and a look at which processes live."""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from workbench.sandbox.launcher import PlainLauncher, PlainRunning
from workbench.sandbox.tree import alive
from workbench.sandbox.types import Ended, Spec
from workbench.tools import registry
from workbench.tools.base import Context, Outcome, ToolError

PLAIN = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
_numbers = itertools.count(1)


def odd_seconds() -> str:
    """A duration for `sleep` that no other process on the machine has: long, and its own name."""
    return f"3600.{os.getpid()}{next(_numbers)}"


def living(needle: str) -> list[int]:
    """Processes, other than this one, that have not ended and whose command line holds NEEDLE."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                if needle.encode() in Path(f"/proc/{name}/cmdline").read_bytes() and alive(int(name)):
                    found.append(int(name))
    return found


_earlier: set[int] = set()


@pytest.fixture(autouse=True)
def only_own_zombies() -> None:
    """What an earlier test left to this process (orphans of a process that it killed) is not this test's."""
    _earlier.clear()
    _earlier.update(zombies())


def zombies() -> set[int]:
    """Children of this process that have ended since the test began and were not reaped."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{name}/stat").read_bytes()
                state, parent = stat[stat.rfind(b")") + 2 :].split()[:2]
                if state == b"Z" and int(parent) == os.getpid():
                    found.add(int(name))
    return found - _earlier


async def eventually(true: Callable[[], object], within_s: float = 20.0) -> None:
    """Until TRUE holds; fails after WITHIN_S."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, f"not within {within_s} s"
        await asyncio.sleep(0.01)


async def start(
    folder: Path, command: str, env: Mapping[str, str] = PLAIN, keep: tuple[str, ...] = ()
) -> tuple[PlainRunning, Path]:
    """COMMAND started in FOLDER by a plain launcher, and the file with its output."""
    launcher = PlainLauncher(env, keep)
    output = folder / f"output-{next(_numbers)}"
    return await launcher.start(Spec(command=command, cwd=folder, output=output, env=launcher.environment())), output


def run(folder: Path, command: str, env: Mapping[str, str] = PLAIN, keep: tuple[str, ...] = ()) -> tuple[Ended, str]:
    """COMMAND, run to its end: how it ended, and its output."""

    async def whole() -> tuple[Ended, str]:
        running, output = await start(folder, command, env, keep)
        await running.wait()
        return await running.end(), output.read_text()

    return asyncio.run(whole())


class Commands:
    """A session's side of Bash, with real commands. `events` and `progress` are what it sent."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str] = PLAIN,
        keep: tuple[str, ...] = (),
        setup: str = "",
        roots: tuple[Path, ...] = (),
    ) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.events: list[Any] = []
        self.progress: list[str] = []
        self.context = Context(
            workspace=self.workspace,
            roots=(self.workspace, *roots),
            outputs=folder / "outputs",
            launcher=PlainLauncher(env, keep),
            put_blob=lambda data: "",
            emit=self.events.append,
            now=time.time,
        )
        self.context.extras["shell_setup"] = setup

    async def acall(self, tool: str, **given: Any) -> Outcome:
        """The outcome of one call, decoded and run as the session does."""
        found = registry.get(tool)
        return await found.run(registry.decode(found, given), self.context, "toolu_1", self.progress.append)

    async def atext(self, tool: str, **given: Any) -> str:
        """What the model reads of a call, refused ones included."""
        try:
            return text_of(await self.acall(tool, **given))
        except ToolError as error:
            return str(error)

    def bash(self, command: str, **given: Any) -> Outcome:
        """One command in a loop of its own; what runs in the background ends with it."""

        async def whole() -> Outcome:
            async with self.open():
                return await self.acall("Bash", command=command, **given)

        return asyncio.run(whole())

    def says(self, command: str, **given: Any) -> str:
        """What the model reads of one command."""
        return text_of(self.bash(command, **given))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Commands"]:
        """Closes the session's side at the end."""
        try:
            yield self
        finally:
            await self.context.close()


def text_of(outcome: Outcome) -> str:
    """The text that the model reads."""
    return "".join(part["text"] for part in outcome.content)
