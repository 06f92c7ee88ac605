"""`mlwb demo`, once, as a user runs it: no key, no network, real tools, real training."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workbench.resources import folder

DEMO = folder("examples") / "demo"
MLWB = [sys.executable, "-c", "import sys; from workbench.cli import main; sys.exit(main())"]


def environment(home):
    """A fresh user's: no key; an endpoint and proxies that lead nowhere, should anything try them."""
    nowhere = "http://127.0.0.1:9"
    names = ("ANTHROPIC_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    return {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", **dict.fromkeys(names, nowhere)}


def answers():
    lines = (DEMO / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def final_answer():
    return "\n".join(block["text"] for block in answers()[-1]["content"] if block["type"] == "text")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    scratch = home / "spirals"
    done = subprocess.run(
        [*MLWB, "demo", "--headless", "--dir", str(scratch)],
        cwd=home, env=environment(home), capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    results = list((home / ".local/state/mlwb/sessions").glob("*/result.json"))
    result = json.loads(results[0].read_text()) if len(results) == 1 else {}
    return done, scratch, result


@pytest.mark.slow
def test_the_session_succeeds_and_is_verified(played):
    done, _, result = played
    assert done.returncode == 0, done.stderr[-2000:]
    assert (result["subtype"], result["verified"]) == ("success", True)
    assert result["permission_denials"] == []
    assert result["num_turns"] == len(answers()) - 1
    assert [check["exit_code"] for check in result["checks"]] == [0]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_bug_is_mended_by_a_small_edit_and_nothing_else_changed(played):
    _, scratch, result = played
    assert {change["path"] for change in result["files_changed"]} == {"train.py", "report.md"}
    before = (DEMO / "repo/train.py").read_text().splitlines()
    after = (scratch / "train.py").read_text().splitlines()
    assert sorted(line.strip() for line in before) == sorted(line.strip() for line in after), "a line moved"
    assert before != after


@pytest.mark.slow
def test_the_training_was_real_and_every_seed_gained(played):
    _, scratch, _ = played
    config = json.loads((scratch / "config.json").read_text())
    for seed in range(5):
        losses = []
        for group in ("baseline", "fixed"):
            run = scratch / "runs" / f"{group}-{seed}"
            rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            assert [row["step"] for row in rows] == list(range(10, config["updates"] + 1, 10))
            losses.append(json.loads((run / "summary.json").read_text())["val_loss"])
            assert losses[-1] == rows[-1]["val_loss"]
        assert losses[1] < losses[0] / 2


@pytest.mark.slow
def test_the_report_has_the_numbers_of_these_runs(played):
    _, scratch, _ = played
    report = (scratch / "report.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([+-][\d.]+) \|$", report, re.MULTILINE)
    assert [int(seed) for seed, *_ in rows] == list(range(5))
    for seed, *told in rows:
        old, new = (
            json.loads((scratch / "runs" / f"{group}-{seed}" / "summary.json").read_text())["val_loss"]
            for group in ("baseline", "fixed")
        )
        assert told == [f"{old:.4f}", f"{new:.4f}", f"{new - old:+.4f}"]


@pytest.mark.slow
def test_the_end_tells_changes_figures_place_session_and_how_to_go_on(played):
    done, scratch, result = played
    report = (scratch / "report.md").read_text(encoding="utf-8")
    interval = next(line for line in report.splitlines() if "95% interval" in line)
    assert done.stdout.startswith(final_answer())
    for wanted in (
        "train.py",
        "report.md",
        str(scratch),
        result["session_id"],
        interval,
        "ANTHROPIC_API_KEY",
        "mlwb run task.md",
    ):
        assert wanted in done.stdout, wanted


@pytest.mark.slow
def test_what_happens_is_told_on_standard_error(played):
    done, _, _ = played
    for wanted in (
        "Bash python3 train.py",
        "val_loss of runs/fixed-0",
        "schedule.advance()",
        "check python3 check.py: exit 0",
    ):
        assert wanted in done.stderr, wanted


def test_the_recorded_answers_quote_no_figure():
    assert not re.search(r"\d", final_answer())
    for line in answers()[1:]:
        for block in line["content"]:
            assert not re.search(r"\d", block.get("text", "") + block.get("thinking", "")), block


def test_the_recording_names_no_place():
    text = (DEMO / "answers.jsonl").read_text(encoding="utf-8")
    assert "{{workspace}}/train.py" in text
    assert not re.search(r'"(/|~)[\w/]', text)


def test_the_recorded_edit_fits_the_repository_exactly_once():
    edits = [b["input"] for line in answers()[1:] for b in line["content"] if b.get("name") == "Edit"]
    assert len(edits) == 1
    path = DEMO / "repo" / edits[0]["file_path"].removeprefix("{{workspace}}/")
    assert path.read_text().count(edits[0]["old_string"]) == 1


def test_the_check_fails_on_the_untouched_repository(tmp_path):
    place = shutil.copytree(DEMO / "repo", tmp_path / "repo")
    done = subprocess.run([sys.executable, "check.py"], cwd=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run(
        [*MLWB, "demo", "--dir", str(tmp_path)], env=environment(tmp_path), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_demo_ends_at_once_and_leaves_nothing_running(tmp_path):
    scratch = tmp_path / "spirals"
    process = subprocess.Popen(
        [*MLWB, "demo", "--dir", str(scratch)],
        env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (scratch / "runs/baseline-0/metrics.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _inside(scratch), "it trains"
    process.send_signal(signal.SIGINT)
    output, complaints = process.communicate(timeout=60)
    assert process.returncode == 130, complaints
    assert output == ""
    assert str(scratch) in complaints
    assert "Traceback" not in complaints
    assert _inside(scratch) == []


def _inside(folder):
    """The processes whose working directory is FOLDER."""
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder.resolve())]


def test_an_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [*MLWB, "demo", "--dir", str(tmp_path / "file" / "x")],
        env=environment(tmp_path), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
