"""Commands of a session under confinement: what runs there in place of asking, what asks all the same, what leaves."""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import Ran, resume, run, workspace
from workbench.host import local
from workbench.permissions.types import Policy, Runs, Verdict
from workbench.permissions.world import RealWorld
from workbench.protocol import events as e
from workbench.protocol.commands import Approve, Stop, SubmitPrompt
from workbench.protocol.task import Task
from workbench.sandbox import layers
from workbench.sandbox.launcher import PlainLauncher
from workbench.sandbox.types import Layer
from workbench.session import confinement
from workbench.session.end import StartError
from workbench.session.gate import Gate
from workbench.settings.types import Sandbox

__all__ = ["workspace"]


@pytest.fixture(params=["bubblewrap", "landlock"])
def confined(request: pytest.FixtureRequest, workspace: Path) -> Callable[..., Path]:
    """Writes the user's settings, with a layer that has to hold here: in CI a missing one is a failure."""
    held = {layer.name: layer for layer in layers.probe()}.get(request.param)
    if held is None or not held.ok:
        why = f"{request.param} does not hold here: {held.detail if held else 'not known'}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)

    def settle(more: str = "") -> Path:
        path = Path.home() / ".config/mlwb/config.yaml"
        path.write_text(f"sandbox: {{mode: {request.param}, autoAllow: true{more}}}\n")
        return workspace

    settle()
    return settle


def bash(command: str) -> dict[str, Any]:
    return turn(use("Bash", command=command))


def works(confined: Callable[..., Path], *commands: str, settings: str = "", **task: Any) -> tuple[Ran, list[str]]:
    """What came of COMMANDS, one call each: the session, and the texts that the model got back."""
    place = confined(settings)
    with Endpoint([*map(bash, commands), say("done")]) as endpoint:
        ran = run(place, endpoint, **task)
    results = [event.content[0]["text"] for event in ran.events(e.CallFinished)]
    return ran, results


SERVE = """
import os, socket
with socket.create_server(("127.0.0.1", 0)) as server:
    with open("port.new", "w") as file:
        file.write(str(server.getsockname()[1]))
    os.rename("port.new", "port")
    one, _ = server.accept()
    one.sendall(b"served")
    one.close()
"""
ASK = """
import socket
with socket.create_connection(("127.0.0.1", int(open("port").read())), 10) as one:
    print(one.recv(100).decode())
"""


def test_what_one_call_serves_in_the_background_the_next_one_reaches(
    confined: Callable[..., Path], workspace: Path
) -> None:
    confined()
    (workspace / "serve.py").write_text(SERVE)
    (workspace / "ask.py").write_text(ASK)
    waits = "for i in $(seq 3000); do [ -e port ] && break; sleep 0.02; done"
    turns = [turn(use("Bash", command="python3 serve.py", run_in_background=True)), bash(f"{waits}; python3 ask.py")]
    with Endpoint([*turns, say("done")]) as endpoint:
        ran = run(workspace, endpoint)
    assert "served" in [event.content[0]["text"] for event in ran.events(e.CallFinished)][1]


def test_what_only_lacks_a_rule_runs_confined(confined: Callable[..., Path], workspace: Path) -> None:
    ran, [text] = works(confined, "python3 -c \"open('made', 'w').write('x'); print('trained')\"")
    [decided] = ran.events(e.CallDecided)
    assert decided.verdict == "allow" and decided.sandbox in ("bubblewrap", "landlock") and "confined" in decided.reason
    assert text == "trained" and (workspace / "made").read_text() == "x" and ran.result.exit_code == 0


def test_it_cannot_write_elsewhere_and_is_told_what_kept_it(confined: Callable[..., Path]) -> None:
    target = Path.home() / "outside"
    ran, [text] = works(confined, f"python3 -c \"open('{target}', 'w')\"")
    assert not target.exists() and "[the sandbox: " in text
    assert ran.events(e.CallFinished)[0].status == "error"


def test_secrets_state_and_protected_places_are_kept_from_it(confined: Callable[..., Path], workspace: Path) -> None:
    (Path.home() / ".ssh").mkdir()
    (Path.home() / ".ssh/id_ed25519").write_text("SECRET-KEY")
    subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
    code = (
        "import pathlib as p, os; h = p.Path.home()\n"
        "def t(f):\n"
        "  try: return f()\n"
        "  except OSError as x: return type(x).__name__\n"
        "print('key', t(lambda: (h / '.ssh/id_ed25519').read_text()))\n"
        "print('state', [t(lambda: open(x).read()) for x in h.glob('.local/state/mlwb/sessions/*/events.jsonl')])\n"
        "print('hook', t(lambda: open('.git/hooks/pre-commit', 'w')))\n"
        "print('move', t(lambda: os.rename('.git', '.git2')))\n"
    )
    (workspace / "probe.py").write_text(code)
    _, [text] = works(confined, "python3 probe.py")
    said = dict(
        line.split(" ", 1) for line in text.splitlines() if line.split(" ")[0] in ("key", "state", "hook", "move")
    )
    assert "SECRET" not in text and "session_started" not in text and not (workspace / ".git/hooks/pre-commit").exists()
    assert said["hook"].endswith("Error") and said["move"].endswith("Error") and (workspace / ".git").is_dir()


def test_what_a_person_wrote_still_asks_and_so_does_what_is_guarded(confined: Callable[..., Path]) -> None:
    (Path.home() / "work/.env").write_text("TOKEN=x")
    ran, _ = works(
        confined, "cat .env", "rm -rf .git", "make all", allow=[], settings="}\npermissions: {ask: ['Bash(make *)']"
    )
    assert [x.status for x in ran.events(e.CallFinished)] == ["denied"] * 3


def test_plan_runs_nothing_in_place_of_asking(confined: Callable[..., Path]) -> None:
    ran, _ = works(confined, "python3 -c 1", permission_mode="plan")
    assert ran.events(e.CallFinished)[0].status == "denied"


def test_without_auto_allow_it_asks(confined: Callable[..., Path]) -> None:
    settings = Path.home() / ".config/mlwb/config.yaml"
    confined()
    settings.write_text(settings.read_text().replace("autoAllow: true", "autoAllow: false"))
    with Endpoint([bash("python3 -c 1"), say("no")]) as endpoint:
        ran = run(Path.home() / "work", endpoint)
    assert ran.result.exit_code == 5


def test_git_commits_by_a_way_of_its_own_and_only_by_a_rule(confined: Callable[..., Path], workspace: Path) -> None:
    for args in (["init", "-q", "-b", "main"], ["config", "user.name", "t"], ["config", "user.email", "t@t"]):
        subprocess.run(["git", *args], cwd=workspace, check=True)
    (workspace / "a.py").write_text("a\n")
    (workspace / ".git/hooks").mkdir(exist_ok=True)
    (workspace / ".git/hooks/pre-commit").write_text("#!/bin/sh\ntouch hooked\n")
    (workspace / ".git/hooks/pre-commit").chmod(0o755)
    ran, _ = works(confined, "git add a.py && git commit -qm one")
    assert ran.events(e.CallFinished)[0].status == "denied"
    ran, texts = works(confined, "git add a.py && git commit -qm one", allow=["Bash(git add *)", "Bash(git commit *)"])
    assert ran.events(e.CallFinished)[0].status == "ok", texts
    log = subprocess.run(["git", "log", "--oneline"], cwd=workspace, capture_output=True, text=True, check=True).stdout
    assert log.endswith("one\n") and not (workspace / "hooked").exists()


def test_a_rule_of_the_users_lets_a_command_out(confined: Callable[..., Path]) -> None:
    target = Path.home() / "outside"
    command = f"python3 -c \"open('{target}', 'w')\""
    ran, _ = works(confined, command, settings=", outside: ['Bash(python3 *)']", allow=["Bash(python3 *)"])
    assert target.exists() and ran.events(e.CallDecided)[0].sandbox == "outside"


def test_temporary_files_last_and_the_file_tools_see_them(confined: Callable[..., Path], workspace: Path) -> None:
    confined()
    made = {}

    def read(body: dict[str, Any]) -> dict[str, Any]:
        made["path"] = body["messages"][-1]["content"][0]["content"][0]["text"].strip()
        return turn(use("Read", file_path=made["path"]))

    first = bash("python3 -c \"import os, tempfile; d = tempfile.gettempdir(); print(open(d + '/x', 'w').name)\"")
    with Endpoint([first, read, lambda _: bash(f"cat {made['path']} && echo there"), say("done")]) as endpoint:
        ran = run(workspace, endpoint)
    assert [x.status for x in ran.events(e.CallFinished)] == ["ok", "ok", "ok"]
    with Endpoint([bash(f"cat {made['path']} && echo still"), say("done")]) as endpoint:
        again = resume(ran.result.session_id, endpoint, answer="go on")
    assert "still" in again.events(e.CallFinished)[-1].content[0]["text"]


# --- with a person ---


def attended(workspace: Path, commands: list[str], decisions: list[Approve | dict[str, Any]]) -> tuple[Ran, list[Any]]:
    """An interactive session on COMMANDS, whose approvals are answered by DECISIONS in turn."""
    asked: list[Any] = []

    async def whole() -> Ran:
        env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
        client = await local.start(Task(prompt="", workspace=str(workspace), interactive=True), local.Options(env=env))
        ran = Ran()
        async for envelope in client.events():
            ran.envelopes.append(envelope)
            if isinstance(envelope.event, e.SessionStarted):
                await client.send(SubmitPrompt(id="p", text="go", by="ana"))
            if isinstance(envelope.event, e.ApprovalRequested):
                event = envelope.event
                given = decisions[len(asked)]
                asked.append(event)
                await client.send(Approve(id="a", request_id=event.request_id, digest=event.digest, by="ana", **given))
            if isinstance(envelope.event, e.Idle):
                await client.send(Stop(id="s", reason="signal", by="ana"))
        await client.close()
        return ran

    with Endpoint([*map(bash, commands), say("done")]) as endpoint:
        return asyncio.run(asyncio.wait_for(whole(), 60)), asked


@pytest.mark.parametrize("decision", ["once", "no"])
def test_a_command_that_needs_more_is_run_outside_if_a_person_says_so(
    confined: Callable[..., Path], workspace: Path, decision: str
) -> None:
    confined()
    target = Path.home() / "outside"
    ran, [asked] = attended(workspace, [f"python3 -c \"open('{target}', 'w')\""], [{"decision": decision}])
    assert asked.sandbox == "outside" and "again outside" in asked.reason
    assert target.exists() == (decision == "once")
    assert ran.events(e.CallFinished)[0].status == ("ok" if decision == "once" else "error")
    assert (ran.events(e.CallDecided)[-1].by == "ana") == (decision == "once")


def test_what_is_guarded_runs_outside_once_a_person_lets_it(confined: Callable[..., Path], workspace: Path) -> None:
    confined()
    _, [asked] = attended(workspace, ["touch ~/.bashrc"], [{"decision": "once"}])
    assert asked.sandbox == "outside" and (Path.home() / ".bashrc").exists()


def test_a_rule_for_the_session_given_outside_holds_outside(confined: Callable[..., Path], workspace: Path) -> None:
    confined()
    one, two = (f"python3 -c \"open('{Path.home() / name}', 'w')\"" for name in ("one", "two"))
    given = {"decision": "session", "rule": "Bash(python3 *)", "outside": True}
    ran, asked = attended(workspace, [one, two], [given])
    assert len(asked) == 1 and (Path.home() / "two").exists()
    assert ran.events(e.CallDecided)[-1].sandbox == "outside"


def test_temporary_folders_of_sessions_long_gone_are_removed_and_others_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, new = confinement.temporary_folder("s-old"), confinement.temporary_folder("s-new")
    (old / "x").write_text("x")
    os.utime(old, (1.0, 1.0))
    confinement.sweep_temporary(time.time())
    assert not old.exists() and new.exists()


def test_somebody_elses_folder_is_not_taken_for_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken = tmp_path / f"mlwb-tmp-{os.getuid()}"
    taken.symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"is no folder: remove it, or start mlwb with another TMPDIR"):
        confinement.temporary_folder("s-x")
    taken.unlink()
    taken.mkdir(mode=0o755)
    with pytest.raises(OSError, match=f"is open to others: run chmod 700 {taken}"):
        confinement.temporary_folder("s-x")
    if os.getuid() == 0:
        os.chown(taken, 65533, 65533)
        with pytest.raises(OSError, match="belongs to the user number 65533: have it removed"):
            confinement.temporary_folder("s-x")


def test_a_session_that_finds_its_temporary_folder_taken_says_so(
    confined: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"mlwb-tmp-{os.getuid()}").write_text("")
    with Endpoint([]) as endpoint, pytest.raises(StartError, match=r"^/.*where commands keep temporary files, is no"):
        run(confined(), endpoint)


@pytest.mark.parametrize(("setting", "told"), [(None, True), (False, False)])
def test_what_landlock_cannot_hide_is_named_where_it_makes_a_command_ask(
    workspace: Path, setting: bool | None, told: bool
) -> None:
    (workspace / ".env").write_text("KEY=x")
    layer = Layer(name="landlock", ok=True, detail="", auto_allow=True)
    made = confinement.Confinement(PlainLauncher({}), layer, Sandbox(auto_allow=setting), roots=(workspace,))
    policy = Policy(
        grants={"Bash": ()}, mode="default", workspace=str(workspace), home=str(workspace), roots=(str(workspace),)
    )
    asked = Verdict(verdict="ask", reason="no rule allows it", confinable=True)
    verdict, _ = made.settle(Gate(policy, RealWorld()), (Runs(command="make"),), str(workspace), asked)
    assert verdict.verdict == "ask"
    assert (f"Landlock cannot hide {workspace}/.env" in verdict.reason) == told


@pytest.mark.parametrize("secret", [False, True])
def test_landlock_allows_by_itself_only_where_the_workspace_holds_no_secret(workspace: Path, secret: bool) -> None:
    layer = Layer(name="landlock", ok=True, detail="", auto_allow=True)
    if secret:
        (workspace / "sub").mkdir()
        (workspace / "sub/.env").write_text("KEY=x")
    made = confinement.Confinement(PlainLauncher({}), layer, Sandbox(), roots=(workspace,))
    assert made.allows == (not secret)
    assert confinement.Confinement(PlainLauncher({}), layer, Sandbox(auto_allow=True), roots=(workspace,)).allows


def test_a_domain_that_is_none_is_refused_before_the_session_begins(confined: Callable[..., Path]) -> None:
    place = confined(", network: allowlist, domains: ['http://x/y z']")
    with Endpoint([]) as endpoint, pytest.raises(StartError, match=r"sandbox\.domains"):
        run(place, endpoint)
