"""Checks run as real commands, locks as real files, schemas against real answers."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from workbench.protocol.result import CheckResult
from workbench.sandbox.launcher import PlainLauncher
from workbench.session.checks import (
    broken_locks,
    drop_bytecode,
    hand_back,
    lock_digests,
    run_check,
    structured,
    unmatched,
)
from workbench.tools.base import Context
from workbench.tools.shells import LARGEST, Shells


def check(command: str, folder: Path, timeout_s: float = 30.0, largest: int = LARGEST) -> CheckResult:
    launcher = PlainLauncher({"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": "secret"})
    context = Context(
        workspace=folder, roots=(folder,), outputs=folder.with_name(f"{folder.name}-outputs"), launcher=launcher,
        put_blob=lambda data: "", emit=lambda event: None, now=time.time,
    )  # fmt: skip
    Shells.of(context).largest = largest
    return asyncio.run(run_check(command, context, timeout_s))


# --- checks ------------------------------------------------------------------------------------------------


def test_a_check_tells_its_exit_code_and_output(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n")
    assert check("test -f a && cat a", tmp_path) == CheckResult(command="test -f a && cat a", exit_code=0, output="1\n")
    assert check("echo no >&2; exit 3", tmp_path).exit_code == 3
    assert check("echo no >&2; exit 3", tmp_path).output == "no\n"
    assert check("kill -9 $$", tmp_path).exit_code == 137
    assert check("nosuchcommand", tmp_path).exit_code == 127


def test_a_check_has_no_secret_and_no_input(tmp_path: Path) -> None:
    assert check("cat; echo key=$ANTHROPIC_API_KEY", tmp_path).output == "key=\n"


def test_a_check_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    result = check("true", tmp_path / "gone", 5)
    assert result.exit_code == 126
    assert "could not be started" in result.output
    assert check("echo a\0b", tmp_path).exit_code == 126


def test_a_check_that_runs_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    result = check("sleep 300 & echo $! > pid; echo begun; wait", tmp_path, 2)
    assert result.exit_code == 124
    assert result.output == "begun\n\n(the check ran longer than 2 s and was ended)"
    assert time.monotonic() - began < 60
    assert_gone(int((tmp_path / "pid").read_text()))


def test_a_check_that_prints_without_end_is_ended_before_the_disk_is_full(tmp_path: Path) -> None:
    result = check("echo $$ > pid; exec yes on and on", tmp_path, 300, largest=10_000)
    assert result.exit_code == 143 and "its output passed 10,000 bytes" in result.output
    assert_gone(int((tmp_path / "pid").read_text()))


def test_the_end_of_a_long_line_that_a_check_printed_begins_with_no_half_of_a_key(tmp_path: Path) -> None:
    key = "ghp_" + "a1B2" * 9
    for more in range(0, 60, 7):
        result = check(f"for i in {{1..500}}; do printf '%s,' {key}; done; printf '%{more}s'; exit 1", tmp_path)
        for text in (result.output, hand_back([result], [])):
            assert key in text and "a1B2" not in text.replace(key, ""), more


def test_what_a_check_leaves_behind_is_ended(tmp_path: Path) -> None:
    assert check("setsid sleep 300 & echo $! > pid", tmp_path).exit_code == 0
    assert_gone(int((tmp_path / "pid").read_text()))


def assert_gone(pid: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


def test_long_output_keeps_its_end_and_names_the_file(tmp_path: Path) -> None:
    result = check("seq 1 100000; printf '\\xff'", tmp_path)
    assert result.output.rstrip("\ufffd").endswith("\n99999\n100000\n")
    first = result.output.split("\n")[0]
    assert "bytes are in" in first
    assert Path(first.removesuffix(")").split(" in ")[1]).stat().st_size > 500_000
    assert len(result.output) < 10_000


def test_two_checks_keep_two_outputs(tmp_path: Path) -> None:
    check("echo one", tmp_path)
    check("echo two", tmp_path)
    assert sorted(path.read_text() for path in tmp_path.with_name(f"{tmp_path.name}-outputs").iterdir()) == [
        "one\n",
        "two\n",
    ]


# --- locks -------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("eval/score.py", "eval/data/gold.csv", "train.py", "other/eval/x.py", "eval/.hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("globs", "files"),
    [
        (["train.py"], {"train.py"}),
        (["./train.py"], {"train.py"}),
        (["eval"], {"eval/score.py", "eval/data/gold.csv", "eval/.hidden"}),
        (["eval/"], {"eval/score.py", "eval/data/gold.csv", "eval/.hidden"}),
        (["eval/**"], {"eval/score.py", "eval/data/gold.csv", "eval/.hidden"}),
        (["eval/*.py"], {"eval/score.py"}),
        (["**/*.py"], {"eval/score.py", "train.py", "other/eval/x.py"}),
        (["eval", "!eval/data"], {"eval/score.py", "eval/.hidden"}),
        (["t????.py", "*/data/*.csv"], {"train.py", "eval/data/gold.csv"}),
        (["none.py"], set()),
        ([], set()),
    ],
)
def test_globs_name_files_from_the_workspace_on(tree: Path, globs: list[str], files: set[str]) -> None:
    assert set(lock_digests(globs, tree)) == files


def test_whatever_happens_to_a_locked_file_is_seen(tree: Path) -> None:
    globs = ["eval", "train.py"]
    digests = lock_digests(globs, tree)
    assert broken_locks(digests, globs, tree) == []
    (tree / "eval/score.py").write_text("print(1.0)")
    (tree / "eval/data/gold.csv").unlink()
    (tree / "eval/new.py").write_text("")
    (tree / "other/eval/x.py").write_text("not locked")
    assert broken_locks(digests, globs, tree) == [
        "eval/data/gold.csv was removed",
        "eval/new.py is new",
        "eval/score.py was changed",
    ]


def test_a_file_replaced_by_a_link_to_the_same_bytes_was_changed(tree: Path) -> None:
    digests = lock_digests(["train.py"], tree)
    (tree / "copy.py").write_text("train.py")
    (tree / "train.py").unlink()
    (tree / "train.py").symlink_to("copy.py")
    assert broken_locks(digests, ["train.py"], tree) == ["train.py was changed"]


def test_a_link_is_held_by_where_it_points_and_by_what_is_there(tree: Path) -> None:
    (tree / "gold").symlink_to("eval/data/gold.csv")
    digests = lock_digests(["gold"], tree)
    assert broken_locks(digests, ["gold"], tree) == []
    (tree / "eval/data/gold.csv").write_text("easier")
    assert broken_locks(digests, ["gold"], tree) == ["gold was changed"]


def test_a_folder_swapped_for_a_link_is_seen(tree: Path) -> None:
    digests = lock_digests(["eval/**"], tree)
    (tree / "eval").rename(tree / "real")
    (tree / "eval").symlink_to("real")
    assert "eval/score.py was removed" in broken_locks(digests, ["eval/**"], tree)


def test_odd_files_and_loops_are_no_trouble(tree: Path) -> None:
    os.mkfifo(tree / "eval/pipe")
    (tree / "eval/loop").symlink_to("..")
    (tree / "eval/dangling").symlink_to("nowhere")
    digests = lock_digests(["eval"], tree)
    assert {"eval/pipe", "eval/loop", "eval/dangling"} <= set(digests)
    assert broken_locks(digests, ["eval"], tree) == []


def test_bytecode_breaks_no_lock_and_does_not_stay_beside_a_locked_file(tree: Path) -> None:
    digests = lock_digests(["eval"], tree)
    (tree / "eval/__pycache__").mkdir()
    planted = tree / "eval/__pycache__/score.cpython-311.pyc"
    other = tree / "eval/__pycache__/other.cpython-311.pyc"
    planted.write_bytes(b"planted")
    other.write_bytes(b"")
    assert broken_locks(digests, ["eval"], tree) == []
    drop_bytecode(digests, tree)
    assert not planted.exists()
    assert other.exists()


def test_globs_that_name_nothing_are_named(tree: Path) -> None:
    assert unmatched(["eval/*.py", "evla/*.py", "!x"], tree) == ["evla/*.py"]


# --- schemas -----------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "required": ["f1"],
    "properties": {"f1": {"type": "number"}, "note": {"type": "string"}},
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "answer",
    [
        '{"f1": 0.9}',
        '\n {"f1": 0.9} \n',
        'Here it is.\n\n```json\n{"f1": 0.9}\n```\nThat is all.',
        'The command:\n```bash\necho {}\n```\nThe answer:\n```json\n{"f1": 0.9}\n```',
        '```\n{"f1": 0.9}\n```',
        '~~~JSON\n{"f1": 0.9}\n~~~',
    ],
)
def test_an_answer_that_fits(answer: str) -> None:
    assert structured(SCHEMA, answer) == ({"f1": 0.9}, None)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "is empty"),
        ("The F1 is 0.9.", "cannot be read"),
        ("It took long.\n\nThe F1 is 0.9.", "no fenced `json` block"),
        ('```json\n{"f1": 1}\n```\n```json\n{"f1": 2}\n```', "2 fenced JSON blocks"),
        ('{"f1": 0.9', "cannot be read"),
        ('{"f1": 0.9} and more', "Extra data"),
        ('{"f1": NaN}', "NaN is not JSON"),
        ('{"f1": 1, "f1": 2}', "'f1' is there twice"),
        ('{"f1": "high"}', "$.f1: 'high' is not of type 'number'"),
        ("{}", "'f1' is a required property"),
        ('{"f1": 1, "x": 1}', "'x' was unexpected"),
        ("[" * 100_000, "cannot be read"),
        ("7", "is not of type 'object'"),
    ],
)
def test_an_answer_that_does_not_fit_is_told_why(answer: str, words: str) -> None:
    value, why = structured(SCHEMA, answer)
    assert value is None
    assert why is not None
    assert words in why
    assert len(why) < 4000


def test_a_scalar_may_be_the_answer() -> None:
    assert structured({"type": "integer"}, "7") == (7, None)
    assert structured({"enum": ["yes", "no"]}, '"yes"') == ("yes", None)


def test_many_faults_are_bounded() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    _, why = structured(schema, "[" + ",".join(['"' + "x" * 5000 + '"'] * 50) + "]")
    assert why is not None
    assert "and 40 more" in why
    assert len(why) < 5000


def test_a_reference_is_never_fetched() -> None:
    value, why = structured({"$ref": "http://127.0.0.1:9/schema"}, "{}")
    assert value is None
    assert why is not None
    assert "the schema itself cannot be applied" in why


# --- back to the agent -------------------------------------------------------------------------------------


def test_what_failed_is_handed_back_with_the_end_of_its_output() -> None:
    results = [
        CheckResult(command="make test", exit_code=2, output="x" * 50_000 + "\n1 failed"),
        CheckResult(command="test -f a", exit_code=0, output="fine"),
        CheckResult(command="slow", exit_code=124, output=""),
    ]
    text = hand_back(results, ["eval/score.py was changed"])
    assert "`make test` exited with 2" in text
    assert "1 failed" in text
    assert "`slow` ran out of time" in text
    assert "(no output)" in text
    assert "fine" not in text
    assert "- eval/score.py was changed" in text
    assert len(text) < 8000


def test_a_broken_lock_alone_is_handed_back() -> None:
    text = hand_back([], [f"eval/{n}.py was changed" for n in range(100)])
    assert "- and 70 more" in text
    assert "The check" not in text
