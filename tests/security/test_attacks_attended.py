"""A hostile model with a person at it, in each layer: a yes to one thing is no yes to another."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.live import Ran, workspace
from workbench import places
from workbench.host import local
from workbench.protocol import events as e
from workbench.protocol.commands import Approve, SetMode, Stop, SubmitPrompt
from workbench.protocol.task import Task
from workbench.sandbox import layers

__all__ = ["workspace"]

Answer = Callable[[e.ApprovalRequested], dict[str, Any]]


@pytest.fixture(params=["bubblewrap", "landlock"])
def layer(request: pytest.FixtureRequest, workspace: Path) -> str:
    """The user's settings with that layer, in which nothing runs unasked."""
    held = {one.name: one for one in layers.probe()}[request.param]
    if not held.ok:
        why = f"{request.param} does not hold here: {held.detail}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    settings = Path.home() / ".config/mlwb/config.yaml"
    settings.write_text(f"sandbox: {{mode: {request.param}, autoAllow: false}}\n")
    return str(request.param)


def attended(workspace: Path, commands: list[str], answer: Answer) -> tuple[Ran, list[e.ApprovalRequested]]:
    """A session on COMMANDS, each request answered by ANSWER; the requests that came."""
    asked: list[e.ApprovalRequested] = []

    async def whole() -> Ran:
        env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
        client = await local.start(Task(prompt="", workspace=str(workspace), interactive=True), local.Options(env=env))
        ran = Ran()
        await client.send(SubmitPrompt(id="p", text="go", by="ana"))
        await client.send(SetMode(id="m", mode="bypassPermissions", by="eve"))
        async for envelope in client.events():
            ran.envelopes.append(envelope)
            event = envelope.event
            if isinstance(event, e.ApprovalRequested):
                asked.append(event)
                given = {"request_id": event.request_id, "digest": event.digest, "by": "ana", **answer(event)}
                await client.send(Approve(id="a", **given))
            if isinstance(event, e.Idle):
                await client.send(Stop(id="s", reason="signal", by="ana"))
        await client.close()
        return ran

    with Endpoint([*(turn(use("Bash", command=one)) for one in commands), say("done")]) as endpoint:
        return asyncio.run(asyncio.wait_for(whole(), 60)), asked


def writes(name: str) -> str:
    return f"python3 -c \"open('{Path.home() / name}', 'w')\""


def test_a_rule_for_the_session_lets_nothing_out_of_the_confinement(workspace: Path, layer: str) -> None:
    def answer(event: e.ApprovalRequested) -> dict[str, Any]:
        if event.sandbox == "outside":
            return {"decision": "no"}
        return {"decision": "session", "rule": "Bash(python3 *)"}

    ran, asked = attended(workspace, [writes("one"), writes("two")], answer)
    assert [one.sandbox for one in asked] == [layer, "outside", "outside"]
    assert not (Path.home() / "one").exists() and not (Path.home() / "two").exists()
    assert {one.sandbox for one in ran.events(e.CallDecided) if one.verdict == "allow"} == {layer}


def test_a_yes_to_run_once_outside_is_for_that_call_alone(workspace: Path, layer: str) -> None:
    said: list[str] = []

    def answer(event: e.ApprovalRequested) -> dict[str, Any]:
        said.append(event.sandbox or "")
        return {"decision": "once" if said.count("outside") < 2 else "no"}

    attended(workspace, [writes("one"), writes("two")], answer)
    assert (Path.home() / "one").exists() and not (Path.home() / "two").exists()
    assert said == [layer, "outside", layer, "outside"]


def test_no_rule_is_saved_with_a_call_that_was_changed(workspace: Path, layer: str) -> None:
    """Else the rule would stand beside a call that nobody was shown."""
    given = {"decision": "always", "rule": "Bash(python3 *)", "input": {"command": "true"}}

    async def whole() -> None:
        env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
        client = await local.start(Task(prompt="", workspace=str(workspace), interactive=True), local.Options(env=env))
        await client.send(SubmitPrompt(id="p", text="go", by="ana"))
        async for envelope in client.events():
            event = envelope.event
            if isinstance(event, e.ApprovalRequested):
                said = {"request_id": event.request_id, "digest": event.digest, "by": "ana"}
                ack = await client.send(Approve(id="a", **said, **given))
                assert "allowed once" in ack.error
                await client.send(Approve(id="b", **said, decision="no"))
            if isinstance(event, e.Idle):
                await client.send(Stop(id="s", reason="signal", by="ana"))
        await client.close()

    with Endpoint([turn(use("Bash", command="python3 -c 1")), say("x")]) as endpoint:
        asyncio.run(asyncio.wait_for(whole(), 60))
    assert not (places.config() / "allowed.jsonl").exists()


def test_the_mode_of_a_running_session_is_never_raised(workspace: Path, layer: str) -> None:
    ran, asked = attended(workspace, ["python3 -c 1"], lambda _: {"decision": "no"})
    assert len(asked) == 1 and ran.events(e.ModeChanged) == []


@pytest.mark.parametrize("command", ["mlwb trust --yes", "claude -p x", "env mlwb run x.md"])
def test_a_person_is_not_even_asked_about_starting_an_agent(workspace: Path, layer: str, command: str) -> None:
    ran, asked = attended(workspace, [command], lambda _: {"decision": "once"})
    assert asked == [] and [one.status for one in ran.events(e.CallFinished)] == ["denied"]
