"""Starts commands without confining them, and ends everything that they started."""

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from workbench import programs
from workbench.sandbox.environment import scrub
from workbench.sandbox.tree import Tree, adopt_orphans, ended_as, handle_of, program
from workbench.sandbox.types import Ended, Spec

_SETTLE_S = 0.25  # what a command left behind may end by itself: `> >(tee log)` still writes
_GIVE_UP_S = 5.0  # after KILL; only a process stuck in the kernel is left by then
_SWEEPS = (2.0, 5.0, 10.0)  # orphans that a long command leaves are our children: dead ones are reaped this often
_POLLS = (0.002, 0.004, 0.008, 0.016, 0.032, 0.05)


@functools.cache
def bash() -> str:
    """The absolute path of bash. Raises FileNotFoundError."""
    found = shutil.which("bash", path="/bin:/usr/bin:/usr/local/bin") or programs.find("bash")
    if found is None:
        raise FileNotFoundError("bash was not found on this machine; install it")
    return str(Path(found).absolute())


class PlainLauncher:
    """Starts commands as they are: scrubbed environment, a session of their own, no input, no terminal."""

    def __init__(
        self, env: Mapping[str, str], keep: Iterable[str] = (), extra: Mapping[str, str] | None = None
    ) -> None:
        self._environment, self._withheld = scrub(env, keep)
        self._environment |= extra or {}

    def environment(self) -> dict[str, str]:
        """The scrubbed environment that commands get; a copy."""
        return dict(self._environment)

    def withheld(self) -> tuple[str, ...]:
        """Names of the variables that were taken out because they look like secrets, sorted."""
        return self._withheld

    async def start(self, spec: Spec) -> "PlainRunning":
        """Starts the command. Raises OSError (no such folder, too long, no bash), ValueError for a NUL in it."""
        return spawn(spec, shell(spec.command))


Start = Callable[[], "subprocess.Popen[bytes]"]


def at_once(start: Start) -> "subprocess.Popen[bytes]":
    """What START gives, called where one is."""
    return start()


def shell(command: str) -> list[str]:
    """The words that run COMMAND, the absolute path of bash first. Raises FileNotFoundError."""
    return [bash(), "--noprofile", "--norc", "-c", command]


def spawn(
    spec: Spec,
    argv: list[str],
    *,
    pass_fds: tuple[int, ...] = (),
    within: Callable[[Start], "subprocess.Popen[bytes]"] = at_once,
    around: str = "",
    tree: Tree | None = None,
) -> "PlainRunning":
    """Runs ARGV as SPEC says, as TREE. WITHIN calls its argument where the process shall be started from.

    AROUND is the real path of a program that stands around the command and ends with it: nobody asks it to end.
    Raises OSError, ValueError.
    """
    adopt_orphans()
    tree = tree or Tree()
    output = _output(spec)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # vfork and exec: 1 ms, and the child is watched below
            [Path(argv[0]).name, *argv[1:]],
            executable=argv[0],
            cwd=spec.cwd,
            env={**spec.env, "PWD": str(spec.cwd), **tree.environment()},
            stdin=nothing,
            stdout=output,
            stderr=output,
            pass_fds=pass_fds,
            start_new_session=True,
        )

    try:
        with _default_signals(), tree.marking():
            process = within(start)
    finally:
        os.close(output)
        os.close(nothing)
    tree.root = process.pid
    return PlainRunning(process, tree, around)


def _output(spec: Spec) -> int:
    if spec.terminal is not None:
        return os.dup(spec.terminal)
    return os.open(spec.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


class PlainRunning:
    """A command that runs. The zombie of its first process is kept until `end`, so that its number stays its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", tree: Tree, around: str = "") -> None:
        self.pid = process.pid
        self._process = process
        self.tree = tree
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[Ended] = self._loop.create_future()
        self._kill_at = float("inf")
        self._final: Ended | None = None
        self._watch()
        self._sweep_in(iter(_SWEEPS))

    async def wait(self) -> Ended:
        """Until the command itself has ended. Cancelling does not end it."""
        return await asyncio.shield(self._exited)

    async def end(self, grace_s: float = 2.0) -> Ended:
        """Ends the whole tree: TERM, then KILL after GRACE_S seconds; reaps. What has ended by itself is only swept."""
        self._kill_at = min(self._kill_at, self._loop.time() + grace_s)
        by_itself = self._exited.done()
        if by_itself and grace_s > 0:
            await self._until_gone(self._loop.time() + _SETTLE_S)
        left = self._members()
        own = [pid for pid in left if not self._is_around(pid)]
        if left and grace_s > 0:
            await self._until_gone(self._kill_at, ask=True)
        stuck = await self._kill()
        if self._final is None:
            self._final = self._reap(len(own) if by_itself else 0, stuck)
        return self._final

    async def _until_gone(self, until: float, ask: bool = False) -> None:
        """Until the tree is empty, or that time has come. No signal tells of grandchildren: it is looked for.

        ASK: each process gets one TERM; another one when it executes another program, since a shell's child that was
        about to do so has lost the first.
        """
        asked: set[tuple[int, str]] = set()
        for pause in _pauses():
            left = self._members()
            rest = min(until, self._kill_at) - self._loop.time()
            if not left or rest <= 0:
                return
            if ask:
                new = {(pid, program(pid)) for pid in left if not self._is_around(pid)} - asked
                asked |= new
                # All are halted first: else a shell whose child ends before it is told would begin the next command.
                for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT):
                    self.tree.signal([pid for pid, _ in new], number)
            await asyncio.sleep(min(pause, rest))

    async def _kill(self) -> list[int]:
        """Kills until none is left; a process that forks while it dies is found in the next round."""
        until = self._loop.time() + _GIVE_UP_S
        polls = _pauses()
        while left := self._members():
            self.tree.signal(left, signal.SIGKILL)
            if self._loop.time() > until:
                return left
            await asyncio.sleep(next(polls))
        return []

    def _is_around(self, pid: int) -> bool:
        return bool(self._around) and program(pid) == self._around

    def _members(self) -> list[int]:
        return [] if self._final is not None else self.tree.members()

    def _reap(self, swept: int, stuck: list[int]) -> Ended:
        self._sweeping.cancel()
        self.tree.reap()
        self._see_exit()
        if not self._exited.done():  # stuck in the kernel: it will be init's
            self._drop_handle()
            self._exited.set_result(Ended(signal=signal.SIGKILL))
        elif self.pid not in stuck:
            self._process.wait()
        return msgspec.structs.replace(self._exited.result(), swept=swept, stuck=tuple(stuck))

    # --- how its end is seen ---

    def _watch(self) -> None:
        self._handle = handle_of(self.pid)
        if self._handle is not None:
            self._loop.add_reader(self._handle, self._see_exit)
        else:
            threading.Thread(target=self._wait_in_thread, daemon=True, name=f"wait-{self.pid}").start()

    def _wait_in_thread(self) -> None:
        with contextlib.suppress(OSError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._see_exit)

    def _sweep_in(self, pauses: Iterator[float]) -> None:
        self._sweeping = self._loop.call_later(next(pauses, _SWEEPS[-1]), self._sweep, pauses)

    def _sweep(self, pauses: Iterator[float]) -> None:
        """Reaps what ended meanwhile, until the tree's own end does."""
        self._members()
        self._sweep_in(pauses)

    def _see_exit(self) -> None:
        if self._exited.done():
            return
        try:
            found = ended_as(self.pid)
        except ChildProcessError:  # someone else reaped it; its status is lost
            found = (None, None)
        if found is not None:
            self._drop_handle()
            self._exited.set_result(Ended(exit_code=found[0], signal=found[1]))

    def _drop_handle(self) -> None:
        if self._handle is not None:
            self._loop.remove_reader(self._handle)
            os.close(self._handle)
            self._handle = None


def _pauses() -> Iterator[float]:
    yield from _POLLS
    while True:
        yield _POLLS[-1]


@contextlib.contextmanager
def _default_signals() -> Iterator[None]:
    """Signals that this process ignores (under nohup, or started with `&` by a script) are not ignored by a command.

    An ignored signal stays ignored across exec; one that is handled, by nothing at all here, does not.
    """
    ignored = []
    if threading.current_thread() is threading.main_thread():
        ignored = [number for number in _IGNORABLE if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


# SIGPIPE and SIGXFSZ, which Python ignores, are put back by subprocess itself.
_IGNORABLE = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
