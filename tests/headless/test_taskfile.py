"""What a task file may say, and what is said about one that cannot be read."""

import os
import re
from pathlib import Path

import pytest

from support.bombs import MERGED
from workbench.headless.keys import BY_NAME, KEYS
from workbench.headless.taskfile import TaskError, TaskFile, load, parse


def front(lines: str, prompt: str = "Do it.") -> TaskFile:
    return parse(f"---\n{lines}\n---\n{prompt}\n", "task.md")


def refused(text: str) -> str:
    with pytest.raises(TaskError) as caught:
        parse(text, "task.md")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_file_without_front_matter_is_all_prompt() -> None:
    file = parse("# Lower the loss\n\nBy half.\n", "task.md")
    assert file.prompt == "# Lower the loss\n\nBy half."
    assert file.values == {}


def test_every_key_of_the_contract_is_known() -> None:
    contract = (
        "agent model permissionMode allow ask deny maxTurns maxUsd maxTokens timeout maxGpuHours checks "
        "checkAttempts locked outputSchema sandbox gpus notify"
    )
    assert {key.name for key in KEYS} == {*contract.split(), "maxGpus"}
    assert BY_NAME["maxTurns"].flag == "--max-turns"


def test_all_keys_are_read() -> None:
    file = front(
        "agent: devops\nmodel: haiku\npermissionMode: plan\nallow: ['Bash(make test)']\nask: Write\ndeny: [WebFetch]\n"
        "maxTurns: 20\nmaxUsd: 1.5\nmaxTokens: 1e6\ntimeout: 1h30m\nmaxGpuHours: 2\nchecks: [make test, 'test -f a']\n"
        "checkAttempts: 0\nlocked: eval/**\noutputSchema: {type: object}\nsandbox: auto\ngpus: 0,1\nnotify: mail me"
    )
    assert file.prompt == "Do it."
    assert file.values == {
        "agent": "devops",
        "model": "haiku",
        "permissionMode": "plan",
        "allow": ("Bash(make test)",),
        "ask": ("Write",),
        "deny": ("WebFetch",),
        "maxTurns": 20,
        "maxUsd": 1.5,
        "maxTokens": 1_000_000,
        "timeout": 5400.0,
        "maxGpuHours": 2.0,
        "checks": ("make test", "test -f a"),
        "checkAttempts": 0,
        "locked": ("eval/**",),
        "outputSchema": {"type": "object"},
        "sandbox": "auto",
        "gpus": "0,1",
        "notify": "mail me",
    }


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("2h", 7200), ("1h30m", 5400), ("90", 90), ("1.5h", 5400), ("1d 2min", 86520)]
)
def test_durations(written: str, seconds: float) -> None:
    assert front(f"timeout: {written}").values["timeout"] == seconds


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("maxTurns: many", "maxTurns: it takes a whole number, 1 or more, not 'many'"),
        ("maxTurns: 0", "1 or more"),
        ("maxTurns: 2.5", "a whole number"),
        ("maxTurns: true", "not true"),
        ("maxTurns:", "not nothing"),
        ("maxUsd: -1", "more than 0"),
        ("maxUsd: .nan", "dollars"),
        ("maxUsd: .inf", "dollars"),
        ("timeout: soon", "90s, 2h or 1h30m"),
        ("timeout: 0s", "a duration"),
        ("timeout: 3 weeks", "a duration"),
        ("permissionMode: acceptedits", "plan, default, acceptEdits"),
        ("allow: {a: b}", "permission rules"),
        ("allow: [3]", "permission rules"),
        ("checks: ['']", "a command"),
        ("checks: [{run: x}]", "a command"),
        ("checkAttempts: -1", "0 or more"),
        ("locked: /etc/passwd", "leaves the workspace"),
        ("locked: a/../../b", "leaves the workspace"),
        ("sandbox: on", "auto or off"),
        ("gpus: two", "GPUs such as 0,1"),
        ("gpus: true", "GPUs such as 0,1"),
        ("agent: ''", "the name of an agent"),
        ("agent: 3", "the name of an agent"),
        ("outputSchema: [1]", "a JSON schema"),
        ("outputSchema: {type: strnig}", "not a valid JSON schema"),
        ("outputSchema: {pattern: '('}", "not a valid JSON schema"),
        ("outputSchema: {$ref: '#/$defs/none'}", "names nothing within it"),
        ("outputSchema: {$ref: 'http://127.0.0.1:9/x'}", "names nothing within it"),
    ],
)
def test_a_wrong_value_is_told_with_what_it_takes(line: str, words: str) -> None:
    message = (
        refused(f"---\nagent: x\n{line}\n---\nDo it.\n") if "agent" not in line else refused(f"---\n{line}\n---\nx")
    )
    assert words in message
    assert message.startswith("task.md:3: " if "agent" not in line else "task.md:2: ")


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("maxturns", "maxTurns"), ("max-usd", "maxUsd"), ("checkz", "checks"), ("allowedTools", "allow"), ("zzz", None)],
)
def test_an_unknown_key_names_the_nearest(key: str, nearest: str | None) -> None:
    message = refused(f"---\nagent: x\n{key}: 3\n---\nDo it.\n")
    assert message.startswith(f"task.md:3: there is no key '{key}'")
    assert (f"did you mean '{nearest}'?" if nearest else "known are agent, model") in message


def test_a_key_twice_is_refused() -> None:
    assert "task.md:3: the key 'deny' is there twice" in refused("---\ndeny: A\ndeny: B\n---\nDo it.\n")


def test_yaml_that_does_not_parse_is_told_with_its_line() -> None:
    message = refused("---\nagent: x\nallow: [Bash(make\n---\nDo it.\n")
    assert re.match(r"task\.md:[34]: the front matter is not YAML", message)
    assert "task.md:2: the front matter is not YAML" in refused("---\nagent: a: b\n---\nDo it.\n")
    assert "not YAML" in refused("---\nagent: !!python/object:os.system x\n---\nDo it.\n")
    assert "not YAML" in refused("---\nagent: 2026-13-45\n---\nDo it.\n")
    assert "aliases stand for too many" in refused(f"---\n{MERGED}\n---\nDo it.\n")


def test_a_rule_of_dashes_is_not_misread() -> None:
    assert parse("---\n\nLower the loss.\n", "task.md").prompt == "---\n\nLower the loss."
    assert "never closed" in refused("---\nmaxUsd: 2\n\nLower the loss.\n")
    assert "no `key: value` lines" in refused("---\nLower the loss.\n---\nBy half.\n")
    assert parse("***\nmaxUsd: 2\n", "task.md").values == {}
    assert parse("----\nmaxUsd: 2\n----\n", "task.md").values == {}


def test_front_matter_is_found_behind_what_editors_put_first() -> None:
    for before in ("", "\n\n", "<!-- a note\nof two lines -->\n"):
        assert parse(f"{before}---\nmaxTurns: 2\n---\nDo it.", "t").values == {"maxTurns": 2}
        lines = before.count("\n")
        with pytest.raises(TaskError, match=f"^t:{lines + 2}: there is no key"):
            parse(f"{before}---\nturns: 2\n---\nDo it.", "t")
    assert front("", "Do it.").values == {}


def test_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "task.md"
    path.write_bytes(b"\xef\xbb\xbf---\r\nmaxTurns: 2\r\n---\r\nDo it.\r\nNow.\r\n")
    file = load(str(path))
    assert file.values == {"maxTurns": 2}
    assert file.prompt == "Do it.\nNow."


def test_a_string_of_rules() -> None:
    assert front("allow: Read, Bash(git diff:*)").values["allow"] == ("Read", "Bash(git diff:*)")
    assert front("allow: Bash(echo a, b)").values["allow"] == ("Bash(echo a, b)",)
    assert front("allow: \"Bash(echo ')', x), Read\"").values["allow"] == ("Bash(echo ')', x), Read",)


def test_off_is_off_though_yaml_says_false() -> None:
    assert front("sandbox: off").values["sandbox"] == "off"
    assert front("sandbox: 'off'").values["sandbox"] == "off"


def test_a_prompt_is_needed() -> None:
    assert "task.md:3: there is no prompt below the front matter" in refused("---\nmaxTurns: 3\n---\n \n")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"Do\0it", "is binary"),
        (b"first\nsecond \xff\xfe", ":2: this is not UTF-8 text"),
        (b"x" * 6_000_000, "is larger than 5 MB"),
    ],
)
def test_a_file_that_is_no_task(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "task.md"
    path.write_bytes(data)
    with pytest.raises(TaskError, match=re.escape(words)) as caught:
        load(str(path))
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"there is no task file .*none\.md"):
        load(str(tmp_path / "none.md"))
    with pytest.raises(TaskError, match="is a folder"):
        load(str(tmp_path))
    with pytest.raises(TaskError, match="cannot be read"):
        load("a\0b")
    with pytest.raises(TaskError, match="cannot be read"):
        load("x" * 5000)
    locked = tmp_path / "locked.md"
    locked.write_text("Do it.")
    locked.chmod(0)
    if os.geteuid() != 0:
        with pytest.raises(TaskError, match="cannot be read"):
            load(str(locked))


def test_a_task_may_come_through_a_pipe(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"Do it.\n")
    os.close(write)
    assert load(f"/dev/fd/{read}").prompt == "Do it."
    os.close(read)


@pytest.mark.parametrize("key", ["maxTurns", "gpus", "maxUsd"])
def test_a_number_that_python_does_not_write_out(key: str) -> None:
    assert refused(f"---\n{key}: 0x{'f' * 6000}\n---\nGo.\n").startswith(f"task.md:2: {key}: it takes ")
