"""What `mlwb run` writes and where: formats, pipes, full disks, closed streams, terminals."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from support.endpoint import fault, say, turn, use
from support.mlwb import MLWB, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_text_is_the_answer_and_nothing_else(place: Place) -> None:
    look = turn({"type": "text", "text": "Looking."}, use("LS", path=str(place.repo)))
    with place.endpoint([look, say("It is 0.5.\n\x1b[1mBold\x1b[0m")]) as (_, env):
        done = place.mlwb("run", place.task("x"), env=env)
    assert done.code == 0
    assert done.stdout == "It is 0.5.\n\x1b[1mBold\x1b[0m\n", "to a pipe it goes as it is"
    assert all(line.startswith("mlwb run: ") for line in done.stderr.splitlines())
    assert "\r" not in done.stderr, "no progress line where nobody watches"
    assert done.stderr.splitlines()[-1] == "mlwb run: not verified: no check confirmed the outcome"


def test_a_failure_says_so_on_standard_error(place: Place) -> None:
    with place.endpoint([fault(529, times=9)]) as (_, env):
        done = place.mlwb("run", place.task("x"), env=env)
    assert done.code == 75
    assert done.stdout == ""
    assert "error_retryable" in done.stderr
    assert "mlwb run --resume " in done.stderr


def test_json_is_one_line(place: Place) -> None:
    done = place.run_task("x", [say("a\nb")])
    assert done.stdout.count("\n") == 1
    assert done.result["result"] == "a\nb"


def test_stream_json_is_the_journal_and_then_the_result(place: Place) -> None:
    with place.endpoint([turn(use("LS", path=str(place.repo))), say("hi")]) as (_, env):
        done = place.mlwb("run", place.task("x"), "--output-format", "stream-json", env=env)
    lines = done.stdout.splitlines()
    result = json.loads(lines[-1])
    assert result["type"] == "result"
    journal = (place.session(result["session_id"]) / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines[:-1]] == [json.loads(line) for line in journal]
    types = [json.loads(line)["event"]["type"] for line in lines[:-1]]
    assert types[0] == "session_started"
    assert types[-1] == "session_ended"
    assert "text_delta" not in types


def test_stream_json_with_deltas(place: Place) -> None:
    with place.endpoint([say("hello there, this is long enough for some deltas", chunk=8)]) as (_, env):
        done = place.mlwb(
            "run", place.task("x"), "--output-format", "stream-json", "--include-partial-messages", env=env
        )
    events = [json.loads(line).get("event", {}) for line in done.stdout.splitlines()]
    text = "".join(event["text"] for event in events if event.get("type") == "text_delta")
    assert text == "hello there, this is long enough for some deltas"


def test_each_line_of_the_stream_comes_at_once(place: Place) -> None:
    with (
        place.endpoint([say("late", delay=20)]) as (_, env),
        place.started("run", place.task("x"), "--output-format", "stream-json", env=env) as process,
    ):
        assert process.stdout is not None
        seen = []
        while "request_started" not in seen:
            seen.append(json.loads(process.stdout.readline())["event"]["type"])


def test_a_resume_streams_what_is_new(place: Place) -> None:
    done = place.run_task("x", [fault(529, times=9)])
    with place.endpoint([say("hi")]) as (_, env):
        again = place.mlwb("run", "--resume", done.result["session_id"], "--output-format", "stream-json", env=env)
    types = [json.loads(line).get("event", {}).get("type") for line in again.stdout.splitlines()]
    assert types[0] == "session_resumed"
    assert types.count("session_ended") == 1


def test_the_reader_goes_away(place: Place) -> None:
    looks = [turn(use("LS", f"toolu_{n}", path=str(place.repo)), delay=0.05) for n in range(50)]
    with (
        place.endpoint(looks) as (endpoint, env),
        place.started("run", place.task("x"), "--output-format", "stream-json", env=env) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=60)
        assert process.returncode == 141
        assert len(endpoint.requests) < 50, "nobody reads it, so it was stopped"
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    (folder,) = place.session("").iterdir()
    assert json.loads((folder / "result.json").read_text())["subtype"] == "error_retryable"


@pytest.mark.parametrize("form", ["text", "json", "stream-json"])
def test_standard_output_is_full(place: Place, form: str) -> None:
    with place.endpoint([say("hi")]) as (_, env), Path("/dev/full").open("wb") as full:
        done = place.mlwb("run", place.task("x"), "--output-format", form, env=env, stdout=full)
    assert done.code == 1
    assert "standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def with_shell(place: Place, redirections: str, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    command = ["bash", "-c", f'exec "$0" "$@" {redirections}', *MLWB, "run", place.task("x")]
    return subprocess.run(command, cwd=place.repo, env=env, capture_output=True, timeout=60, check=False)


def test_closed_streams(place: Place) -> None:
    with place.endpoint([say("hi")] * 3) as (endpoint, env):
        done = with_shell(place, "<&-", env)
        assert (done.returncode, done.stdout) == (0, b"hi\n")
        done = with_shell(place, "2>&-", env)
        assert (done.returncode, done.stdout) == (0, b"hi\n")
        asked = len(endpoint.requests)
        done = with_shell(place, ">&-", env)
        assert done.returncode == 1
        assert b"standard output is closed" in done.stderr
        assert b"Traceback" not in done.stderr
        assert len(endpoint.requests) == asked, "nothing was spent on an answer that has nowhere to go"


@pytest.mark.parametrize("command", ["mlwb exp run --help", "mlwb exp wait --help"])
def test_an_agent_that_asks_for_help_writes_nothing_beside_the_answer(place: Place, command: str) -> None:
    with place.endpoint([turn(use("Bash", command=command)), say("hi")]) as (endpoint, env):
        done = place.mlwb("run", place.task("x"), env=env)
    assert (done.code, done.stdout) == (0, "hi\n")
    assert "usage: mlwb exp" in json.dumps(endpoint.requests[-1].body["messages"]), "the agent is told"


def test_the_task_from_standard_input(place: Place) -> None:
    with place.endpoint([say("hi")]) as (endpoint, env):
        done = place.mlwb("run", "-", env=env, stdin=subprocess.DEVNULL)
        assert done.code == 2
        assert "standard input is empty" in done.stderr
        ended = subprocess.run(
            [*MLWB, "run", "-"], cwd=place.repo, env=env, input=b"---\nmaxTurns: 3\n---\nSay hi.\n",
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.stdout == b"hi\n"
        assert "Say hi." in json.dumps(endpoint.requests[0].body["messages"])


def at_terminal(place: Place, env: dict[str, str], *args: str) -> tuple[int, str]:
    """`mlwb run` with a terminal for its output; what came out there, and the exit code."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*MLWB, "run", *args], cwd=place.repo, env=env, stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the last process closed the terminal
            break
        if not piece:
            break
        seen += piece
    os.close(leader)
    return process.wait(timeout=30), seen.decode()


def test_a_terminal_gets_progress_and_nothing_that_moves_it(place: Place) -> None:
    odd = turn(use("LS", path=str(place.repo) + "/\x1b]0;owned\x07"))
    look = turn(use("LS", path=str(place.repo)))
    with place.endpoint([odd, look, say("It is \x1b]0;title\x07 0.5.\nDone.")]) as (_, env):
        code, seen = at_terminal(place, env, place.task("x"))
    assert code == 0
    assert "turn 1 · " in seen
    assert "\r\x1b[K" in seen
    assert "It is ␛]0;title␇ 0.5.\r\nDone.\r\n" in seen
    assert "\x1b]" not in seen
    assert seen.rstrip().endswith("no check confirmed the outcome")


def test_a_dumb_terminal_gets_lines_alone(place: Place) -> None:
    with place.endpoint([say("hi")]) as (_, env):
        _, seen = at_terminal(place, {**env, "TERM": "dumb"}, place.task("x"))
    assert "\x1b" not in seen
    assert "turn 1" not in seen


def test_a_task_is_not_read_from_a_terminal(place: Place) -> None:
    code, seen = at_terminal(place, place.env(), "-")
    assert code == 2
    assert "is a terminal" in seen


def test_usage_errors_are_json_where_json_was_asked_for(place: Place) -> None:
    for form in ("json", "stream-json"):
        done = place.mlwb("run", "none.md", f"--output-format={form}")
        assert (done.code, done.result["subtype"], done.result["is_error"]) == (2, "error_usage", True)
        assert "none.md" in done.result["errors"][0]
    done = place.mlwb("run", "none.md")
    assert (done.code, done.stdout) == (2, "")


def test_help_asks_for_nothing(place: Place) -> None:
    done = place.mlwb("run", "--help")
    assert done.code == 0
    assert "--max-gpu-hours" in done.stdout
    assert done.stderr == ""


def test_notify_is_told_how_it_ended(place: Place) -> None:
    told = place.home / "told"
    task = f"---\nnotify: 'echo loud; env | grep ^MLWB_ > {told}; exit 3'\n---\nx"
    done = place.run_task(task, [fault(400)])
    assert done.code == 1
    values = dict(line.split("=", 1) for line in told.read_text().splitlines())
    folder = place.session(done.result["session_id"])
    assert values["MLWB_SUBTYPE"] == "error_during_execution"
    assert values["MLWB_EXIT_CODE"] == "1"
    assert values["MLWB_SESSION"] == done.result["session_id"]
    assert values["MLWB_RESULT"] == str(folder / "result.json")
    assert "notify exited with 3" in done.stderr
    assert "loud" in done.stderr
    told.unlink()
    # No session began, and the task's own command is told so; a resume still knows it.
    done = place.run_task(task, [], "--agent", "nosuch")
    assert "MLWB_EXIT_CODE=3" in told.read_text()
    told.unlink()
    with place.endpoint([say("hi")]) as (_, env):
        place.mlwb("run", "--resume", folder.name, env=env)
    assert "MLWB_EXIT_CODE=0" in told.read_text()


def test_check_spends_nothing(place: Place) -> None:
    with place.endpoint([], models=["claude-sonnet-5-5"]) as (endpoint, env):
        done = place.mlwb("run", place.task("---\nchecks: [make test]\n---\nx"), "--check", env=env)
        assert done.code == 0, done.stdout + done.stderr
        assert "make test" in done.stdout
        as_json = place.mlwb("run", place.task("x"), "--check", "--output-format", "json", env=env)
        assert {"name", "ok", "detail", "fix"} <= set(json.loads(as_json.stdout)[0])
        caps = "---\nmaxTokens: 2500000\nmaxUsd: 12345.67\ntimeout: 6h\n---\nx"
        done = place.mlwb("run", place.task(caps), "--check", env=env)
        assert "maxUsd 12345.67, maxTokens 2500000, timeout 21600 s" in done.stdout
        assert endpoint.requests == []
    done = place.mlwb("run", place.task("x"), "--check", "--agent", "nosuch")
    assert done.code == 3
    assert "nosuch" in done.stdout
    assert place.mlwb("run", place.task("x"), "--check").code == 4, "no key"
    assert not list(place.session("").glob("*")), "a check leaves nothing behind"


def test_a_check_says_what_the_agent_may_run(place: Place) -> None:
    """What only lacks a rule runs confined, where commands are; and the line about the check says the same."""
    for setting, word in (("mode: auto", "itself may run it"), ("autoAllow: false", "itself may not run it")):
        (place.home / ".config/mlwb/config.yaml").write_text(f"sandbox: {{{setting}}}\n")
        done = place.mlwb("run", place.task("---\nchecks: [make test]\n---\nx"), "--check")
        assert (word in done.stdout) == ("nothing confines" not in done.stdout or "not" in word), done.stdout
    place.write(".mlwb/config.yaml", "permissions: {allow: [Bash]}\n")
    done = place.mlwb("run", place.task("x"), "--check")
    assert "its 1 allow rule is ignored" in done.stdout, "before a token is spent"


def test_a_read_only_home_is_told(place: Place) -> None:
    (place.home / ".local").write_text("in the way")
    with place.endpoint([say("hi")]) as (_, env):
        done = place.mlwb("run", place.task("x"), env=env)
    assert done.code == 1
    assert "Traceback" not in done.stderr
    assert str(place.home) in done.stderr


def test_a_check_whose_program_is_missing_is_said_before_the_run(place: Place) -> None:
    """It may be the work's to bring: no refusal. What bash itself knows, and what no word tells, is not missing."""
    missing = ["nosuchprogram --fast", "./score.sh | tail -1", "no-such && true"]
    there = [
        "true",
        "cd . && pytest -q",
        "[ -f x ]",
        "! grep -q x y",
        "$RUNNER x",
        "X=1 nosuch",
        "if true; then no; fi",
    ]
    checks = json.dumps([*missing, *there])
    with place.endpoint([], models=["claude-sonnet-5-5"]) as (_, env):
        done = place.mlwb("run", place.task(f"---\nchecks: {checks}\n---\nx"), "--check", env=env)
    assert done.code == 0, done.stdout + done.stderr
    for command in missing:
        assert f"there is no {command.split()[0]} here" in done.stdout
    assert done.stdout.count("there is no") == len(missing), done.stdout


def test_a_locked_name_of_no_file_is_said_before_the_run(place: Place) -> None:
    """A misspelt one locks nothing, so whoever looks before the night must read it; no refusal, as in the run."""
    place.write("evaluate.py", "print(1)\n")
    with place.endpoint([], models=["claude-sonnet-5-5"]) as (_, env):
        task = place.task("---\nlocked: [evaluate.py, evalute.py, 'data/val/**', '!data/val/x']\n---\nx")
        done = place.mlwb("run", task, "--check", env=env)
        as_json = place.mlwb("run", task, "--check", "--output-format", "json", env=env)
    assert done.code == as_json.code == 0, done.stdout + done.stderr
    assert "`evalute.py` names no file" in done.stdout and "globs begin at" in done.stdout
    rows = [(row["ok"], row["detail"]) for row in json.loads(as_json.stdout) if row["name"] == "locked"]
    assert [ok for ok, _ in rows] == [True, None, None], rows
    assert "`evaluate.py`" in rows[0][1] and rows[2][1] == "`data/val/**` names no file"


def test_what_others_changed_meanwhile_is_not_said_to_be_the_runs(place: Place) -> None:
    with place.endpoint([say("done")]) as (_, env):
        done = place.mlwb("run", place.task("---\nchecks: [touch beside]\n---\nx"), env=env)
    assert "mlwb run: changed since it began: beside\n" in done.stderr
