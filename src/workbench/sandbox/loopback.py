"""A network with loopback alone that the commands of a session share: one reaches what another one serves.

Root makes it, and starts each command, in a thread that belongs to it. Anybody else owns a network only within a user
namespace, which no thread can enter: there each command is started through nsenter (util-linux).
"""

import fcntl
import os
import select
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable

from workbench.sandbox import bubblewrap, landlock, system

Start = Callable[[], "subprocess.Popen[bytes]"]
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_PATIENCE_S = 5.0


class Loopback:
    """The network of one session. It lasts until it is closed and the last command in it has ended.

    `words` stand before a command that shall be in it; `within` calls its argument, which starts the command. No
    command gets a descriptor of it. Raises OSError where none can be made: each command then has its own.
    """

    def __init__(self) -> None:
        self.words: tuple[str, ...] = ()
        self._net = -1
        self._holder: subprocess.Popen[bytes] | None = None
        if bubblewrap.may_mount():
            self._net = landlock.in_thread(_made)
            return
        enter = shutil.which("nsenter", path="/usr/bin:/bin:/usr/local/bin")
        if enter is None:
            raise FileNotFoundError("nsenter (util-linux) was not found")
        self._holder, pid = _held()
        names = (f"--user=/proc/{pid}/ns/user", f"--net=/proc/{pid}/ns/net")
        self.words = (os.path.realpath(enter), *names, "--preserve-credentials", "--")
        try:
            subprocess.run(
                [*self.words, "/bin/true"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=_PATIENCE_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self.close()
            raise OSError(f"the session's network cannot be entered: {error}") from None

    @property
    def lasts(self) -> bool:
        """Whether a command can still be started in it."""
        return self._holder.poll() is None if self._holder else self._net >= 0

    def within(self, start: Start) -> "subprocess.Popen[bytes]":
        """What START gives, in this network where `words` do not lead there."""
        if self.words:
            return start()

        def entered() -> "subprocess.Popen[bytes]":
            system.call("setns", self._net, _CLONE_NEWNET)
            return start()

        return landlock.in_thread(entered)

    def close(self) -> None:
        """Lets go of it. Commands in it keep it."""
        if self._net >= 0:
            os.close(self._net)
            self._net = -1
        if self._holder is not None:
            _end(self._holder)


def _made() -> int:
    """A descriptor of a new network, which the calling thread is left in."""
    system.call("unshare", _CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        flags = struct.unpack("16sh", fcntl.ioctl(one, _SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))[:18])[1]
        fcntl.ioctl(one, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _held() -> "tuple[subprocess.Popen[bytes], int]":
    """A process that holds a user namespace and a network in it until its input ends, and its number there."""
    words = [bubblewrap.executable() or "", "--unshare-user", "--unshare-net", "--dev-bind", "/", "/", "--"]
    process = subprocess.Popen(
        [*words, "/bin/sh", "-c", "echo $$; read wait"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _PATIENCE_S)
    told = process.stdout.readline().strip() if ready else b""
    if not told.isdigit():
        _end(process)
        raise OSError("no network of its own can be made here")
    return process, int(told)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
