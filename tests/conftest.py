"""What every test gets."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from support.left import forgotten
from support.limits import time_limit
from support.processes import only_own_zombies

__all__ = ["only_own_zombies", "time_limit"]

# In CI a change is judged by the same examples each time; at a desk they are new ones. How long one takes is a matter
# of what else the machine does: no example has a limit of its own.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

# A shell lets what it starts beside it ignore SIGINT, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as nohup has it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def no_host_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A host outlives its clients: the test that began one ends it (`support.left.end_hosts`)."""
    yield
    left = forgotten(tmp_path_factory.getbasetemp())
    assert not left, f"hosts of sessions still lived when all tests were over: {left}"
