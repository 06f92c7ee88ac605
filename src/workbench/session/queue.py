"""A person's words that wait for the agent's next request. What was taken is journalled: no crash loses it."""

import asyncio
import secrets
from collections.abc import Callable

from workbench.protocol import events as e
from workbench.protocol.commands import SubmitPrompt

_SHOWN = 80  # characters of words that a notice names


class Queue:
    """The queued words of one session. EMIT journals an event."""

    def __init__(self, emit: Callable[[e.JournalEvent], None]) -> None:
        self._emit = emit
        self._waiting: list[tuple[str, SubmitPrompt]] = []
        self._left: list[tuple[str, SubmitPrompt]] = []
        self._news = asyncio.Event()

    def __bool__(self) -> bool:
        """Whether something was said that the model has not heard."""
        return bool(self._waiting)

    def put(self, command: SubmitPrompt) -> None:
        """Takes words; behind those that a killed host left. Raises JournalError where they cannot be kept."""
        name = f"q-{secrets.token_hex(6)}"
        self._emit(
            e.PromptQueued(queued=name, command=command.id, text=command.text, by=command.by, content=command.content)
        )
        self._waiting += [*self._left, (name, command)]
        self._left.clear()
        self._news.set()

    def left(self, events: list[e.PromptQueued]) -> str:
        """Holds what a killed host had taken and not delivered until somebody speaks; says so, for a notice."""
        for event in events:
            words = SubmitPrompt(id=event.command, text=event.text, by=event.by, content=event.content)
            self._left.append((event.queued, words))
        shown = "; ".join(event.text[:_SHOWN] for event in events[:3])
        return f"{len(events)} prompt(s) that were queued when the session broke off go with your next one: {shown}"

    def withdraw(self, prompt: str, by: str) -> SubmitPrompt | None:
        """Takes back the queued words of that name, or of BY's command of that id; None where they are on their way."""
        for held in (self._waiting, self._left):
            for one in held:
                if prompt and (prompt == one[0] or (prompt, by) == (one[1].id, one[1].by)):
                    self._emit(e.PromptWithdrawn(queued=one[0], by=by))
                    held.remove(one)
                    return one[1]
        return None

    def take(self) -> list[tuple[str, SubmitPrompt]]:
        """All that waits, each with its name in the journal."""
        taken, self._waiting = self._waiting, []
        return taken

    async def some(self) -> None:
        """Until something waits."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
