"""Commands that come twice: a client whose connection broke before the answer asks again; nothing is done twice."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from workbench.protocol.commands import Ack, AnyCommand

CLIENTS = 256  # clients that are remembered, those that came last
COMMANDS = 1_000  # of each, those that came last


class Repeats:
    """What became of the last commands of each client. What is begun is carried out, whoever still listens."""

    def __init__(self, carry_out: Callable[[AnyCommand], Awaitable[Ack]]) -> None:
        self._carry_out = carry_out
        self._clients: OrderedDict[str, tuple[str, OrderedDict[str, asyncio.Future[Ack]]]] = OrderedDict()

    def came(self, client: str, again: str, user: str) -> str:
        """The id of a client of USER that is here now: AGAIN where it is known by that, else CLIENT."""
        known = self._clients.get(again)
        if known is not None and known[0] == user:
            self._clients.move_to_end(again)
            return again
        self._clients[client] = user, OrderedDict()
        if len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        return client

    def knows(self, client: str, command: str) -> bool:
        """Whether CLIENT has asked for the command with the id COMMAND before."""
        return client in self._clients and command in self._clients[client][1]

    async def done(self, client: str, command: AnyCommand) -> Ack:
        """What became of COMMAND, which is carried out where it comes for the first time."""
        if client not in self._clients:  # forgotten, while it was here
            return await self._tried(command)
        asked = self._clients[client][1]
        if command.id not in asked:
            asked[command.id] = asyncio.ensure_future(self._tried(command))
            if len(asked) > COMMANDS:
                asked.popitem(last=False)
        return await asyncio.shield(asked[command.id])

    async def _tried(self, command: AnyCommand) -> Ack:
        try:
            return await self._carry_out(command)
        except Exception as error:  # whoever asked is told, whatever it is
            return Ack(id=command.id, ok=False, error=f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Ends what is still carried out."""
        left = [one for _, asked in self._clients.values() for one in asked.values() if not one.done()]
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)
