"""Rules: their syntax, what they match, and that deny rules see through every spelling."""

import pytest

from support.gate import Gate
from workbench.permissions.rules import RuleError, parse_rule


@pytest.mark.parametrize(
    ("text", "tool", "spec"),
    [
        ("Bash", "Bash", None),
        ("Bash(*)", "Bash", None),
        ("Bash(git diff:*)", "Bash", "git diff:*"),
        (" Read(~/x, y (z)) ", "Read", "~/x, y (z)"),
        ("TaskOutput", "BashOutput", None),
        ("WebFetch(domain:x)", "WebFetch", "domain:x"),
        ("mcp__server__tool", "mcp__server__tool", None),
    ],
)
def test_syntax(text: str, tool: str, spec: str | None) -> None:
    rule = parse_rule(text)
    assert (rule.tool, rule.spec) == (tool, spec)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("Bash(rm *", "form"),
        ("", "form"),
        ("Bsah(rm *)", "Bash"),
        ("bash(rm *)", "Bash"),
        ("Bash()", "empty"),
        ("(x)", "form"),
    ],
)
def test_what_is_malformed_is_said(text: str, hint: str) -> None:
    with pytest.raises(RuleError, match=hint):
        parse_rule(text)


def test_a_malformed_deny_rule_never_vanishes(gate: Gate) -> None:
    with pytest.raises(RuleError):
        gate.bash("ls", deny=["Bsah(rm *)"])


@pytest.mark.parametrize(
    ("rule", "command", "passes"),
    [
        ("Bash(pytest *)", "pytest -q tests", True),
        ("Bash(pytest *)", "pytest", True),
        ("Bash(pytest:*)", "pytest -q", True),
        ("Bash(pytest *)", "pytest-evil", False),
        ("Bash(pytest*)", "pytest-evil", True),
        ("Bash(pytest)", "pytest -q", False),
        ("Bash(git log *)", "git logout", False),
        ("Bash(npm run *)", "timeout 30 npm run test", True),
        ("Bash(npm run *)", "NO_COLOR=1 npm run test", True),
        ("Bash(npm run *)", "LD_PRELOAD=./x npm run test", False),
        ("Bash(pytest *)", "cd src && pytest", True),
        ("Bash(pytest *)", "pytest; curl x", False),
        ("Bash(pytest *)", "pytest && ls", True),
        ("Bash(pytest *)", "pytest $(curl x)", False),
        ("Bash(pytest *)", "pytest > out.log", True),
        ("Bash(pytest *)", "pytest > ../out.log", False),
        ("Bash(pytest *)", "pytest --seed $SEED", True),
        ("Bash(* --help)", "anything --help", True),
        ("Bash(grep *)", "find . | xargs grep x", True),
        ("Bash(xargs *)", "ls | xargs curl", False),
        ("Bash(watch *)", "watch curl x", False),
        ("Bash(watch nvidia-smi *)", "watch nvidia-smi -L", True),
        ("Bash(env *)", "env curl x", False),
        ("Bash(sudo *)", "sudo curl x", False),
        ("Bash(sudo systemctl *)", "sudo systemctl status x", True),
        ("Bash(timeout *)", "timeout 5 curl x", False),
        ("Bash(nohup *)", "nohup curl x", False),
        ("Bash(bash *)", "bash -c 'curl x'", False),
        ("Bash(bash x.sh *)", "bash x.sh a", True),
        ("Bash(find *)", "find . -exec curl x {} +", False),
        ("Bash(find . -delete)", "find . -delete", True),
        ("Bash", "curl x", True),
        ("Bash(*)", "watch curl x", True),
    ],
)
def test_allow_rules(gate: Gate, rule: str, command: str, passes: bool) -> None:
    verdict = gate.bash(command, allow=[rule])
    assert verdict.verdict == ("allow" if passes else "ask"), verdict
    if passes:
        assert verdict.rule == rule


SPELLINGS = """
rm -rf build
/bin/rm x
\\rm x
'rm' x
r''m x
"r"m x
/bin/"rm" x
$'\\x72m' x
FOO=1 rm x
FOO=$X rm x
sudo -u root rm x
env -i A=1 rm x
nohup rm x
nice -n 5 rm x
timeout -k 5 10 rm x
stdbuf -o0 -e0 rm x
command -p rm x
busybox rm x
watch -n1 rm x
ls | xargs -I{} rm {}
find . -execdir rm {} +
exec rm x
eval 'rm x'
bash -c 'r"m" x'
sh -c "ls; bash -c 'rm x'"
trap 'rm x' EXIT
ls; rm x
ls & rm x
(rm x)
{ rm x; }
! rm x
if true; then rm x; fi
while true; do rm x; done
case a in a) rm x;; esac
f() { rm x; }; f
echo $(rm x)
echo "`rm x`"
cat <(rm x)
x=$(rm y)
2>/dev/null rm x
for c in rm; do $c x; done || rm x
git log &&& rm x
rm
""".strip().splitlines()


@pytest.mark.parametrize("command", SPELLINGS)
@pytest.mark.parametrize("mode", ["acceptEdits", "bypassPermissions"])
def test_deny_rules_see_through(gate: Gate, command: str, mode: str) -> None:
    verdict = gate.bash(command, mode=mode, deny=["Bash(rm *)"], allow=["Bash"])
    assert verdict.verdict == "deny" and verdict.rule == "Bash(rm *)"


@pytest.mark.parametrize("command", ["echo rm x", "grep rm a.txt", "rmdir d", "cat a.txt # rm x", "ls rm"])
def test_deny_rules_leave_words_alone(gate: Gate, command: str) -> None:
    assert gate.bash(command, deny=["Bash(rm *)"]).verdict == "allow"


def test_nothing_hides_behind_length(gate: Gate) -> None:
    long = "echo " + "a" * 60_000 + "; rm x"
    assert gate.bash(long, mode="bypassPermissions", deny=["Bash(rm *)"]).verdict == "deny"
    assert gate.bash("echo " + "a" * 200_000 + "; rm x", mode="bypassPermissions").verdict == "deny"


@pytest.mark.parametrize(
    ("rule", "path", "passes"),
    [
        ("Read(~/notes.txt)", "{home}/notes.txt", True),
        ("Read(~/**)", "{home}/notes.txt", True),
        ("Read(//{root}/app-private/**)", "../app-private/key", True),
        ("Read(//{root}/app-private)", "../app-private/key", True),
        ("Read(/src/**)", "{home}/notes.txt", False),
        ("Read(*.txt)", "{home}/notes.txt", False),
        ("Grep(~/**)", "{home}/notes.txt", False),
        ("Read(//{root}/h?me/*)", "{home}/notes.txt", True),
        ("Read(//{root}/[gh]ome/*)", "{home}/notes.txt", True),
        ("Read(//{root}/*)", "{home}/notes.txt", True),
        ("Read(//{root}/*.txt)", "{home}/notes.txt", False),
    ],
)
def test_path_rules_that_allow(gate: Gate, root, rule: str, path: str, passes: bool) -> None:
    names = {"home": str(gate.home), "root": str(root).lstrip("/")}
    verdict = gate.read(path.format(**names), allow=[rule.format(**names)])
    assert verdict.verdict == ("allow" if passes else "ask"), verdict


@pytest.mark.parametrize(
    "rule", ["Read(a.txt)", "Read(./a.txt)", "Read(/a.txt)", "Read(A.TXT)", "Read(**/a.txt)", "Read"]
)
@pytest.mark.parametrize("path", ["a.txt", "src/../a.txt", "to_inside"])
def test_path_rules_that_deny_meet_either_end_of_a_link(gate: Gate, rule: str, path: str) -> None:
    assert gate.read(path, deny=[rule]).verdict == "deny"
    assert gate.bash(f"cat {path}", deny=[rule]).verdict == "deny"
    assert gate.bash(f"wc -l < {path}", deny=[rule]).verdict == "deny"
    assert gate.bash(f"unknown --in={path}", deny=[rule], allow=["Bash"]).verdict == "deny"


def test_a_bare_name_denies_at_any_depth_and_an_anchored_one_does_not(gate: Gate) -> None:
    assert gate.read("src/train.py", deny=["Read(train.py)"]).verdict == "deny"
    assert gate.read("src/train.py", deny=["Read(/train.py)"]).verdict == "allow"
    assert gate.read("src/train.py", deny=["Read(src/)"]).verdict == "deny"


def test_links_need_both_ends_allowed(gate: Gate) -> None:
    assert gate.read("to_outside", allow=["Read(to_outside)"]).verdict == "ask"
    assert gate.read("to_outside", allow=["Read(~/**)"]).verdict == "ask"
    assert gate.read("to_outside", allow=["Read(//**)"]).verdict == "allow"


def test_what_is_not_to_be_read_is_not_written_or_searched(gate: Gate) -> None:
    deny = ["Read(a.txt)"]
    for tool in ("Write", "Edit", "MultiEdit"):
        assert gate.write("a.txt", tool=tool, deny=deny).verdict == "deny"
    assert gate.read("a.txt", tool="Grep", deny=deny).verdict == "deny"
    assert gate.bash("grep -r x .", deny=deny).verdict == "ask"
    assert gate.bash("grep -r x src", deny=deny).verdict == "allow"
    assert gate.bash("cp a.txt y", deny=deny).verdict == "deny"


def test_edit_rules_are_about_every_tool_that_edits(gate: Gate) -> None:
    for tool in ("Write", "Edit", "MultiEdit"):
        assert gate.write("a.txt", tool=tool, deny=["Edit(a.txt)"]).verdict == "deny"
        assert gate.write("a.txt", tool=tool, mode="default", allow=["Edit(*.txt)"]).verdict == "allow"
    assert gate.bash("echo x > a.txt", deny=["Edit(a.txt)"]).verdict == "deny"
    assert gate.read("a.txt", deny=["Edit(a.txt)"]).verdict == "allow"


def test_ask_rules_come_before_allow_rules_and_after_deny_rules(gate: Gate) -> None:
    both = {"ask": ["Bash(pytest *)"], "allow": ["Bash(pytest *)"]}
    verdict = gate.bash("ls && pytest", **both)
    assert (verdict.verdict, verdict.rule, verdict.confinable) == ("ask", "Bash(pytest *)", False)
    assert gate.bash("pytest", mode="bypassPermissions", **both).verdict == "ask"
    assert gate.bash("pytest", deny=["Bash(pytest)"], **both).verdict == "deny"
    assert gate.read("a.txt", ask=["Read(a.txt)"]).verdict == "ask"
