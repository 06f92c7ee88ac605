"""Landlock: a thread takes rights from itself, and the command that it starts inherits what is left.

Rights are granted by folder and hold for all that lies below; nothing can be taken out of a grant. So what is left out
is granted around: the children of each folder that holds it, instead of the folder. The interface is that of
linux/landlock.h; each version (ABI) of it knows more rights, and those that a kernel lacks are left out.
"""

import ctypes
import os
import stat
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from workbench.sandbox import system
from workbench.sandbox.beneath import Ground
from workbench.sandbox.types import Profile

_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_REMOVE = 0x10 | 0x20
_MAKE = 0x80 | 0x100 | 0x200 | 0x400 | 0x1000  # folders, files, sockets, pipes, links
_DEVICES = 0x40 | 0x800
_REFER, _TRUNCATE, _IOCTL = 0x2000, 0x4000, 0x8000  # since ABI 2, 3, 5
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_CONNECT_TCP = 2  # ABI 4
_SCOPES = 3  # abstract sockets, signals: ABI 6

_HARMLESS_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd")
_NOT_READ = ("/dev", "/run", "/tmp", "/var/tmp")  # noqa: S108 - kept from commands; their own folder is elsewhere

_NO_NEW_PRIVS, _CAP_VERSION_3 = 38, 0x20080522
_CAP_DAC_OVERRIDE = 1 << 1
_NEW_LISTENER, _WAIT_KILLABLE = 8, 32
T = TypeVar("T")


def abi() -> int:
    """Which version of Landlock the kernel has; 0 for none."""
    try:
        return system.call("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def rights(version: int) -> int:
    """All rights to files that ABI VERSION knows."""
    found = 0x1FFF
    return found | sum(right for right, since in ((_REFER, 2), (_TRUNCATE, 3), (_IOCTL, 5)) if version >= since)


def ruleset(profile: Profile, version: int, writable_too: Iterable[Path], output: Path | None) -> int:
    """A descriptor of the rules that hold a command to PROFILE, and to the file of its OUTPUT. Raises OSError."""
    known = rights(version)
    network = _CONNECT_TCP if version >= 4 and profile.network != "full" else 0
    scopes = _SCOPES if version >= 6 else 0
    sizes = {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}
    attribute = struct.pack("=QQQ", known, network, scopes)[: sizes.get(version, 24)]
    rules = system.call("landlock_create_ruleset", attribute, len(attribute), 0)
    try:
        for path, allowed in _grants(profile, writable_too, output):
            _grant(rules, path, allowed & known)
    except BaseException:
        os.close(rules)
        raise
    return rules


def _grants(profile: Profile, writable_too: Iterable[Path], output: Path | None) -> Iterator[tuple[str, int]]:
    read, write = _READ | _EXECUTE | _LIST, _WRITE | _TRUNCATE | _MAKE | _REMOVE | _REFER
    hidden = {str(path) for path in profile.hidden}
    yield "/", _LIST  # names are no secret here; without them `ls ~` would fail
    for path in carved("/", hidden | set(_NOT_READ)):
        yield path, read
    for folder in (profile.home, *profile.roots):
        if any(folder.is_relative_to(place) for place in (*map(Path, _NOT_READ), *profile.hidden)):
            # What is new in a workspace must be readable: there, secrets are left to the gate.
            whole = folder in profile.roots
            yield from ((path, read) for path in ([str(folder)] if whole else carved(str(folder), hidden)))
        elif folder in profile.roots:
            yield str(folder), read
    kept = hidden | {str(path) for path in profile.read_only}
    for folder in (*profile.roots, *profile.caches, profile.temp, *writable_too):
        # Where something is kept, what is new in the folder itself is written through the supervisor.
        for path in carved(str(folder), kept - {str(folder)}):
            if Path(path).is_dir():
                yield path, read | write
    yield from ((str(path), read) for path in profile.shown)
    if output is not None:
        yield str(output), _WRITE | _TRUNCATE
    yield from _devices(profile)


def ground(profile: Profile, writable_too: Iterable[Path]) -> Ground:
    """The same for the supervisor."""
    kept = {str(path) for path in (*profile.hidden, *profile.read_only)}
    folders = {str(path) for path in (*profile.roots, *profile.caches, profile.temp, *writable_too)}
    whole = {folder for folder in folders if carved(folder, kept - {folder}) == [folder]}
    return Ground(folders - whole, {*whole, "/dev/shm"}, kept - {str(path) for path in writable_too})  # noqa: S108


def _devices(profile: Profile) -> Iterator[tuple[str, int]]:
    from workbench.sandbox.bubblewrap import devices, of_run

    for name in _HARMLESS_DEVICES:
        more = _MAKE | _REMOVE | _REFER if name == "shm" else 0
        yield f"/dev/{name}", _READ | _WRITE | _TRUNCATE | _IOCTL | _LIST | more
    for name in devices(profile):
        yield name, _READ | _WRITE | _IOCTL | _LIST
    for name in of_run(profile):
        yield name, _READ | _EXECUTE | _LIST


def carved(folder: str, left_out: Iterable[str]) -> list[str]:
    """Paths that cover FOLDER but for LEFT_OUT, which need not exist: the folder itself, or what lies around these."""
    prefix = folder.rstrip("/") + "/"
    below = {path for path in left_out if path.startswith(prefix)}
    if not below:
        return [folder]
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.is_symlink()]
    except OSError:
        return []
    for name in names:
        path = prefix + name
        if path not in below:
            found += carved(path, below)
    return found


def _grant(rules: int, path: str, allowed: int) -> None:
    try:
        held = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # gone, or it was never there: nothing to grant
    try:
        if not stat.S_ISDIR(os.fstat(held).st_mode):
            allowed &= _OF_FILES
        if allowed:
            system.call("landlock_add_rule", rules, 1, struct.pack("=Qi", allowed, held), 0)
    finally:
        os.close(held)


def restrict(rules: int, program: bytes) -> int:
    """Takes the rights from the calling THREAD, for good; returns the descriptor by which its calls are supervised.

    Order: no new privileges, which lets an ordinary user do the rest; capabilities; Landlock; the filter, last, since
    it would stop what comes before. Raises OSError.
    """
    system.prctl(_NO_NEW_PRIVS, 1)
    if os.geteuid() == 0:
        _drop_capabilities()
    system.call("landlock_restrict_self", rules, 0)
    code = ctypes.create_string_buffer(program, len(program))
    fprog = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    try:
        return system.call("seccomp", 1, _NEW_LISTENER | _WAIT_KILLABLE, fprog)
    except OSError:  # Linux before 5.19
        return system.call("seccomp", 1, _NEW_LISTENER, fprog)


def _drop_capabilities() -> None:
    """All but the one by which root writes in another user's folder, as a container's root does; paths still hold."""
    header = struct.pack("=Ii", _CAP_VERSION_3, 0)
    current = ctypes.create_string_buffer(24)
    system.call("capget", header, current)
    kept = struct.unpack("=6I", current.raw)[1] & _CAP_DAC_OVERRIDE
    system.call("capset", header, struct.pack("=6I", kept, kept, 0, 0, 0, 0))


def in_thread(work: Callable[[], T]) -> T:
    """What WORK gives in a thread of its own, which ends with it; what it raises is raised here."""
    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # handed on
            raised.append(error)

    thread = threading.Thread(target=run, name="confined-start", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]
