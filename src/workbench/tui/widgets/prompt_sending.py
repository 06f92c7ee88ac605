"""What leaves the prompt: commands in the order they were given, and prompts that wait for their turn."""

import asyncio
from collections.abc import Callable
from typing import Any

from textual.widget import Widget

from workbench.protocol.commands import AnyCommand

NO_SESSION = "not sent: no session is open here"


class Outbox:
    """Sends commands one after the other; `queued` are prompts whose PromptSubmitted has not come back."""

    def __init__(self, owner: Widget) -> None:
        self._owner = owner
        self._turn = asyncio.Lock()
        self._count = 0
        self.queued: list[str] = []

    async def send(self, make: Callable[[str, str], AnyCommand]) -> str:
        """Sends what MAKE gives for a command's id and the person's name; why it was not taken, empty if it was."""
        app = self._owner.app
        client = getattr(app, "client", None)
        if client is None:
            return NO_SESSION
        self._count += 1
        command = make(f"prompt-{self._count}", _person(app))
        async with self._turn:
            try:
                ack = await client.send(command)
            except Exception as error:  # whatever a connection dies of, the words are not lost
                return f"not sent: {error or type(error).__name__}"
        return "" if ack.ok else ack.error or "not taken"

    async def prompt(self, text: str, make: Callable[[str, str], AnyCommand]) -> str:
        """Like `send`, with TEXT among the queued until it comes back."""
        self.queued.append(text)
        if error := await self.send(make):
            self.came_back(text)
        return error

    def came_back(self, text: str) -> None:
        """TEXT is on its way to the model, or was refused."""
        if text in self.queued:
            self.queued.remove(text)


def _person(app: Any) -> str:
    return getattr(getattr(app, "opener", None), "user", "") or "person"
