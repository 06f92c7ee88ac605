"""One process at a time, by a lock on a file (flock(2))."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_PATIENCE_S = 10.0  # what is done under a lock takes milliseconds
_LOOK_S = 0.004


@contextlib.contextmanager
def alone(path: Path, patience: float = _PATIENCE_S) -> Iterator[None]:
    """Alone at PATH among all processes; where the file system knows no locks, alone by luck. Raises OSError.

    So, too, once PATIENCE (s) is over: whoever may read the file can lock it, and a confined command would else stop
    the ledger for everybody.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        until = time.monotonic() + patience
        while not taken(descriptor) and time.monotonic() < until:
            time.sleep(_LOOK_S)
        yield
    finally:
        os.close(descriptor)


def taken(descriptor: int) -> bool:
    """Whether the lock of DESCRIPTOR is had at once; where the file system knows none, as if it were."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
