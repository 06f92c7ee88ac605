"""The tables of docs/security.md: each cell that promises, or owns up to, something names a test, which is there."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/security.md").read_text()
LISTED = dict(re.findall(r"^(\d+)\. (\S+\.py::.*)$", TEXT, re.M))
ROWS = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in TEXT.splitlines() if line.startswith("| ")]
CELLS = [cell for row in ROWS for cell in row if re.search(r"[✓✗]", cell)]
REFERENCE = re.compile(r"(\S+\.py)::(\w+)(?:\[([^\]]+)\])?")


def test_the_tables_are_read() -> None:
    """Else the tests below would pass on nothing."""
    assert len(CELLS) > 100 and len(LISTED) > 100 and any(len(row) == 6 for row in ROWS)


def test_each_row_of_the_first_table_has_a_word_for_each_layer() -> None:
    rows = [row for row in ROWS if len(row) == 6 and row[0] not in ("escape", "---")]
    wrong = [row for row in rows if not all(re.fullmatch(r"[✓✗] \d+|–", cell) for cell in row[1:])]
    assert len(rows) >= 40 and wrong == []
    assert [row[0] for row in rows if not any("✓" in cell for cell in row) and "✗" not in " ".join(row)] == []


def test_each_cell_names_a_test_and_each_test_has_a_cell() -> None:
    told = {number for cell in CELLS for number in re.findall(r"[✓✗] (\d+)", cell)}
    silent = [cell for cell in CELLS if not re.search(r"[✓✗] \d+", cell) and not cell.startswith("✗:")]
    assert silent == []
    assert told == set(LISTED), "a number without a test, or a test that no cell names"


@pytest.mark.parametrize("number", LISTED)
def test_the_test_that_is_named_is_there_and_is_not_left_out(number: str) -> None:
    found = REFERENCE.findall(LISTED[number])
    assert (
        found
        and " ".join(f"{file}::{name}{f'[{case}]' if case else ''}" for file, name, case in found) == LISTED[number]
    )
    for file, name, case in found:
        _is_no_test_left_out(ROOT / "tests" / file, name)
        cases = [one for one in collected(file) if one == name or one.startswith(f"{name}[")]
        assert cases, f"{file} has no test {name}"
        words = case.split(" ") if case else []
        assert any(all(word in one for word in words) for one in cases), f"{name} has no case {case}"


def _is_no_test_left_out(path: Path, name: str) -> None:
    tree = ast.parse(path.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert functions, f"{path.name} has no function {name}"
    marks = [ast.unparse(mark) for function in functions for mark in function.decorator_list]
    marks += [
        ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign) and "pytestmark" in ast.unparse(node)
    ]
    assert not [mark for mark in marks if "skip" in mark or "xfail" in mark]
    calls = [ast.unparse(node) for function in functions for node in ast.walk(function) if isinstance(node, ast.Call)]
    assert not [call for call in calls if call.startswith(("pytest.skip", "pytest.xfail", "pytest.importorskip"))]


@cache
def collected(file: str) -> tuple[str, ...]:
    """The names of all tests of FILE, cases included."""
    return all_collected().get(file, ())


@cache
def all_collected() -> dict[str, tuple[str, ...]]:
    """The same of every file that the document names, by one look."""
    files = sorted({file for listed in LISTED.values() for file, _, _ in REFERENCE.findall(listed)})
    missing = [file for file in files if not (ROOT / "tests" / file).is_file()]
    assert missing == []
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
    done = subprocess.run(
        [*words, "--import-mode=importlib", *(f"tests/{file}" for file in files)],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        path, mark, name = line.partition("::")
        if mark:
            found.setdefault(path.removeprefix("tests/"), []).append(name)
    return {path: tuple(names) for path, names in found.items()}
