"""What `tools` and `disallowedTools` come to."""

from typing import Any

import pytest
import yaml

from workbench.definitions.discovery import startable
from workbench.definitions.grants import deny_rules
from workbench.definitions.loader import loads
from workbench.definitions.types import Definition
from workbench.protocol.names import NINE, TOOLS


def made(**fields: Any) -> Definition:
    """A definition with FIELDS as YAML would write them, quoted where needed."""
    return written(yaml.safe_dump({"name": "x", "description": "y", **fields}))


def written(lines: str) -> Definition:
    text = lines if lines.startswith("name:") or "\nname:" in lines else f"name: x\ndescription: y\n{lines}"
    return loads(f"---\n{text.strip()}\n---\nWork.\n".encode(), "a.md", "workspace")


def messages(definition: Definition) -> str:
    return "\n".join(one.message for one in definition.problems)


@pytest.mark.parametrize("tools", [None, "*", ["*"], "All tools"])
def test_absent_or_all_is_every_tool_but_the_orchestration_ones(tools: Any):
    one = made() if tools is None else made(tools=tools)
    assert one.tools is None
    assert one.grants == dict.fromkeys(TOOLS, ())
    assert startable(one) is None


def test_an_unquoted_star_is_recovered_as_all():
    one = written("tools: *")
    assert (one.status, one.tools) == ("recovered", None)
    assert set(one.grants) == set(TOOLS)


@pytest.mark.parametrize("line", ["tools:", "tools: ''", "tools: []", "tools: ','", 'tools: "[]"'])
def test_empty_is_none_and_may_start(line: str):
    one = written(line)
    assert (one.tools, one.grants) == ((), {})
    assert startable(one) is None


@pytest.mark.parametrize(
    "line",
    [
        "tools: Read, Grep , Glob",
        "tools: [Read, Grep, Glob]",
        'tools: ["Read", "Grep", "Glob"]',
        'tools: \'["Read", "Grep", "Glob"]\'',
        "tools:\n- Read\n- Grep\n- Glob",
        "tools: |\n  Read\n  Grep\n  Glob",
        'tools: "Read", "Grep", "Glob"',
        "tools: Read, , Grep, Glob,",
    ],
)
def test_every_way_to_write_a_list_gives_the_same_entries(line: str):
    one = written(line)
    assert one.tools == ("Read", "Grep", "Glob")
    assert one.grants == {"Read": (), "Grep": (), "Glob": ()}


@pytest.mark.parametrize(
    "line",
    [
        "tools: Read, Bash(git diff:*, git log:*)",
        "tools: [Read, Bash(git diff:*, git log:*)]",
        'tools: ["Read", "Bash(git diff:*, git log:*)"]',
        "tools:\n- Read\n- Bash(git diff:*, git log:*)",
    ],
)
def test_scopes_are_separated_inside_the_parentheses_and_the_entry_is_one(line: str):
    one = written(line)
    assert one.tools == ("Read", "Bash(git diff:*, git log:*)")
    assert one.grants == {"Read": (), "Bash": ("git diff:*", "git log:*"), "BashOutput": (), "KillShell": ()}


def test_entries_of_one_tool_add_up_and_the_whole_tool_is_more_than_a_scope():
    assert made(tools="Bash(ls:*), Bash(pwd)").grants["Bash"] == ("ls:*", "pwd")
    assert made(tools="Bash(ls:*), Bash").grants["Bash"] == ()
    assert made(tools="Bash, Bash(ls:*)").grants["Bash"] == ()
    assert made(tools="Bash(*)").grants["Bash"] == ()


def test_a_comma_without_a_blank_and_inner_parentheses_belong_to_the_scope():
    assert made(tools="Bash(echo a,b), Bash(python -c 'f(1)':*)").grants["Bash"] == ("echo a,b", "python -c 'f(1)':*")


@pytest.mark.parametrize(
    "entry",
    ["Bash()", "Bash( )", "Bash(:*)", "Bash(ls:*", "Bash ls:*)", "Bash)ls(", "Bash(ls:*) x", "Bash(ls, )", "(ls)"],
)
def test_a_malformed_scope_grants_nothing_and_is_told(entry: str):
    one = made(tools=["Read", entry])
    assert one.grants == {"Read": ()}
    assert entry in messages(one)
    assert startable(made(tools=[entry])) is not None


def test_an_unclosed_parenthesis_swallows_what_follows_and_grants_none_of_it():
    one = made(tools="Read, Bash(git diff:*, Write, Edit")
    assert one.grants == {"Read": ()}
    assert "parentheses" in messages(one)


def test_a_scope_on_a_tool_that_has_nothing_to_match_grants_nothing():
    one = made(tools="TodoWrite(x), Read(docs/**)")
    assert one.grants == {"Read": ("docs/**",)}
    assert "takes no scope" in messages(one)


def test_newer_and_older_names_are_one_tool():
    one = made(tools="TaskCreate, TaskUpdate, NotebookRead, Bash, TaskOutput, KillBash")
    assert set(one.grants) == {"Read", "Bash", "TodoWrite", "BashOutput", "KillShell"}
    assert one.tools == ("TaskCreate", "TaskUpdate", "NotebookRead", "Bash", "TaskOutput", "KillBash")
    assert one.problems == ()


def test_names_match_exactly_and_the_near_one_is_named():
    one = made(tools="read, WebFetch, Read")
    assert one.grants == {"Read": ()}
    assert "did you mean Read?" in messages(one)
    assert "`WebFetch` names no tool here" in messages(one)


def test_orchestration_tools_load_with_a_problem_and_are_never_granted():
    one = made(tools="Read, Task, Agent(scout)")
    assert one.status == "ok"
    assert one.grants == {"Read": ()}
    assert messages(one).count("ends the session") == 2
    assert "Task" not in made().grants


def test_none_of_the_entries_resolves_so_it_loads_and_does_not_start():
    one = made(tools="WebFetch, Task")
    assert (one.status, one.tools, one.grants) == ("ok", ("WebFetch", "Task"), {})
    assert "WebFetch" in (startable(one) or "")


@pytest.mark.parametrize("tools", [{"read": True, "bash": True}, 7, True])
def test_tools_of_another_kind_grant_nothing(tools: Any):
    one = made(tools=tools)
    assert one.grants == {}
    assert startable(one) is not None
    assert "must be" in messages(one)


def test_an_item_that_is_no_text_names_no_tool_and_the_others_stand():
    one = made(tools=["Read", {"Bash": "git"}, 5, None])
    assert one.grants == {"Read": ()}
    assert len(one.problems) == 3


def test_a_star_among_others_is_not_all():
    one = made(tools=["*", "Read"])
    assert one.grants == {"Read": ()}
    assert "stands alone" in messages(one)


def test_disallowed_tools_are_taken_away_with_what_came_along():
    one = made(disallowedTools="Bash, Write")
    assert set(one.grants) == set(NINE) - {"Bash", "Write"}
    assert set(made(tools="Read, Bash", disallowedTools=["BashOutput"]).grants) == {"Read", "Bash", "KillShell"}
    assert set(made(tools="Read, Bash", disallowedTools="TaskStop").grants) == {"Read", "Bash", "BashOutput"}


def test_scopes_that_are_disallowed_become_one_deny_rule_each():
    one = made(disallowedTools="Bash(rm:*, mv:*), View(secrets/**), Write")
    assert "Bash" in one.grants
    assert "Write" not in one.grants
    assert deny_rules(one) == ("Bash(rm:*)", "Bash(mv:*)", "Read(secrets/**)")


@pytest.mark.parametrize("entry", ["Bash(rm:*", "Bash()", "Bash(*)", "Bash(rm:*) x"])
def test_a_denial_that_cannot_be_read_takes_the_whole_tool(entry: str):
    one = made(disallowedTools=[entry])
    assert "Bash" not in one.grants
    assert deny_rules(one) == ()


@pytest.mark.parametrize("disallowed", [{"Bash": True}, 5, ["Bash", {"Write": True}]])
def test_denials_of_another_kind_leave_no_tool(disallowed: Any):
    one = made(disallowedTools=disallowed)
    assert one.grants == {}
    assert startable(one) is not None


def test_everything_disallowed_does_not_start():
    assert startable(made(disallowedTools="*")) is not None
    assert startable(made(tools="Read", disallowedTools="Read")) is not None


def test_a_denial_of_a_tool_that_is_not_here_is_told_and_one_of_task_is_not():
    one = made(disallowedTools="WebFetch, Task")
    assert "WebFetch" in messages(one)
    assert "Task" not in messages(one)
