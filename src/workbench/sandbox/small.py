"""Small files in places where a command, or whoever packed a repository, may have put anything."""

import os
import stat
from pathlib import Path

MOST = 8192  # bytes: two of the longest paths


def text(path: Path) -> str | None:
    """What stands in the file at PATH; None for a link, a FIFO, a device, what is too long, and where nothing is."""
    try:
        found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        state = os.fstat(found)
        if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1 or state.st_size > MOST:
            return None
        return os.fsdecode(os.read(found, MOST))
    except OSError:
        return None
    finally:
        os.close(found)
