"""`mlwb agents` as a person or a script meets it: a process, its output, its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """---
name: scout
description: Looks around
tools: Read, Bash(git log:*, git diff:*)
category: helpers
---
Look.
"""
RECOVERED = "---\nname: guide\ndescription: Use for: tours\ndisallowedTools: Bash(rm:*), Write\n---\nGuide.\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    agents = tmp_path / "repo/.claude/agents"
    agents.mkdir(parents=True)
    (tmp_path / "repo/.git").mkdir()
    (agents / "scout.md").write_text(GOOD)
    (agents / "guide.md").write_text(RECOVERED)
    return tmp_path / "repo"


def agents(repo: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "HOME": str(repo.parent), "LANG": "C.UTF-8", **env}
    command = [sys.executable, "-c", "import sys; from workbench.cli import main; sys.exit(main())", "agents", *args]
    return subprocess.run(command, cwd=repo, env=clean, capture_output=True, text=True, timeout=60)


def rows(done: subprocess.CompletedProcess[str]) -> list[dict]:
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def test_check_prints_a_line_a_file_with_the_promised_keys(repo: Path):
    done = agents(repo, "check", "--json", ".claude/agents/scout.md", ".claude/agents/guide.md")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = rows(done)
    assert list(first) == [
        "path",
        "status",
        "name",
        "description",
        "tools",
        "model",
        "permission_mode",
        "color",
        "category",
        "problems",
    ]
    assert first["path"] == ".claude/agents/scout.md"
    assert first["tools"] == ["Read", "Bash(git log:*, git diff:*)"]
    assert (first["status"], first["problems"]) == ("ok", [])
    assert (second["status"], second["tools"]) == ("recovered", None)
    assert set(second["problems"][0]) == {"field", "message", "line"}


def test_check_of_a_folder_reads_all_in_it_and_one_rejected_file_makes_it_fail(repo: Path):
    (repo / ".claude/agents/README.md").write_text("# About\n")
    done = agents(repo, "check", "--json", ".claude")
    assert done.returncode == 1
    assert {row["path"].split("/")[-1]: row["status"] for row in rows(done)} == {
        "README.md": "rejected",
        "guide.md": "recovered",
        "scout.md": "ok",
    }
    assert agents(repo, "check", ".claude/agents/scout.md").returncode == 0


def test_check_of_a_path_that_is_not_there_is_one_rejected_row(repo: Path):
    done = agents(repo, "check", "--json", "nowhere.md")
    assert done.returncode == 1
    (row,) = rows(done)
    assert (row["status"], row["name"], row["tools"]) == ("rejected", None, None)
    assert "No such file" in row["problems"][0]["message"]


def test_check_shows_values_as_they_are_written(repo: Path):
    (repo / "x.md").write_text("---\nname: x\ndescription: y\nmodel: inherit\npermissionMode: auto\n---\nWork.\n")
    (row,) = rows(agents(repo, "check", "--json", "x.md"))
    assert (row["model"], row["permission_mode"]) == ("inherit", "auto")
    assert [problem["field"] for problem in row["problems"]] == ["permissionMode"]


def test_check_for_people_names_file_line_and_reason(repo: Path):
    done = agents(repo, "check", ".claude/agents", "nowhere.md")
    assert done.returncode == 1
    assert "line 3: the front matter is not valid YAML" in done.stdout
    assert "needs quotes" in done.stdout
    assert done.stdout.endswith("3 files: 1 ok, 1 recovered, 1 rejected\n")


def test_list_for_programs_is_an_array_with_rejected_and_shadowed_ones(repo: Path):
    (repo / ".claude/agents/README.md").write_text("# About\n")
    (repo / ".claude/agents/mine.md").write_text(GOOD.replace("scout", "devops"))
    done = agents(repo, "list", "--json")
    assert done.returncode == 0
    listed = json.loads(done.stdout)
    by = {(row["name"], row["source"]): row for row in listed}
    assert by["scout", "workspace"]["category"] == "helpers"
    assert by["ml-engineer", "shipped"]["status"] == "ok"
    assert by["devops", "shipped"]["shadowed_by"].endswith("mine.md")
    assert by[None, "workspace"]["status"] == "rejected"


def test_list_for_people_is_a_table(repo: Path):
    done = agents(repo, "list")
    assert done.returncode == 0
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["NAME", "STATUS", "SOURCE", "CATEGORY", "MODEL", "PATH"]
    scout = next(line for line in lines if line.startswith("scout "))
    assert scout.split()[1:4] == ["ok", "workspace", "helpers"]
    assert scout.index("ok") == header.index("STATUS")


def test_show_tells_scopes_mode_model_and_problems(repo: Path):
    done = agents(repo, "show", "scout")
    assert done.returncode == 0
    assert "Bash, only: git log:*, git diff:*" in done.stdout
    assert "Mode: none named, so the session's own, acceptEdits" in done.stdout
    assert "sonnet" in done.stdout
    guide = agents(repo, "show", "guide").stdout
    assert "never: Bash(rm:*)" in guide
    assert "Problems:" in guide


def test_show_tells_what_becomes_of_the_thinking_fields(repo: Path):
    folder = repo / ".claude/agents"
    for level, effort in (("think", "medium"), ("megathink", "high"), ("ultrathink", "xhigh")):
        (folder / "t.md").write_text(GOOD.replace("category: helpers", f"thinking-level: {level}\nmodel: opus"))
        (folder / "scout.md").unlink(missing_ok=True)
        assert f"effort {effort}" in " ".join(agents(repo, "show", "scout").stdout.split())


def test_show_for_programs_has_grants_and_deny_rules(repo: Path):
    shown = json.loads(agents(repo, "show", "guide", "--json").stdout)
    assert shown["deny"] == ["Bash(rm:*)"]
    assert "Write" not in shown["grants"]
    assert shown["not_startable"] is None


def test_show_of_an_unknown_agent_names_the_nearest(repo: Path):
    done = agents(repo, "show", "scuot")
    assert (done.returncode, done.stdout) == (3, "")
    assert "did you mean scout?" in done.stderr


def test_show_of_one_that_cannot_start_says_why(repo: Path):
    (repo / ".claude/agents/w.md").write_text("---\nname: w\ndescription: y\ntools: WebFetch\n---\nWork.\n")
    done = agents(repo, "show", "w")
    assert done.returncode == 3
    assert "It cannot start: none of the tools" in done.stdout


def test_untrusted_text_does_not_reach_the_terminal(repo: Path):
    evil = '---\nname: "e\\e[2Jvil"\ndescription: "a\\u202eb\\x07"\ntools: ["\\e]0;x\\a"]\n---\n\x1b[31mred\n'
    (repo / ".claude/agents/evil\x1b.md").write_text(evil)
    for args in (("list",), ("check", ".claude/agents"), ("show", "e\x1b[2Jvil")):
        done = agents(repo, *args)
        assert "vil" in done.stdout
        assert not set(done.stdout + done.stderr) & set("\x1b\x07\u202e")
    assert json.loads(agents(repo, "list", "--json").stdout)


def test_wrong_use_is_exit_2(repo: Path):
    assert agents(repo).returncode == 2
    assert agents(repo, "dance").returncode == 2
    assert agents(repo, "check").returncode == 2
