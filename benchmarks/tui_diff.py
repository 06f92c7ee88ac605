"""The diff pane on 50 files and 20,000 changed lines: from the key to its first hunks."""

import statistics
import subprocess
import time
from pathlib import Path

from measure import environment, figure, mlwb, scratch
from terminal import READY, Pacing, Terminal

FILES, LINES = 50, 400  # changed lines a file
ROUNDS = 5


def repository(work: Path) -> None:
    """FILES committed files."""
    for number in range(FILES):
        lines = (f"value_{number}_{line} = compute({line}, seed={number})\n" for line in range(LINES))
        (work / f"module_{number:02d}.py").write_text("".join(lines))
    for command in (
        ["init", "-q"], ["add", "-A"],
        ["-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-q", "-m", "start"],
    ):  # fmt: skip
        subprocess.run(["git", *command], cwd=work, check=True, capture_output=True)


def changed(work: Path) -> None:
    """Every second line of every file replaced: FILES * LINES lines of a diff, removed and added."""
    for path in sorted(work.glob("module_*.py")):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(
            line.replace("compute", "recompute") if number % 2 else line for number, line in enumerate(lines)
        ))  # fmt: skip


def main() -> None:
    """Opens and closes the pane ROUNDS times; the first time counts most, so all are told."""
    times = []
    for _ in range(ROUNDS):
        with scratch() as (work, env), Pacing(10, None) as endpoint:
            repository(work)
            env = environment(env, endpoint.url)
            with Terminal(mlwb(), env=env, cwd=work) as terminal:
                terminal.wait(READY)
                terminal.quiet(2)
                changed(work)
                at = terminal.write(b"/diff\r")
                times.append(terminal.wait("recompute", 30) - at)
                time.sleep(0.2)
    figure(
        "workbench: diff pane on 50 files, 20,000 changed lines, first opening", statistics.median(times), "s", 0.5,
        "the bound", slowest_s=max(times),
    )  # fmt: skip


if __name__ == "__main__":
    main()
