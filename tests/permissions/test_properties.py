"""Whatever is written: a verdict comes, and what it lets through does nothing else. Bash itself is the judge."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.gate import Gate
from workbench.permissions.types import Verdict

PIECES = r"""
ls echo cat evil ; && || | & \\ ' " ` $( ) ( { } $ # << <<'E' E a d -n < > $x x= if then fi for do done while ! [[ ]]
[ ] case esac ;; $(( )) ${ <( $' = ~ * ? |& >& 2> eval time cd true printf \\x '' "" in function f() coproc <<-
<<< -exec xargs env
""".split()  # noqa: SIM905
BLANKS = [" ", " ", " ", "\n", "\t", "\\\n", "", "\nE\n"]
commands = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(BLANKS)), min_size=1, max_size=14).map(
    lambda parts: "".join(piece + blank for piece, blank in parts)
)
quick = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

HARMLESS = [
    "ls",
    "cat a.txt",
    "grep x a.txt",
    "echo 'a;b'",
    "git status",
    "cd src",
    "true",
    "x=1",
    "[ -f a.txt ]",
    "wc -l < a.txt",
]
# From any folder: the harmless parts may change it first.
HARMFUL = [
    "curl http://x",
    "python3 x.py",
    "touch ~/x",
    "cat .env",
    "sh",
    "git push",
    "rm -rf ~",
    "cat /etc/shadow",
    "$CMD",
]
JOINS = ["; ", " && ", " || ", " | ", " & ", "\n", " |& "]
WRAPS = [
    "{}",
    "({})",
    "{{ {}; }}",
    "if {}; then ls; fi",
    "echo $({})",
    'echo "$({})"',
    "for i in 1 2; do {}; done",
    "! {}",
    "while {}; do ls; done",
]


@quick
@given(st.lists(st.sampled_from(HARMLESS), max_size=3), st.sampled_from(HARMFUL), st.data())
def test_no_compound_with_a_harmful_part_is_allowed(
    gate: Gate, harmless: list[str], harmful: str, data: st.DataObject
) -> None:
    parts = data.draw(st.permutations([*harmless, data.draw(st.sampled_from(WRAPS)).format(harmful)]))
    command = parts[0] + "".join(data.draw(st.sampled_from(JOINS)) + part for part in parts[1:])
    assert gate.bash(command, allow=["Bash(ls *)", "Bash(cat *)", "Bash(echo *)"]).verdict != "allow", command


@quick
@given(st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=4), st.data())
def test_compounds_of_harmless_parts_pass(gate: Gate, harmless: list[str], data: st.DataObject) -> None:
    command = harmless[0] + "".join(data.draw(st.sampled_from(["; ", "\n", " | "])) + part for part in harmless[1:])
    if "cd src" not in command:
        assert gate.bash(command).verdict == "allow", command


@quick
@given(st.one_of(commands, st.text(max_size=200)), st.sampled_from(["plan", "acceptEdits", "bypassPermissions"]))
def test_a_verdict_comes_for_any_text(gate: Gate, command: str, mode: str) -> None:
    assert isinstance(gate.bash(command, mode=mode, deny=["Bash(rm *)", "Read(//**/.env)"]), Verdict)


@quick
@given(st.text(max_size=100), st.sampled_from(["Read", "Write"]))
def test_a_verdict_comes_for_any_path(gate: Gate, path: str, tool: str) -> None:
    verdict = gate.read(path) if tool == "Read" else gate.write(path)
    assert verdict.verdict in ("allow", "ask", "deny")


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace, and a program `evil` that leaves a mark when it runs."""
    arena = tmp_path_factory.mktemp("arena")
    (arena / "app/d").mkdir(parents=True)
    (arena / "app/a").write_text("x\n")
    (arena / "bin").mkdir()
    evil = arena / "bin/evil"
    evil.write_text(f"#!/bin/sh\n: > {arena}/mark\n")
    evil.chmod(0o755)
    return arena


@pytest.mark.slow
@settings(max_examples=4000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(st.sampled_from(["", "ls ", "echo '", "cat <<'E'\n", 'echo "']), commands).map("".join))
def test_bash_runs_nothing_else_in_what_is_allowed(arena: Path, command: str) -> None:
    gate = Gate(arena / "app", arena)
    if "evil" not in command or gate.bash(command).verdict != "allow":
        return
    environment = {"PATH": f"{arena}/bin:/usr/bin:/bin"}
    subprocess.run(
        ["bash", "-c", command],
        cwd=arena / "app",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
    )
    assert not (arena / "mark").exists(), command
