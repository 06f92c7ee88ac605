"""The one way in which files that a run wrote are opened: they may be anything, a link to a secret of the user's too.

Who reads is not confined, whoever wrote may be: what a confined command may not read is not read for it.
"""

import errno
import functools
import os
import stat
from io import BufferedReader
from pathlib import Path

from workbench import places
from workbench.sandbox import secret_places

MOST = 1 << 20  # bytes of a file that is read at once


def opened(path: Path, own: bool = False) -> int:
    """A descriptor of the regular file at PATH; nothing that was put there instead is waited for.

    OWN: it is the program's own, such as the output of a run, which may lie with its session. Raises OSError, also for
    what is secret, wherever a link leads there from.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no file of bytes", str(path))
        if _is_withheld(real := _really(descriptor, path)) and not (own and real.is_relative_to(_sessions())):
            raise PermissionError(errno.EACCES, "what commands may not read is not read for them", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def file(path: Path, own: bool = False) -> BufferedReader:
    """The file at PATH, opened as `opened` does."""
    return os.fdopen(opened(path, own), "rb")


def content(path: Path, most: int = MOST) -> bytes:
    """What is in the file at PATH, the first MOST bytes. Raises OSError."""
    with file(path) as found:
        return found.read(most)


def _really(descriptor: int, path: Path) -> Path:
    """Where the open file lies, whatever led to it."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - a magic link
    except OSError:  # macOS
        return path.resolve()


def _is_withheld(real: Path) -> bool:
    if secret_places.is_secret_file(real.name) or real.parts[1:2] in (("proc",), ("sys",), ("dev",)):
        return not real.is_relative_to("/dev/shm")  # noqa: S108 - of runs as any folder
    return f"{real}/".startswith(_withheld())


@functools.cache
def _withheld() -> tuple[str, ...]:
    hidden = (places.state(), places.config(), places.sockets())
    return tuple(f"{os.path.realpath(path)}/" for path in (*secret_places.places(Path.home(), os.environ), *hidden))


@functools.cache
def _sessions() -> Path:
    return Path(os.path.realpath(places.sessions()))
