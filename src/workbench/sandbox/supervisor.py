"""Stands beside a command that Landlock holds, and does for it what Landlock cannot express.

The command's filter hands over every call that changes files, connects, or (before ABI 6) signals. The supervisor
only adds: what it does not carry out is the kernel's, where Landlock refuses it. One thread for each command.
"""

import contextlib
import errno
import os
import queue
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from workbench.sandbox import notify, system, terminals
from workbench.sandbox.beneath import Files, Ground, LeaveIt
from workbench.sandbox.connections import Connections, Listening
from workbench.sandbox.notify import Call

_CLONE_FS = 0x200
_AT_FDCWD = -100
_WAKE_S = 5.0  # for threads that wait for the other end of a FIFO to notice that their command has ended
_SCHEDULED = ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr")
# Landlock knows none of these, or not from the beginning.
_NOT_LANDLOCKS = ("truncate", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat")
_UNIX = struct.pack("=H", socket.AF_UNIX)


class Supervisor:
    """Answers the calls of one command, until it is closed or none of its processes is left.

    OWNS tells whether a process is the command's. REFUSED is told of hosts that were not reached. Raises OSError where
    no thread can have a umask and a folder of its own.
    """

    def __init__(
        self,
        ground: Ground,
        listening: Listening,
        *,
        network: bool,
        owns: Callable[[int], bool],
        proxy: tuple[str, int] | None = None,
        refused: Callable[[str, int], None] = lambda host, port: None,
    ) -> None:
        self._ground = ground
        self._owns = owns
        self._files = Files(ground, self._later, lambda path, flags: terminals.own(path, flags, owns))
        self._connections = Connections(
            listening, open_=network, reachable=self._reachable, proxy=proxy, refused=refused
        )
        self._calls: dict[str, Callable[[Call], None]] = {
            **self._files.calls,
            "bind": self._bind,
            "connect": self._connect,
            "listen": self._connections.listen,
            "kill": self._kill,
            "tkill": self._signal_one,
            "tgkill": self._signal_one,
            "rt_sigqueueinfo": self._signal_one,
            "rt_tgsigqueueinfo": self._signal_one,
            "pidfd_send_signal": self._signal_through,
            "setpriority": lambda call: self._rank(call, 0),
            "ioprio_set": lambda call: self._rank(call, 1),
            **dict.fromkeys(_SCHEDULED, self._schedule),
        }
        self._waiting: set[int] = set()  # FIFOs, each held, whose other end is waited for
        self._lock = threading.Lock()
        self._stop, self._stopped = os.pipe2(os.O_CLOEXEC)
        self._listener: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._begun: queue.SimpleQueue[OSError | None] = queue.SimpleQueue()
        # Begun here: a thread that a restricted thread begins would be restricted as well.
        threading.Thread(target=self._run, name="supervisor", daemon=True).start()
        if problem := self._begun.get():
            self.close()
            raise problem

    def start(self, listener: int) -> None:
        """Begins to answer, from any thread. LISTENER is this object's to close."""
        self._listener.put(listener)

    def close(self) -> None:
        """Ends it; a call that waits, and any later one, fails."""
        if self._stopped >= 0:
            os.close(self._stopped)
            self._stopped = -1
            self._listener.put(-1)

    def _run(self) -> None:
        try:
            _own_umask()
            self._begun.put(None)
        except OSError as error:  # Docker's usual filter refuses it: a command would wait for ever for an answer
            self._begun.put(error)
        listener = self._listener.get()
        if listener < 0:
            os.close(self._stop)
            return
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(self._stop, 0)  # its other end is closed: POLLHUP
        try:
            while True:
                events = dict(poll.poll())
                if self._stop in events or events.get(listener, 0) & ~select.POLLIN:
                    return
                call = notify.receive(listener)
                if call is not None:
                    self._answer(call)
        finally:
            os.close(listener)
            os.close(self._stop)
            self._wake()

    def _answer(self, call: Call) -> None:
        try:
            self._calls[call.name](call)
        except (LeaveIt, KeyError):
            call.go_on()
        except notify.Gone:
            return
        except PermissionError:  # not ours to look at: the kernel says so in its own words
            self._refuse(call, errno.EPERM)
        except OSError as error:
            self._refuse(call, error.errno or errno.EPERM)
        except Exception:
            call.fail(errno.EPERM)

    def _refuse(self, call: Call, number: int) -> None:
        """Files are the kernel's to refuse, which then names the reason; where it refuses nothing, this does."""
        if call.name in self._files.calls and call.name not in _NOT_LANDLOCKS:
            call.go_on()
        else:
            call.fail(number)

    def _later(self, call: Call, held: int, flags: int, cloexec: bool) -> None:
        """Opens the FIFO HELD, which waits for the other end, in a thread of its own."""

        def run() -> None:
            try:
                call.give(os.open(f"/proc/self/fd/{held}", flags | os.O_CLOEXEC), cloexec=cloexec)
            except OSError as error:
                call.fail(error.errno or errno.EIO)
            finally:
                with self._lock:
                    self._waiting.discard(held)
                    os.close(held)

        with self._lock:
            self._waiting.add(held)
        threading.Thread(target=run, name="supervisor-open", daemon=True).start()

    def _wake(self) -> None:
        """Is the other end of every FIFO that is waited for: nobody is left whom it could be given to."""
        until = time.monotonic() + _WAKE_S
        while self._waiting and time.monotonic() < until:
            with self._lock:
                for held in self._waiting:
                    with contextlib.suppress(OSError):
                        os.close(os.open(f"/proc/self/fd/{held}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
            time.sleep(0.01)  # one of them may only be about to wait

    # --- sockets ---

    def _bind(self, call: Call) -> None:
        """A socket by path is a file that is made; everything else is the kernel's."""
        size = call.number(2)
        address = call.data(1, size) if 3 < size <= 110 else b""
        if address[:2] != _UNIX or address[2] == 0:
            raise LeaveIt
        folder, name, real = self._files.entry(call, _AT_FDCWD, address[2:].partition(b"\0")[0])
        try:
            if self._ground.entry(real) != "ours":
                raise LeaveIt
            held = call.descriptor(0)
            try:
                os.fchdir(folder)  # this thread's own folder: a path from the root may be longer than an address
                os.umask(call.umask())
                system.call("bind", held, _UNIX + name + b"\0", len(name) + 3)
            finally:
                os.umask(0)
                os.close(held)
        finally:
            os.close(folder)
        call.done()

    def _connect(self, call: Call) -> None:
        found = self._connections.connect(call)
        if found is None:
            return
        connect, slow = found

        def run() -> None:
            try:
                call.done(connect())
            except OSError as error:
                call.fail(error.errno or errno.EIO)

        if slow:
            threading.Thread(target=run, name="supervisor-connect", daemon=True).start()
        else:
            run()

    def _reachable(self, call: Call, path: bytes) -> int:
        held, real = self._files.existing(call, _AT_FDCWD, path, follow=True)
        if self._ground.place(real) in ("ours", "whole"):
            return held
        os.close(held)
        raise OSError(errno.EACCES, "a socket that is not a command's own")

    # --- signals and priorities: arguments are numbers in registers, which nobody changes meanwhile ---

    def _kill(self, call: Call) -> None:
        target = call.number(0)
        if target == 0 or (target > 0 and self._owns(target)) or (target < -1 and self._owns_group(-target)):
            raise LeaveIt
        call.fail(errno.EPERM)

    def _signal_one(self, call: Call) -> None:
        if self._owns(call.number(0)):
            raise LeaveIt
        call.fail(errno.EPERM)

    def _signal_through(self, call: Call) -> None:
        held = call.descriptor(0)
        try:
            lines = Path(f"/proc/self/fdinfo/{held}").read_text().splitlines()
            pid = next((int(line[4:]) for line in lines if line.startswith("Pid:")), 0)
            if pid <= 0 or call.number(3) or not self._owns(pid):
                call.fail(errno.EPERM)
                return
            signal.pidfd_send_signal(held, call.number(1))
        finally:
            os.close(held)
        call.done()

    def _schedule(self, call: Call) -> None:
        if call.number(0) == 0:
            raise LeaveIt
        self._signal_one(call)

    def _rank(self, call: Call, process: int) -> None:
        """setpriority(2), ioprio_set(2): PROCESS is their word for one process; the next ones are a group, a user."""
        kind, target = call.number(0) - process, call.number(1)
        if kind in (0, 1) and (
            target == 0 or (self._owns(target) if kind == 0 else target > 0 and self._owns_group(target))
        ):
            raise LeaveIt
        call.fail(errno.EPERM)

    def _owns_group(self, group: int) -> bool:
        members = []
        for name in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted
            if name.isdigit():
                with contextlib.suppress(OSError):
                    if os.getpgid(int(name)) == group:
                        members.append(int(name))
        return all(self._owns(pid) for pid in members)


def _own_umask() -> None:
    """This thread's umask and folder are its own from here on: the caller's umask is applied by hand."""
    system.call("unshare", _CLONE_FS)
    os.umask(0)
