"""Snapshots of a repository of 20,000 files (the first, after 20 changes, after none), and a search for a file."""

import asyncio
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from measure import figure
from workbench.session.blobs import Blobs
from workbench.session.changes import Changes
from workbench.session.file_index import FileIndex
from workbench.session.snapshots import Snapshots

FILES, FOLDERS, ROUNDS, CHANGED = 20_000, 400, 9, 20
SEARCHED = 100_000
GIT = ("git", "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "user.name=a", "-c", "user.email=a@localhost")


def tree(root: Path, files: int, lines: int) -> None:
    """FILES small Python files in folders of 50, committed."""
    for folder in range(files // 50):
        place = root / f"package{folder // 20}" / f"module{folder}"
        place.mkdir(parents=True)
        for number in range(50):
            (place / f"part_{number}.py").write_text(f"def f{folder}_{number}():\n    return {number}\n" * lines)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
        subprocess.run([*GIT, *words], cwd=root, check=True)


async def snapshots(root: Path, folder: Path) -> None:
    """Times `take` as the session calls it."""
    blobs = Blobs(folder / "blobs")
    changes = Changes.begin(root, (), blobs, folder)
    await changes.ready()
    taken = Snapshots(folder, "s-aaaaaaaa", (root,), changes, blobs, time.time)
    first = await timed(taken)
    changed, same = [], []
    for turn in range(ROUNDS):
        for number in range(CHANGED):
            path = root / f"package{number}" / f"module{number * 20}" / "part_7.py"
            path.write_text(f"{turn}\n" * 100)
        changed.append(await timed(taken))
        same.append(await timed(taken))
    began = time.perf_counter()
    words = ["git", "status", "--porcelain"]
    await asyncio.to_thread(subprocess.run, words, cwd=root, check=True, stdout=subprocess.DEVNULL)
    status = time.perf_counter() - began
    began = time.perf_counter()
    await taken.restore("refs/mlwb/s-aaaaaaaa/1")
    restored = time.perf_counter() - began
    figure(
        "snapshot of 20,000 files, 20 changed", statistics.median(changed), "s", 0.3, "a turn that does not wait",
        slowest=max(changed), unchanged=statistics.median(same), first=first, restore=restored,
        git_status=status,
    )  # fmt: skip


async def timed(taken: Snapshots) -> float:
    """Seconds of one snapshot."""
    began = time.perf_counter()
    await taken.take("answer", 1)
    return time.perf_counter() - began


async def search(root: Path) -> None:
    """The slowest of some searches, after the first has listed the files."""
    index = FileIndex(root)
    began = time.perf_counter()
    await index.find("x", 1)
    listed = time.perf_counter() - began
    spent = {}
    for pattern in ("p", "part", "module1part7", "pa_9", "12 part", "zq"):
        began = time.perf_counter()
        await index.find(pattern, 50)
        spent[pattern] = time.perf_counter() - began
    figure(
        "file search in 100,000 files",
        max(spent.values()) * 1e3,
        "ms",
        150.0,
        "a keystroke that is felt",
        listing_s=listed,
    )


async def main() -> None:
    """Both."""
    with tempfile.TemporaryDirectory() as name:
        root, folder = Path(name) / "work", Path(name) / "session"
        root.mkdir()
        folder.mkdir()
        tree(root, FILES, 30)
        await snapshots(root, folder)
    with tempfile.TemporaryDirectory() as name:
        tree(Path(name), SEARCHED, 1)
        await search(Path(name))


if __name__ == "__main__":
    asyncio.run(main())
