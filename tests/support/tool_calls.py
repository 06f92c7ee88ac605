"""A session's side of a tool, for tests: real folders, blobs in memory, no commands."""

import asyncio
from pathlib import Path
from typing import Any

from workbench.sandbox.types import Running, Spec
from workbench.tools import registry
from workbench.tools.base import Context, Outcome, ToolError


class NoLauncher:
    """The file tools start no command of the agent's."""

    def environment(self) -> dict[str, str]:
        return {}

    def withheld(self) -> tuple[str, ...]:
        return ()

    async def start(self, spec: Spec) -> Running:
        raise OSError("no commands here")


class Session:
    """A context on a folder, and the calls made in it."""

    def __init__(self, workspace: Path) -> None:
        self.blobs: dict[str, bytes] = {}
        self.context = Context(
            workspace=workspace,
            roots=(workspace,),
            outputs=workspace / ".outputs",
            launcher=NoLauncher(),
            put_blob=self._put,
            emit=lambda event: None,
            now=lambda: 0.0,
        )

    def _put(self, data: bytes) -> str:
        name = f"b{len(self.blobs)}"
        self.blobs[name] = data
        return name

    async def acall(self, tool: str, **given: Any) -> Outcome:
        """The outcome of one call, decoded and run as the session does."""
        found = registry.get(tool)
        registry.needs_of(tool, given, str(self.context.cwd))
        return await found.run(registry.decode(found, given), self.context, "call", lambda text: None)

    def call(self, tool: str, **given: Any) -> Outcome:
        """`acall`, waited for."""
        return asyncio.run(self.acall(tool, **given))

    def text(self, tool: str, **given: Any) -> str:
        """What the model reads."""
        return "\n".join(part["text"] for part in self.call(tool, **given).content if part["type"] == "text")

    def error(self, tool: str, **given: Any) -> str:
        """What the model reads of a call that must fail."""
        try:
            outcome = self.call(tool, **given)
        except ToolError as error:
            return str(error)
        raise AssertionError(f"no error but: {outcome.content}")
