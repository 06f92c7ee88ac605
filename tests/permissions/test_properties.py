"""Whatever is written: a verdict comes, and what it lets through does nothing else. Bash itself is the judge."""

import subprocess
from itertools import pairwise
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
RUNNING = [
    "timeout 5 {}", "nice {}", "nohup {}", "time {}", "command {}", "xargs {}", "env {}", "sudo {}",
    "bash -c '{}'", "x=1 {}",
    "LC_ALL=C {}", "eval {}", "exec {}", "{} > /dev/null", "{} | cat", "( {} ) &", "stdbuf -oL {}", "setsid {}",
    "watch {}",
]  # fmt: skip


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


STRICT = {"allow": 0, "ask": 1, "deny": 2}
MODES = ["plan", "default", "acceptEdits", "bypassPermissions"]
CALLS = [
    *HARMLESS, *HARMFUL, "touch src/new.py", "rm -rf build", "ls > out.txt", "pytest -q", "python3 train.py",
    "cp -r src copy",
    "git log --oneline", "echo $(cat a.txt)", "sed -i s/a/b/ a.txt", "x=a.txt; cat $x",
    "for f in *.txt; do cat $f; done",
]  # fmt: skip
RULES = [
    "Bash", "Bash(*)", "Bash(ls *)", "Bash(cat *)", "Bash(pytest *)", "Bash(git:*)", "Bash(rm *)",
    "Bash(python3 *)", "Read",
    "Read(**)", "Read(.env)", "Read(src/**)", "Edit", "Edit(src/**)", "Edit(**)", "Write(out.txt)",
    "Read(//etc/**)", "*",
]  # fmt: skip
some_calls = st.lists(st.sampled_from(CALLS), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from(JOINS).map(lambda join: join.join(parts))
)
some_rules = st.lists(st.sampled_from(RULES), max_size=3)
some_paths = st.sampled_from(
    ["a.txt", "src/train.py", ".env", "../x", "to_outside", ".git/config", "/etc/hosts", "new.txt"]
)


@quick
@given(
    some_calls, some_rules, some_rules, st.sampled_from(MODES), st.sampled_from(RULES), st.sampled_from(["ask", "deny"])
)
def test_a_further_deny_or_ask_rule_never_widens(
    gate: Gate, command: str, allow: list[str], deny: list[str], mode: str, more: str, kind: str
) -> None:
    before = gate.bash(command, mode=mode, allow=allow, deny=deny)
    rules = {"allow": allow, "deny": deny, kind: [*(deny if kind == "deny" else []), more]}
    after = gate.bash(command, mode=mode, **rules)
    assert STRICT[after.verdict] >= STRICT[before.verdict], (command, before, after)


@quick
@given(
    some_paths, st.sampled_from(["Read", "Write"]), some_rules, st.sampled_from(RULES), st.sampled_from(["ask", "deny"])
)
def test_a_further_rule_never_widens_what_file_tools_may(
    gate: Gate, path: str, tool: str, allow: list[str], more: str, kind: str
) -> None:
    ask = gate.read if tool == "Read" else gate.write
    assert STRICT[ask(path, allow=allow, **{kind: [more]}).verdict] >= STRICT[ask(path, allow=allow).verdict]


@quick
@given(some_calls, some_rules, some_rules, st.sampled_from([*pairwise(MODES), ("dontAsk", "default")]))
def test_a_lower_mode_never_widens(
    gate: Gate, command: str, allow: list[str], ask: list[str], modes: tuple[str, str]
) -> None:
    low, high = (gate.bash(command, mode=mode, allow=allow, ask=ask) for mode in modes)
    assert STRICT[low.verdict] >= STRICT[high.verdict], (command, low, high)


@quick
@given(st.sampled_from(CALLS), some_rules, some_rules, st.sampled_from(MODES), st.sampled_from(WRAPS + RUNNING))
def test_wrapping_never_widens(
    gate: Gate, command: str, allow: list[str], deny: list[str], mode: str, wrap: str
) -> None:
    bare = gate.bash(command, mode=mode, allow=allow, deny=deny)
    wrapped = gate.bash(wrap.format(command), mode=mode, allow=allow, deny=deny)
    assert STRICT[wrapped.verdict] >= STRICT[bare.verdict], (wrap, command, bare, wrapped)


@quick
@given(some_calls, some_rules, st.sampled_from(["default", "acceptEdits"]))
def test_the_rule_that_is_offered_lets_the_call_pass(gate: Gate, command: str, allow: list[str], mode: str) -> None:
    verdict = gate.bash(command, mode=mode, allow=allow)
    if verdict.lifted_by:
        assert gate.bash(command, mode=mode, allow=[*allow, verdict.lifted_by]).verdict == "allow", verdict


def test_nothing_is_seen_but_the_world_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict in a made-up world comes without one look at this machine."""
    import sys

    from workbench.permissions.decide import decide
    from workbench.permissions.types import Call, Policy, Reads, Runs
    from workbench.permissions.world import MemoryWorld, Node

    world = MemoryWorld(
        {"/w/a.txt": Node(), "/w/out": Node(kind="link", target="/etc/passwd")}, {"/w": {"core.bare": "false"}}
    )
    policy = Policy(grants={"Bash": (), "Read": ()}, mode="acceptEdits", workspace="/w", home="/h")
    looked: list[str] = []
    watching = [False]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching[0] and event.split(".")[0] in ("open", "os", "subprocess", "socket", "glob", "pathlib"):
            looked.append(f"{event} {arguments}")

    decide(Call(tool="Bash", needs=(Runs("ls"),), cwd="/w"), policy, world)  # what is imported late is by now
    sys.addaudithook(watch)
    watching[0] = True
    commands = [
        "cat a.txt",
        "cat out",
        "git status",
        "ls *.txt",
        "cd x && rm -rf y",
        "cp -r a.txt b",
        "for f in *; do cat $f; done",
    ]
    verdicts = [decide(Call(tool="Bash", needs=(Runs(one),), cwd="/w"), policy, world).verdict for one in commands]
    verdicts.append(decide(Call(tool="Read", needs=(Reads("out"),), cwd="/w"), policy, world).verdict)
    watching[0] = False
    assert verdicts == ["allow", "ask", "allow", "allow", "allow", "allow", "ask", "ask"]
    assert not looked


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
        timeout=60,
    )
    assert not (arena / "mark").exists(), command
