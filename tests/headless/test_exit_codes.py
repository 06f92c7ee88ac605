"""Each exit code of the contract, by a real process against a real endpoint."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.endpoint import fault, say, turn, use
from support.mlwb import Done, Place

FIELDS = (
    "type subtype is_error session_id result structured_output num_turns duration_ms duration_api_ms ttft_ms "
    "total_cost_usd usage verified permission_denials checks files_changed runs errors exit_code"
)
AGENT = "---\nname: {name}\ndescription: d\ntools: {tools}\n---\nYou help.\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, {"train.py": "lr = 0.5\n"})


def ended(place: Place, done: Done, code: int, subtype: str) -> dict[str, Any]:
    """Checks the exit code, the result object and its copy in the session's folder; returns the object."""
    assert done.code == code, done.stderr + done.stdout
    result = done.result
    assert set(result) >= set(FIELDS.split())
    assert (result["type"], result["subtype"], result["exit_code"]) == ("result", subtype, code)
    assert result["is_error"] == (code != 0)
    assert "Traceback" not in done.stderr
    if result["session_id"]:
        folder = place.session(result["session_id"])
        assert json.loads((folder / "result.json").read_text()) == result
        assert (folder / "summary.md").read_text().startswith("# ")
    return result


def test_0_a_task_done_and_verified(place: Place) -> None:
    turns = [turn(use("Write", file_path=str(place.repo / "notes.md"), content="half\n")), say("The loss is 0.5.")]
    done = place.run_task("---\nchecks: ['grep -q half notes.md']\n---\nLower the loss.\n", turns)
    result = ended(place, done, 0, "success")
    assert result["result"] == "The loss is 0.5."
    assert result["verified"] is True
    assert result["num_turns"] == 2
    assert [(check["command"], check["exit_code"]) for check in result["checks"]] == [("grep -q half notes.md", 0)]
    assert [change["path"] for change in result["files_changed"]] == ["notes.md"]
    assert result["total_cost_usd"] > 0
    assert result["usage"]["input_tokens"] > 0
    assert result["permission_denials"] == result["errors"] == []
    assert "verified: 1 of 1 checks passed" in done.stderr.splitlines()[-1]


def test_0_without_checks_is_not_verified(place: Place) -> None:
    done = place.run_task("Say hi.\n", [say("hi")])
    assert ended(place, done, 0, "success")["verified"] is False
    assert "no check confirmed the outcome" in done.stderr.splitlines()[-1]


def test_1_a_request_that_the_service_refuses(place: Place) -> None:
    done = place.run_task("Say hi.\n", [fault(400, message="no such field")])
    assert "no such field" in " ".join(ended(place, done, 1, "error_during_execution")["errors"])


@pytest.mark.parametrize(
    ("task", "flags", "words"),
    [
        ("", (), "is empty"),
        ("---\nmaxTurn: 3\n---\nx", (), "did you mean 'maxTurns'?"),
        ("---\n[\n---\nx", (), "not YAML"),
        ("x", ("--max-turn", "3"), "did you mean --max-turns?"),
        ("x", ("--allow", "Bash(("), "Bash(("),
        ("x", ("--model", "no-such-price", "--max-usd", "1"), "maxTokens"),
        ("x", ("--add-dir", "none"), "none"),
        ("---\npermissionMode: bypassPermissions\n---\nx", (), "--permission-mode bypassPermissions"),
        ("x", ("--resume", "nosuchsession"), "leave out"),
    ],
)
def test_2_what_cannot_be_asked_for(place: Place, task: str, flags: tuple[str, ...], words: str) -> None:
    done = place.run_task(task, [], *flags)
    result = ended(place, done, 2, "error_usage")
    assert words in result["errors"][0]
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("mlwb run: ")
    assert done.requests == []
    assert result["session_id"] == "" or "resume" in str(flags)
    assert not list(place.home.glob(".local/state/mlwb/sessions/*")), "nothing is left behind"


def test_2_a_resume_of_no_session(place: Place) -> None:
    done = place.mlwb("run", "--resume", "nosuchsession", "--output-format", "json")
    assert (done.code, done.result["subtype"]) == (2, "error_usage")


def test_2_a_model_that_the_endpoint_does_not_know(place: Place) -> None:
    with place.endpoint([], models=["claude-sonnet-5-5"]) as (_, env):
        done = place.mlwb("run", place.task("x"), "--model", "sonett", "--output-format", "json", env=env)
    assert "sonnet" in ended(place, done, 2, "error_usage")["errors"][0]


def test_3_no_such_agent(place: Place) -> None:
    done = place.run_task("x", [], "--agent", "ml-enginer")
    assert "ml-engineer" in ended(place, done, 3, "error_agent_definition")["errors"][0]
    place.write(".mlwb/agents/bad.md", AGENT.format(name="bad", tools="NoSuchTool"))
    done = place.run_task("---\nagent: bad\n---\nx", [])
    assert "bad.md" in ended(place, done, 3, "error_agent_definition")["errors"][0]
    assert done.requests == []


def test_4_no_key_or_a_refused_one(place: Place) -> None:
    done = place.mlwb("run", place.task("x"), "--output-format", "json")
    assert "ANTHROPIC_API_KEY" in ended(place, done, 4, "error_authentication")["errors"][0]
    with place.endpoint([say("hi")], key="another") as (endpoint, env):
        done = place.mlwb("run", place.task("x"), "--output-format", "json", env=env)
        assert len(endpoint.requests) == 1, "a bad key is not tried again"
    ended(place, done, 4, "error_authentication")


def test_5_a_needed_call_was_denied(place: Place) -> None:
    asks = turn(use("Bash", command="curl http://127.0.0.1:9/"))
    done = place.run_task("x", [asks, say("I could not fetch it.")])
    result = ended(place, done, 5, "error_permission_blocked")
    (denial,) = result["permission_denials"]
    assert denial["tool_name"] == "Bash"
    assert denial["tool_input"] == {"command": "curl http://127.0.0.1:9/"}
    assert denial["reason"]
    assert "denied: Bash curl" in done.stderr
    assert "the rule Bash(curl http://127.0.0.1:9/) allows it" in done.stderr, (
        "what to allow is said where it is missed"
    )
    # A person allows it and goes on: the agent is told to try again.
    fetch = turn(use("Bash", command="curl -s file:///dev/null"))
    done = place.run_task("x", [fetch, say("I could not.")])
    denied = ended(place, done, 5, "error_permission_blocked")["session_id"]
    settings = place.home / ".config/mlwb/config.yaml"
    settings.write_text(settings.read_text() + "permissions: {allow: [Bash(curl:*)]}\n")
    with place.endpoint([fetch, say("Now I could.")]) as (_, env):
        again = place.mlwb("run", "--resume", denied, env=env)
    assert (again.code, again.stdout) == (0, "Now I could.\n"), again.stderr
    settings.write_text(settings.read_text().replace("curl", "other"))
    # The agent went another way: its last calls were allowed.
    done = place.run_task("x", [asks, turn(use("LS", path=str(place.repo))), say("Found it here.")])
    assert len(ended(place, done, 0, "success")["permission_denials"]) == 1
    # A check confirms the outcome, whatever was denied.
    done = place.run_task("x", [asks, say("It was there already.")], "--checks", "true")
    ended(place, done, 0, "success")


def test_6_the_limit_of_turns(place: Place) -> None:
    looks = [turn(use("LS", f"toolu_{number}", path=str(place.repo))) for number in range(9)]
    done = place.run_task("---\nmaxTurns: 3\n---\nx", looks)
    result = ended(place, done, 6, "error_max_turns")
    assert result["num_turns"] == len(done.requests) == 3
    assert "--max-turns" in done.stderr


@pytest.mark.parametrize(
    "flags",
    [("--max-tokens", "1000"), ("--max-usd", "0.0001"), ("--timeout", "1s")],
)
def test_7_the_budget(place: Place, flags: tuple[str, str]) -> None:
    looks = [turn(use("LS", f"t{n}", path=str(place.repo)), delay=0.3, usage={"output_tokens": 900}) for n in range(30)]
    done = place.run_task("x", looks, *flags)
    result = ended(place, done, 7, "error_max_budget")
    assert len(done.requests) < 10
    assert result["errors"]


def test_8_checks_that_fail_are_handed_back_and_then_count(place: Place) -> None:
    done = place.run_task("---\nchecks: ['echo missing half; false']\n---\nx", [say("done"), say("now"), say("sure")])
    result = ended(place, done, 8, "error_checks_failed")
    assert len(done.requests) == 3, "handed back twice by default"
    assert "missing half" in json.dumps(done.requests[1].body["messages"][-1])
    assert result["verified"] is False
    assert result["checks"][0]["exit_code"] == 1
    assert "missing half" in result["checks"][0]["output"]
    assert "not verified: 0 of 1 checks passed" in done.stderr
    done = place.run_task("x", [say("done")], "--checks", "nosuchprogram -q", "--check-attempts", "0")
    assert "check failed (exit 127, no such command): nosuchprogram -q" in done.stderr
    done = place.run_task("---\nchecks: [false]\ncheckAttempts: 0\n---\nx".replace("[false]", "['false']"), [say("a")])
    ended(place, done, 8, "error_checks_failed")
    assert len(done.requests) == 1


def test_8_a_check_that_passes_after_it_was_handed_back(place: Place) -> None:
    write = turn(use("Write", file_path=str(place.repo / "a"), content="x"))
    done = place.run_task("x", [say("done"), write, say("now done")], "--checks", "test -f a")
    assert ended(place, done, 0, "success")["verified"] is True


def test_8_a_locked_file_that_changed(place: Place) -> None:
    write = turn(use("Write", file_path=str(place.repo / "eval/score.py"), content="print(1.0)"))
    task = "---\nchecks: ['true']\nlocked: [eval]\ncheckAttempts: 0\n---\nx"
    done = place.run_task(task, [write, say("done")])
    result = ended(place, done, 8, "error_checks_failed")
    assert "eval/score.py is new" in " ".join(result["errors"])
    assert "1 of 1 checks passed, but locked files did not stay as they were" in done.stderr
    assert result["verified"] is False


def test_9_an_answer_that_does_not_fit_the_schema(place: Place) -> None:
    schema = '{"type": "object", "required": ["f1"]}'
    done = place.run_task("x", [say("0.9")] * 5, "--output-schema", schema)
    assert ended(place, done, 9, "error_output_schema")["structured_output"] is None
    assert len(done.requests) == 3
    done = place.run_task("x", [say("0.9"), say('```json\n{"f1": 0.9}\n```')], "--output-schema", schema)
    assert ended(place, done, 0, "success")["structured_output"] == {"f1": 0.9}


@pytest.mark.parametrize("tool", ["Task", "Agent"])
def test_10_an_orchestration_tool(place: Place, tool: str) -> None:
    turns = [turn(use("Write", file_path=str(place.repo / "a"), content="x"), use(tool, prompt="p")), say("went on")]
    done = place.run_task("x", turns, "--permission-mode", "bypassPermissions", "--allow", tool)
    ended(place, done, 10, "error_system_boundary")
    assert len(done.requests) == 1
    assert not (place.repo / "a").exists()


def test_11_a_decision_and_its_answer(place: Place) -> None:
    block = "question: All of it?\noptions:\n  - label: yes, all\n    cost: 30 h"
    asks = f"The subset gives 0.81.\n\n```decision\n{block}\n```"
    done = place.run_task("x", [say(asks)])
    result = ended(place, done, 11, "error_needs_decision")
    assert result["questions"] == [
        {"question": "All of it?", "options": [{"label": "yes, all", "cost": "30 h"}], "recommendation": ""}
    ]
    assert f"mlwb run --resume {result['session_id']} --answer TEXT" in done.stderr
    with place.endpoint([say("All it is.")]) as (endpoint, env):
        done = place.mlwb(
            "run", "--resume", result["session_id"], "--answer", "yes, all", "--output-format", "json", env=env
        )
        assert "yes, all" in json.dumps(endpoint.requests[0].body["messages"][-1])
    again = ended(place, done, 0, "success")
    assert again["session_id"] == result["session_id"]
    assert again["questions"] == []
    assert again["num_turns"] == 2


def test_75_an_overloaded_service_and_a_resume(place: Place) -> None:
    done = place.run_task("Say hi.\n", [fault(529, times=9)])
    result = ended(place, done, 75, "error_retryable")
    assert "trying again in" in done.stderr
    assert len(done.requests) == 2, "as the settings of this home say"
    with place.endpoint([say("hi")]) as (endpoint, env):
        done = place.mlwb("run", "--resume", result["session_id"], "--output-format", "json", env=env)
        assert "Say hi." in json.dumps(endpoint.requests[0].body["messages"])
    assert ended(place, done, 0, "success")["result"] == "hi"


def test_75_an_address_where_nobody_listens(place: Place) -> None:
    env = place.env(ANTHROPIC_BASE_URL="http://127.0.0.1:9", ANTHROPIC_API_KEY="k")
    done = place.mlwb("run", place.task("x"), "--output-format", "json", env=env)
    ended(place, done, 75, "error_retryable")


def test_caps_count_across_a_resume(place: Place) -> None:
    looks = [turn(use("LS", f"toolu_{number}", path=str(place.repo))) for number in range(3)]
    result = ended(place, place.run_task("x", looks, "--max-turns", "2"), 6, "error_max_turns")
    with place.endpoint([say("never")]) as (endpoint, env):
        done = place.mlwb("run", "--resume", result["session_id"], "--output-format", "json", env=env)
        assert endpoint.requests == []
    ended(place, done, 6, "error_max_turns")
    with place.endpoint([say("done")]) as (_, env):
        done = place.mlwb(
            "run", "--resume", result["session_id"], "--max-turns", "3", "--output-format", "json", env=env
        )
    assert ended(place, done, 0, "success")["num_turns"] == 3


def test_a_session_of_the_workbench_goes_on_headless_and_waits_for_nobody(place: Place) -> None:
    code = (
        "import os, sys\n"
        "from workbench.protocol.task import Task\n"
        "from workbench.session.plan import Options\n"
        "from workbench.session.start import laid_down\n"
        "task = Task(prompt='', workspace=sys.argv[1], interactive=True)\n"
        "print(laid_down(task, Options(env=dict(os.environ)), 's-before'))\n"
    )
    with place.endpoint([say("done")]) as (_, env):
        made = subprocess.run(
            [sys.executable, "-c", code, str(place.repo)], env=env, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr
        flags = ("--answer", "go on", "--output-format", "json")
        done = place.mlwb("run", "--resume", made.stdout.strip(), *flags, env=env)
    assert done.code == 0 and done.result["result"] == "done"
