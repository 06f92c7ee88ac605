"""The client side: one object, whether the session runs in this process or behind a socket."""

import os
from collections.abc import AsyncIterator
from typing import Protocol

from workbench.protocol.commands import Ack, AnyCommand
from workbench.protocol.events import Envelope
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.protocol.state import SessionState


class Client(Protocol):
    """A view of one session, and the way to steer it."""

    session: str
    outlives: bool  # whether the session goes on when all its clients are gone

    @property
    def state(self) -> SessionState:
        """The fold of all that was received."""

    async def send(self, command: AnyCommand) -> Ack:
        """Asks for something; the answer says whether it was taken."""

    def events(self) -> AsyncIterator[Envelope]:
        """Envelopes from where this client stands; ends when the session's host lets go of it."""

    async def query(self, query: AnyQuery) -> AnyPage:
        """A page of what the state does not hold."""

    async def close(self) -> None:
        """Leaves; the session goes on."""


def seat() -> str:
    """Where the person of this process sits, in words: `pts/3`, `pts/3 from 10.0.0.7`."""
    try:
        terminal = os.ttyname(0).removeprefix("/dev/")
    except OSError:
        terminal = ""
    come = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    return " from ".join(filter(None, (terminal, come)))
