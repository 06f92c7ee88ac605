"""Calls that a filter hands to a supervisor (seccomp_unotify(2)): what was called, and how it is answered."""

import ctypes
import fcntl
import os
import struct
from pathlib import Path

import msgspec

from workbench.sandbox import system

_RECV, _SEND, _VALID, _ADDFD = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103
_CONTINUE = 1
_NAMES = {machine: {number: name for name, number in calls.items()} for machine, calls in system.NUMBERS.items()}
_PAGE = 4096
_LONGEST_PATH = 4096


class Gone(Exception):  # noqa: N818 - no error: the caller was killed meanwhile
    """Whoever made the call is no more."""


class Call(msgspec.Struct, frozen=True):
    """A call that waits for its answer. `pid` is the thread that made it; arguments are as the registers held them."""

    listener: int
    id: int
    pid: int
    name: str
    arguments: tuple[int, ...]

    def number(self, at: int) -> int:
        """Argument AT as a C int."""
        return ctypes.c_int(self.arguments[at] & 0xFFFFFFFF).value

    def path(self, at: int) -> bytes:
        """The path that argument AT points to. Raises OSError, Gone."""
        found = b""
        address = self.arguments[at]
        while len(found) < _LONGEST_PATH:
            piece = self._memory(address, _PAGE - address % _PAGE)
            end = piece.find(b"\0")
            if end >= 0:
                return self._sure(found + piece[:end])
            found += piece
            address += len(piece)
        raise OSError(36, "File name too long")

    def data(self, at: int, size: int) -> bytes:
        """SIZE bytes that argument AT points to. Raises OSError, Gone."""
        return self._sure(self._memory(self.arguments[at], size))

    def _memory(self, address: int, size: int) -> bytes:
        buffer = ctypes.create_string_buffer(size)
        ours = struct.pack("@PN", ctypes.addressof(buffer), size)
        theirs = struct.pack("@PN", address, size)
        read = system.call("process_vm_readv", self.pid, ours, 1, theirs, 1, 0)
        return buffer.raw[:read]

    def _sure(self, found: bytes) -> bytes:
        """FOUND, if the caller still waits: else its number may have been another's when its memory was read."""
        try:
            fcntl.ioctl(self.listener, _VALID, struct.pack("=Q", self.id))
        except OSError:
            raise Gone from None
        return found

    def leader(self) -> int:
        """The process that the thread belongs to. Raises OSError."""
        return int(self._status(b"Tgid"))

    def umask(self) -> int:
        """The caller's own. Raises OSError."""
        return int(self._status(b"Umask"), 8)

    def _status(self, field: bytes) -> bytes:
        text = Path(f"/proc/{self.pid}/status").read_bytes()
        return text.partition(b"\n%s:" % field)[2].partition(b"\n")[0].strip()

    def descriptor(self, at: int) -> int:
        """A descriptor of ours of the open file that the caller's argument AT stands for. Raises OSError, Gone."""
        process = os.pidfd_open(self.leader())
        try:
            found = system.call("pidfd_getfd", process, self.number(at), 0)
        finally:
            os.close(process)
        try:
            self._sure(b"")
        except Gone:
            os.close(found)
            raise
        return found

    # --- answers; a caller that is gone needs none ---

    def go_on(self) -> None:
        """The kernel carries the call out, and Landlock decides."""
        self._answer(0, 0, _CONTINUE)

    def done(self, value: int = 0) -> None:
        """The call was carried out here."""
        self._answer(value, 0, 0)

    def fail(self, number: int) -> None:
        """The call fails with that errno."""
        self._answer(0, -number, 0)

    def give(self, descriptor: int, *, cloexec: bool) -> None:
        """The caller gets DESCRIPTOR as the answer; ours is closed."""
        flags = os.O_CLOEXEC if cloexec else 0
        try:
            # Its number is told by a second call. Were it the answer at once (SECCOMP_ADDFD_FLAG_SEND), a stop of ours
            # in between (SIGSTOP, a freezer, a laptop's sleep) would let the kernel answer 0: the caller's own input.
            given = bytearray(struct.pack("=QIIII", self.id, 0, descriptor, 0, flags))
            self.done(fcntl.ioctl(self.listener, _ADDFD, given))  # of an array it gives what the kernel answers
        except OSError as error:
            self.fail(error.errno or 24)
        finally:
            os.close(descriptor)

    def _answer(self, value: int, error: int, flags: int) -> None:
        try:
            fcntl.ioctl(self.listener, _SEND, struct.pack("=QqiI", self.id, value, error, flags))
        except OSError:
            return


def receive(listener: int) -> Call | None:
    """The next call; None where its caller is gone already."""
    buffer = bytearray(80)
    try:
        fcntl.ioctl(listener, _RECV, buffer)
    except OSError:
        return None
    number, pid, _, call, _, _, *arguments = struct.unpack("=QIIiIQ6Q", buffer)
    return Call(listener, number, pid, _NAMES[system.machine()].get(call, ""), tuple(arguments))
