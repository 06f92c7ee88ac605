"""Opening files where no link can lead elsewhere: one path, as it was judged, beneath a folder that is held open.

What a tool opens is the resolved path that the gate judged, so no part of it may be a link by now, whoever put one
there in between. Linux (5.6 on) refuses links in the same call that opens, openat2(2); elsewhere the path is opened
part by part, each beneath the one before. Standard library alone: the search worker imports this in a bare interpreter.
"""

import contextlib
import errno
import os
import platform
import stat
import sys
from collections.abc import Callable, Iterator
from functools import cache

_OPENAT2 = 437  # the number of the system call, everywhere but on Alpha
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08  # linux/openat2.h
_TRIES = 16  # a rename anywhere at the same moment can make the kernel give up once
# A folder that may be gone through but not listed can be held too, where the system has a way.
PLACE = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_Call = Callable[[int, bytes, int, int], int]


def hold(path: str) -> int:
    """A descriptor of the folder at PATH, which is absolute and resolved; to be closed. Raises OSError.

    ELOOP: some part of PATH is a link.
    """
    top = os.open("/", PLACE)
    try:
        return open_at(top, path.strip("/"), PLACE)
    finally:
        os.close(top)


@contextlib.contextmanager
def holding(path: str) -> Iterator[int]:
    """`hold`, closed at the end."""
    folder = hold(path)
    try:
        yield folder
    finally:
        os.close(folder)


def open_at(folder: int, path: str, flags: int, mode: int = 0) -> int:
    """Opens PATH, relative and without `..`, beneath the folder held by FOLDER; "" is that folder.

    Raises OSError: ELOOP where some part of PATH is a link.
    """
    flags |= os.O_CLOEXEC
    if (call := _openat2()) is None:
        return _part_by_part(folder, path, flags, mode)
    return call(folder, os.fsencode(path or "."), flags, mode)


@contextlib.contextmanager
def listing(folder: int, path: str) -> Iterator[Iterator["os.DirEntry[str]"]]:
    """The entries of the folder PATH beneath FOLDER; they may be asked about until the end. Raises OSError."""
    here = open_at(folder, path.rstrip("/"), _LIST)
    try:
        with os.scandir(here) as entries:
            yield entries
    finally:
        os.close(here)


def link_target(folder: int, path: str) -> str:
    """Where the link at PATH beneath FOLDER points, as written. Raises OSError."""
    above, _, name = path.rpartition("/")
    here = open_at(folder, above, PLACE)
    try:
        return os.readlink(name, dir_fd=here)
    finally:
        os.close(here)


def make_folders(path: str) -> tuple[int, list[str]]:
    """Holds the folder at the resolved PATH, made with those above it where missing; and which were made, as paths.

    Raises OSError; what was made by then is removed.
    """
    missing: list[str] = []
    while (here := _held(path)) is None:
        above, _, name = path.rpartition("/")
        missing.append(name)
        path = above
    made: list[str] = []
    try:
        for name in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=here)
                made.append(f"{path}/{name}")
            inner = open_at(here, name, PLACE)
            os.close(here)
            path, here = f"{path}/{name}", inner
    except BaseException:
        os.close(here)
        unmake(made)
        raise
    return here, made


def unmake(folders: list[str]) -> None:
    """Removes FOLDERS, made by `make_folders`, where they are still empty."""
    for folder in reversed(folders):
        above, _, name = folder.rpartition("/")
        with contextlib.suppress(OSError), holding(above) as here:
            os.rmdir(name, dir_fd=here)


def _held(path: str) -> int | None:
    try:
        return hold(path)
    except FileNotFoundError:
        if not path:
            raise
        return None


@cache
def _openat2() -> _Call | None:
    """openat2 where the system has it, and lets it be called."""
    if sys.platform != "linux" or platform.machine() == "alpha":
        return None
    import ctypes

    class How(ctypes.Structure):
        """struct open_how, openat2(2)."""

        _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    size = ctypes.c_size_t(ctypes.sizeof(How))
    resolve = _BENEATH | _NO_MAGICLINKS | _NO_SYMLINKS

    def call(folder: int, path: bytes, flags: int, mode: int) -> int:
        how = How(flags, mode if flags & os.O_CREAT else 0, resolve)
        for _ in range(_TRIES):
            given = ctypes.c_long(_OPENAT2), ctypes.c_int(folder), ctypes.c_char_p(path), ctypes.byref(how), size
            if (fd := int(syscall(*given))) >= 0:
                return fd
            code = ctypes.get_errno()
            if code not in (errno.EAGAIN, errno.EINTR):
                break
        code = errno.ELOOP if code == errno.EXDEV else code
        raise OSError(code, os.strerror(code), os.fsdecode(path))

    top = os.open("/", PLACE)
    try:
        os.close(call(top, b".", PLACE, 0))
    except OSError:  # an older kernel, or a filter of system calls that does not know this one
        return None
    finally:
        os.close(top)
    return call


def _part_by_part(folder: int, path: str, flags: int, mode: int) -> int:
    """The same without openat2: no part is gone through before it is known to be no link."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    if not parts:
        return os.open(".", flags, dir_fd=folder)
    here = folder
    try:
        for part in parts[:-1]:
            inner = _one(here, part, PLACE, 0)
            if here != folder:
                os.close(here)
            here = inner
        return _one(here, parts[-1], flags, mode)
    finally:
        if here != folder:
            os.close(here)


def _one(folder: int, name: str, flags: int, mode: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, mode, dir_fd=folder)
    except NotADirectoryError:  # what O_DIRECTORY and O_NOFOLLOW together say of a link
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
        raise
