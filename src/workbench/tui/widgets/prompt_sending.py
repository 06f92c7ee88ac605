"""What leaves the prompt: commands in the order they were given, and what is on its way since."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from textual.widget import Widget

from workbench.protocol.commands import AnyCommand, SubmitPrompt, Suggest, Withdraw
from workbench.tui.people import SUGGESTS, People
from workbench.tui.widgets.attachments import Attachments

NO_SESSION = "not sent: no session is open here"
_ID = f"prompt-{secrets.token_hex(3)}-"  # another client of the session counts its own


@dataclass
class Queued:
    """A prompt that was sent: as it was TYPED, with its attachments, and the words that went."""

    typed: str
    text: str
    attachments: Attachments = field(default_factory=Attachments)
    id: str = ""
    by: str = ""


class Outbox:
    """Sends commands one after the other; `queued` are prompts whose PromptSubmitted has not come back."""

    def __init__(self, owner: Widget) -> None:
        self._owner = owner
        self._turn = asyncio.Lock()
        self._count = 0
        self.queued: list[Queued] = []

    @property
    def people(self) -> People | None:
        """Who is at the session; None without the whole workbench."""
        return getattr(self._owner.app, "people", None)

    async def send(self, make: Callable[[str, str], AnyCommand]) -> str:
        """Sends what MAKE gives for a command's id and the person's name; why it was not taken, empty if it was."""
        app = self._owner.app
        client = getattr(app, "client", None)
        if client is None:
            return NO_SESSION
        self._count += 1
        command = make(f"{_ID}{self._count}", _person(app))
        async with self._turn:
            try:
                ack = await client.send(command)
            except Exception as error:  # whatever a connection dies of, the words are not lost
                return f"not sent: {error or type(error).__name__}"
        return "" if ack.ok else ack.error or "not taken"

    def sent(self, command: str) -> bool:
        """Whether the id COMMAND is one of those given here."""
        return command.startswith(_ID)

    async def prompt(self, words: Queued) -> str:
        """Sends WORDS, which are among the queued until they come back; why they were not taken, empty if they were.

        Where another drives they are a suggestion.
        """

        def made(id_: str, by: str) -> AnyCommand:
            words.id, words.by = id_, by
            return SubmitPrompt(id=id_, text=words.text, by=by, content=words.attachments.content(words.typed))

        if self.people is not None and self.people.enter == SUGGESTS:
            return await self.send(lambda id_, by: Suggest(id=id_, text=words.text, by=by))
        self.queued.append(words)
        if error := await self.send(made):
            self._drop(words)
        return error

    def came_back(self, text: str) -> None:
        """TEXT is on its way to the model."""
        if found := next((words for words in self.queued if words.text == text), None):
            self.queued.remove(found)

    async def take_back(self) -> tuple[Queued | None, str]:
        """The newest of the queued, which is not delivered now; or why there is none."""
        if not self.queued:
            return None, "nothing is queued"
        words = self.queued[-1]
        if error := await self.send(lambda id_, by: Withdraw(id=id_, prompt=words.id, by=words.by)):
            return None, error
        self._drop(words)
        return words, ""

    def _drop(self, words: Queued) -> None:
        self.queued = [one for one in self.queued if one is not words]


def _person(app: Any) -> str:
    return getattr(getattr(app, "opener", None), "user", "") or "person"
