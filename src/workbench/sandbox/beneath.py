"""Changes to files that a supervisor carries out for a command, in folders that Landlock cannot grant but for a part.

Landlock knows no "this folder without .git". What is new in such a folder, and what lies in it directly, is written
here instead: the path is read once, followed once, held as a descriptor, looked at, and only then acted on through
that descriptor. A path that the caller changes meanwhile changes nothing. Whatever is not surely within the ground is
left to the kernel, where Landlock refuses it. Runs in a thread that has a umask of its own.
"""

import errno
import os
import re
import stat
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from workbench.sandbox import system
from workbench.sandbox.notify import Call

_AT_FDCWD = -100
_NO_MAGIC_LINKS = 2  # openat2's RESOLVE_NO_MAGICLINKS: /proc/self would be ours, not the caller's
_TMPFILE = 0x400000 | os.O_DIRECTORY
_REMOVEDIR = 0x200
_SYMLINK_FOLLOW = 0x400
_SYMLINK_NOFOLLOW = 0x100
_EMPTY_PATH = 0x1000
_WHITEOUT = 4
_DESCRIPTOR = re.compile(rb"/(?:dev|proc/self)/fd/(\d+)|/dev/std(in|out|err)")

Place = Literal["ours", "whole", "kept", "outside"]
_OUTSIDE: Place = "outside"


class LeaveIt(Exception):  # noqa: N818 - no error: the kernel decides
    """The call is the kernel's to carry out."""


class Ground:
    """Which real paths a command may change, the longest one that holds it deciding.

    What is `ours` is carried out here, what is `whole` Landlock has granted, what is `kept` stays as it is, under
    whichever case its name is written.
    """

    def __init__(self, ours: Iterable[str], whole: Iterable[str], kept: Iterable[str]) -> None:
        self._ours = frozenset(ours)
        self._kept = tuple(path.casefold() for path in kept)
        self._open: tuple[tuple[str, Place], ...] = (
            *((path, "ours") for path in self._ours),
            *((path, "whole") for path in whole),
        )

    def place(self, path: str) -> Place:
        """Where PATH lies."""
        folded = path.casefold()
        kept = max((len(one) for one in self._kept if _within(folded, one)), default=0)
        length, found = max(
            ((len(one), place) for one, place in self._open if _within(path, one)), default=(0, _OUTSIDE)
        )
        return "kept" if kept >= length and kept else found

    def entry(self, path: str) -> Place:
        """The same for what is to be made, moved or removed: the opened folders themselves are none of it."""
        return "kept" if path in self._ours else self.place(path)

    def holds_kept(self, path: str) -> bool:
        """Whether something that is kept lies at PATH or below."""
        folded = path.casefold()
        return any(_within(kept, folded) for kept in self._kept)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


class Files:
    """Carries calls out within GROUND. `calls` says how each is; each raises OSError, LeaveIt, notify.Gone.

    LATER opens a FIFO that is held, which may wait for the other end, and lets go of it; TERMINAL opens a terminal of
    the command's own, and gives None for any other.
    """

    def __init__(
        self,
        ground: Ground,
        later: Callable[[Call, int, int, bool], None],
        terminal: Callable[[str, int], int | None] = lambda path, flags: None,
    ) -> None:
        self._ground = ground
        self._terminal = terminal
        self._later = later
        self.calls: dict[str, Callable[[Call], None]] = {
            "open": lambda call: self._open(call, _AT_FDCWD, 0, call.number(1), call.number(2)),
            "openat": lambda call: self._open(call, call.number(0), 1, call.number(2), call.number(3)),
            "creat": lambda call: self._open(call, _AT_FDCWD, 0, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, call.number(1)),
            "mkdir": lambda call: self._mkdir(call, _AT_FDCWD, 0, call.number(1)),
            "mkdirat": lambda call: self._mkdir(call, call.number(0), 1, call.number(2)),
            "unlink": lambda call: self._remove(call, _AT_FDCWD, 0, is_folder=False),
            "rmdir": lambda call: self._remove(call, _AT_FDCWD, 0, is_folder=True),
            "unlinkat": lambda call: self._remove(call, call.number(0), 1, is_folder=bool(call.number(2) & _REMOVEDIR)),
            "rename": lambda call: self._rename(call, (_AT_FDCWD, 0), (_AT_FDCWD, 1), 0),
            "renameat": lambda call: self._rename(call, (call.number(0), 1), (call.number(2), 3), 0),
            "renameat2": lambda call: self._rename(call, (call.number(0), 1), (call.number(2), 3), call.number(4)),
            "link": lambda call: self._link(call, (_AT_FDCWD, 0), (_AT_FDCWD, 1), 0),
            "linkat": lambda call: self._link(call, (call.number(0), 1), (call.number(2), 3), call.number(4)),
            "symlink": lambda call: self._symlink(call, 0, _AT_FDCWD, 1),
            "symlinkat": lambda call: self._symlink(call, 0, call.number(1), 2),
            "mknod": lambda call: self._mknod(call, _AT_FDCWD, 0, call.number(1)),
            "mknodat": lambda call: self._mknod(call, call.number(0), 1, call.number(2)),
            "truncate": self._truncate,
            "chmod": lambda call: self._chmod(call, _AT_FDCWD, 0, call.number(1), 0),
            "fchmodat": lambda call: self._chmod(call, call.number(0), 1, call.number(2), 0),
            "fchmodat2": lambda call: self._chmod(call, call.number(0), 1, call.number(2), call.number(3)),
            "fchmod": self._fchmod,
            "chown": lambda call: self._chown(call, _AT_FDCWD, 0, (1, 2), 0),
            "lchown": lambda call: self._chown(call, _AT_FDCWD, 0, (1, 2), _SYMLINK_NOFOLLOW),
            "fchownat": lambda call: self._chown(call, call.number(0), 1, (2, 3), call.number(4)),
            "fchown": self._fchown,
        }

    # --- where a path leads ---

    def existing(self, call: Call, folder: int, path: bytes, *, follow: bool) -> tuple[int, str]:
        """What lies at PATH as the caller sees it, held, and its real path; the descriptor is the taker's to close."""
        base = _base(call, folder, path)
        try:
            held = _hold(base, path, 0 if follow else os.O_NOFOLLOW)
        finally:
            _close(base)
        try:
            return held, _real(held)
        except BaseException:
            os.close(held)
            raise

    def _entry(self, call: Call, folder: int, at: int) -> tuple[int, bytes, str]:
        """The folder that holds the entry of argument AT, held, the entry's name, and its real path."""
        return self.entry(call, folder, call.path(at))

    def entry(self, call: Call, folder: int, path: bytes) -> tuple[int, bytes, str]:
        """The same for a path that was read already."""
        path = path.rstrip(b"/")
        head, _, name = path.rpartition(b"/")
        if name in (b"", b".", b".."):
            raise LeaveIt
        above = head + b"/" if path.startswith(b"/") or head else b"."
        held, real = self.existing(call, folder, above, follow=True)
        return held, name, f"{real.rstrip('/')}/{os.fsdecode(name)}"

    # --- calls ---

    def _open(self, call: Call, folder: int, at: int, flags: int, mode: int) -> None:
        if flags & os.O_PATH:
            raise LeaveIt
        path = call.path(at)
        if flags & os.O_TRUNC and flags & os.O_ACCMODE not in (os.O_WRONLY, os.O_RDWR):
            self._empty(call, folder, path, flags)
            return
        exclusive = flags & os.O_CREAT and flags & os.O_EXCL
        try:
            held, real = self.existing(call, folder, path, follow=not (flags & os.O_NOFOLLOW or exclusive))
        except FileNotFoundError:
            if not flags & os.O_CREAT or path.endswith(b"/"):
                raise
            self._create(call, folder, at, flags, mode)
            return
        except OSError as error:
            self._open_terminal(call, _behind(call, path, error), flags)
            return
        kind = os.fstat(held).st_mode
        temporary = flags & _TMPFILE == _TMPFILE
        suitable = stat.S_ISDIR(kind) if temporary else stat.S_ISREG(kind) or stat.S_ISFIFO(kind)
        if exclusive or not suitable or self._ground.place(real) != "ours":
            os.close(held)
            self._open_terminal(call, real if stat.S_ISCHR(kind) and not exclusive else "", flags)
            return
        keep = flags & ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | (0 if temporary else os.O_DIRECTORY))
        mode = mode & ~call.umask() if temporary else 0

        cloexec = bool(flags & os.O_CLOEXEC)
        if stat.S_ISFIFO(kind):
            self._later(call, held, keep, cloexec)
            return
        try:
            opened = os.open(f"/proc/self/fd/{held}", keep | os.O_CLOEXEC, mode)
        finally:
            os.close(held)
        call.give(opened, cloexec=cloexec)

    def _open_terminal(self, call: Call, real: str, flags: int) -> None:
        slave = self._terminal(real, flags)
        if slave is None:
            raise LeaveIt
        call.give(slave, cloexec=bool(flags & os.O_CLOEXEC))

    def _empty(self, call: Call, folder: int, path: bytes, flags: int) -> None:
        """Emptied, though not opened for writing: Landlock knows that since ABI 3 alone, so it is never left to it."""
        try:
            held, real = self.existing(call, folder, path, follow=not flags & os.O_NOFOLLOW)
            try:
                allowed = stat.S_ISREG(os.fstat(held).st_mode) and self._ground.place(real) in ("ours", "whole")
                if not allowed:
                    raise PermissionError(errno.EACCES, "outside")
                how = flags & ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
                opened = os.open(f"/proc/self/fd/{held}", how | os.O_CLOEXEC)
            finally:
                os.close(held)
        except OSError as error:
            call.fail(error.errno or errno.EACCES)
            return
        call.give(opened, cloexec=bool(flags & os.O_CLOEXEC))

    def _create(self, call: Call, folder: int, at: int, flags: int, mode: int) -> None:
        held, name, real = self._entry(call, folder, at)
        try:
            if self._ground.entry(real) != "ours":
                raise LeaveIt
            how = flags | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            made = os.open(name, how, mode & ~call.umask() & 0o7777, dir_fd=held)
        except FileExistsError:  # a link to nothing, or somebody was faster
            raise LeaveIt from None
        finally:
            os.close(held)
        call.give(made, cloexec=bool(flags & os.O_CLOEXEC))

    def _at_entry(self, call: Call, folder: int, at: int, act: Callable[[bytes, int], None]) -> None:
        held, name, real = self._entry(call, folder, at)
        try:
            if self._ground.entry(real) != "ours":
                raise LeaveIt
            act(name, held)
        finally:
            os.close(held)
        call.done()

    def _mkdir(self, call: Call, folder: int, at: int, mode: int) -> None:
        mode &= ~call.umask()
        self._at_entry(call, folder, at, lambda name, held: os.mkdir(name, mode, dir_fd=held))

    def _remove(self, call: Call, folder: int, at: int, *, is_folder: bool) -> None:
        remove = os.rmdir if is_folder else os.unlink
        self._at_entry(call, folder, at, lambda name, held: remove(name, dir_fd=held))

    def _symlink(self, call: Call, target_at: int, folder: int, at: int) -> None:
        target = call.path(target_at)
        self._at_entry(call, folder, at, lambda name, held: os.symlink(target, name, dir_fd=held))

    def _mknod(self, call: Call, folder: int, at: int, mode: int) -> None:
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK):
            raise LeaveIt
        mode &= ~call.umask()
        self._at_entry(call, folder, at, lambda name, held: os.mknod(name, mode, dir_fd=held))

    def _rename(self, call: Call, old: tuple[int, int], new: tuple[int, int], flags: int) -> None:
        if flags & _WHITEOUT:
            raise LeaveIt
        source, name, source_real = self._entry(call, *old)
        try:
            target, new_name, target_real = self._entry(call, *new)
            try:
                self._may_move(source_real, target_real)
                system.call("renameat2", source, name, target, new_name, flags)
            finally:
                os.close(target)
        finally:
            os.close(source)
        call.done()

    def _may_move(self, *reals: str) -> None:
        places = [self._ground.entry(real) for real in reals]
        if "ours" not in places or not set(places) <= {"ours", "whole"}:
            raise LeaveIt
        if any(self._ground.holds_kept(real) for real in reals):
            raise LeaveIt

    def _link(self, call: Call, old: tuple[int, int], new: tuple[int, int], flags: int) -> None:
        path = call.path(old[1])
        if flags & _EMPTY_PATH or not path:
            raise LeaveIt
        held, real = self.existing(call, old[0], path, follow=bool(flags & _SYMLINK_FOLLOW))
        try:
            target, name, target_real = self._entry(call, *new)
            try:
                self._may_move(real, target_real)
                if stat.S_ISLNK(os.fstat(held).st_mode):
                    raise LeaveIt
                os.link(f"/proc/self/fd/{held}", name, dst_dir_fd=target, follow_symlinks=True)
            finally:
                os.close(target)
        finally:
            os.close(held)
        call.done()

    def _truncate(self, call: Call) -> None:
        held, real = self.existing(call, _AT_FDCWD, call.path(0), follow=True)
        try:
            place = self._ground.place(real)
            if place not in ("ours", "whole"):
                call.fail(errno.EACCES)  # Landlock knows this one since ABI 3 alone
                return
            os.truncate(f"/proc/self/fd/{held}", call.arguments[1])
        finally:
            os.close(held)
        call.done()

    def _chmod(self, call: Call, folder: int, at: int, mode: int, flags: int) -> None:
        """Landlock knows none of these: outside of the ground they fail here."""
        path = call.path(at)
        if not path:
            call.fail(errno.EPERM)
            return
        held, real = self.existing(call, folder, path, follow=not flags & _SYMLINK_NOFOLLOW)
        try:
            self._set_mode(call, held, real, mode)
        finally:
            os.close(held)

    def _fchmod(self, call: Call) -> None:
        held = call.descriptor(0)
        try:
            self._set_mode(call, held, _real(held), call.number(1))
        finally:
            os.close(held)

    def _chown(self, call: Call, folder: int, at: int, owner: tuple[int, int], flags: int) -> None:
        path = call.path(at)
        if not path:
            call.fail(errno.EPERM)
            return
        held, real = self.existing(call, folder, path, follow=not flags & _SYMLINK_NOFOLLOW)
        try:
            self._set_owner(call, held, real, owner)
        finally:
            os.close(held)

    def _fchown(self, call: Call) -> None:
        held = call.descriptor(0)
        try:
            self._set_owner(call, held, _real(held), (1, 2))
        finally:
            os.close(held)

    def _set_owner(self, call: Call, held: int, real: str, owner: tuple[int, int]) -> None:
        """Root's right to give files away is not a command's; a file in the ground may change its group."""
        user, group = (call.number(at) for at in owner)
        found = os.fstat(held)
        if user in (-1, found.st_uid) and group in (-1, found.st_gid):
            call.done()  # as it is already: outside, nothing happens
        elif os.geteuid() == 0 or user not in (-1, found.st_uid) or self._ground.place(real) not in ("ours", "whole"):
            call.fail(errno.EPERM)
        else:
            system.call("fchownat", held, b"", -1, group, _EMPTY_PATH)
            call.done()

    def _set_mode(self, call: Call, held: int, real: str, mode: int) -> None:
        nameless = not real.startswith("/") or real.startswith("/memfd:")
        if not nameless and self._ground.place(real.removesuffix(" (deleted)")) not in ("ours", "whole"):
            call.fail(errno.EPERM)
            return
        Path(f"/proc/self/fd/{held}").chmod(mode & 0o7777)
        call.done()


def _base(call: Call, folder: int, path: bytes) -> int:
    """The folder that a relative PATH begins in, held; -1 for an absolute one."""
    if path.startswith(b"/"):
        return -1
    where = "cwd" if folder == _AT_FDCWD else f"fd/{folder}"
    return os.open(f"/proc/{call.pid}/{where}", os.O_PATH | os.O_CLOEXEC)


def _behind(call: Call, path: bytes, error: OSError) -> str:
    """What /dev/stderr and its like stand for to the caller; raises ERROR, with which PATH was not followed, else."""
    found = _DESCRIPTOR.fullmatch(path)
    if error.errno != errno.ELOOP or found is None:
        raise error
    number = int(found[1]) if found[1] else ("in", "out", "err").index(found[2].decode())
    return os.readlink(f"/proc/{call.pid}/fd/{number}")  # noqa: PTH115 - a name, not a path to go on with


def _hold(base: int, path: bytes, flags: int) -> int:
    how = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC | flags, 0, _NO_MAGIC_LINKS)
    return system.call("openat2", _AT_FDCWD if base < 0 else base, path, how, len(how))


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def _real(held: int) -> str:
    return os.readlink(f"/proc/self/fd/{held}")  # noqa: PTH115 - a name, not a path to go on with
