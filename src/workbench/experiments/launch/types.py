"""What to run, and the contract of whatever runs it: submit, state, tail from an offset, cancel, exit code."""

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import msgspec

from workbench.experiments.types import Goal, Service, Status

LOST = "its supervisor is gone"
What = Literal["begun", "started", "ended", "warning", "failed"]


class Sandboxed(msgspec.Struct, frozen=True, kw_only=True):
    """What confines a run's command: the layer and the profile of `sandbox.types`, as JSON has them."""

    layer: dict[str, Any]
    profile: dict[str, Any]
    reach: Literal["confined", "git", "outside"] = "confined"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A command to run, once, or once for each of SEEDS, one after the other. Paths are absolute.

    `{seed}` in a word of `argv` stands for the seed. `gpus`: how many cards it gets, None where that is not said;
    `wait_s`: how long it waits for them. `stop_on`: kinds of alerts that end it. `setup`: what the shell reads before
    the command. `sandbox`: what confines it, None where nothing does. `size`: columns and rows of its terminal.
    `service`: how it serves, where it does.
    """

    workspace: str
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    setup: str = ""
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    seeds: tuple[int, ...] = ()
    timeout_s: float | None = None
    goal: Goal | None = None
    stop_on: tuple[str, ...] = ()
    gpus: int | None = None
    wait_s: float = 0.0
    session: str | None = None
    turn: int | None = None
    call_id: str | None = None
    parent: str | None = None
    user: str = ""
    sandbox: Sandboxed | None = None
    size: tuple[int, int] = (120, 40)
    service: Service | None = None


class News(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A word of the supervisor to whoever submitted the job, as it happens.

    `code` is the exit status that a shell would give for the run's end.
    """

    what: What
    run: str = ""
    text: str = ""
    code: int = 0


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How a run stands. `settled`: nothing of its record changes by itself any more."""

    status: Status
    exit_code: int | None = None
    signal: int | None = None
    settled: bool = False


class LaunchError(Exception):
    """The engine cannot do it; the message says why."""


class Submitted(Protocol):
    """A job that was handed over. It goes on whatever becomes of the one who holds this."""

    def news(self) -> Iterator[News]:
        """What happens to it, until it has ended; the end without an `ended` means that its supervisor is gone."""


class Engine(Protocol):
    """Runs jobs somewhere. Runs are named by their ids in the ledger of the workspace."""

    name: str

    def submit(self, job: Job) -> Submitted:
        """Hands JOB over. Raises LaunchError."""

    def state(self, run: str) -> State:
        """How RUN stands. Raises LedgerError."""

    def tail(self, run: str, offset: int, limit: int = 1 << 20) -> bytes:
        """Output of RUN from the byte OFFSET on, LIMIT bytes at most; empty where there is no more yet."""

    def cancel(self, run: str, why: str, now: bool = False) -> bool:
        """Asks RUN to end; NOW without a grace. Whether there was anything to end. Raises LaunchError."""

    def exit_code(self, run: str) -> int | None:
        """The exit status that a shell would give for RUN's end; None while it goes on or where none is known."""


def shell_status(exit_code: int | None, signal: int | None) -> int:
    """What a shell gives for the end of a command: its exit code, or 128 and the signal; 1 where nothing is known."""
    if exit_code is not None:
        return exit_code
    return 1 if signal is None else 128 + signal
