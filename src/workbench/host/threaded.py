"""A session in a thread of its own, and its client for another event loop: the screen never waits for the session."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from workbench.host import local
from workbench.host.client import Client
from workbench.protocol.codec import encode
from workbench.protocol.commands import Ack, AnyCommand
from workbench.protocol.events import Envelope
from workbench.protocol.fold import apply
from workbench.protocol.names import Mode
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.protocol.state import SessionState
from workbench.protocol.task import Caps, Task

T = TypeVar("T")
# Envelopes on their way between the threads; beyond that the session's feed waits, and drops deltas by itself.
HELD = 2000


class _Engine:
    """The thread and the event loop that a session lives in."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="session", daemon=True)
        self._thread.start()

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs WORK in the session's loop and waits for it here."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    async def stop(self) -> None:
        """Ends the thread, once nothing is left to do in it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        await asyncio.to_thread(self._thread.join)
        self.loop.close()


class ThreadedClient:
    """A client whose session runs in another thread of this process."""

    outlives = False

    def __init__(self, inner: Client, engine: _Engine, state: SessionState) -> None:
        self.session = inner.session
        self.state = state
        self._inner, self._engine = inner, engine
        self._held: deque[Envelope] = deque()
        self._here = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._room = asyncio.Event()  # of the session's loop
        self._over = False
        self._pump = asyncio.run_coroutine_threadsafe(self._carry(), engine.loop)

    async def _carry(self) -> None:
        """In the session's thread: takes envelopes over. Waits when the other side does not keep up."""
        async for envelope in self._inner.events():
            self._held.append(envelope)
            self._tell()
            if len(self._held) > HELD:
                self._room.clear()
                await self._room.wait()
        self._over = True
        self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(RuntimeError):  # the screen's loop is closed
            self._here.call_soon_threadsafe(self._news.set)

    async def events(self) -> AsyncIterator[Envelope]:
        """Envelopes from where this client began, also such as the state has in it already; ends with the session."""
        while True:
            while self._held:
                envelope = self._held.popleft()
                apply(self.state, envelope)
                yield envelope
            self._engine.loop.call_soon_threadsafe(self._room.set)
            if self._over:
                return
            await self._news.wait()
            self._news.clear()

    async def send(self, command: AnyCommand) -> Ack:
        """Asks the session for something."""
        return await self._engine.do(self._inner.send(command))

    async def query(self, query: AnyQuery) -> AnyPage:
        """A page of what the state does not hold."""
        return await self._engine.do(self._inner.query(query))

    async def close(self) -> None:
        """Leaves. The session lives in this process, so it must have ended before, or it is cut off here."""
        self._pump.cancel()
        await self._engine.do(self._inner.close())
        await self._engine.stop()


async def _state_of(client: Client) -> SessionState:
    """The state as CLIENT has it now, for another thread: what is folded into it later does not touch the first."""
    return msgspec.json.decode(encode(client.state), type=SessionState)


async def _begun(begin: Callable[[], Coroutine[Any, Any, Client]]) -> Client:
    engine = _Engine()
    try:
        inner = await engine.do(begin())
        return ThreadedClient(inner, engine, await engine.do(_state_of(inner)))
    except BaseException:
        await engine.stop()
        raise


async def start(task: Task, options: local.Options) -> Client:
    """A new session at work on TASK, in a thread. Raises StartError."""
    return await _begun(lambda: local.start(task, options))


async def resume(
    session: str, caps: Caps, answer: str | None, options: local.Options, mode: Mode | None = None
) -> Client:
    """An old session at work again, in a thread; its client begins with its state. Raises StartError."""
    taken_up = msgspec.structs.replace(options, attended=True)
    return await _begun(lambda: local.resume(session, caps, answer, taken_up, mode))
