"""From one session to its clients: bounded, never slowing the loop, never losing what is journalled."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from workbench.protocol.events import Envelope, SessionEnded
from workbench.protocol.joining import joined

# A client that lags further behind than this is told from the journal what it missed, and each text under way whole.
QUEUE = 1000

Drafting = Callable[[], list[Envelope]]  # the texts that are under way, each whole so far; and who is here


def no_drafts() -> list[Envelope]:
    """For who needs no more of them than the pieces that came."""
    return []


class BehindError(Exception):
    """A client has missed more than it may be told one by one: it begins anew, from the state."""


class Feed:
    """One client's view of the stream: journalled envelopes in order and none twice, deltas while there is room.

    Pieces of one text that wait here are put together. Where some were missed, before the feed began or for want of
    room, what DRAFTS gives takes their place. A client that has missed more than MOST_MISSED journalled envelopes is
    not told them (BehindError); None: it is told all.
    """

    def __init__(
        self,
        read: Callable[[int], Iterator[Envelope]],
        after: int = 0,
        most_missed: int | None = None,
        drafts: Drafting = no_drafts,
    ) -> None:
        self._read, self._drafts = read, drafts
        self._seq = self._newest = after
        self._most_missed = most_missed
        self._queue: deque[Envelope] = deque()
        self._behind = True  # what was journalled before the feed began
        self._wake = asyncio.Event()
        self._journalled = asyncio.Event()
        self._ended: Envelope | None = None
        self.closed = False

    def push(self, envelope: Envelope) -> None:
        """Takes an envelope from the session. Never waits."""
        if isinstance(envelope.event, SessionEnded):
            self._ended = envelope
        if envelope.seq:
            self._newest = envelope.seq
            self._journalled.set()
        if not envelope.seq and self._queue and (whole := joined(self._queue[-1], envelope)):
            self._queue[-1] = whole
        elif len(self._queue) < QUEUE:
            self._queue.append(envelope)
        else:
            self._behind = True
            self._queue.clear()
        self._wake.set()

    async def envelopes(self) -> AsyncIterator[Envelope]:
        """Everything after where the feed began, until the session's end or `close`."""
        async for batch in self.batches(1):
            yield batch[0]

    async def batches(self, most: int) -> AsyncIterator[list[Envelope]]:
        """As `envelopes`, as many at once as there are, up to MOST. Raises BehindError."""
        while not self.closed:
            batch: list[Envelope] = []
            for envelope in self._ready():
                if envelope.seq and envelope.seq <= self._seq:
                    continue
                self._seq = envelope.seq or self._seq
                batch.append(envelope)
                if len(batch) == most:
                    yield batch
                    batch = []
            if batch:
                yield batch
            if self._queue or self._behind:
                continue
            if self._ended is not None:
                if self._seq < self._ended.seq:  # it could not be journalled
                    yield [self._ended]
                return
            await self._wake.wait()
            self._wake.clear()

    def _ready(self) -> Iterator[Envelope]:
        if self._behind:
            self._behind = False
            if self._most_missed is not None and self._newest - self._seq > self._most_missed:
                raise BehindError
            yield from self._read(self._seq)
            if self._behind:  # it was overtaken again while it read: what waits here does not follow on that
                return
            # Pieces that wait here are in the texts that are told whole; what was journalled comes before those.
            whole, held = self._drafts(), [one for one in self._queue if one.seq]
            self._queue.clear()
            yield from held
            yield from whole
        while self._queue and not self._behind:
            yield self._queue.popleft()

    async def gather(self, seconds: float) -> None:
        """Returns when something was journalled since the last call, after SECONDS at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._journalled.wait()
        self._journalled.clear()

    def close(self) -> None:
        """Ends the iteration."""
        self.closed = True
        self._wake.set()
        self._journalled.set()
