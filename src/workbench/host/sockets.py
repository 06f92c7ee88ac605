"""Where live sessions are reached: a folder of this user's, a socket a session, a token that no command can read."""

import contextlib
import os
import secrets
import socket
import stat
import struct
from pathlib import Path
from typing import NamedTuple

from workbench import places

TOKEN = "token"  # noqa: S105 - the name of its file
VARIABLE = "MLWB_SOCKET_DIR"
_SUPERVISOR = b"workbench.experiments.launch"  # the module that runs as one
# An address of a Unix socket has room for 107 bytes.
MOST_PATH = 107
_BACKLOG = 1024  # who connects while as many wait is told EAGAIN; a host takes them as soon as it can


class SocketError(Exception):
    """A folder or a socket that cannot be used; the message says which, why, and what to do."""


class Peer(NamedTuple):
    """Who is at the other end, as the kernel says it."""

    pid: int
    uid: int
    gid: int


def folder() -> Path:
    """Where this user's sockets lie; nothing is made. Raises SocketError for one that has to be, and is not, a path."""
    path = places.sockets()
    if not path.is_absolute():
        raise SocketError(f"{VARIABLE} is {str(path)!r}: it has to be a whole path, the same wherever mlwb is started")
    return path


def made_folder() -> Path:
    """The folder, made where it is missing and verified: a folder of this user that no one else can enter.

    Raises SocketError.
    """
    path = folder()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _verify(path)
        if stat.S_IMODE(path.lstat().st_mode) != 0o700:
            path.chmod(0o700)
    except OSError as error:
        why = "there is something else in its place" if isinstance(error, FileExistsError) else error.strerror
        raise SocketError(f"{path}: no folder for sockets: {why}; set {VARIABLE} to another one") from None
    return path


def _verify(path: Path) -> None:
    """Raises SocketError where PATH is not a folder of this user's own, OSError where it is not there."""
    found = path.lstat()
    if found.st_uid != os.getuid():
        import pwd

        try:
            owner = pwd.getpwuid(found.st_uid).pw_name
        except KeyError:
            owner = f"the user number {found.st_uid}"
        raise SocketError(
            f"{path} belongs to {owner}, so it is not used: whoever holds it could pose as your sessions. Have it "
            f"removed, or set {VARIABLE}, wherever you start mlwb, to a folder of yours"
        )
    if not stat.S_ISDIR(found.st_mode):
        what = "a link" if stat.S_ISLNK(found.st_mode) else "no folder"
        raise SocketError(f"{path} is {what}, so it is not used: remove it, or set {VARIABLE} to a folder of yours")


def path_of(session: str) -> Path:
    """The socket of SESSION, in a folder that is this user's own or not there yet.

    Raises SocketError, also where its path would be too long.
    """
    path = folder() / f"{session}.sock"
    if len(os.fsencode(path)) > MOST_PATH:
        raise SocketError(f"{path}: too long for a socket; set {VARIABLE} to a shorter folder")
    with contextlib.suppress(FileNotFoundError):
        _verify(path.parent)
    return path


def sweep() -> list[Path]:
    """Makes sure that there is a folder, and removes what hosts that are gone left in it; what was removed.

    Raises SocketError where the folder cannot be used.
    """
    made_folder()
    path_of("s-00000000")  # said before a session begins
    found = stale()
    for path in found:
        with contextlib.suppress(OSError):
            path.unlink()
    return found


def stale() -> list[Path]:
    """The sockets at which nobody listens. Raises SocketError."""
    return [path for path in folder().glob("s-*.sock") if _stale(path)]


def clients() -> dict[str, int]:
    """How many clients the live sessions of this user on this machine have, by id; empty where it cannot be told.

    From the kernel's list, in which a connection bears the address that it was accepted at; nobody is asked.
    """
    try:
        lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()
        above = f"{folder()}/"
    except (OSError, SocketError):
        return {}
    found: dict[str, int] = {}
    for line in lines[1:]:
        # Num RefCount Protocol Flags Type St Inode Path; St 03: connected
        parts = line.split(maxsplit=7)
        if len(parts) == 8 and parts[5] == "03" and parts[7].startswith(above):
            session = parts[7].removeprefix(above).removesuffix(".sock")
            found[session] = found.get(session, 0) + 1
    return found


def _stale(path: Path) -> bool:
    """Whether nobody listens at PATH. A session of another state folder may have its socket here, too."""
    from workbench.session.journal import is_live

    session = places.sessions() / path.stem
    if session.is_dir():
        return not is_live(session)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def bound(path: Path, mode: int = 0o600) -> socket.socket:
    """A socket that listens at PATH, in place of what a host that is gone left there. Raises SocketError.

    Whoever calls holds the session's lock, so no other host can be listening.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        before = os.umask(0o177)
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        path.chmod(mode)
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise SocketError(f"{path}: {error.strerror}") from None
    return made


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end of CONNECTION. Raises OSError."""
    if hasattr(socket, "SO_PEERCRED"):
        return Peer(*struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))
    # macOS: LOCAL_PEERCRED tells the uid and the groups, LOCAL_PEERPID the process.
    _, uid, _, gid = struct.unpack("IIhxxI", connection.getsockopt(0, 0x001, 16))
    return Peer(struct.unpack("i", connection.getsockopt(0, 0x002, 4))[0], uid, gid)


def new_token(session: Path) -> str:
    """A new token for the clients of SESSION's owner, kept in the session's folder, which commands cannot see."""
    token = secrets.token_urlsafe(32)
    path = session / TOKEN
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(token)
    return token


def token_of(session: Path) -> str:
    """The token of a live session of this user; empty where there is none."""
    try:
        return (session / TOKEN).read_text().strip()
    except OSError:
        return ""


def descends(pid: int, ancestor: int) -> bool:
    """Whether the process PID was started by ANCESTOR, directly or not. Where that cannot be told: yes.

    So is what a run's supervisor started: it outlives the process that a session began it in.
    """
    for _ in range(1_000):
        if pid == ancestor or _supervises(pid):
            return True
        if pid <= 1:
            return False
        parent = parent_of(pid)
        if parent is None:
            return not _gone(pid)
        pid = parent
    return True


def _supervises(pid: int) -> bool:
    try:
        return _SUPERVISOR in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def parent_of(pid: int) -> int | None:
    """The process that PID has as its parent; None where that cannot be told."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        import psutil

        try:
            return int(psutil.Process(pid).ppid())
        except psutil.Error:
            return None
    return int(status[status.rindex(")") + 2 :].split()[1])


def _gone(pid: int) -> bool:
    return pid > 1 and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists()
