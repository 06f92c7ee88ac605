"""From one session to its clients: bounded, never slowing the loop, never losing what is journalled."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from workbench.protocol.events import Envelope, SessionEnded

# A client that lags further behind than this loses deltas, and reads what was journalled from the journal.
QUEUE = 1000


class Feed:
    """One client's view of the stream: journalled envelopes in order and none twice, deltas while there is room."""

    def __init__(self, read: Callable[[int], Iterator[Envelope]], after: int = 0) -> None:
        self._read = read
        self._seq = after
        self._queue: deque[Envelope] = deque()
        self._behind = True  # what was journalled before the feed began
        self._wake = asyncio.Event()
        self._ended: Envelope | None = None
        self.closed = False

    def push(self, envelope: Envelope) -> None:
        """Takes an envelope from the session. Never waits."""
        if isinstance(envelope.event, SessionEnded):
            self._ended = envelope
        if len(self._queue) < QUEUE:
            self._queue.append(envelope)
        elif envelope.seq:
            self._behind = True
            self._queue.clear()
        self._wake.set()

    async def envelopes(self) -> AsyncIterator[Envelope]:
        """Everything after where the feed began, until the session's end or `close`."""
        while not self.closed:
            for envelope in self._ready():
                if envelope.seq and envelope.seq <= self._seq:
                    continue
                self._seq = envelope.seq or self._seq
                yield envelope
            if self._queue or self._behind:
                continue
            if self._ended is not None:
                if self._seq < self._ended.seq:  # it could not be journalled
                    yield self._ended
                return
            await self._wake.wait()
            self._wake.clear()

    def _ready(self) -> Iterator[Envelope]:
        if self._behind:
            self._behind = False
            yield from self._read(self._seq)
        while self._queue and not self._behind:
            yield self._queue.popleft()

    def close(self) -> None:
        """Ends the iteration."""
        self.closed = True
        self._wake.set()
