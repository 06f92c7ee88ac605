"""Modes, grants and scopes, what lifts a question, and the reasons given."""

import pytest

from support.gate import Gate
from workbench.permissions.suggest import suggest_rule
from workbench.permissions.types import Call, Runs, Writes


@pytest.mark.parametrize(
    ("mode", "reading", "editing", "file_command", "other"),
    [
        ("plan", "allow", "ask", "ask", "ask"),
        ("default", "allow", "ask", "ask", "ask"),
        ("dontAsk", "allow", "deny", "deny", "deny"),
        ("acceptEdits", "allow", "allow", "allow", "ask"),
        ("bypassPermissions", "allow", "allow", "allow", "allow"),
    ],
)
def test_modes(gate: Gate, mode: str, reading: str, editing: str, file_command: str, other: str) -> None:
    assert gate.bash("cat a.txt | head", mode=mode).verdict == reading
    assert gate.write("a.txt", mode=mode).verdict == editing
    assert gate.bash("mkdir out", mode=mode).verdict == file_command
    assert gate.bash("echo x > out.txt", mode=mode).verdict == file_command
    assert gate.bash("pytest", mode=mode).verdict == other


def test_plan_runs_nothing_that_is_not_known_to_read(gate: Gate) -> None:
    verdict = gate.bash("pytest", mode="plan", allow=["Bash(pytest)"])
    assert verdict.verdict == "ask" and not verdict.confinable


def test_only_the_last_kind_of_ask_may_be_confined(gate: Gate) -> None:
    assert gate.bash("pytest").confinable
    assert not gate.bash("cat .env").confinable
    assert not gate.write("../x").confinable


def test_bypass_keeps_deny_rules_grants_and_ask_rules(gate: Gate) -> None:
    assert gate.bash("cat .env", mode="bypassPermissions").verdict == "allow"
    assert gate.bash("cat .env", mode="bypassPermissions", deny=["Read(.env)"]).verdict == "deny"
    assert gate.bash("ls", mode="bypassPermissions", grants={"Read": ()}).verdict == "deny"
    assert gate.bash("pytest", mode="bypassPermissions", grants={"Bash": ("git diff:*",)}).verdict == "deny"


@pytest.mark.parametrize("tool", ["Task", "Agent", "Bash", "WebFetch"])
def test_what_is_not_granted_is_denied(gate: Gate, tool: str) -> None:
    assert gate.call(tool, grants={"Read": ()}, allow=["*"], mode="bypassPermissions").verdict == "deny"


def test_tools_without_needs_pass_in_every_mode(gate: Gate) -> None:
    assert gate.call("TodoWrite", mode="plan").verdict == "allow"


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        ("git diff", "allow"),
        ("git diff --stat", "allow"),
        ("git log", "allow"),
        ("git diff && git log", "allow"),
        ("timeout 5 git diff", "allow"),
        ("git diff > /dev/null", "allow"),
        ("git diff --output=x", "ask"),
        ("git push", "deny"),
        ("git diffx", "deny"),
        ("ls", "deny"),
        ("git diff | cat", "deny"),
        ("git diff $(ls)", "deny"),
        ("git diff > patch.txt", "deny"),
        ("X=$(curl x) git diff", "deny"),
        ("PAGER=x git diff", "deny"),
        ("git diff\ncurl x", "deny"),
        ("git diff <(ls)", "deny"),
    ],
)
def test_scopes_of_a_definition_are_all_that_is_granted(gate: Gate, command: str, verdict: str) -> None:
    grants = {"Bash": ("git diff:*", "git log:*"), "Read": ()}
    assert gate.bash(command, grants=grants).verdict == verdict


def test_scopes_on_paths(gate: Gate) -> None:
    grants = {"Edit": ("src/**",), "Bash": ("git diff:*",)}
    assert gate.write("src/x.py", tool="Edit", grants=grants).verdict == "allow"
    assert gate.write("a.txt", tool="Edit", grants=grants).verdict == "deny"
    assert gate.bash("git diff > src/x.patch", grants=grants).verdict == "allow"
    assert gate.bash("git diff > x.patch", grants=grants).verdict == "deny"


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("pytest -q tests", "Bash(pytest *)"),
        ("git push origin main", "Bash(git push *)"),
        ("npm run build", "Bash(npm run *)"),
        ("python3 train.py --lr 1", "Bash(python3 train.py *)"),
        ("python3 -c 'x'", "Bash(python3 -c x)"),
        ("curl http://x", "Bash(curl http://x)"),
        ("sudo ls", None),
        ("bash x.sh", None),
        ("pytest && curl x", None),
        ("pytest > out", None),
    ],
)
def test_what_always_would_save(gate: Gate, command: str, rule: str | None) -> None:
    call = Call(tool="Bash", needs=(Runs(command),), cwd=str(gate.workspace))
    assert suggest_rule(call, gate.policy()) == rule
    if rule is not None:
        assert gate.bash(command).lifted_by == rule
        assert gate.bash(command, allow=[rule]).verdict == "allow"


def test_what_always_would_save_for_paths(gate: Gate, root) -> None:
    call = Call(tool="Edit", needs=(Writes("../x"),), cwd=str(gate.workspace))
    rule = suggest_rule(call, gate.policy())
    assert rule == f"Edit(/{root}/x)"
    assert gate.write("../x", tool="Edit", allow=[rule]).verdict == "allow"
    lifted = gate.read("../app-private/key").lifted_by
    assert lifted is not None and gate.read("../app-private/key", allow=[lifted]).verdict == "allow"


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("ls; curl x", "curl"),
        ("sort -oout a.txt", "-o"),
        ("cat ../app-private/key", "outside"),
        ("cat .env", "secret"),
        ("echo x > .git/config", "protected"),
        ("f() { ls; }", "function"),
        ("rm -rf .", "remove"),
        ("GIT_PAGER=x git log", "GIT_PAGER"),
    ],
)
def test_the_reason_names_the_part_that_decided(gate: Gate, command: str, word: str) -> None:
    assert word in gate.bash(command).reason
