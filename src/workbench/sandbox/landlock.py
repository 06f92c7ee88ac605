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

from workbench.sandbox import bubblewrap, system
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

_HARMLESS_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "shm")
_NOT_READ = ("/dev", "/run", "/tmp", "/var/tmp")  # noqa: S108 - kept from commands; their own folder is elsewhere

_NO_NEW_PRIVS, _CAP_VERSION_3 = 38, 0x20080522
_CAP_DAC_OVERRIDE = 1 << 1
_NEW_LISTENER, _WAIT_KILLABLE = 8, 32
_READING = _EXECUTE | _READ | _LIST
Seen = dict[str, int]  # folders, and when each changed last
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


class Reading:
    """The rules for reading and executing, kept until a folder that they were built around has changed.

    They name a few hundred paths: everything that lies beside a secret. READABLE may be read whatever is hidden.
    """

    def __init__(self, profile: Profile, version: int, readable: tuple[Path, ...] = ()) -> None:
        self.readable = readable
        self._profile = profile
        self._version = version
        self._seen: Seen = {}
        self._rules = -1

    def rules(self) -> int:
        """A descriptor of the rules; this object's to close. Raises OSError."""
        if self._rules < 0 or any(_changed(path) != at for path, at in self._seen.items()):
            self.close()
            self._seen = {}
            # A layer of rules that does not name REFER refuses it, to all.
            more = rights(self._version) & _REFER
            self._rules = _ruleset(_READING | more, (0, 0), self._version, self._grants(more))
        return self._rules

    def close(self) -> None:
        """Lets go of the rules; the next command has them made anew."""
        if self._rules >= 0:
            os.close(self._rules)
            self._rules = -1

    def _grants(self, more: int) -> Iterator[tuple[str, int]]:
        hidden = {str(path) for path in self._profile.hidden}
        yield "/", _LIST | more  # names are no secret here; without them `ls ~` would fail
        home = self._profile.home
        covered = [Path(place) for place in (*_NOT_READ, *hidden)]
        for folder in ("/", *([str(home)] if any(home.is_relative_to(place) for place in covered) else [])):
            left_out = hidden | set(_NOT_READ) if folder == "/" else hidden
            yield from ((path, _READING) for path in carved(folder, left_out, self._seen))
        # What is new in a folder that commands write must be readable: there, secrets are left to the gate.
        for whole in (*self._profile.roots, self._profile.temp, *self._profile.shown, *self.readable):
            yield str(whole), _READING
        for cache in self._profile.caches:
            yield from ((path, _READING) for path in carved(str(cache), hidden, self._seen))
        yield from ((path, _READING) for path in _devices(self._profile))
        yield from ((name, _READING) for name in bubblewrap.of_run(self._profile))


def writing(profile: Profile, version: int, writable_too: Iterable[Path], outputs: Iterable[Path]) -> int:
    """A descriptor of the rules for one command's writing, connections and signals. Raises OSError."""
    known = rights(version) & ~_READING
    network = _CONNECT_TCP if version >= 4 and profile.network != "full" else 0
    scopes = _SCOPES if version >= 6 else 0
    return _ruleset(known, (network, scopes), version, _writable(profile, writable_too, outputs))


def _writable(profile: Profile, writable_too: Iterable[Path], outputs: Iterable[Path]) -> Iterator[tuple[str, int]]:
    write = _WRITE | _TRUNCATE | _MAKE | _REMOVE | _REFER
    kept = {str(path) for path in (*profile.hidden, *profile.read_only)}
    for folder in (*profile.roots, *profile.caches, profile.temp, *writable_too):
        # Where something is kept, what is new in the folder itself is written through the supervisor.
        for path in carved(str(folder), kept - {str(folder)}):
            if Path(path).is_dir():
                yield path, write
    for output in outputs:
        yield str(output), _WRITE | _TRUNCATE | _IOCTL
    for path in _devices(profile):
        yield path, _WRITE | _TRUNCATE | _IOCTL | (write if path == "/dev/shm" else 0)  # noqa: S108


def _ruleset(files: int, others: tuple[int, int], version: int, grants: Iterable[tuple[str, int]]) -> int:
    size = {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}.get(version, 24)  # bytes that this version takes of the structure
    rules = system.call("landlock_create_ruleset", struct.pack("=QQQ", files, *others)[:size], size, 0)
    try:
        for path, allowed in grants:
            _grant(rules, path, allowed & files)
    except BaseException:
        os.close(rules)
        raise
    return rules


def ground(profile: Profile, writable_too: Iterable[Path]) -> Ground:
    """The same for the supervisor."""
    kept = {str(path) for path in (*profile.hidden, *profile.read_only)}
    folders = {str(path) for path in (*profile.roots, *profile.caches, profile.temp, *writable_too)}
    whole = {folder for folder in folders if carved(folder, kept - {folder}) == [folder]}
    return Ground(folders - whole, {*whole, "/dev/shm"}, kept - {str(path) for path in writable_too})  # noqa: S108


def _devices(profile: Profile) -> list[str]:
    return [*(f"/dev/{name}" for name in _HARMLESS_DEVICES), *bubblewrap.devices(profile.network == "full")]


def _changed(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


def carved(folder: str, left_out: Iterable[str], seen: Seen | None = None) -> list[str]:
    """Paths that cover FOLDER but for LEFT_OUT, which need not exist: the folder itself, or what lies around these.

    SEEN gets the folders whose content the answer depends on, with the time of their last change.
    """
    prefix = folder.rstrip("/") + "/"
    below = {path for path in left_out if path.startswith(prefix)}
    if not below:
        return [folder]
    found: list[str] = []
    if seen is not None:
        seen[folder] = _changed(folder)
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.is_symlink()]
    except OSError:
        return []
    for name in names:
        path = prefix + name
        if path not in below:
            found += carved(path, below, seen)
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


def restrict(rules: Iterable[int], program: bytes) -> int:
    """Takes the rights from the calling THREAD, for good; returns the descriptor by which its calls are supervised.

    Order: no new privileges, which lets an ordinary user do the rest; capabilities; Landlock; the filter, last, since
    it would stop what comes before. Raises OSError.
    """
    system.prctl(_NO_NEW_PRIVS, 1)
    if os.geteuid() == 0:
        _drop_capabilities()
    for one in rules:
        system.call("landlock_restrict_self", one, 0)
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
