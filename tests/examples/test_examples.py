"""Every example is a task that can be read, is well guarded, and has checks that hold only once the work is done."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.headless import taskfile
from workbench.resources import folder

EXAMPLES = folder("examples")
SOLUTIONS = Path(__file__).parent / "solutions"
# Another interpreter that has the examples' libraries; the project itself needs none of them.
PYTHON = os.environ.get("MLWB_EXAMPLES_PYTHON", sys.executable)
NAMES = sorted(place.name for place in EXAMPLES.iterdir() if place.is_dir())
STARTERS = {name: EXAMPLES / name / ("repo" if name == "demo" else ".") for name in NAMES}
# Needed modules, what to run before the session, the solution's files, what makes its product.
KEYED = {
    "finetune-classifier": ("torch, sklearn", ["pretrain.py"], ["finetune.py"], None),
    "onnx-latency": (
        "torch, onnx, onnxruntime, onnxscript, sklearn",
        ["baseline.py"],
        ["make_fast.py"],
        "make_fast.py",
    ),
    "mlflow-sweep": ("mlflow, sklearn", [], ["sweep.py"], "sweep.py"),
    "serve-drift": ("sklearn", ["train.py"], ["serve.py", "load_test.py"], None),
}
# What an agent does first in a strange repository.
OPENING = ["ls -la", "cat task.md", "git status", "git log --oneline", "python3 --version", "wc -l data.py"]
WORK = [
    "python3 -c 'import sklearn; print(sklearn.__version__)'",
    "python3 data.py",
    "python3 mine.py --seed 0",
    "pip list",
]


def task(name):
    return taskfile.load(str(EXAMPLES / name / "task.md"))


def test_the_five_examples_are_there():
    assert NAMES == ["demo", "finetune-classifier", "mlflow-sweep", "onnx-latency", "serve-drift"]


@pytest.mark.parametrize("name", NAMES)
def test_a_task_has_checks_caps_and_a_locked_evaluation(name):
    values = task(name).values
    assert values["agent"] == "ml-engineer"
    assert {"checks", "locked", "allow", "maxTurns", "maxUsd", "timeout"} <= values.keys()
    assert values.keys().isdisjoint({"sandbox", "permissionMode"}), "an example takes no guard away"


@pytest.mark.parametrize("name", NAMES)
def test_what_checks_run_is_there_and_locked(name):
    values = task(name).values
    for command in values["checks"]:
        program, script = shlex.split(command)[:2]
        assert program == "python3"
        assert (STARTERS[name] / script).is_file()
        assert script in values["locked"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_locked_is_there_or_made_before_the_session(name):
    text = (EXAMPLES / name / "task.md").read_text()
    before = "\n".join(line for line in text.splitlines() if line.startswith("#   python3 "))
    makes = {made for script in re.findall(r"python3 (\S+\.py)", before) for made in _written(STARTERS[name] / script)}
    for path in task(name).values["locked"]:
        assert (STARTERS[name] / path).is_file() or path in makes, path


def _written(script):
    """The product names that SCRIPT spells out."""
    return set(re.findall(r'"([\w-]+\.(?:pt|onnx|pkl))"', script.read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_the_starter_compiles_and_downloads_nothing(name):
    for script in STARTERS[name].glob("*.py"):
        text = script.read_text()
        # 3.8: the demo runs on whatever `python3` is on the path.
        ast.parse(text, feature_version=(3, 8) if name == "demo" else (3, 11))
        assert not re.search(r"urlopen|urlretrieve|fetch_|requests\.|pip\.main", text), script


@pytest.mark.parametrize("name", sorted(KEYED))
def test_requirements_are_loosely_pinned(name):
    lines = (EXAMPLES / name / "requirements.txt").read_text().splitlines()
    assert lines
    assert all(re.fullmatch(r"[a-z-]+>=[\d.]+(,<[\d.]+)?", line) for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_no_cache_and_no_product_is_shipped(name):
    shipped = [path.name for path in STARTERS[name].iterdir()]
    assert not {"runs", ".venv", "mlruns", "report.md"} & set(shipped)
    assert not [each for each in shipped if each.endswith((".pt", ".onnx", ".pkl", ".db"))]


@pytest.mark.parametrize("name", sorted(KEYED))
def test_the_first_minutes_need_no_approval(name):
    values = task(name).values
    calls = [{"tool": "Bash", "input": {"command": command}} for command in OPENING + WORK]
    calls += [{"tool": "Read", "input": {"file_path": str(STARTERS[name] / "data.py")}}]
    calls += [{"tool": "Write", "input": {"file_path": str(STARTERS[name].resolve() / "mine.py"), "content": ""}}]
    assert _verdicts(calls, values["allow"], STARTERS[name].resolve()) == ["allow"] * len(calls)


def test_every_recorded_call_of_the_demo_needs_no_approval(tmp_path):
    text = (EXAMPLES / "demo" / "answers.jsonl").read_text().replace("{{workspace}}", str(tmp_path))
    shutil.copytree(STARTERS["demo"], tmp_path, dirs_exist_ok=True)
    contents = [json.loads(line)["content"] for line in text.splitlines()[1:]]
    calls = [
        {"tool": block["name"], "input": block["input"]}
        for content in contents
        for block in content
        if block["type"] == "tool_use"
    ]
    assert _verdicts(calls, task("demo").values["allow"], tmp_path) == ["allow"] * len(calls)


def _verdicts(calls, allow, workspace):
    lines = [
        {**call, "id": number, "mode": "acceptEdits", "allow": list(allow), "workspace": str(workspace)}
        for number, call in enumerate(calls)
    ]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from workbench.cli import main; sys.exit(main())", *_BATCH],
        input="\n".join(map(json.dumps, lines)), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    answers = {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    return [answers[number]["verdict"] if number in answers else done.stderr for number in range(len(calls))]


_BATCH = ("permissions", "check", "--batch", "-")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(KEYED))
def test_the_check_fails_before_the_work_and_holds_after_it(name, tmp_path):
    modules, setup, solution, make = KEYED[name]
    if subprocess.run([PYTHON, "-c", f"import {modules}"], capture_output=True).returncode:
        pytest.skip(f"{PYTHON} cannot import {modules}; set MLWB_EXAMPLES_PYTHON to one that can")
    place = shutil.copytree(EXAMPLES / name, tmp_path / name)
    for script in setup:
        _run(place, script).check_returncode()
    checks = [shlex.split(command)[1:] for command in task(name).values["checks"]]
    assert [_run(place, *words).returncode for words in checks] == [1] * len(checks)
    for file in solution:
        shutil.copy(SOLUTIONS / file, place)
    if make:
        _run(place, make).check_returncode()
    done = [_run(place, *words) for words in checks]
    assert [one.returncode for one in done] == [0] * len(checks), [one.stdout for one in done]


def _run(place, *words):
    return subprocess.run([PYTHON, *words], cwd=place, capture_output=True, text=True, timeout=300)
