"""Bubblewrap: a command in namespaces of its own, with a file system put together for it."""

import contextlib
import functools
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from workbench import programs
from workbench.sandbox import seccomp
from workbench.sandbox.types import Profile

# What of the machine's devices a training job uses. InfiniBand only where the network is open: it goes out.
_GPUS = ("nvidia*", "dri", "kfd", "dxg", "accel", "habanalabs*")
_CARD = re.compile(r"/dev/nvidia\d+")
_NETWORK_DEVICES = ("infiniband",)
# What programs read below /run, which holds everybody's sockets otherwise.
_OF_RUN = ("/run/opengl-driver", "/run/current-system", "/run/booted-system", "/run/udev/data")
_RESOLVERS = ("/run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/resolvconf")
_OBEYED = re.compile(r"LD_.*|MALLOC_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NLSPATH|TZDIR|HOSTALIASES|RESOLV_HOST_CONF")
_FILE_CAPABILITIES = ("CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER", "CAP_FSETID")
# What programs have hard-coded: they find the session's own folder there.
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108
_SHARED_MEMORY = "/dev/shm"  # noqa: S108
_LISTENS = 0x10000  # __SO_ACCEPTCON, in /proc/net/unix
_SYS_ADMIN = 21
# Younger sockets come and go; one that went while it is covered would stop the command. Those of multiprocessing do so
# at any age, and ask for a key.
_SETTLED_S = 5.0
_PASSING = re.compile(r"/pymp-[^/]+/listener-[^/]+$")


@functools.cache
def executable() -> str | None:
    """The real path of bwrap, or None."""
    found = shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin") or programs.find("bwrap")
    return os.path.realpath(found) if found else None


class Prepared:
    """The words that stand before a command, and the descriptors that they name; `close` once it has started."""

    def __init__(self, words: list[str], descriptors: tuple[int, ...]) -> None:
        self.words = words
        self.descriptors = descriptors

    def close(self) -> None:
        """Gives the descriptors back."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def prepare(
    profile: Profile,
    *,
    cwd: Path,
    scratch: Path | None,
    writable_too: tuple[Path, ...] = (),
    bound: tuple[Path, ...] = (),
    shared_network: bool = False,
    cards: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Prepared:
    """What runs a command in PROFILE. WRITABLE_TOO is opened below what is read-only (git's folder, for git).

    BOUND are further paths that it needs, read-only (the proxy's socket). SHARED_NETWORK: whoever starts it has put it
    into a network without a way out already. CARDS, as CUDA_VISIBLE_DEVICES has them: the devices of other NVIDIA cards
    are not there. ENV: variables that the command is given and bubblewrap itself is not. Raises OSError.
    """
    program = executable()
    if program is None:
        raise FileNotFoundError("bubblewrap (bwrap) was not found")
    filter_ = _file_with(seccomp.program(seccomp.CONTAINED))
    descriptors = [filter_]
    words = [program, *_namespaces(profile, shared_network), "--ro-bind", "/", "/", *_system(profile, cards)]
    if profile.network != "full" and Path("/etc/hosts").exists():
        # The machine's name shall lead to loopback, the only network here: torchrun and gloo look it up.
        descriptors.append(_file_with(_hosts(socket.gethostname())))
        words += ["--ro-bind-data", str(descriptors[-1]), os.path.realpath("/etc/hosts")]
    words += _files(profile, scratch, writable_too, bound, descriptors)
    for name, value in (env or {}).items():
        words += ["--setenv", name, value]
    words += ["--chdir", str(cwd), "--seccomp", str(filter_), "--"]
    return Prepared(words, tuple(descriptors))


def is_obeyed(name: str) -> bool:
    """Whether bubblewrap's own loader and C library would obey the variable of that NAME, before there is confinement.

    Those that programs with more rights than their caller's are not given either (ld.so(8), "secure-execution mode").
    """
    return _OBEYED.fullmatch(name) is not None


def _namespaces(profile: Profile, shared_network: bool) -> list[str]:
    words = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--new-session"]
    if profile.network != "full" and not shared_network:
        words.append("--unshare-net")
    if not may_mount():
        words.append("--unshare-user")
    words += ["--cap-drop", "ALL"]
    if os.geteuid() == 0 and not all(_is_ours(path) for path in (*profile.roots, *profile.caches)):
        # Root at work in another user's folder (a container with a mounted workspace) writes there as root does.
        words += [word for name in _FILE_CAPABILITIES for word in ("--cap-add", name)]
    return words


@functools.cache
def may_mount() -> bool:
    """Whether we are root with the capability itself; everybody else needs a user namespace."""
    try:
        effective = next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line)
    except (OSError, StopIteration):
        return False
    return os.geteuid() == 0 and bool(int(effective.split()[1], 16) >> _SYS_ADMIN & 1)


def _is_ours(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return True


def _system(profile: Profile, cards: str | None) -> list[str]:
    words = ["--dev", "/dev", "--proc", "/proc"]
    if os.geteuid() == 0:  # settings of the machine in /proc obey the user root, whatever its capabilities
        words += ["--remount-ro", "/proc"]
    for device in of_cards(devices(profile.network == "full"), cards, _minors()):
        words += ["--dev-bind-try", device, device]
    words += ["--perms", "0555", "--tmpfs", "/run", "--symlink", _SHARED_MEMORY, "/run/shm"]
    for path in of_run(profile):
        words += ["--ro-bind-try", path, path]
    for place in _TEMPORARY:
        if Path(place).is_dir() and not Path(place).is_symlink():
            words += ["--bind", str(profile.temp), place]
    return words


@functools.cache
def devices(network: bool) -> tuple[str, ...]:
    """The devices of this machine that training uses, as they were first seen."""
    patterns = _GPUS + (_NETWORK_DEVICES if network else ())
    return tuple(sorted(str(path) for pattern in patterns for path in Path("/dev").glob(pattern)))


def of_cards(found: tuple[str, ...], cards: str | None, minors: Mapping[str, str]) -> tuple[str, ...]:
    """FOUND without the devices of NVIDIA cards that are not among CARDS; MINORS are their numbers, by UUID.

    All of them where CARDS names what has no such number (a slice, a card by its index).
    """
    named = None if cards is None else [card for card in cards.split(",") if card]
    if named is None or not minors.keys() >= set(named):
        return found
    kept = {f"/dev/nvidia{minors[card]}" for card in named}
    return tuple(path for path in found if path in kept or not _CARD.fullmatch(path))


@functools.cache
def _minors() -> dict[str, str]:
    """Which /dev/nvidiaN a card's UUID stands for, as the driver says."""
    found = {}
    for path in Path("/proc/driver/nvidia/gpus").glob("*/information"):
        with contextlib.suppress(OSError):
            lines = dict(line.partition(":")[::2] for line in path.read_text().splitlines())
            found[lines.get("GPU UUID", "").strip()] = lines.get("Device Minor", "").strip()
    return found


def of_run(profile: Profile) -> tuple[str, ...]:
    """What of /run can be read."""
    return _existing(_OF_RUN + (_RESOLVERS if profile.network == "full" else ()))


def _existing(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(path for path in paths if os.access(path, os.F_OK))


def _files(
    profile: Profile,
    scratch: Path | None,
    writable_too: tuple[Path, ...],
    bound: tuple[Path, ...],
    descriptors: list[int],
) -> list[str]:
    """Mounts, the outer before the inner, so that what is named deeper decides. Adds to DESCRIPTORS."""
    mounts = {path: (0, _cover(path, descriptors)) for path in _sockets(profile)}
    there: dict[str, bool] = {}  # folders: most of what is hidden lies in some that this machine does not have
    for path, above, rank, kind in _standing(profile):
        if above not in there:
            there[above] = os.access(above, os.F_OK)
        if not there[above]:
            continue
        if kind == "hide":
            mounts[path] = (rank, _cover(path, descriptors))
        elif kind == "--bind" or not stat.S_ISLNK(_mode(path) or stat.S_IFLNK):
            mounts[path] = (rank, [kind, path, path])
    for path in map(str, bound):
        mounts[path] = (3, ["--ro-bind-try", path, path])
    for path in map(str, (*writable_too, *([scratch] if scratch else []))):
        mounts[path] = (3, ["--bind-try", path, path])
    ordered = sorted((path.count("/"), rank, path, part) for path, (rank, part) in mounts.items() if part)
    return [word for *_, part in ordered for word in part]


@functools.lru_cache(maxsize=8)
def _standing(profile: Profile) -> tuple[tuple[str, str, int, str], ...]:
    """Path, the folder that it is in, rank and how it is mounted, of all that PROFILE names, be it there or not."""
    ours = [str(path) for path in (*profile.roots, *profile.caches, profile.temp)]
    open_to = (*ours, str(profile.home))
    found = [(open_to[-1], 0, "--ro-bind-try")] if _is_covered(open_to[-1]) else []
    found += [(path, 1, "--bind") for path in ours]
    hidden = map(str, profile.hidden)
    found += [(path, 2, "hide") for path in hidden if _within(path, open_to) or not _is_covered(path)]
    found += [(str(path), 2, "--ro-bind-try") for path in profile.read_only]
    found += [(str(path), 3, "--ro-bind-try") for path in profile.shown]
    return tuple((path, path.rpartition("/")[0] or "/", rank, kind) for path, rank, kind in found)


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def _is_covered(path: str) -> bool:
    """Whether PATH lies where commands find the session's own folder, or nothing, instead."""
    return _within(path, ("/run", *_TEMPORARY))


def _cover(path: str, descriptors: list[int]) -> list[str]:
    """An empty folder or file over what is there; nothing where nothing is: no layer makes files of its own."""
    mode = _mode(path) if os.access(path, os.F_OK) else 0  # to ask is cheaper than to fail
    if stat.S_ISDIR(mode):
        return ["--perms", "0555", "--tmpfs", path] if os.access(path, os.R_OK | os.X_OK) else []
    # What this user cannot open, a command cannot either.
    if mode == 0 or stat.S_ISLNK(mode) or not os.access(path, os.R_OK | os.W_OK if stat.S_ISSOCK(mode) else os.R_OK):
        return []
    descriptors.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    return ["--ro-bind-data", str(descriptors[-1]), path]


def _mode(path: str) -> int:
    """What is at PATH itself; 0 where nothing is, or nothing that we may look at."""
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _sockets(profile: Profile) -> Iterator[str]:
    """Sockets that other programs listen at, wherever they lie: a mount that is read-only keeps nobody from these."""
    settled = time.time() - _SETTLED_S
    known = _known(profile)
    for path in listening_sockets():
        if not _is_covered(path) and known.isdisjoint(_and_above(path)) and not _PASSING.search(path):
            with contextlib.suppress(OSError):
                found = os.lstat(path)
                if stat.S_ISSOCK(found.st_mode) and found.st_mtime < settled:
                    yield path


@functools.lru_cache(maxsize=8)
def _known(profile: Profile) -> frozenset[str]:
    """Folders whose sockets a command may reach, or that it does not see anyway."""
    return frozenset(map(str, (*profile.roots, profile.temp, *profile.caches, *profile.hidden)))


def _and_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def listening_sockets() -> set[str]:
    """Paths at which programs of this network namespace listen."""
    try:
        lines = Path("/proc/net/unix").read_bytes().splitlines()[1:]
    except OSError:
        return set()
    fields = [line.split(maxsplit=7) for line in lines]
    return {os.fsdecode(one[7]) for one in fields if len(one) > 7 and one[7][:1] == b"/" and int(one[3], 16) & _LISTENS}


def _hosts(name: str) -> bytes:
    return f"127.0.0.1 localhost {name}\n::1 localhost ip6-localhost ip6-loopback\n".encode()


def _file_with(data: bytes) -> int:
    """A descriptor from which DATA can be read, once; no file stays."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("mlwb")
    else:
        descriptor, name = tempfile.mkstemp()
        Path(name).unlink()
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def real(paths: Iterable[Path]) -> tuple[Path, ...]:
    """PATHS with links followed; bubblewrap mounts at what a name stands for."""
    return tuple(dict.fromkeys(Path(os.path.realpath(path)) for path in paths))
