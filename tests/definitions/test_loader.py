"""A definition file, read: strict YAML, recovery, what is refused, and what each says about itself."""

import os
import time
from pathlib import Path

import pytest

from workbench.definitions.loader import MAX_BYTES, load, loads
from workbench.definitions.types import Definition
from workbench.protocol.names import TOOLS

PLAIN = """---
name: tuner
description: Tunes models
tools: Read, Grep
model: opus
permissionMode: plan
color: red
category: development
---

Be quick.
"""


def read(text: str | bytes) -> Definition:
    return loads(text.encode() if isinstance(text, str) else text, "a.md", "workspace")


def told(definition: Definition) -> str:
    return "\n".join(f"{one.line} {one.field}: {one.message}" for one in definition.problems)


def front(*lines: str, body: str = "Work.") -> str:
    return "\n".join(["---", *lines, "---", "", body, ""])


def test_a_plain_definition_is_ok_and_all_its_fields_are_there():
    one = read(PLAIN)
    assert (one.status, one.problems) == ("ok", ())
    assert (one.name, one.description, one.tools) == ("tuner", "Tunes models", ("Read", "Grep"))
    assert (one.model, one.permission_mode, one.color, one.category) == ("opus", "plan", "red", "development")
    assert one.grants == {"Read": (), "Grep": ()}
    assert one.prompt == "Be quick."
    assert len(one.digest) == 64


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("---\n", "---  \n").encode(),
        PLAIN.replace("name: tuner", "name:\ttuner").encode(),
    ],
    ids=["crlf", "cr", "bom", "bom-crlf", "blanks-after-fence", "tab-after-colon"],
)
def test_line_ends_marks_and_blanks_are_no_matter(data: bytes):
    one = read(data)
    assert (one.name, one.status, one.tools, one.prompt) == ("tuner", "ok", ("Read", "Grep"), "Be quick.")


def test_an_unquoted_colon_is_recovered_and_said_with_its_line():
    one = read(front("name: reviewer", "description: Use for: reviews, audits", "tools: Read", "color: blue"))
    assert one.status == "recovered"
    assert (one.description, one.tools, one.color) == ("Use for: reviews, audits", ("Read",), "blue")
    assert one.problems[0].line == 3
    assert "name, description, tools, color" in one.problems[0].message


def test_an_unindented_example_block_belongs_to_the_description():
    one = read(
        front(
            "name: planner",
            "description: Plans. Examples:",
            "<example>",
            "Context: a plan is asked for",
            'user: "plan: this"',
            "</example>",
            "",
            "<example>",
            "Context: another",
            "</example>",
            "model: haiku",
            'tools: ["Read", "Glob"]',
        )
    )
    assert one.status == "recovered"
    assert one.description.startswith("Plans. Examples:")
    assert one.description.endswith("</example>")
    assert 'user: "plan: this"' in one.description
    assert (one.model, one.tools) == ("haiku", ("Read", "Glob"))


def test_recovery_reads_lists_block_scalars_and_tabs():
    one = read(
        front(
            "name:\tkeeper",
            "description: |",
            "  Keeps: things",
            "\tand more",
            "tools:",
            "  - Read",
            "  - Bash(git log:*)",
            "maxTurns: 7",
            "broken: [",
        )
    )
    assert one.status == "recovered"
    assert one.name == "keeper"
    assert one.grants["Bash"] == ("git log:*",)
    assert one.max_turns == 7


def test_recovery_never_reads_an_indented_key_and_never_grants_on_a_guess():
    one = read(front("name: x", "description: a: b", "  tools: Read"))
    assert one.status == "recovered"
    assert one.grants == {}
    assert "indented" in told(one)


def test_text_that_only_recovery_can_read_keeps_its_disallowed_tools():
    one = read(front("name: x", "description: a: b", "disallowedTools: [Bash, Write"))
    assert "Bash" not in one.grants
    assert "Write" not in one.grants
    assert "Read" in one.grants


def test_recovery_takes_a_limit_without_a_blank_after_its_colon_and_no_other_field():
    one = read(front("name: x", "description: a: b", "color:red", "tools:Read"))
    assert (one.tools, one.grants, one.color) == (("Read",), {"Read": ()}, None)


@pytest.mark.parametrize(
    "line",
    [
        "tools: " + ",".join(f"a{number}" for number in range(9_000)),
        "tools: " + ",".join(f"Bash({number}" for number in range(5_500)),
        "tools: [" + ",".join(f"Bash({number}" for number in range(5_000)) + "]",
        "tools: " + "(" * 60_000,
        "maxTurns: 0x" + "f" * 60_000,
        "thinking-tokens: '" + "1" * 60_000 + "'",
        "\n".join(f"key{number}: x" for number in range(4_000)),
    ],
)
def test_a_field_made_to_be_slow_is_not(line: str):
    start = time.process_time()
    one = read(front("name: x", "description: y", line))
    assert time.process_time() - start < 2
    assert one.name == "x"
    assert not set(one.grants) - set(TOOLS)
    assert max((len(problem.message) for problem in one.problems), default=0) < 400


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# A page\n\nText.\n", "does not begin with"),
        ("", "does not begin with"),
        ("Words first.\n" + PLAIN, "does not begin with"),
        ("<!-- open\n" + PLAIN, "does not begin with"),
        ("---\nname: x\ndescription: y\ntools: Read\n", "never closed"),
        (front("description: y"), "no `name`"),
        (front("name: x"), "no `description`"),
        (front("name: 12", "description: y"), "`name` must be text"),
        (front("name: {placeholder}", "description: y"), "`name` must be text"),
        (front("name: x", "description: [a]"), "`description` must be text"),
        (front("name: ' '", "description: y"), "`name`"),
        (front("name: x", "description: y", "name: z"), "twice"),
        (front("name: x", "description: a: b", "tools: Read", "tools: Bash"), "twice"),
        (front("name: x", "description: y", "hooks: {a: 1, a: 2}"), "twice"),
        (front(), "no `name`"),
        (front("- name: x"), "no `name`"),
        (front("name: x", "description: y", "notes: " + "z" * 70_000), "longer than"),
    ],
)
def test_what_is_no_definition_is_rejected_with_the_reason_first(text: str, why: str):
    one = read(text)
    assert one.status == "rejected"
    assert why in one.problems[0].message
    assert one.grants == {}


def test_a_rejected_file_keeps_its_name_so_that_it_is_not_passed_over():
    assert read(front("name: x", "description: y", "tools: Read", "tools: Bash")).name == "x"


@pytest.mark.parametrize("before", ["\n\n", "<!-- a note -->\n", "<!-- two\nlines -->\n\n<!-- more -->\n"])
def test_comments_and_blank_lines_before_the_front_matter_are_forgiven(before: str):
    one = read(before + PLAIN.replace("color: red", "color: [red]"))
    assert one.status == "recovered"
    assert one.name == "tuner"
    # Lines are counted from the top of the file.
    line = next(problem.line for problem in one.problems if problem.field == "color")
    assert line == before.count("\n") + 7


def test_a_longer_closing_line_is_forgiven():
    one = read("---\nname: x\ndescription: y\n---------------\nBody.\n")
    assert (one.status, one.name, one.prompt) == ("recovered", "x", "Body.")
    assert one.problems[0].line == 4


def test_a_rule_in_the_body_stays_in_the_body():
    assert read(PLAIN + "\n---\n\nname: other\n").prompt == "Be quick.\n\n---\n\nname: other"


def test_other_encodings_are_read_and_told():
    wide = read(PLAIN.encode("utf-16"))
    assert (wide.status, wide.name) == ("recovered", "tuner")
    assert "UTF-16" in told(wide)
    latin = read(PLAIN.replace("quick", "schnell wie ü").encode("latin-1"))
    assert (latin.status, latin.name) == ("recovered", "tuner")
    assert "UTF-8" in told(latin)


def test_values_that_cannot_be_used_are_told_and_ignored():
    one = read(
        front(
            "name: x",
            "description: y",
            "permissionMode: acceptEdit",
            "thinking-level: gigathink",
            "thinking-tokens: -5",
            "effort: extreme",
            "maxTurns: 0",
            "model: [opus]",
            "color: 7",
        )
    )
    assert one.status == "ok"
    assert (one.permission_mode, one.thinking_level, one.thinking_tokens) == (None, None, None)
    assert (one.effort, one.max_turns, one.model, one.color) == (None, None, None, None)
    assert {problem.field: problem.line for problem in one.problems} == {
        "permissionMode": 4,
        "thinking-level": 5,
        "thinking-tokens": 6,
        "effort": 7,
        "maxTurns": 8,
        "model": 9,
        "color": 10,
    }
    assert "did you mean acceptEdits" in told(one)


def test_thinking_effort_and_turns_are_read():
    one = read(
        front("name: x", "description: y", "thinking-level: MegaThink", "thinking-tokens: 10,000", "effort: high")
    )
    assert (one.thinking_level, one.thinking_tokens, one.effort) == ("megathink", 10_000, "high")
    assert read(front("name: x", "description: y", "maxTurns: true")).max_turns is None


def test_known_fields_that_nothing_acts_on_are_said_and_kept_and_the_status_stays_ok():
    one = read(
        front(
            "name: x", "description: y", "skills: [a]", "initialPrompt: Go", "isolation: worktree", "since: 2026-01-02"
        )
    )
    assert one.status == "ok"
    assert {problem.field for problem in one.problems} == {"skills", "isolation"}
    assert one.initial_prompt == "Go"
    assert one.extra == {"skills": ["a"], "isolation": "worktree", "since": "2026-01-02"}


def test_a_field_spelt_otherwise_is_pointed_out():
    one = read(front("name: x", "description: y", "allowed-tools: Read", "Permission_Mode: plan"))
    assert one.status == "ok"
    assert "the field is `tools`" in told(one)
    assert "the field is `permissionMode`" in told(one)


def test_inherit_is_as_good_as_no_model():
    one = read(front("name: x", "description: y", "model: inherit"))
    assert (one.model, one.extra) == (None, {"model": "inherit"})


def test_a_body_that_is_missing_is_told():
    one = read("---\nname: x\ndescription: y\n---\n")
    assert one.status == "ok"
    assert "no instructions" in told(one)


@pytest.mark.parametrize(
    "field",
    [
        "a: &a [1, 2]\nb: [*a, *a]",
        "a: !!python/object/apply:os.system ['true']",
        "a: " + "[" * 60 + "]" * 60,
        "a: 2026-13-45",
        "a: \x07",
        "? [x, y]\n: z",
        "a: " + "9" * 6000,
    ],
    ids=["alias", "tag", "deep", "date", "control", "complex-key", "digits"],
)
def test_yaml_that_is_not_wanted_here_is_read_line_by_line_or_plainly(field: str):
    one = read(front("name: x", "description: y", *field.split("\n"), "tools: Read"))
    assert one.name == "x"
    assert one.grants == {"Read": ()}


def test_tools_that_open_thousands_of_brackets_grant_nothing():
    one = read(front("name: x", "description: y", "tools: '" + "[" * 20_000 + "'"))
    assert (one.status, one.grants) == ("ok", {}) and one.problems


def test_an_alias_bomb_costs_nothing():
    levels = [f"l{at}: &l{at} [{', '.join([f'*l{at - 1}'] * 9)}]" for at in range(1, 12)]
    one = read(front("name: x", "description: y", "l0: &l0 [lol]", *levels))
    assert one.status == "recovered"
    assert one.extra == {}


def test_a_name_is_only_a_name():
    one = read(front("name: ../../etc/passwd", "description: y"))
    assert (one.status, one.name, one.path) == ("ok", "../../etc/passwd", "a.md")


def test_what_cannot_be_opened_is_a_rejected_definition(tmp_path: Path):
    missing = load(tmp_path / "none.md", "user")
    assert missing.status == "rejected"
    assert "No such file" in missing.problems[0].message
    assert load(tmp_path, "user").status == "rejected"
    os.mkfifo(tmp_path / "pipe.md")
    assert "no regular file" in load(tmp_path / "pipe.md", "user").problems[0].message
    (tmp_path / "loop.md").symlink_to(tmp_path / "loop.md")
    assert load(tmp_path / "loop.md", "user").status == "rejected"


def test_a_huge_file_is_refused_unread(tmp_path: Path):
    big = tmp_path / "big.md"
    big.write_bytes(PLAIN.encode() + b"x" * MAX_BYTES)
    assert "larger than" in load(big, "user").problems[0].message
