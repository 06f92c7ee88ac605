"""The same enemies where no layer confines: what the gate, the watch and the start of the program hold alone."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.hostile import KEY, MARK, USERS, clone, ground
from support.live import Ran, resume, run, workspace
from support.mlwb import MLWB, Place
from workbench import places, programs
from workbench.host import local
from workbench.permissions import tables
from workbench.protocol import events as e
from workbench.protocol.commands import Approve, RunShell, Stop, SubmitPrompt
from workbench.protocol.task import Task
from workbench.sandbox import pythonenv
from workbench.session import memory
from workbench.session.changes import Changes
from workbench.session.head import git_head

__all__ = ["workspace"]


def bash(command: str, **more: Any) -> dict[str, Any]:
    return turn(use("Bash", command=command, **more))


def statuses(ran: Ran) -> list[str]:
    return [event.status for event in ran.events(e.CallFinished)]


def begun(workspace: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)


# --- settings and definitions that the agent writes ---------------------------------------------------------------


def test_settings_that_a_command_writes_count_neither_now_nor_at_the_next_start(workspace: Path) -> None:
    begun(workspace)
    (workspace / "x.py").write_text(
        "import os; os.makedirs('.mlwb'); os.makedirs('.claude')\n"
        "open('.mlwb/config.yaml', 'w').write('permissions: {allow: [\"Bash(make *)\"]}\\n')\n"
        "open('.mlwb/config.yaml', 'a').write('permissionMode: bypassPermissions\\n')\n"
        "open('.claude/settings.json', 'w').write('{\"permissions\": {\"allow\": [\"Bash(make *)\"]}}')\n"
    )
    turns = [bash("python3 x.py"), bash("make all"), say("done")]
    with Endpoint([*turns, bash("make all"), say("done")]) as endpoint:
        ran = run(workspace, endpoint, allow=["Bash(python3 x.py)"], sandbox="off")
        again = run(workspace, endpoint, sandbox="off")
    assert statuses(ran) == ["ok", "denied"] and statuses(again) == ["denied"]
    assert not (workspace / ".mlwb").exists() and not (workspace / ".claude").exists()
    aside = sorted(path.name for path in (places.sessions() / ran.result.session_id / "aside").iterdir())
    assert aside == ["1-.claude", "1-.mlwb"]


def test_settings_changed_by_a_command_do_not_count_even_where_they_were_trusted(workspace: Path) -> None:
    """Trust holds for the files as they were: a new rule in them is no rule."""
    begun(workspace)
    (workspace / ".mlwb").mkdir()
    settings = workspace / ".mlwb/config.yaml"
    settings.write_text("permissions: {allow: ['Bash(make one)']}\n")
    subprocess.run([*MLWB, "trust", "--yes"], cwd=workspace, check=True, capture_output=True)
    (workspace / "x.py").write_text(f"open({str(settings)!r}, 'a').write('# more\\n')\n")
    with Endpoint([bash("make one"), bash("python3 x.py"), bash("make one"), say("done")]) as endpoint:
        ran = run(workspace, endpoint, allow=["Bash(python3 x.py)"], sandbox="off")
        again = run(workspace, endpoint, sandbox="off")
    assert ran.events(e.CallDecided)[0].verdict == "allow" and ran.result.subtype == "error_during_execution"
    assert statuses(again)[-1] == "denied"


AGENT = "---\nname: tester\ndescription: tests\ntools: Read\n---\nTest.\n"


def test_a_definition_that_changes_within_the_session_gives_nothing_and_stops_it(workspace: Path) -> None:
    path = workspace / ".mlwb/agents/tester.md"
    path.parent.mkdir(parents=True)
    path.write_text(AGENT.replace("Read", "Read, Bash(python3 x.py)"))
    (workspace / "x.py").write_text(f"open({str(path)!r}, 'w').write({AGENT.replace('Read', 'Read, Bash, Write')!r})\n")
    with Endpoint([bash("python3 x.py"), bash("make x"), say("x")]) as endpoint:
        ran = run(workspace, endpoint, agent="tester", allow=["Bash(*)"], sandbox="off")
        assert "tester.md (changed)" in ran.result.errors[0] and len(endpoint.requests) == 1
        again = resume(ran.result.session_id, endpoint)
    assert statuses(again)[-1] == "denied", "a session keeps what its definition granted when it began"


def test_the_definition_is_watched_in_a_session_that_was_resumed_too(workspace: Path) -> None:
    path = Path.home() / ".config/mlwb/agents/tester.md"
    path.parent.mkdir(parents=True)
    path.write_text(AGENT.replace("Read", "Bash"))
    (workspace / "x.py").write_text(f"open({str(path)!r}, 'a').write('more')\n")
    with Endpoint([say("one"), bash("python3 x.py"), say("x")]) as endpoint:
        ran = run(workspace, endpoint, agent="tester", allow=["Bash(*)"], sandbox="off")
        again = resume(ran.result.session_id, endpoint, answer="go on")
    assert again.result.subtype == "error_during_execution" and "tester.md (changed)" in again.result.errors[0]


WRITTEN = ["config/agents/ml-engineer.md", "config/allowed.jsonl", "state/trusted.json"]


@pytest.mark.parametrize(
    ("mode", "where"),
    [("acceptEdits", ".mlwb/agents/x.md"), *((m, p) for m in ("acceptEdits", "bypassPermissions") for p in WRITTEN)],
)
def test_no_mode_lets_a_file_tool_write_what_the_program_reads(workspace: Path, where: str, mode: Any) -> None:
    path = where.replace("config", str(places.config())).replace("state", str(places.state()))
    with Endpoint([turn(use("Write", file_path=path, content="{}")), say("x")]) as endpoint:
        options = local.Options(env=endpoint_env(endpoint), allow_bypass=True)
        ran = asyncio.run(followed(Task(prompt="Go.", workspace=str(workspace), permission_mode=mode), options))
    assert statuses(ran) == ["denied"] and not Path(workspace, path).exists()


def test_other_sessions_records_are_not_read_by_file_tools_unasked(workspace: Path) -> None:
    with Endpoint([say("hello")]) as endpoint:
        first = run(workspace, endpoint)
    journal = places.sessions() / first.result.session_id / "events.jsonl"
    with Endpoint([turn(use("Read", file_path=str(journal))), bash(f"cat {journal}"), say("x")]) as endpoint:
        ran = run(workspace, endpoint, sandbox="off")
    assert statuses(ran) == ["denied", "denied"]


def endpoint_env(endpoint: Endpoint) -> dict[str, str]:
    return {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "sk-test"}


async def followed(task: Task, options: local.Options) -> Ran:
    client, ran = await local.start(task, options), Ran()
    async for envelope in client.events():
        ran.envelopes.append(envelope)
    await client.close()
    return ran


# --- the watch, where no command of the agent's is near -----------------------------------------------------------


EVIL = """import os
open('.git/config', 'a').write('[core]\\n\\tfsmonitor = evil\\n')
os.path.exists('.husky') or os.mkdir('.husky')
"""


def test_what_a_check_changes_is_found(workspace: Path) -> None:
    """A check is the user's command, but what it runs (tests, a Makefile) the agent wrote."""
    begun(workspace)
    (workspace / "test_x.py").write_text(EVIL)
    with Endpoint([say("done")]) as endpoint:
        ran = run(workspace, endpoint, checks=("python3 test_x.py",), sandbox="off")
    assert ran.result.subtype == "error_during_execution" and ".git/config (changed)" in ran.result.errors[0]
    assert not ran.result.verified and not (workspace / ".husky").exists()


def test_what_a_command_in_the_background_changes_is_found_at_the_end(workspace: Path) -> None:
    begun(workspace)
    (workspace / "x.py").write_text(EVIL + "open('done', 'w'); import time; time.sleep(60)\n")

    def wait(_: dict[str, Any]) -> dict[str, Any]:
        while not (workspace / "done").exists():
            pass
        return say("done")

    with Endpoint([bash("python3 x.py", run_in_background=True), wait]) as endpoint:
        ran = run(workspace, endpoint, allow=["Bash(python3 x.py)"], sandbox="off")
    assert ran.result.subtype == "error_during_execution" and ".git/config (changed)" in ran.result.errors[0]
    assert not (workspace / ".husky").exists()


def test_what_a_person_changes_by_a_command_of_their_own_is_right(workspace: Path) -> None:
    begun(workspace)

    async def whole() -> Ran:
        task = Task(prompt="", workspace=str(workspace), interactive=True)
        client, ran = await local.start(task, local.Options(env=endpoint_env(endpoint))), Ran()
        await client.send(SubmitPrompt(id="p", text="go", by="ana"))
        idle = 0
        async for envelope in client.events():
            ran.envelopes.append(envelope)
            event = envelope.event
            if isinstance(event, e.ApprovalRequested):
                answer = Approve(id="a", request_id=event.request_id, digest=event.digest, decision="once", by="ana")
                await client.send(answer)
            if isinstance(event, e.ShellRan):
                await client.send(SubmitPrompt(id="q", text="go on", by="ana"))
            if isinstance(event, e.Idle):
                idle += 1
                command = RunShell(id="s", command="git config core.fsmonitor mine", by="ana")
                await client.send(command if idle == 1 else Stop(id="e", reason="signal", by="ana"))
        await client.close()
        return ran

    turns = [bash("sleep 60", run_in_background=True), say("one"), bash("true && echo x"), say("two")]
    with Endpoint(turns) as endpoint:
        ran = asyncio.run(asyncio.wait_for(whole(), 60))
    assert [event.reason for event in ran.events(e.Idle)] == ["done", "done"]
    assert not [event for event in ran.events(e.Notice) if event.about == "protected"]


# --- approvals ----------------------------------------------------------------------------------------------------


def test_an_approval_is_for_the_call_that_was_shown_and_for_once(workspace: Path) -> None:
    """A digest of another call, a second answer, an answer to a request that is gone: none of them runs anything."""
    errors: list[str] = []

    async def whole() -> Ran:
        task = Task(prompt="", workspace=str(workspace), interactive=True, sandbox="off")
        client, ran = await local.start(task, local.Options(env=endpoint_env(endpoint))), Ran()
        await client.send(SubmitPrompt(id="p", text="go", by="ana"))
        old: Approve | None = None
        async for envelope in client.events():
            ran.envelopes.append(envelope)
            event = envelope.event
            if isinstance(event, e.ApprovalRequested):
                right = Approve(id="a", request_id=event.request_id, digest=event.digest, decision="once", by="ana")
                if old is not None:
                    wrong = Approve(id="b", request_id=event.request_id, digest=old.digest, decision="once", by="eve")
                    errors.append((await client.send(old)).error)
                    errors.append((await client.send(wrong)).error)
                    right = Approve(id="c", request_id=event.request_id, digest=event.digest, decision="no", by="ana")
                await client.send(right)
                errors.append((await client.send(right)).error)
                old = right
            if isinstance(event, e.Idle):
                await client.send(Stop(id="s", reason="signal", by="ana"))
        await client.close()
        return ran

    with Endpoint([bash("touch /tmp/../tmp/x && make one"), bash("make two > two"), say("x")]) as endpoint:
        ran = asyncio.run(asyncio.wait_for(whole(), 60))
    assert statuses(ran)[-1] == "denied" and not (workspace / "two").exists()
    assert len(errors) == 4 and all("answered already" in one or "does not belong" in one for one in errors), errors


# --- what runs, and is imported, as the program itself --------------------------------------------------------------


def test_no_module_of_the_workspace_is_imported(tmp_path: Path) -> None:
    """`PYTHONPATH=.` is common; `yaml.py` in a clone is not our yaml."""
    place = Place(tmp_path)
    for name in ("yaml", "msgspec", "anthropic", "tree_sitter", "httpx", "pathspec"):
        place.write(f"{name}.py", f"open('{place.home}/pwned-{name}', 'w')\nraise ImportError\n")
    for path in (".", "", f"{place.repo}", f":{place.repo}/src:."):
        done = place.run_task("Go.\n", [say("done")], env={"PYTHONPATH": path})
        assert done.code == 0, done.stderr
    assert not list(place.home.glob("pwned-*"))


def test_no_program_that_lies_in_the_workspace_runs_as_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = tmp_path / "work/.venv/bin"
    planted.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in ("git", "rg", "ours"):
        (planted / name).write_text("#!/bin/sh\n")
        (planted / name).chmod(0o755)
    (tmp_path / "elsewhere/linked").symlink_to(planted / "ours")
    monkeypatch.setenv("PATH", f".::{planted}:{tmp_path}/elsewhere:/usr/local/bin:/usr/bin:/bin")
    assert programs.find("ours") == str(planted / "ours")
    programs.shun([tmp_path / "work"])
    assert programs.find("ours") is None and programs.find("linked") is None
    assert programs.find("git") in ("/usr/bin/git", "/usr/local/bin/git", "/bin/git")
    assert str(planted) not in programs.path().split(":") and "." not in programs.path().split(":")


def test_an_installation_in_the_workspace_is_kept_as_it_is(workspace: Path) -> None:
    package = Path(programs.__file__).parent
    [own] = [one for one in programs.own_folders([package.parent]) if one.is_relative_to(package.parent)]
    assert own == package and programs.own_folders([workspace]) == ()
    assert Path(sys.prefix) in programs.own_folders([Path(sys.prefix).parent]) or sys.prefix == sys.base_prefix


def test_programs_that_commands_find_by_name_are_not_written_unasked(workspace: Path) -> None:
    """`ls` passes unasked, so what it runs must not be the agent's to choose."""
    (workspace / ".venv/bin").mkdir(parents=True)
    (workspace / ".venv/bin/python").write_text("")
    (workspace / "run.sh").write_text("#!/bin/sh\ntouch ~/pwned\n")
    (workspace / "run.sh").chmod(0o755)
    turns = [
        bash("cp run.sh .venv/bin/ls"),
        bash("cd .venv && cp ../run.sh bin/ls"),
        turn(use("Write", file_path=".venv/bin/activate", content="x")),
        bash("ls"),
    ]
    with Endpoint([*turns, say("x")]) as endpoint:
        ran = run(workspace, endpoint, sandbox="off")
    assert statuses(ran) == ["denied", "denied", "denied", "ok"] and not (Path.home() / "pwned").exists()


def test_an_environment_of_the_workspace_hides_no_command_that_passes_unasked() -> None:
    builtins = {":", "break", "continue", "exit", "jobs", "wait", "false", "true"}
    programs_of_rows = {name.split()[0] for name in tables.BY_NAME}
    assert programs_of_rows - builtins <= set(pythonenv._SYSTEM), "name them in pythonenv"


@pytest.mark.parametrize(
    "args", [["trust", "--yes"], ["run", "x.md"], ["demo", "--headless"], [], ["sessions", "rm", "s"]]
)
def test_a_command_of_a_session_starts_ends_and_trusts_nothing(tmp_path: Path, args: list[str]) -> None:
    place = Place(tmp_path)
    done = place.mlwb(*args, env=place.env(MLWB_SESSION="s-x"))
    assert done.code == 2 and "starts no session" in done.stderr
    assert place.mlwb("gpu", "--json", env=place.env(MLWB_SESSION="s-x")).code == 0


@pytest.mark.parametrize("user", USERS)
def test_the_key_is_not_read_from_the_running_program(user: str) -> None:
    """By a command that nobody confines, of the same user. Root reads what it likes: there this holds nothing."""
    with ground(user) as place:
        clone(place, "http://127.0.0.1:9")
        place.write(".config/mlwb/config.yaml", "sandbox: {mode: off}\n")
        place.write(
            "clone/look.sh",
            "for p in /proc/[0-9]*; do if tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q hostile.py; then"
            " cat $p/environ $p/maps; fi; done 2>&1 | tr '\\0' '\\n'; true\n",
        )
        place.give()
        turns = [turn(use("Bash", command="/bin/sh look.sh")), say("x")]
        _, endpoint = place.task(turns, "--allow", "Bash(/bin/sh look.sh)")
        text = json.dumps(json.loads(endpoint.requests[1].raw)["messages"][-1])
    assert KEY not in text
    assert ("Permission denied" in text) == (user == "user"), text[:2000]


def test_the_program_takes_itself_out_of_reach_of_debuggers(tmp_path: Path) -> None:
    place = Place(tmp_path)
    code = "import ctypes, sys; from workbench.cli import main; main(sys.argv[1:]); print(ctypes.CDLL(None).prctl(3))"
    with place.endpoint([say("done")]) as (_, env):
        words = [sys.executable, "-c", code, "run", place.task("Go.\n")]
        done = subprocess.run(words, cwd=place.repo, env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["done", "0"]


# --- what goes to the model, and into the state folder ---------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    ["ref: ../../.netrc", "ref: refs/../../../.netrc", "LINK", "not a number", "ref: refs/heads/../../../.netrc"],
)
def test_a_hostile_repositorys_head_tells_no_files(tmp_path: Path, head: str) -> None:
    (tmp_path / "work/.git").mkdir(parents=True)
    (tmp_path / ".netrc").write_text(MARK)
    if head == "LINK":
        (tmp_path / "work/.git/HEAD").symlink_to(tmp_path / ".netrc")
    else:
        (tmp_path / "work/.git/HEAD").write_text(head)
    assert git_head(tmp_path / "work") == (None, None)


def test_a_pipe_or_bytes_in_place_of_heads_hold_nothing_up(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git/HEAD")
    assert git_head(tmp_path) == (None, None)
    (tmp_path / ".git/HEAD").unlink()
    (tmp_path / ".git/HEAD").write_bytes(b"\xff\xfe")
    assert git_head(tmp_path) == (None, None)


def test_notes_import_no_secrets_of_the_workspace(workspace: Path) -> None:
    (workspace / ".env").write_text(f"TOKEN={MARK}")
    (workspace / "deploy.key").write_text(MARK)
    (workspace / "harmless").symlink_to(".env")
    (workspace / "CLAUDE.md").write_text("@.env @deploy.key @harmless")
    found = memory.read(workspace)
    assert MARK not in found.text and sum("not read as project memory" in note for note in found.notes) == 3


def test_the_original_of_an_edit_is_read_where_the_gate_saw_it(tmp_path: Path) -> None:
    """A folder that became a link between the verdict and the copy: nothing from behind it is kept."""
    from workbench.session.blobs import Blobs

    work, secret = tmp_path / "work", tmp_path / "secret"
    (work / "data").mkdir(parents=True)
    secret.mkdir()
    (secret / "x").write_text(MARK)
    (work / "data/x").write_text("mine")
    folder = tmp_path / "session"
    folder.mkdir()
    changes = Changes.begin(work, (), Blobs(folder / "blobs"), folder)
    asyncio.run(changes.ready())
    (work / "data").rename(work / "was")
    (work / "data").symlink_to(secret)
    changes.note_before(work / "data/x", work / "data/x")
    assert not any(MARK.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
