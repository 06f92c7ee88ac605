"""A letter that does something waits a moment: with another one right behind it, it began a word."""

import time
from collections.abc import Callable

from textual.message_pump import MessagePump
from textual.timer import Timer

_LATE = 0.05  # seconds behind its time: the program did not get to its keys either
_AGAIN = 0.1  # seconds for what was typed meanwhile to arrive
_MOST = 10


class Hold:
    """Calls THEN after SECONDS. A clock that comes late lets the keys that were typed in time go first."""

    def __init__(self, owner: MessagePump, seconds: float, then: Callable[[], None]) -> None:
        self._owner, self._then, self._left = owner, then, _MOST
        self._timer = self._wait(seconds)

    def stop(self) -> None:
        """Nothing is called any more."""
        self._timer.stop()

    def _wait(self, seconds: float) -> Timer:
        self._due = time.monotonic() + seconds
        return self._owner.set_timer(seconds, self._fired)

    def _fired(self) -> None:
        self._left -= 1
        if self._left > 0 and time.monotonic() - self._due > _LATE:
            self._timer = self._wait(_AGAIN)
        else:
            self._then()
