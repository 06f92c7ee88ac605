"""What summary.md says, and what it never claims."""

from pathlib import Path

from workbench.protocol.result import CheckResult, Denial, FileChange, Option, Question, Result, Usage
from workbench.protocol.state import SessionState
from workbench.protocol.task import Task
from workbench.session.summary import markdown

TASK = Task(prompt="Lower the loss.\n\nBy half.", locked=("eval/**",))
STATE = SessionState(title="Lower the loss", workspace="/w", agent="ml-engineer", model="m-1", mode="acceptEdits")


def summary(task: Task = TASK, **fields: object) -> str:
    plain = {"subtype": "success", "is_error": False, "session_id": "s1", **fields}
    return markdown(Result(**plain), STATE, task, Path("/state/s1"))  # type: ignore[arg-type]


def test_a_verified_end() -> None:
    text = summary(
        verified=True, result="The loss is 0.5.\nIt was 1.", num_turns=3, duration_ms=65_000, duration_api_ms=5_000,
        total_cost_usd=0.125, usage=Usage(input_tokens=1000, output_tokens=200, cache_read_input_tokens=300),
        checks=[CheckResult(command="make test", exit_code=0, output="ok")], runs=["r1"],
        files_changed=[FileChange(path="train.py", change="modified", added=3, removed=1),
                       FileChange(path="model.bin", change="created")],
    )  # fmt: skip
    assert "**Verified**: its check passed." in text
    assert "> Lower the loss.\n>\n> By half." in text
    assert "> The loss is 0.5.\n> It was 1." in text
    assert "## Changes: 2 files, +3 -1" in text
    assert "- `train.py` modified, +3 -1" in text
    assert "- `model.bin` created\n" in text
    assert "- passed: `make test`" in text
    assert "- `r1`" in text
    assert "- `eval/**`" in text
    assert "Tokens: 1,500 (1,300 read, 200 written)" in text
    assert "$0.1250" in text
    assert "Time: 1 min 5 s, 5.0 s of it" in text
    assert "--resume" not in text


def test_without_checks_nothing_is_claimed() -> None:
    text = summary(result="All tests pass!")
    assert "**Not verified**: no check confirmed the outcome." in text
    assert "No file was changed." in text
    assert "unknown (the model's price is not known)" in text


def test_failed_checks_are_shown_with_their_output() -> None:
    text = summary(
        subtype="error_checks_failed", is_error=True, exit_code=8, errors=["not confirmed"],
        checks=[CheckResult(command="make test", exit_code=2, output="```\n1 failed"),
                CheckResult(command="slow", exit_code=124, output=""),
                CheckResult(command="true", exit_code=0, output="")],
    )  # fmt: skip
    assert "**Not verified**: 2 of 3 checks failed." in text
    assert "- **failed** (exit 2): `make test`\n  ````\n  ```\n  1 failed\n  ````" in text
    assert "- **failed** (ran out of time): `slow`" in text
    assert "\n    mlwb run --resume s1\n" in text
    assert "- not confirmed" in text


def test_passed_checks_of_a_session_that_ended_otherwise_confirm_nothing() -> None:
    passed = [CheckResult(command="true", exit_code=0, output="")]
    otherwise, unlocked = (summary(subtype=f"error_{end}", checks=passed) for end in ("output_schema", "checks_failed"))
    assert "**Not verified**: the checks passed, but the session did not end as it should." in otherwise
    assert "**Not verified**: the checks passed, but locked files did not stay as they were." in unlocked


def test_questions_and_the_line_that_answers_them() -> None:
    asked = Question(question="All of it?", options=(Option(label="yes", cost="30 h"), Option(label="no")),
                     recommendation="no")  # fmt: skip
    text = summary(subtype="error_needs_decision", is_error=True, questions=[asked])
    assert "mlwb run --resume s1 --answer 'YOUR DECISION'" in text
    assert "1. All of it?\n   - yes (costs: 30 h)\n   - no\n   - The agent recommends: no" in text


def test_caps_name_the_flag_that_raises_them() -> None:
    assert "--resume s1 --max-turns 40" in summary(subtype="error_max_turns", num_turns=20)
    assert "`--max-usd`" in summary(subtype="error_max_budget")


def test_one_that_was_left_went_wrong_in_nothing() -> None:
    ended = {"subtype": "error_retryable", "is_error": True, "exit_code": 75}
    for task, line in ((TASK, "mlwb run --resume s1"), (Task(prompt="", interactive=True), "mlwb --resume s1")):
        text = summary(task, errors=["stopped by signal"], **ended)
        assert "It was left, or told to stop" in text and "What went wrong" not in text
        assert "- Ended: left, for programs `error_retryable`, exit code 75" in text and f"\n    {line}\n" in text
    text = summary(errors=["overloaded"], **ended)
    assert "## What went wrong\n\n- overloaded" in text and "the model service could not be reached" in text


def test_denials_and_their_reasons() -> None:
    denied = Denial(tool_name="Bash", tool_use_id="t", tool_input={"command": "make `x`"}, reason="allow: Bash(make x)")
    assert "- Bash `make 'x'`: allow: Bash(make x)" in summary(permission_denials=[denied])


def test_nothing_in_it_moves_a_terminal() -> None:
    text = summary(
        result="\x1b]0;title\x07 \u202edesrever", errors=["\x1b[2J"],
        files_changed=[FileChange(path="a\x1b[31m\nb", change="created")],
        checks=[CheckResult(command="x\x07", exit_code=1, output="\x1b[0m\r")],
    )  # fmt: skip
    assert all(letter == "\n" or letter.isprintable() for letter in text)


def test_a_long_session_has_a_short_summary() -> None:
    text = summary(
        result="x" * 1_000_000,
        files_changed=[FileChange(path=f"f{n}", change="created") for n in range(5000)],
        permission_denials=[Denial(tool_name="Bash", tool_use_id="t", tool_input={}, reason="r" * 9999)] * 500,
    )
    assert len(text) < 60_000
    assert "- and 4950 more: see result.json" in text
