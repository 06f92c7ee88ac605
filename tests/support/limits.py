"""A test that hangs fails after a while, says where it hung, and the others run on."""

import signal
import threading
from collections.abc import Iterator

import pytest

LIMIT_S, SLOW_S = 120.0, 300.0  # of a test; of one that is marked slow
_AGAIN_S = 5.0  # a loop that takes the first one for its own is told again


@pytest.fixture(autouse=True)
def time_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test when its time is over. Where there is no alarm clock, or it is set already, nothing is limited."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    seconds = SLOW_S if request.node.get_closest_marker("slow") else LIMIT_S

    def over(*_: object) -> None:
        pytest.fail(f"not done in {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
