"""Opening, reading and replacing files: without waiting for anybody, and all or nothing.

Every path here is resolved: the one that the gate judged (`Context.reached`). It is opened beneath folders that are
held open, and no part of it may have become a link since (`beneath`).
"""

import contextlib
import difflib
import errno
import hashlib
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from workbench.tools import beneath
from workbench.tools.base import ToolError
from workbench.tools.ledger import Seen

WHOLE = 10_000_000  # bytes: files up to this size are read whole and may be edited
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_swapping = threading.Lock()  # between two edits of one file at once, the check must see the other's result

_REASONS = {
    errno.ENOSPC: "there is no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "the permissions of the file or its folder forbid it",
    errno.EPERM: "the system forbids it (immutable, or owned by someone else)",
    errno.ELOOP: "a part of its path is a link that leads back to itself, or became a link since the call was judged",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EBUSY: "it is a mount point or otherwise held by the system",
    errno.EAGAIN: "there is nothing to read from it now",
}


class Source(msgspec.Struct, frozen=True):
    """A file as it was read: its resolved path, its state when opened, all its bytes."""

    path: Path
    stat: os.stat_result
    data: bytes

    def seen(self) -> Seen:
        """What the model knows once it has been shown this."""
        return Seen(self.stat.st_mtime_ns, self.stat.st_size, digest(self.data))


def digest(data: bytes) -> bytes:
    """A fingerprint of a file's bytes."""
    return hashlib.blake2b(data, digest_size=16).digest()


def refused(error: OSError, doing: str, shown: str) -> ToolError:
    """ERROR, said to the model: "Cannot write x: …"."""
    reason = _REASONS.get(error.errno or 0) or (error.strerror or str(error))
    return ToolError(f"Cannot {doing} {shown}: {reason}.")


def inspect(path: Path, shown: str) -> os.stat_result:
    """The state of the regular file at the resolved PATH.

    Raises ToolError for anything else: missing (with the nearest names), a folder, a pipe, a device.
    """
    with _folder_of(path, shown) as folder:
        return _inspect(folder, path, shown)


@contextlib.contextmanager
def _folder_of(path: Path, shown: str) -> Iterator[int]:
    """The folder of the resolved PATH, held open. Raises ToolError."""
    try:
        folder = beneath.hold(str(path.parent))
    except FileNotFoundError:
        raise ToolError(f"{shown} does not exist.{_nearest(path, None)}") from None
    except OSError as error:
        raise refused(error, "open", shown) from None
    try:
        yield folder
    finally:
        os.close(folder)


def _inspect(folder: int, path: Path, shown: str) -> os.stat_result:
    try:
        state = os.stat(path.name or ".", dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise ToolError(f"{shown} does not exist.{_nearest(path, folder)}") from None
    except OSError as error:
        raise refused(error, "open", shown) from None
    if stat.S_ISDIR(state.st_mode):
        raise ToolError(f"{shown} is a folder. Use LS to list it, or Glob and Grep to search it.")
    if stat.S_ISLNK(state.st_mode):
        raise ToolError(f"Cannot open {shown}: {_REASONS[errno.ELOOP]}.")
    if not stat.S_ISREG(state.st_mode):
        raise ToolError(
            f"{shown} is {_kind(state.st_mode)}, not a file: it is not opened, as that could wait for ever."
        )
    return state


def _kind(mode: int) -> str:
    return "a named pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"


def hold_folder(path: Path, shown: str) -> int | None:
    """A descriptor of the folder at the resolved PATH, to be closed; None where it is no folder.

    Raises ToolError where there is nothing, or nothing to be seen.
    """
    try:
        return beneath.hold(str(path))
    except NotADirectoryError:
        return None
    except FileNotFoundError:
        with _folder_of(path, shown) as folder:
            raise ToolError(f"{shown} does not exist.{_nearest(path, folder)}") from None
    except OSError as error:
        raise refused(error, "open", shown) from None


@contextlib.contextmanager
def opened(path: Path, shown: str) -> Iterator[tuple[int, os.stat_result]]:
    """The regular file at the resolved PATH, open for reading, and its state. Never waits. Raises ToolError."""
    with _folder_of(path, shown) as folder:
        _inspect(folder, path, shown)  # before opening: to open a device can have effects
        try:
            fd = beneath.open_at(folder, path.name, _READ)
        except OSError as error:
            raise refused(error, "open", shown) from None
    try:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            raise ToolError(f"{shown} was replaced while it was opened. Try again.")
        yield fd, state
    except OSError as error:
        raise refused(error, "read", shown) from None
    finally:
        os.close(fd)


def read(fd: int, limit: int) -> bytes:
    """Up to LIMIT bytes from where FD stands; fewer only at the end. Files of /proc have size 0, so it is not asked."""
    parts: list[bytes] = []
    while limit > 0 and (part := os.read(fd, min(limit, 1 << 20))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def load(path: Path, shown: str) -> Source:
    """The whole file at the resolved PATH. Raises ToolError, also for one larger than `WHOLE`."""
    with opened(path, shown) as (fd, state):
        data = read(fd, WHOLE + 1)
    if len(data) > WHOLE:
        large = size(state.st_size)
        raise ToolError(f"{shown} has {large}, too large to be edited here. Use sed or a short Python program in Bash.")
    return Source(path, state, data)


def replace(path: Path, data: bytes, shown: str, old: os.stat_result | None) -> Seen:
    """Puts DATA at the resolved PATH, whole or not at all; what was there stays until the last moment.

    OLD is the state of the file that DATA replaces: mode, owner and extended attributes are taken over, and a file that
    was changed since then, or has a second name, is not replaced. None: PATH must not exist yet; missing folders are
    made. Raises ToolError.
    """
    made: list[str] = []
    try:
        folder, made = beneath.make_folders(str(path.parent))
        try:
            if old is not None:
                _check_writable(folder, path.name, shown, old)
            return _swap(folder, path.name, data, shown, old)
        finally:
            os.close(folder)
    except (OSError, ToolError) as error:
        beneath.unmake(made)
        raise (refused(error, "write", shown) if isinstance(error, OSError) else error) from None


def size(count: int) -> str:
    """COUNT bytes, for people: 5.0 GB."""
    number = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} bytes" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _check_writable(folder: int, name: str, shown: str, old: os.stat_result) -> None:
    if old.st_nlink > 1:
        raise ToolError(
            f"{shown} has {old.st_nlink} names (hard links), so it is not changed here: the others would keep the old "
            f"text, or be changed with it. Make it a file of its own first: cp it to a new name and mv that over it."
        )
    if not os.access(name, os.W_OK, dir_fd=folder) and not os.fstatvfs(folder).f_flag & os.ST_RDONLY:
        raise ToolError(f"Cannot write {shown}: the file is write-protected (mode {stat.S_IMODE(old.st_mode):04o}).")


def _swap(folder: int, own: str, data: bytes, shown: str, old: os.stat_result | None) -> Seen:
    name = f".mlwb-{secrets.token_hex(8)}.tmp"
    fd = os.open(name, _NEW, 0o666 if old is None else 0o600, dir_fd=folder)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            if old is not None:
                _take_over(fd, folder, own, old)
            os.fsync(fd)
            written = os.fstat(fd)
        finally:
            os.close(fd)
        if old is None:
            _place_new(folder, name, own, shown)
        else:
            with _swapping:
                _check_same(folder, own, old, shown)
                os.rename(name, own, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise
    with contextlib.suppress(OSError):  # some network file systems cannot sync a folder
        _sync(folder)
    return Seen(written.st_mtime_ns, written.st_size, digest(data))


def _sync(folder: int) -> None:
    """FOLDER on the disk: what holds a place cannot be synced itself."""
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _place_new(folder: int, temporary: str, name: str, shown: str) -> None:
    """Gives the temporary file its name, unless that came to exist meanwhile."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.unlink(temporary, dir_fd=folder)
    except FileExistsError:
        raise ToolError(f"{shown} has come to exist just now. Read it before you change it.") from None
    except OSError:  # a file system without hard links
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def _check_same(folder: int, name: str, old: os.stat_result, shown: str) -> None:
    try:
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise ToolError(f"{shown} was removed while it was being changed. Nothing was written.") from None
    if (now.st_ino, now.st_mtime_ns, now.st_size) != (old.st_ino, old.st_mtime_ns, old.st_size):
        raise ToolError(f"{shown} was changed by someone else just now. Nothing was written; read it again.")


def _take_over(fd: int, folder: int, name: str, old: os.stat_result) -> None:
    """Owner, mode and extended attributes (ACLs are among them) of the old file, as far as we may."""
    mine = os.fstat(fd)
    for uid, gid in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
        if (uid in (-1, mine.st_uid)) and gid == mine.st_gid:
            break
        with contextlib.suppress(PermissionError):
            os.fchown(fd, uid, gid)
            break
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            _copy_attributes(beneath.open_at(folder, name, _READ), fd)
    os.fchmod(fd, stat.S_IMODE(old.st_mode))  # last: a change of owner clears bits


def _copy_attributes(source: int, fd: int) -> None:
    try:
        for attribute in os.listxattr(source):
            with contextlib.suppress(OSError):
                os.setxattr(fd, attribute, os.getxattr(source, attribute))
    finally:
        os.close(source)


def _nearest(path: Path, folder: int | None) -> str:
    """What there is near PATH: names in its FOLDER, which is held open, or the folder that exists."""
    if folder is None:
        above = next(above for above in path.parents if os.path.isdir(above))  # noqa: PTH112 - never raises
        return f" The nearest folder that does is {above}."
    try:
        with beneath.listing(folder, "") as entries:
            lower = {entry.name.lower(): entry.name for entry, _ in zip(entries, range(5000), strict=False)}
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name.lower(), lower, n=3, cutoff=0.6)
    return f" Its folder has {', '.join(lower[name] for name in close)}." if close else ""
