"""Signals, turned into what a session is asked to do."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

from workbench.host.client import Client
from workbench.protocol.commands import Stop
from workbench.protocol.result import EXIT_CODES

T = TypeVar("T")

# reason of `Stop` -> how the run ends, and how many seconds the session has for it
SUBTYPES = {"signal": "error_retryable", "interrupt": "error_interrupted", "terminate": "error_terminated"}
GRACE_S = {"signal": 25.0, "interrupt": 10.0, "terminate": 5.0}
_AGAIN_S = 2.0
_UNREAD_S = 1.0
_LOOK_S = 0.2
_CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class StoppedError(Exception):
    """A signal came while the task was read."""


class Signals:
    """Catches SIGINT, SIGTERM, SIGHUP and SIGUSR1 inside a `with`; what was ignored before (nohup) stays ignored.

    The first SIGTERM, SIGHUP or SIGUSR1 asks for a stop that can be resumed, a second SIGTERM for the end, SIGINT for
    an interruption, a second SIGINT for one at once. A third of either ends this process where it stands.
    """

    def __init__(self) -> None:
        self.reason: str | None = None  # of the last stop that was asked for
        self.grace_s = 0.0
        self._counts: Counter[int] = Counter()
        self._before: dict[int, Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._react: Callable[[], object] = lambda: None
        self._reading = False

    def __enter__(self) -> "Signals":
        for number in _CAUGHT:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop = None
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def subtype(self) -> str:
        """How a run ends that these signals ended."""
        return SUBTYPES[self.reason or "terminate"]

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        self._counts[number] += 1
        count = self._counts[number]
        if number == signal.SIGINT:
            self.reason, self.grace_s = "interrupt", _AGAIN_S if count > 1 else GRACE_S["interrupt"]
        elif number == signal.SIGTERM and count > 1:
            self.reason, self.grace_s = "terminate", GRACE_S["terminate"]
        elif self.reason is None:
            self.reason, self.grace_s = "signal", GRACE_S["signal"]
        if count > 2 and number in (signal.SIGINT, signal.SIGTERM):
            os._exit(EXIT_CODES[self.subtype])
        if self._reading:
            raise StoppedError
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._react)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Inside it a signal ends what blocks, such as a pipe that nobody writes to; raises StoppedError there."""
        self._reading = True
        try:
            yield
        finally:
            self._reading = False

    async def unless(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Carries WORK out, and gives it up at the next signal (None)."""
        task = asyncio.create_task(work)
        self._loop, self._react = asyncio.get_running_loop(), task.cancel
        try:
            return await task
        except asyncio.CancelledError:
            return None

    async def steer(self, client: Client, working: "asyncio.Task[Any]") -> None:
        """Passes each signal on to the session, and ends WORKING when it takes too long, whoever holds it up."""
        loop, wake = asyncio.get_running_loop(), asyncio.Event()
        self._loop, self._react = loop, wake.set
        told, until = 0, 0.0
        while True:
            if self.reason is not None and self._counts.total() > told:
                told = self._counts.total()
                await client.send(Stop(id=f"stop-{told}", reason=self.reason, by="signal"))
                until = loop.time() + self.grace_s
            if told and client.state.end is not None:
                # The session has ended; all that is left is to wait for someone to read its output.
                until = min(until, loop.time() + _UNREAD_S)
            if told and loop.time() >= until:
                working.cancel()
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), _LOOK_S if told else None)
            wake.clear()
