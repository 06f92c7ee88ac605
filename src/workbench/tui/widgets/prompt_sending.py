"""What leaves the prompt: commands in the order they were given, and the words that wait for the agent since."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from textual.widget import Widget

from workbench.protocol.bounds import keep_last
from workbench.protocol.commands import Ack, AnyCommand, SubmitPrompt, Suggest, Withdraw
from workbench.protocol.events import PromptWithdrawn
from workbench.protocol.state import KEPT_QUEUED, QueuedPrompt, SessionState
from workbench.tui.people import SUGGESTS, People
from workbench.tui.widgets.attachments import Attachments

NO_SESSION = "not sent: no session is open here"
STILL = ("idle", "ended")
_SHOWN = 60  # characters of words that another took back
_ID = f"prompt-{secrets.token_hex(3)}-"  # another client of the session counts its own


@dataclass
class Queued:
    """A prompt on its way to the agent: as it was TYPED, with its attachments, and the words that go.

    `id` is the command it was sent by, empty where that was not here; `name` is its name in the session's queue.
    """

    typed: str
    text: str
    attachments: Attachments = field(default_factory=Attachments)
    id: str = ""
    name: str = ""
    by: str = ""
    pictures: int = 0  # that another client holds


class Outbox:
    """Sends commands one after the other. What waits is in the session's state; how it was typed here is kept here."""

    def __init__(self, owner: Widget) -> None:
        self._owner = owner
        self._turn = asyncio.Lock()
        self._count = 0
        self._sending: list[Queued] = []  # prompts without an answer
        self._typed: dict[str, Queued] = {}  # by their command, those that were sent from here

    @property
    def people(self) -> People | None:
        """Who is at the session; None without the whole workbench."""
        return getattr(self._owner.app, "people", None)

    @property
    def _user(self) -> str:
        return self.people.user if self.people is not None else _person(self._owner.app)

    async def send(self, make: Callable[[str, str], AnyCommand]) -> str:
        """Sends what MAKE gives for a command's id and the person's name; why it was not taken, empty if it was."""
        ack = await self._asked(make)
        return "" if ack.ok else ack.error or "not taken"

    async def _asked(self, make: Callable[[str, str], AnyCommand]) -> Ack:
        app = self._owner.app
        client = getattr(app, "client", None)
        if client is None:
            return Ack(id="", ok=False, error=NO_SESSION)
        self._count += 1
        command = make(f"{_ID}{self._count}", _person(app))
        async with self._turn:
            try:
                answer: Ack = await client.send(command)
            except Exception as error:  # whatever a connection dies of, the words are not lost
                return Ack(id=command.id, ok=False, error=f"not sent: {error or type(error).__name__}")
        return answer

    def sent(self, command: str) -> bool:
        """Whether the id COMMAND is one of those given here."""
        return command.startswith(_ID)

    # --- words for the agent -------------------------------------------------------------------------------

    async def prompt(self, words: Queued) -> str:
        """Sends WORDS, which wait for the agent from then on; why they were not taken, empty if they were.

        Where another drives they are a suggestion.
        """

        def made(id_: str, by: str) -> AnyCommand:
            words.id, words.by, words.name = id_, by, ""
            self._typed[id_] = words
            keep_last(self._typed, KEPT_QUEUED)
            return SubmitPrompt(id=id_, text=words.text, by=by, content=words.attachments.content(words.typed))

        if self.people is not None and self.people.enter == SUGGESTS:
            return await self.send(lambda id_, by: Suggest(id=id_, text=words.text, by=by))
        self._sending.append(words)
        error = await self.send(made)
        self._sending = [one for one in self._sending if one is not words]
        return error

    def waiting(self, state: SessionState) -> list[Queued]:
        """The prompts that wait, whoever sent them, oldest first: in the session's queue, or on their way there.

        A session that is still takes them at once, but for those that an earlier host of it has left.
        """
        still = bool(state.session) and state.phase in STILL
        held = [self._known(one) for one in state.queued.values() if not still or one.at < state.resumed_at]
        return held if still else [*held, *(one for one in self._sending if not one.name)]

    def _known(self, one: QueuedPrompt) -> Queued:
        """What ONE is here: as it was typed, where that was here."""
        if words := self._typed.get(one.command):
            words.name, words.by = one.id, one.by
            return words
        return Queued(one.text, one.text, name=one.id, by=one.by, pictures=one.pictures)

    def lines(self, state: SessionState) -> tuple[list[str], str]:
        """What waits, as it is shown, with the names of others who said it; and what becomes of it."""
        titles = [one.typed if not one.name or one.by == self._user else f"{one.by}: {one.typed}"
                  for one in self.waiting(state)]  # fmt: skip
        goes = "it goes with your next prompt" if state.session and state.phase in STILL else ""
        back = "↑ takes it back" if self.takes_back(state) else ""
        return titles, " · ".join(filter(None, (goes, back)))

    def takes_back(self, state: SessionState) -> Queued | None:
        """The newest of what waits that this person may take back: their own; any, where they drive."""
        any_ = self.people is None or self.people.drives
        found = self.waiting(state)
        return next((one for one in reversed(found) if any_ or not one.name or one.by == self._user), None)

    async def take_back(self, state: SessionState) -> tuple[Queued | None, str]:
        """What `takes_back` tells, whole, and not delivered now; or why there is none."""
        words = self.takes_back(state)
        if words is None:
            return None, "nothing is queued"
        ack = await self._asked(lambda id_, by: Withdraw(id=id_, prompt=words.name or words.id, by=by))
        if not ack.ok:
            return None, ack.error or "not taken"
        if not words.id:
            words.typed = words.text = ack.value or words.text
        return words, ""

    def withdrawn(self, event: PromptWithdrawn) -> str:
        """That another took back what was sent from here; empty where EVENT does not say so."""
        found = next((one.typed for one in self._typed.values() if one.name == event.queued), "")
        words = " ".join(found.split())[:_SHOWN]
        return f"{event.by} took back what you had queued: {words}" if words and event.by != self._user else ""


def _person(app: Any) -> str:
    return getattr(getattr(app, "opener", None), "user", "") or "person"
