"""How long ago a moment was that the session tells, for clocks that go on counting on this screen."""

import time

_MOST = 30 * 86_400.0


def seconds_since(at: float) -> float:
    """Seconds since AT (Unix time, by the clock of the session's machine): who comes later sees the same clock.

    0 where that is no span that a session works, as where the clocks of two machines differ.
    """
    seconds = time.time() - at
    return seconds if 0.0 <= seconds < _MOST else 0.0
