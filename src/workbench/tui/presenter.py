"""From a client's events to the views: at most 20 batches a second, and nothing scheduled in between.

The client folds what it receives (`client.state`); here envelopes are gathered, adjacent deltas joined, and handed on.
Where a frame is dear (beside panes each new line moves all others, and no terminal does that for us), they come less
often, 10 times a second at least.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from workbench.host.client import Client
from workbench.protocol.events import Envelope
from workbench.protocol.joining import joined
from workbench.protocol.state import SessionState

SLICE = 0.008  # seconds of taking in before the loop is let go
FULL = 2000  # envelopes that wait here before the client is left to wait (it drops deltas by then)
DEAR = 24_000  # bytes a second to the terminal, beyond which frames come less often
SLOWEST = 0.1  # seconds between two frames, however dear they are


class Presenter:
    """Follows CLIENT and calls SHOW with its state and what is new, in order, every FRAME seconds at most.

    WRITTEN tells how many bytes went to the terminal so far.
    """

    def __init__(
        self,
        client: Client,
        show: Callable[[SessionState, Sequence[Envelope]], None],
        frame: float = 0.05,
        written: Callable[[], int] = lambda: 0,
    ) -> None:
        self.client, self._show, self._frame, self._written = client, show, frame, written
        self._pause, self._bytes = frame, written()
        self._news: list[Envelope] = []
        self._handle: asyncio.TimerHandle | None = None
        self._shown = 0.0  # when the last batch was
        self._room = asyncio.Event()

    async def follow(self) -> None:
        """Takes in events until the client's host lets go of it; all that came is shown by the time this returns."""
        began = time.monotonic()
        try:
            async for envelope in self.client.events():
                self._take(envelope)
                if len(self._news) >= FULL:
                    self._room.clear()
                    await self._room.wait()
                elif time.monotonic() - began > SLICE:  # a flood must not keep keys and frames waiting
                    await asyncio.sleep(0)
                    began = time.monotonic()
        finally:
            self._cancel()
        self._flush()

    def renew(self) -> None:
        """The client's state is another than what was shown led to: all of it is shown anew."""
        self._cancel()
        self._news.clear()
        self._show(SessionState(), ())
        self._show(self.client.state, ())
        self._room.set()

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _take(self, envelope: Envelope) -> None:
        if self._news and (whole := joined(self._news[-1], envelope)):
            self._news[-1] = whole
            return
        self._news.append(envelope)
        if self._handle is None:
            delay = max(0.0, self._shown + self._pause - time.monotonic())
            self._handle = asyncio.get_running_loop().call_later(delay, self._flush)

    def _flush(self) -> None:
        self._handle = None
        before, self._bytes = self._bytes, self._written()
        self._pause = max(self._frame, min(SLOWEST, (self._bytes - before) / DEAR))
        news, self._news = self._news, []
        try:
            if news:
                self._show(self.client.state, news)
        finally:  # whatever the screen fails of, the next batch is shown
            self._shown = time.monotonic()  # after it: drawing that takes long leaves as much time for everything else
            self._room.set()
