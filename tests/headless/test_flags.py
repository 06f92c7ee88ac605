"""The command line of `mlwb run`, and what it makes of a task file."""

import json
from pathlib import Path

import pytest

from workbench.headless.flags import Asked, UsageError, read, wanted_format
from workbench.headless.keys import KEYS
from workbench.protocol.task import Caps, Rules, Task


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.md").write_text("Do it.\n")
    return tmp_path


def refused(*args: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def task_of(asked: Asked) -> Task:
    assert asked.task is not None
    return asked.task


def test_a_task_with_nothing_else(folder: Path) -> None:
    asked = read(["task.md"])
    assert asked == Asked(task=Task(prompt="Do it.", source=str(folder / "task.md"), workspace=str(folder)))


def test_every_key_has_a_flag_of_the_same_name(folder: Path) -> None:
    (folder / "schema.json").write_text('{"type": "object"}')
    given = {
        "agent": "devops", "model": "haiku", "permissionMode": "plan", "allow": "A", "ask": "B", "deny": "C",
        "maxTurns": "20", "maxUsd": "1.5", "maxTokens": "1000", "timeout": "2h", "maxGpuHours": "3", "checks": "make",
        "checkAttempts": "1", "locked": "eval", "outputSchema": "schema.json", "sandbox": "off", "gpus": "0,1",
        "maxGpus": "2",
        "notify": "true",
    }  # fmt: skip
    assert set(given) == {key.name for key in KEYS}
    task = task_of(read(["task.md", *(word for key in KEYS for word in (key.flag, given[key.name]))]))
    assert task == Task(
        prompt="Do it.", source=str(folder / "task.md"), workspace=str(folder), agent="devops", model="haiku",
        permission_mode="plan", rules=Rules(allow=("A",), ask=("B",), deny=("C",)),
        caps=Caps(max_turns=20, max_usd=1.5, max_tokens=1000, timeout_s=7200, max_gpu_hours=3), checks=("make",),
        check_attempts=1, locked=("eval",), output_schema={"type": "object"}, sandbox="off", gpus="0,1", max_gpus=2,
        notify="true",
    )  # fmt: skip


def test_a_flag_overrides_the_front_matter(folder: Path) -> None:
    (folder / "task.md").write_text("---\nmaxTurns: 3\nmaxUsd: 2\nchecks: [a, b]\nallow: [A]\n---\nDo it.\n")
    task = task_of(read(["--max-turns=20", "--checks", "c", "--checks", "d, e", "--allow", "B", "task.md"]))
    assert task.caps == Caps(max_turns=20, max_usd=2)
    assert task.checks == ("c", "d, e")
    assert task.rules.allow == ("B",)


def test_other_flags(folder: Path) -> None:
    (folder / "old.jsonl").write_text("")
    (folder / "brief.md").write_text("from before")
    asked = read(
        ["task.md", "--output-format", "stream-json", "--include-partial-messages", "--check", "--record", "new.jsonl",
         "--trust-workspace", "--add-dir", "data", "--add-dir", "/srv", "--brief", "brief.md"]
    )  # fmt: skip
    assert (asked.format, asked.partial, asked.check, asked.trust_workspace) == ("stream-json", True, True, True)
    assert asked.record == folder / "new.jsonl"
    assert task_of(asked).add_dirs == (str(folder / "data"), "/srv")
    assert task_of(asked).brief == "from before"
    assert read(["task.md", "--replay", "old.jsonl"]).replay == folder / "old.jsonl"
    assert task_of(read(["task.md", "--brief", "the words themselves"])).brief == "the words themselves"


def test_a_schema_may_be_given_as_json(folder: Path) -> None:
    schema = {"type": "array", "items": {"$ref": "#/$defs/x"}, "$defs": {"x": {"type": "integer"}}}
    assert task_of(read(["task.md", "--output-schema", json.dumps(schema)])).output_schema == schema
    assert "cannot be read: No such file" in refused("task.md", "--output-schema", "none.json")
    (folder / "bad.json").write_text("{")
    assert "bad.json is not JSON" in refused("task.md", "--output-schema", "bad.json")


@pytest.mark.parametrize("key", ["permissionMode: bypassPermissions", "sandbox: off"])
def test_what_takes_guards_away_needs_a_flag(folder: Path, key: str) -> None:
    (folder / "task.md").write_text(f"---\n{key}\n---\nDo it.\n")
    message = refused("task.md")
    assert "counts only as a flag" in message
    flag = message.split("`")[3].split()
    asked = read(["task.md", *flag])
    assert asked.allow_bypass == key.startswith("permission")
    assert (task_of(asked).sandbox == "off") == key.startswith("sandbox")
    # A stricter flag makes the file's word void.
    assert not read(["task.md", "--permission-mode", "plan", "--sandbox", "auto"]).allow_bypass


def test_a_resume_takes_caps_and_an_answer(folder: Path) -> None:
    asked = read(["--resume", "abc-1", "--answer", "the small one", "--max-turns", "50", "--timeout", "3h"])
    assert asked == Asked(resume="abc-1", answer="the small one", caps=Caps(max_turns=50, timeout_s=10800))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "no task is named"),
        (["a.md", "b.md"], "'b.md' is one argument too many"),
        (["--resume", "x", "task.md"], "leave out task.md"),
        (["--resume", "../x"], "takes the id of a session"),
        (["--resume", "x", "--model", "haiku"], "--model cannot be changed by --resume"),
        (["--resume", "x", "--deny", "Bash"], "--deny cannot be changed"),
        (["--resume", "x", "--check"], "--check cannot"),
        (["--resume", "x", "--answer", " "], "--answer is empty"),
        (["task.md", "--answer", "yes"], "mlwb run --resume ID --answer TEXT"),
        (["task.md", "--max-turn", "3"], "there is no flag --max-turn; did you mean --max-turns?"),
        (["task.md", "--yolo"], "there is no flag --yolo; `mlwb run --help` lists them"),
        (["task.md", "--max-turns", "x"], "--max-turns: it takes a whole number, 1 or more, not 'x'"),
        (["task.md", "--max-usd", "-5"], "--max-usd: it takes dollars, more than 0"),
        (["task.md", "--max-turns"], "expected one argument"),
        (["task.md", "--output-format", "xml"], "text, json, stream-json, not 'xml'"),
        (["task.md", "--replay", "none.jsonl"], "--replay: there is no file none.jsonl"),
        (["task.md", "--replay", "task.md", "--record", "x"], "exclude each other"),
        (["task.md", "--brief", "notes/none.md"], "--brief: there is no file notes/none.md"),
        (["task.md", "--brief", ""], "--brief is empty"),
        (["none.md"], "there is no task file none.md"),
    ],
)
def test_what_cannot_be_done_is_told(folder: Path, args: list[str], words: str) -> None:
    assert words in refused(*args)


def test_the_format_is_known_whatever_else_is_wrong() -> None:
    assert wanted_format(["--nonsense", "--output-format", "json"]) == "json"
    assert wanted_format(["--output-format=stream-json"]) == "stream-json"
    assert wanted_format(["--output-format"]) == "text"
    assert wanted_format(["--output-format", "xml"]) == "text"
