"""A session in this process against a real endpoint: the way in that a host's client has."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.endpoint import Endpoint, say, turn, use
from workbench.host import local
from workbench.host.client import Client
from workbench.protocol.events import CallFinished, Envelope, SessionEnded
from workbench.protocol.result import Result
from workbench.protocol.task import Caps, Rules, Task
from workbench.sandbox import layers


@dataclass
class Ran:
    """What came of a session: its envelopes (deltas too), its result, and what the endpoint was asked."""

    envelopes: list[Envelope] = field(default_factory=list)

    @property
    def result(self) -> Result:
        """The result of the last end."""
        return next(x.event.result for x in reversed(self.envelopes) if isinstance(x.event, SessionEnded))

    def events(self, kind: type) -> list[Any]:
        """The events of one kind."""
        return [x.event for x in self.envelopes if isinstance(x.event, kind)]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace in a home of its own, whose commands run unconfined."""
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    (home / ".config/mlwb").mkdir(parents=True)
    (home / ".config/mlwb/config.yaml").write_text("sandbox: {mode: off}\n")
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    return home / "work"


@pytest.fixture(params=["bubblewrap", "landlock"])
def confined(request: pytest.FixtureRequest, workspace: Path) -> Path:
    """The workspace, its commands confined by a layer that has to hold here: in CI a missing one is a failure."""
    held = {layer.name: layer for layer in layers.probe()}.get(request.param)
    if held is None or not held.ok:
        why = f"{request.param} does not hold here: {held.detail if held else 'not known'}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    (Path.home() / ".config/mlwb/config.yaml").write_text(f"sandbox: {{mode: {request.param}, autoAllow: true}}\n")
    return workspace


Steer = Callable[[Client, Envelope], Awaitable[None]]


def run(
    workspace: Path,
    endpoint: Endpoint,
    prompt: str = "Go.",
    *,
    steer: Steer | None = None,
    trusted: bool = False,
    **task: Any,
) -> Ran:
    """Runs a new session to its end; STEER is called with each envelope."""
    rules = Rules(allow=tuple(task.pop("allow", ())), deny=tuple(task.pop("deny", ())))
    caps = Caps(**task.pop("caps", {}))
    made = Task(prompt=prompt, workspace=str(workspace), rules=rules, caps=caps, **task)
    return asyncio.run(_follow(local.start(made, _options(endpoint, trusted)), steer))


def works(place: Path, *commands: str | dict[str, Any], **task: Any) -> tuple[Ran, list[str]]:
    """What came of COMMANDS, one call of Bash each: the session, and the texts that the model got back."""
    calls = [turn(use("Bash", **({"command": one} if isinstance(one, str) else one))) for one in commands]
    with Endpoint([*calls, say("done")]) as endpoint:
        ran = run(place, endpoint, **task)
    return ran, [event.content[0]["text"] for event in ran.events(CallFinished)]


def resume(
    session: str,
    endpoint: Endpoint,
    answer: str | None = None,
    mode: Any = None,
    *,
    steer: Steer | None = None,
    **caps: Any,
) -> Ran:
    """Takes a session up again, to its next end; STEER as with `run`."""
    return asyncio.run(_follow(local.resume(session, Caps(**caps), answer, _options(endpoint), mode), steer))


def _options(endpoint: Endpoint, trusted: bool = False) -> local.Options:
    env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "sk-test"}
    return local.Options(env=env, trust_workspace=trusted)


async def _follow(starting: Awaitable[Client], steer: Steer | None) -> Ran:
    client, ran = await starting, Ran()
    async for envelope in client.events():
        ran.envelopes.append(envelope)
        if steer is not None:
            await steer(client, envelope)
    await client.close()
    return ran


def texts(message: dict[str, Any]) -> Iterator[str]:
    """The texts of a message, tool results included."""
    content = message["content"]
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if block["type"] == "text":
            yield block["text"]
        elif block["type"] == "tool_result":
            yield from (part["text"] for part in block["content"] if part["type"] == "text")
