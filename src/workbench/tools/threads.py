"""Work that can block, kept off the event loop without being left behind."""

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def finish(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """WORK in a thread. A cancelled caller is told so only once WORK has ended: no write comes after a cancellation."""
    return await stoppable(lambda stop: work(*args, **kwargs))


async def stoppable(work: Callable[[threading.Event], T]) -> T:
    """WORK in a thread, given an event that is set when the caller is cancelled: long work looks at it and ends."""
    stop = threading.Event()
    task = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it
        raise
