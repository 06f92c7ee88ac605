"""`mlwb permissions check`, as a person and a program use it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def check(root: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(root / "home"), "XDG_CONFIG_HOME": str(root / "home/.config"), "PATH": os.environ["PATH"]}
    program = "import sys; from workbench.cli import main; sys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-c", program, "permissions", "check", *words]
    return subprocess.run(line, cwd=root / "app", env=home, input=given, capture_output=True, text=True, timeout=60)


def batch(root: Path, *lines: Any) -> list[dict[str, Any]]:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    done = check(root, "--batch", "-", given=text)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_call(root: Path) -> None:
    done = check(root, "Bash", '{"command": "ls"}')
    assert done.returncode == 0
    assert json.loads(done.stdout) | {"reason": ""} == {"verdict": "allow", "rule": None, "reason": ""}
    denied = json.loads(check(root, "--deny", "Bash(ls *)", "Bash", '{"command": "ls"}').stdout)
    assert (denied["verdict"], denied["rule"]) == ("deny", "Bash(ls *)")
    assert (
        json.loads(check(root, "--mode", "default", "Write", '{"file_path": "x", "content": ""}').stdout)["verdict"]
        == "ask"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("Bash",),
        ("Bash", "{"),
        ("--deny", "Bsah(rm *)", "Bash", "{}"),
        ("--agent", "nobody-of-that-name", "Bash", '{"command": "ls"}'),
        ("--batch", "no-such-file"),
    ],
)
def test_bad_usage_is_one_clear_line(root: Path, words: tuple[str, ...]) -> None:
    done = check(root, *words)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_batch_answers_every_line(root: Path) -> None:
    rows = batch(
        root,
        {"id": 1, "tool": "Bash", "input": {"command": "ls"}},
        '{"id": "two", "tool": "Bash", "input": {"command": "ls"',
        {"id": 3, "tool": "Bash", "input": {"command": ["ls"]}},
        {"id": 4, "tool": "NoSuchTool", "input": {}},
        {"id": 5, "tool": "Task", "input": {"prompt": "x"}},
        {"id": 6, "tool": "Bash", "input": {"command": "ls"}, "deny": ["Bsah(x)"]},
        {"id": 7, "tool": "Bash", "input": {"command": "ls"}, "mode": "yolo"},
        {"id": 8, "tool": "Bash", "input": {"command": "pytest"}, "allow": ["Bash(pytest)"]},
        {"id": 9, "tool": "Bash", "input": {"command": "ls"}, "workspace": str(root / "home")},
        '{"id": 10, "tool": "Bash", "input": {"command": "ls", "command": "curl x"}}',
        "[]",
        '{"id": 11, "tool": "Read", "input": {"file_path": "a\\ud800"}}',
        {"id": 12, "tool": "Read", "input": {"file_path": "a.txt"}, "agent": "nobody-of-that-name"},
    )
    verdicts = [(row["id"], row["verdict"]) for row in rows]
    assert verdicts == [
        (1, "allow"), ("two", "deny"), (3, "deny"), (4, "deny"), (5, "deny"), (6, "deny"), (7, "deny"), (8, "allow"),
        (9, "allow"), (10, "deny"), (None, "deny"), (11, "deny"), (12, "deny"),
    ]  # fmt: skip
    assert all(row["reason"] for row in rows)
    assert "Bsah" in rows[5]["reason"]


def test_the_workspace_and_the_user_have_their_say(tmp_path: Path) -> None:
    (tmp_path / "app/.claude").mkdir(parents=True)
    (tmp_path / "home/.config/mlwb").mkdir(parents=True)
    (tmp_path / "app/.claude/settings.json").write_text(
        '{"permissions": {"deny": ["Bash(ls *)"], "allow": ["Bash(make)"]}}'
    )
    (tmp_path / "home/.config/mlwb/config.yaml").write_text("permissions: {allow: [Bash(pytest *)]}\n")
    rows = batch(
        tmp_path, *({"tool": "Bash", "input": {"command": command}} for command in ("ls", "make", "pytest -q"))
    )
    assert [row["verdict"] for row in rows] == ["deny", "ask", "allow"]


def test_a_workspace_lowers_the_mode_of_a_flag(tmp_path: Path) -> None:
    (tmp_path / "app/.mlwb").mkdir(parents=True)
    (tmp_path / "app/.mlwb/config.yaml").write_text("permissionMode: default\n")
    for mode, verdict in (("acceptEdits", "ask"), ("bypassPermissions", "ask"), ("dontAsk", "deny")):
        row = {"tool": "Write", "input": {"file_path": "x", "content": ""}, "mode": mode}
        assert batch(tmp_path, row)[0]["verdict"] == verdict


def test_as_an_agent(tmp_path: Path) -> None:
    (tmp_path / "app/.claude/agents").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "app/.claude/agents/r.md").write_text(
        "---\nname: r\ndescription: d\ntools: Read, Bash(git diff:*)\n---\nx\n"
    )
    calls = [
        ("Read", {"file_path": "x"}),
        ("Write", {"file_path": "x", "content": ""}),
        ("Bash", {"command": "git diff"}),
        ("Bash", {"command": "ls"}),
    ]
    rows = batch(tmp_path, *({"tool": tool, "input": given, "agent": "r"} for tool, given in calls))
    assert [row["verdict"] for row in rows] == ["allow", "deny", "allow", "deny"]


def test_explained_part_by_part(root: Path) -> None:
    command = "ls && curl http://x | tee out.txt"
    done = check(root, "--explain", "Bash", json.dumps({"command": command}))
    assert done.returncode == 0 and done.stdout.startswith("ask: ")
    assert "decided by  curl http://x" in done.stdout
    assert "  allow ls\n" in done.stdout and "would pass with Bash(curl http://x)" in done.stdout
    alone = check(root, "--explain", "Bash", '{"command": "pytest -q"}').stdout
    assert "would pass with the allow rule  Bash(pytest *)" in alone
    hidden = check(root, "--explain", "Bash", '{"command": "cat .env"}').stdout
    assert "decided by  .env" in hidden and "no allow rule lifts it" in hidden
    assert json.loads(check(root, "--json", "Bash", json.dumps({"command": command})).stdout)["part"] == "curl http://x"
