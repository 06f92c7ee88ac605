"""What is kept beside a run's numbers: its data, with a warning where it overlaps, and the card of a crash."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.running import Exp, until
from workbench.experiments.types import Run

READS = """\
import sys, time
train = open("data/train.jsonl")
print("step 1 loss 0.5", flush=True)
while not __import__("os").path.exists("go"):
    time.sleep(0.02)
def fit():
    raise ValueError("labels run out")
if "--fail" in sys.argv:
    fit()
"""


@pytest.fixture
def exp(tmp_path: Path) -> Iterator[Exp]:
    """A scratch folder with data, whose runs end with the test."""
    made = Exp(tmp_path / "work")
    (made.folder / "data").mkdir()
    rows = [json.dumps({"text": f"a line of text, number {n}"}) + "\n" for n in range(100)]
    (made.folder / "data/train.jsonl").write_text("".join(rows))
    (made.folder / "data/val.jsonl").write_text("".join(rows[90:]) + '{"text": "another one"}\n')
    (made.folder / "data/test.jsonl").write_text('{"text": "quite another text"}\n')
    (made.folder / "train.py").write_text(READS)
    yield made
    made.stop_all()


def settled(exp: Exp, run: str) -> Run:
    """The record of RUN with all that is written after its end."""
    from workbench.experiments.launch.local import Local

    engine = Local(exp.ledger)
    until(lambda: engine.state(run).settled)
    return exp.ledger.get(run)


def test_a_run_records_its_data_and_warns_where_it_overlaps(exp: Exp) -> None:
    words = ("--valid", "data/val.jsonl", "--test", "data/test.jsonl")
    run = exp.detached("--", "python3", "train.py", *words)
    until(lambda: any(one.role == "train" for one in exp.ledger.get(run).data))  # found by what it holds open
    until(lambda: exp.ledger.get(run).alerts)
    (exp.folder / "go").touch()
    record = settled(exp, run)
    assert {one.path: one.role for one in record.data} == {
        "data/train.jsonl": "train", "data/val.jsonl": "validation", "data/test.jsonl": "test"
    }  # fmt: skip
    assert all(one.digest and one.size for one in record.data)
    [alert] = record.alerts
    assert alert.kind == "overlap" and "10 of 11 lines of the validation data data/val.jsonl" in alert.text
    shown = exp("show", run).stdout.decode()
    assert "validation   data/val.jsonl" in shown and "overlap" in shown and "unknown" not in record.alerts


def test_a_run_that_is_over_at_once_has_the_data_that_its_command_names(exp: Exp) -> None:
    exp("run", "--", "true", "--train", "data/train.jsonl", "--valid", "data/val.jsonl")
    record = settled(exp, "r-1")
    assert {one.role for one in record.data} == {"train", "validation"}
    assert [alert.kind for alert in record.alerts] == ["overlap"]


def test_a_crash_leaves_a_card(exp: Exp) -> None:
    run = exp.detached("--", "python3", "train.py", "--fail")
    until(lambda: exp.ledger.get(run).metrics)
    (exp.folder / "go").touch()
    record = settled(exp, run)
    card = record.crash
    assert card is not None and card.kind == "crash" and card.error == "ValueError: labels run out"
    assert card.where.endswith("train.py:7") and card.traceback[0].startswith("Traceback")
    assert card.memory and all(one.used > 1 << 20 for one in card.memory)
    shown = exp("show", run).stdout.decode()
    assert "error        ValueError: labels run out" in shown and "GB used" in shown
    assert exp.json("show", run)["crash"]["where"] == card.where


@pytest.mark.parametrize("words", [("--", "true"), ("--timeout", "0.2", "--", "sleep", "9")])
def test_what_did_not_crash_leaves_none(exp: Exp, words: tuple[str, ...]) -> None:
    exp("run", *words, code=None)
    assert settled(exp, "r-1").crash is None


def test_a_stop_is_no_crash(exp: Exp) -> None:
    run = exp.detached("--", "sleep", "1000")
    exp("stop", run)
    assert settled(exp, run).crash is None
