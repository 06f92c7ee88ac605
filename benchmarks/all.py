"""Runs the benchmarks that are named (all where none is), prints the figures, writes them to docs/benchmarks.md."""

import json
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
NOT_ONE = ("all.py", "measure.py", "terminal.py")
MARK = "<!-- figures: written by `make bench` -->"


def figures(script: Path) -> list[dict[str, object]]:
    """The figures that SCRIPT prints."""
    done = subprocess.run([sys.executable, script], cwd=HERE, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(f"{script.name}: exit {done.returncode}", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def row(one: dict[str, object], script: str) -> str:
    """A figure as a row of the table."""
    detail = one["detail"]
    assert isinstance(detail, dict)
    more = ", ".join(f"{key} {shown(part)}" for key, part in detail.items())
    value, goal = float(str(one["value"])), float(str(one["goal"]))
    met, unit = "yes" if value <= goal else "**no**", one["unit"]
    cells = [one["name"], f"{value:.2f} {unit}", f"at most {goal:g} {unit}", met, one["reference"], more, f"`{script}`"]
    return f"| {' | '.join(map(str, cells))} |"


def shown(value: object) -> str:
    """A detail in three figures."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Runs all, prints as they come, writes the page."""
    rows = []
    chosen = [f"{name}.py" for name in sys.argv[1:]]
    for script in sorted(HERE.glob("*.py")):
        if script.name in NOT_ONE or (chosen and script.name not in chosen):
            continue
        for one in figures(script):
            rows.append(row(one, f"benchmarks/{script.name}"))
            print(rows[-1], flush=True)
    head = "| what | measured | goal | met | against | detail | script |\n|---|---|---|---|---|---|---|\n"
    when = (
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {platform.machine()}, by `make bench`:\n\n"
    )
    before = PAGE.read_text().partition(MARK)[0] if PAGE.exists() else "# Benchmarks\n\n"
    after = PAGE.read_text().partition("<!-- end of figures -->")[2] if PAGE.exists() else "\n"
    PAGE.write_text(f"{before}{MARK}\n{when}{head}" + "\n".join(rows) + "\n\n<!-- end of figures -->" + after)


if __name__ == "__main__":
    main()
