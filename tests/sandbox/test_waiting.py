"""What a supervisor does for a command ends with it: nothing is left that waits in this process."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from workbench.sandbox import landlock
from workbench.sandbox.confined import ConfinedLauncher
from workbench.sandbox.launcher import PlainLauncher
from workbench.sandbox.types import Layer, Profile, Spec

# A second copy of the shell opens each FIFO, and waits for a reader that never comes.
COMMAND = "mkfifo a b; for one in a b a b; do echo x >$one & done; read -t 60 <>ready; touch never"


def held(folder: Path) -> list[str]:
    """What this process has open in FOLDER."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return [one for one in found if one.startswith(f"{folder}/")]


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
def test_a_fifo_that_nobody_reads_holds_nothing_once_its_command_has_ended(tmp_path: Path) -> None:
    work, temp, output = tmp_path / "work", tmp_path / "temp", tmp_path / "output"
    work.mkdir()
    os.mkfifo(work / "ready")
    profile = Profile(roots=(work,), temp=temp, home=tmp_path, read_only=(work / "kept",))
    layer = Layer(name="landlock", ok=True, detail="", abi=landlock.abi())

    async def run() -> None:
        launcher = ConfinedLauncher(PlainLauncher({"PATH": os.defpath}), layer, profile)
        running = await launcher.start(Spec(command=COMMAND, cwd=work, env=launcher.environment(), output=output))
        async with asyncio.timeout(50):
            while len([one for one in held(work) if one.endswith(("/a", "/b"))]) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await running.end(0.0)
        await launcher.close()

    asyncio.run(run())
    until = time.monotonic() + 60
    while held(work) and time.monotonic() < until:
        time.sleep(0.01)
    assert not held(work)
