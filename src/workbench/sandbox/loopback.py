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

    `words` stand before a command that shall be in it, and name `descriptors`, which the command gets; `within` calls
    its argument, which starts the command. Raises OSError where none can be made: each command then gets its own.
    """

    def __init__(self) -> None:
        self.words: tuple[str, ...] = ()
        if bubblewrap.may_mount():
            self.descriptors: tuple[int, ...] = ()
            self._held: tuple[int, ...] = (landlock.in_thread(_made),)
            return
        enter = shutil.which("nsenter", path="/usr/bin:/bin:/usr/local/bin")
        if enter is None:
            raise FileNotFoundError("nsenter (util-linux) was not found")
        self._held = self.descriptors = _made_by_bubblewrap()
        names = [f"--{kind}=/proc/self/fd/{held}" for kind, held in zip(("user", "net"), self._held, strict=True)]
        self.words = (os.path.realpath(enter), *names, "--preserve-credentials", "--")
        try:
            subprocess.run(
                [*self.words, "/bin/true"],
                pass_fds=self.descriptors,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=_PATIENCE_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self.close()
            raise OSError(f"the session's network cannot be entered: {error}") from None

    def within(self, start: Start) -> "subprocess.Popen[bytes]":
        """What START gives, in this network where `words` do not lead there."""
        if self.words:
            return start()

        def entered() -> "subprocess.Popen[bytes]":
            system.call("setns", self._held[0], _CLONE_NEWNET)
            return start()

        return landlock.in_thread(entered)

    def close(self) -> None:
        """Lets go of it. Commands in it keep it."""
        for held in self._held:
            os.close(held)
        self._held = ()


def _made() -> int:
    """A descriptor of a new network, which the calling thread is left in."""
    system.call("unshare", _CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        flags = struct.unpack("16sh", fcntl.ioctl(one, _SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))[:18])[1]
        fcntl.ioctl(one, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _made_by_bubblewrap() -> tuple[int, int]:
    """Descriptors of a new user namespace and of a network in it. Raises OSError."""
    words = [bubblewrap.executable() or "", "--unshare-user", "--unshare-net", "--dev-bind", "/", "/", "--"]
    with subprocess.Popen(
        [*words, "/bin/sh", "-c", "echo $$; read wait"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            ready, _, _ = select.select([process.stdout], [], [], _PATIENCE_S)
            told = process.stdout.readline().strip() if ready else b""
            if not told.isdigit():
                raise OSError("no network of its own can be made")
            user = os.open(f"/proc/{int(told)}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            return user, os.open(f"/proc/{int(told)}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            process.kill()
            raise
