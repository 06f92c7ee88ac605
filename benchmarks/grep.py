"""The Grep tool against `rg` itself on a tree of 100,000 files. Wall time, in pairs, the tool inside one process."""

import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import figure

FILES, FOLDERS, PAIRS = 100_000, 1000, 7
PATTERN = "needle_[0-9]+"


def tree(root: Path) -> None:
    """100,000 small files in 1,000 folders; one in a hundred holds the pattern."""
    for folder in range(FOLDERS):
        place = root / f"pkg{folder:04}"
        place.mkdir()
        for number in range(FILES // FOLDERS):
            needle = f"needle_{number}" if number == 7 else "hay"
            (place / f"m{number:03}.py").write_text(f"def f{number}():\n    return '{needle}'\n" * 4)


def bare(rg: str, root: Path) -> None:
    """The reference."""
    subprocess.run([rg, "-l", "--hidden", PATTERN, "."], cwd=root, stdout=subprocess.DEVNULL, check=True)


async def main() -> None:
    """The same search by both, in turn."""
    from workbench.sandbox.launcher import PlainLauncher
    from workbench.tools import registry
    from workbench.tools.base import Context

    rg = shutil.which("rg")
    if rg is None:
        print("grep: rg is not installed: nothing to compare with", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tree(root)
        context = Context(
            workspace=root, roots=(root,), outputs=root, launcher=PlainLauncher({}), put_blob=lambda data: "",
            emit=lambda event: None, now=time.time,
        )  # fmt: skip
        tool = registry.get("Grep")
        given = registry.decode(tool, {"pattern": PATTERN})
        ratios = []
        for _ in range(PAIRS + 1):
            began = time.perf_counter()
            bare(rg, root)
            theirs = time.perf_counter() - began
            began = time.perf_counter()
            await tool.run(given, context, "call", lambda text: None)
            ours = time.perf_counter() - began
            ratios.append((ours / theirs, ours, theirs))
    ratio, ours, theirs = (statistics.median(column) for column in zip(*ratios[1:], strict=True))
    figure("Grep on 100,000 files, wall", ratio, "x", 1.5, "rg -l", ours_s=ours, rg_s=theirs)


if __name__ == "__main__":
    asyncio.run(main())
