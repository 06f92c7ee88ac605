"""This machine as an engine: each job has a supervisor process of its own."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from signal import SIGTERM, SIGUSR1

import msgspec

from workbench.experiments.launch.alive import STOP, Stop, alive, ask, truly
from workbench.experiments.launch.types import Job, LaunchError, News, State, shell_status
from workbench.experiments.ledger import OUTPUT, Ledger

_ANCESTRY = ("MLWB_SESSION", "MLWB_COMMAND")  # by these, what a session's commands left behind is found and ended


class Handed:
    """A job of this process; see `types.Submitted`. `reading` is the descriptor that its news come from."""

    def __init__(self, reading: int) -> None:
        self.reading = reading

    def news(self) -> Iterator[News]:
        """What happens to it, until it has ended."""
        with os.fdopen(self.reading, "rb") as lines:
            for line in lines:
                yield msgspec.json.decode(line, type=News)


class Local:
    """Runs jobs on this machine. LEDGER is that of the workspace.

    FORKS: whether a supervisor may be a fork of this process, which is quick; not of one that has threads.
    """

    name = "local"

    def __init__(self, ledger: Ledger, forks: bool = True) -> None:
        self.ledger = ledger
        self._forks = forks and not any(name in os.environ for name in _ANCESTRY)

    def submit(self, job: Job) -> Handed:
        """Hands JOB to a supervisor. Raises LaunchError."""
        reading, writing = os.pipe()
        try:
            if self._forks:
                _forked(job, reading, writing)
            else:
                _spawned(job, writing)
        except OSError as error:
            os.close(reading)
            raise LaunchError(f"no supervisor could be started: {error.strerror or error}") from None
        finally:
            os.close(writing)
        return Handed(reading)

    def state(self, run: str) -> State:
        """How RUN stands. Raises LedgerError."""
        record = truly(self.ledger, self.ledger.get(run))
        ended = record.status not in ("queued", "running")
        return State(
            status=record.status,
            exit_code=record.exit_code,
            signal=record.signal,
            settled=ended and not alive(self.ledger.path(run)),
        )

    def tail(self, run: str, offset: int, limit: int = 1 << 20) -> bytes:
        """Output of RUN from the byte OFFSET on, LIMIT bytes at most; empty where there is no more yet."""
        try:
            with (self.ledger.path(run) / OUTPUT).open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except OSError:
            return b""

    def cancel(self, run: str, why: str, now: bool = False) -> bool:
        """Asks RUN to end; NOW without a grace. Whether there was anything to end. Raises LaunchError, LedgerError."""
        folder = self.ledger.path(run)
        record = truly(self.ledger, self.ledger.get(run))
        if record.status not in ("queued", "running"):
            return False
        if record.host and record.host != os.uname().nodename:
            raise LaunchError(f"{run} runs on {record.host}; stop it there")
        number = SIGUSR1
        try:
            (folder / STOP).write_bytes(msgspec.json.encode(Stop(why=why, now=now)))
        except OSError:
            number = SIGTERM  # it ends every run of its job, but it ends this one
        try:
            return ask(folder, number)
        except PermissionError:
            raise LaunchError(f"{run} is {record.user or 'another user'}'s; only they can stop it") from None

    def exit_code(self, run: str) -> int | None:
        """The exit status that a shell would give for RUN's end; None while it goes on or where none is known."""
        state = self.state(run)
        if state.status in ("queued", "running") or (state.exit_code is None and state.signal is None):
            return None
        return shell_status(state.exit_code, state.signal)


def _forked(job: Job, reading: int, writing: int) -> None:
    from workbench.experiments.launch.supervisor import supervise

    if os.fork() == 0:
        status = 1
        try:
            os.close(reading)
            supervise(job, writing)
            status = 0
        finally:
            os._exit(status)


def _spawned(job: Job, writing: int) -> None:
    """The same through a program of its own: a fork keeps the variables that it was started with, for all to see."""
    env = {name: value for name, value in os.environ.items() if name not in _ANCESTRY}
    process = subprocess.Popen(
        [sys.executable, "-E", "-P", "-m", "workbench.experiments.launch"],
        env=env,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=writing,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # It outlives us, but where we outlive it, no zombie stays.
    threading.Thread(target=process.wait, name="supervisor", daemon=True).start()
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(msgspec.json.encode(job))
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
