"""The data of a run: which files had which role, and what overlaps that should be apart."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workbench.experiments import data
from workbench.experiments.data import overlaps, role_of, seen


def roles(cwd: Path, line: str, config: dict[str, Any] | None = None) -> dict[str, str]:
    return {one.path: one.role for one in seen(line.split(), config or {}, cwd)}


def write(cwd: Path, **files: str) -> None:
    for name, text in files.items():
        path = cwd / name.replace("__", "/").replace("_csv", ".csv").replace("_jsonl", ".jsonl").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("name", "role"),
    [("--train_file", "train"), ("data.val", "validation"), ("valDir", "validation"), ("eval_data", "validation"),
     ("test-set", "test"), ("train2", "train"), ("holdout", "test"), ("trainer", ""), ("latest", ""), ("interval", ""),
     ("train_test_split", ""), ("devices", ""), ("contest", "")],
)  # fmt: skip
def test_the_role_by_a_name(name: str, role: str) -> None:
    assert role_of(name) == role


def test_files_are_found_in_command_and_config(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_csv="x\n1\n",
        b_csv="x\n2\n",
        sets__test_jsonl="{}\n",
        train_py="pass",
        d__val__c_txt="x\n",
        d__u_txt="y\n",
    )
    (tmp_path / "train.py").write_text("pass")
    (tmp_path / "requirements.txt").write_text("torch")
    line = "python train.py --train-file a.csv --dev=b.csv --req requirements.txt --data d"
    assert roles(tmp_path, line, {"data": {"held": "sets/test.jsonl"}, "epochs": 3}) == {
        "a.csv": "train", "b.csv": "validation", "d/val/c.txt": "validation", "d/u.txt": "", "sets/test.jsonl": "test",
    }  # fmt: skip


def test_a_file_is_known_by_size_time_and_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, train_csv="x\n1\n")
    (found,) = seen(["p", "train.csv"], {}, tmp_path)
    assert found.size == 4 and found.digest and abs(found.mtime - time.time()) < 60
    monkeypatch.setattr(data, "SMALL", 3)
    assert seen(["p", "train.csv"], {}, tmp_path)[0].digest == ""


def test_open_files_of_a_process_are_seen(tmp_path: Path) -> None:
    write(tmp_path, train_csv="x\n")
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    code = "import sys\nf = open('train.csv')\ng = open('out.csv', 'w')\nprint(1, flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline()
        assert data.opened([process.pid]) == [tmp_path / "train.csv"]
        process.communicate()
    assert data.opened([process.pid]) == []


def rows(first: int, last: int, index: bool = False) -> str:
    return ("id,x,y\n" if index else "x,y\n") + "".join(
        f"{f'{at % 7},' if index else ''}{at * 1.37:.4f},{at * at}\n" for at in range(first, last)
    )


def words(cwd: Path, line: str) -> list[str]:
    return [overlap.text for overlap in overlaps(seen(line.split(), {}, cwd), cwd)]


def test_the_same_file_or_content_for_two_roles_is_told(tmp_path: Path) -> None:
    write(tmp_path, a_csv=rows(0, 50), b_csv=rows(0, 50), c_csv=rows(50, 90))
    assert words(tmp_path, "p --train a.csv --val a.csv") == ["a.csv is train and validation data at once"]
    (tmp_path / "link.csv").symlink_to("a.csv")
    assert "at once" in words(tmp_path, "p --train a.csv --val link.csv")[0]
    assert words(tmp_path, "p --train a.csv --test b.csv") == [
        "train data a.csv and test data b.csv have the same content"
    ]
    assert words(tmp_path, "p --train a.csv --test c.csv") == []
    assert words(tmp_path, "p --data a.csv --other b.csv") == []
    assert words(tmp_path, "p --train a.csv --train2 b.csv") == []


@pytest.mark.parametrize("index", [False, True])
def test_shared_rows_are_counted_the_head_and_row_numbers_apart(tmp_path: Path, index: bool) -> None:
    write(tmp_path, a_csv=rows(0, 500, index), b_csv=rows(490, 590, index))
    assert words(tmp_path, "p --train a.csv --test b.csv") == [
        "10 of 100 lines of the test data b.csv (10 %) are in the train data a.csv"
    ]


def test_texts_and_json_lines_are_compared_blank_and_tiny_lines_are_not(tmp_path: Path) -> None:
    same = '{"text": "the same example"}\n'
    write(tmp_path, a_jsonl=same + '{"text": "one"}\n\n}\n', b_jsonl=same + '{"text": "two"}\n\n}\n')
    assert words(tmp_path, "p --train a.jsonl --test b.jsonl") == [
        "1 of 2 lines of the test data b.jsonl (50 %) are in the train data a.jsonl"
    ]
    write(tmp_path, c_txt="yes\nno\n\n", d_txt="no\nyes\n")
    assert words(tmp_path, "p --train c.txt --test d.txt") == []


def test_an_accident_in_a_large_file_is_none_and_the_work_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, a_csv=rows(0, 5000), b_csv=rows(4999, 9000))
    assert words(tmp_path, "p --train a.csv --test b.csv") == []
    write(tmp_path, b_csv=rows(4900, 9000))
    assert words(tmp_path, "p --train a.csv --test b.csv") != []
    monkeypatch.setattr(data, "LINES", 100)
    assert words(tmp_path, "p --train a.csv --test b.csv") == []


def test_what_is_gone_or_no_text_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, a_csv=rows(0, 9), b_csv=rows(5, 20))
    (tmp_path / "w.csv").write_bytes(b"\xff\x00\n" * 100)
    found = seen(["p", "--train", "a.csv", "--test", "b.csv", "--val", "w.csv"], {}, tmp_path)
    (tmp_path / "a.csv").unlink()
    assert overlaps(found, tmp_path) == []


def test_alerts_say_what_overlaps(tmp_path: Path) -> None:
    write(tmp_path, a_csv=rows(0, 50))
    (alert,) = data.alerts(overlaps(seen(["p", "--train", "a.csv", "--val", "a.csv"], {}, tmp_path), tmp_path), 5.0)
    assert (alert.kind, alert.at) == ("overlap", 5.0) and "a.csv" in alert.text


def test_data_come_to_light_bit_by_bit_and_are_told_once(tmp_path: Path) -> None:
    write(tmp_path, a_csv=rows(0, 50))
    inputs = data.Inputs(["p", "--train", "a.csv"], tmp_path)
    assert inputs.look({}, [], 1.0) == [] and [one.role for one in inputs.files] == ["train"]
    (alert,) = inputs.look({"data": {"test": "a.csv"}}, [], 2.0)
    assert (alert.kind, alert.at) == ("overlap", 2.0) and [one.role for one in inputs.files] == ["train", "test"]
    assert inputs.look({"data": {"test": "a.csv"}, "lr": 1}, [], 3.0) == []
    (tmp_path / "a.csv").unlink()
    assert inputs.look({"data": {"test": "a.csv"}, "lr": 1}, [], 4.0) == [] and len(inputs.files) == 2


def test_for_a_confined_command_only_files_of_its_own_are_read(tmp_path: Path) -> None:
    inside = tmp_path / "w"
    write(tmp_path, secret_csv="key\n123\n", w__a_csv="x\n1\n")
    (inside / "link.csv").symlink_to(tmp_path / "secret.csv")
    words = ["p", "--train", "a.csv", "--test", "link.csv", "--val", "../secret.csv"]
    assert {one.path for one in seen(words, {}, inside, roots=[inside])} == {"a.csv"}
    assert len(seen(words, {}, inside)) == 3
