"""Connections that a supervisor makes for a command: addresses are what neither Landlock nor a filter can tell apart.

Whoever is connected to is looked at before the call is made, here, with the bytes that were looked at: what the caller
changes meanwhile changes nothing. Within the machine, a command reaches what listens in a command of the same
session, and, by path, sockets that lie where commands may write.
"""

import errno
import ipaddress
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from workbench.sandbox import system
from workbench.sandbox.notify import Call

_SO_BINDTODEVICE = 25
_LOOPBACK = b"lo"
_LISTEN = b"0A"
_UNIX_LISTENS = 0x10000
_LONGEST_ADDRESS = 128
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Listening:
    """Sockets, by inode, at which commands of a session listen."""

    def __init__(self) -> None:
        self._inodes: set[int] = set()
        self._lock = threading.Lock()

    def add(self, inode: int) -> None:
        """Remembers one."""
        with self._lock:
            self._inodes.add(inode)

    def has(self, inodes: set[int]) -> bool:
        """Whether there are any, and all are commands' own."""
        with self._lock:
            return bool(inodes) and inodes <= self._inodes


class Connections:
    """Answers `connect` and `listen`. OPEN: the network is open, and only sockets by path are looked at.

    PROXY is the one address of the host that may be reached; REFUSED is told each other one.
    """

    def __init__(
        self,
        listening: Listening,
        *,
        open_: bool,
        reachable: Callable[[Call, bytes], int],
        proxy: tuple[str, int] | None = None,
        refused: Callable[[str, int], None],
    ) -> None:
        self._listening = listening
        self._open = open_
        self._reachable = reachable
        self._proxy = proxy
        self._refused = refused

    def listen(self, call: Call) -> None:
        """Only what comes over loopback is let in, which is all that comes from this machine itself."""
        held = call.descriptor(0)
        with socket.socket(fileno=held) as ours:
            if not self._open and ours.family in (socket.AF_INET, socket.AF_INET6):
                ours.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, _LOOPBACK)
            ours.listen(max(0, min(call.number(1), 65535)))
            self._listening.add(os.fstat(held).st_ino)
        call.done()

    def connect(self, call: Call) -> tuple[Callable[[], int], bool] | None:
        """What makes the connection, and whether it may take long; None where it was refused. Raises OSError."""
        size = call.number(2)
        if not 2 <= size <= _LONGEST_ADDRESS:
            raise OSError(errno.EINVAL, "address")
        address = call.data(1, size)
        held = call.descriptor(0)
        try:
            target = self._target(call, held, address)
            slow = os.get_blocking(held)
        except BaseException:
            os.close(held)
            raise

        def connect() -> int:
            try:
                system.call("connect", held, target[0], len(target[0]))
            finally:
                os.close(held)
                if target[1] >= 0:
                    os.close(target[1])
            return 0

        return connect, slow

    def _target(self, call: Call, held: int, address: bytes) -> tuple[bytes, int]:
        """The address to connect to, and a descriptor that it needs until then, or -1. Raises OSError."""
        family = struct.unpack_from("=H", address)[0]
        if family == socket.AF_UNIX:
            return self._unix(call, address)
        if family in (socket.AF_INET, socket.AF_INET6):
            self._may_reach(held, family, address)
        elif family != socket.AF_UNSPEC:
            raise OSError(errno.EAFNOSUPPORT, "address family")
        return address, -1

    def _unix(self, call: Call, address: bytes) -> tuple[bytes, int]:
        if address[2:3] == b"\0":
            name = b"@" + address[3:].replace(b"\0", b"@")
            if not self._listening.has(_unix_listeners(name)):
                raise OSError(errno.ECONNREFUSED, "not a command's own")
            return address, -1
        path = address[2:].partition(b"\0")[0]
        held = self._reachable(call, path)
        if not stat.S_ISSOCK(os.fstat(held).st_mode):
            os.close(held)
            raise OSError(errno.ECONNREFUSED, "no socket")
        return struct.pack("=H", socket.AF_UNIX) + f"/proc/self/fd/{held}".encode() + b"\0", held

    def _may_reach(self, held: int, family: int, address: bytes) -> None:
        if self._open:
            return
        port = struct.unpack_from("!H", address, 2)[0]
        where: Address
        if family == socket.AF_INET:
            where = ipaddress.IPv4Address(address[4:8])
        else:
            six = ipaddress.IPv6Address(address[8:24])
            where = six.ipv4_mapped or six
        if self._proxy and (str(where), port) == self._proxy:
            return
        if not (where.is_loopback or where.is_unspecified or _is_own(where)):
            self._refused(str(where), port)
            raise OSError(errno.ENETUNREACH, "outside")
        if not self._listening.has(_tcp_listeners(port)):
            raise OSError(errno.ECONNREFUSED, "not a command's own")


def _is_own(where: Address) -> bool:
    """Whether WHERE is an address of this machine: one can bind to it."""
    family = socket.AF_INET if where.version == 4 else socket.AF_INET6
    try:
        if Path(f"/proc/sys/net/ipv{where.version}/ip_nonlocal_bind").read_text().strip() == "1":
            return False  # here one can bind to any
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(where), 0))
    except OSError:
        return False
    return True


def _tcp_listeners(port: int) -> set[int]:
    """Inodes of all sockets that listen at PORT, at whichever address."""
    ending = b":%04X" % port
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/self/net/{table}").read_bytes().splitlines()[1:]
        except OSError:
            continue
        fields = (line.split(maxsplit=10) for line in lines)
        found |= {int(one[9]) for one in fields if one[3] == _LISTEN and one[1].endswith(ending)}
    return found


def _unix_listeners(name: bytes) -> set[int]:
    """Inodes of the sockets that listen at an abstract NAME."""
    try:
        lines = Path("/proc/self/net/unix").read_bytes().splitlines()[1:]
    except OSError:
        return set()
    fields = (line.split(maxsplit=7) for line in lines)
    return {int(one[6]) for one in fields if len(one) > 7 and one[7] == name and int(one[3], 16) & _UNIX_LISTENS}
