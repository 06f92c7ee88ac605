"""What each layer adds to a command: `true` in bash, plain and confined, taken in turns; medians."""

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from measure import figure
from workbench.sandbox import layers
from workbench.sandbox.confined import ConfinedLauncher
from workbench.sandbox.launcher import PlainLauncher
from workbench.sandbox.types import Launcher, Profile, Spec

ROUNDS = 60
GOALS = {"landlock": 3.0, "bubblewrap": 5.0}
WRITES = 500


async def timed(launcher: Launcher, folder: Path, command: str) -> float:
    """Seconds from the start of COMMAND to its end."""
    spec = Spec(command=command, cwd=folder / "work", output=folder / "output", env=launcher.environment())
    began = time.perf_counter()
    running = await launcher.start(spec)
    await running.wait()
    took = time.perf_counter() - began
    await running.end()
    return took


async def main() -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory(dir=Path.home(), prefix=".mlwb-bench-") as made:
        folder = Path(made)
        (folder / "work/.git").mkdir(parents=True)
        profile = Profile(
            roots=(folder / "work",), temp=folder / "t", home=Path.home(), read_only=(folder / "work/.git",)
        )
        plain = PlainLauncher(os.environ)
        launchers: dict[str, Launcher] = {"plain": plain}
        launchers |= {one.name: ConfinedLauncher(plain, one, profile) for one in layers.probe() if one.ok}
        took: dict[str, list[float]] = {name: [] for name in launchers}
        for _ in range(ROUNDS):
            for name, launcher in launchers.items():
                took[name].append(await timed(launcher, folder, "true"))
        bare = statistics.median(took["plain"])
        for name in launchers.keys() - {"plain"}:
            middle = statistics.median(took[name])
            figure(
                f"added to a command by {name}, in times a bare one",
                (middle - bare) / bare, "x", GOALS[name], "`bash -c true`, started the same way",
                bare_ms=bare * 1e3, confined_ms=middle * 1e3,
            )  # fmt: skip
        if "landlock" in launchers:
            script = f"for i in $(seq {WRITES}); do echo x >file; done"
            slow = await timed(launchers["landlock"], folder, script)
            fast = await timed(plain, folder, script)
            figure(
                "a file opened for writing through Landlock's supervisor",
                (slow - fast) / WRITES * 1e3, "ms", 0.5, "the same, not confined",
            )  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
