import json
import subprocess
import sys

import pytest

from workbench.permissions.types import Reads, Writes
from workbench.protocol.names import NINE, TOOLS
from workbench.tools import registry
from workbench.tools.base import ToolError

MINE = ("Read", "Write", "Edit", "MultiEdit", "Grep", "Glob", "LS", "TodoWrite")


def test_every_tool_of_the_protocol_is_in_the_table_and_answers_to_its_name():
    assert sorted(registry.TOOLS) == sorted(TOOLS)
    assert all(registry.get(name).name == name for name in MINE)


def test_definitions_are_small_whole_and_the_same_bytes_in_every_process():
    specs = registry.specs(NINE)
    written = json.dumps(specs, separators=(",", ":"), ensure_ascii=False)
    assert len(written.encode()) <= 8192
    assert "$ref" not in written and "$defs" not in written and '"null"' not in written
    assert registry.specs(reversed(NINE)) == specs
    code = (
        "import json, sys; from workbench.tools import registry;"
        "print(json.dumps(registry.specs(sys.argv[1:]), separators=(',', ':'), ensure_ascii=False))"
    )
    again = subprocess.run([sys.executable, "-c", code, *NINE], capture_output=True, check=True, encoding="utf-8")
    assert again.stdout.strip() == written


def test_schemas_have_claude_codes_parameters():
    parameters = {spec["name"]: list(spec["input_schema"]["properties"]) for spec in registry.specs(MINE)}
    assert parameters == {
        "Read": ["file_path", "offset", "limit"],
        "Write": ["file_path", "content"],
        "Edit": ["file_path", "old_string", "new_string", "replace_all"],
        "MultiEdit": ["file_path", "edits"],
        "Grep": [
            *("pattern", "path", "glob", "type", "output_mode", "-i", "-n", "-A", "-B", "-C"),
            *("multiline", "head_limit", "offset"),
        ],
        "Glob": ["pattern", "path"],
        "LS": ["path", "ignore"],
        "TodoWrite": ["todos"],
    }
    edits = next(s for s in registry.specs(["MultiEdit"]))["input_schema"]["properties"]["edits"]
    assert list(edits["items"]["properties"]) == ["old_string", "new_string", "replace_all"]


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        ("Read", {}, "`file_path` is missing"),
        ("Read", {"file_path": None}, "`file_path` is missing"),
        ("Read", {"filepath": "x"}, "did you mean `file_path`?"),
        ("Read", {"file_path": "x", "offset": "3"}, '`offset` takes a whole number of at least 0, not "3"'),
        ("Read", {"file_path": "x", "limit": 0}, "at least 1, not 0"),
        ("Edit", {"file_path": "x", "old_string": "a", "new_string": 1}, "`new_string` takes text, not 1"),
        ("Edit", {"file_path": "x", "old_string": "a", "new_string": "b", "replace_all": "yes"}, "true or false"),
        ("MultiEdit", {"file_path": "x", "edits": []}, "a list that is not empty"),
        ("MultiEdit", {"file_path": "x", "edits": [{"old_string": "a"}]}, "`new_string` is missing in `edits[0]`"),
        ("MultiEdit", {"file_path": "x", "edits": '[{"old_string": "a"}]'}, "takes a list"),
        ("Grep", {"pattern": "x", "output_mode": "lines"}, "one of content, count, files_with_matches"),
        ("TodoWrite", {"todos": [{"content": "x", "status": "done"}]}, "completed, in_progress, pending"),
        ("Reed", {"file_path": "x"}, "There is no tool 'Reed'"),
        ("Read", {"file_path": "a\0b"}, "NUL"),
        ("Glob", {"pattern": "*/../../etc/*"}, "`..` after a wildcard"),
    ],
)
def test_input_that_does_not_fit_is_refused_with_what_the_parameter_takes(tool, given, said):
    with pytest.raises(ToolError) as error:
        registry.needs_of(tool, given, "/w")
    assert said in str(error.value)


def test_null_for_an_optional_parameter_and_a_whole_float_are_taken():
    tool = registry.get("Read")
    given = registry.decode(tool, {"file_path": "x", "offset": None, "limit": 5.0})
    assert (given.offset, given.limit) == (None, 5)


@pytest.mark.parametrize(
    ("tool", "given", "need"),
    [
        ("Read", {"file_path": "a.py"}, Reads("/w/a.py")),
        ("Read", {"file_path": "../a.py"}, Reads("/w/../a.py")),
        ("Write", {"file_path": "/etc/x", "content": ""}, Writes("/etc/x")),
        ("Edit", {"file_path": "~/x", "old_string": "a", "new_string": "b"}, Writes("/home/me/x")),
        ("MultiEdit", {"file_path": "x", "edits": [{"old_string": "a", "new_string": "b"}]}, Writes("/w/x")),
        ("Grep", {"pattern": "x"}, Reads("/w/.")),
        ("Grep", {"pattern": "x", "path": "/data"}, Reads("/data")),
        ("LS", {}, Reads("/w/.")),
        ("Glob", {"pattern": "**/*.py"}, Reads("/w")),
        ("Glob", {"pattern": "src/a.py"}, Reads("/w/src")),
        ("Glob", {"pattern": "/etc/ssh/*"}, Reads("/etc/ssh")),
        ("Glob", {"pattern": "/*"}, Reads("/")),
        ("Glob", {"pattern": "../../x/*", "path": "sub"}, Reads("/w/sub/../../x")),
        ("Glob", {"pattern": "~/.ssh/*"}, Reads("/home/me/.ssh")),
    ],
)
def test_a_call_needs_what_it_reaches(tool, given, need, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert registry.needs_of(tool, given, "/w") == (need,)


def test_the_to_do_list_needs_nothing():
    assert registry.needs_of("TodoWrite", {"todos": []}, "/w") == ()
