"""How a command is started and ended, whatever confines it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """A command for bash. Output of both streams goes, in order, to the file `output`.

    `scratch` is a folder of this command's own that the shell itself reads and writes (see `prologue.py`): a launcher
    that confines the command leaves it open.
    """

    command: str
    cwd: Path
    output: Path
    env: Mapping[str, str]
    scratch: Path | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended: exit code, or the signal that ended it.

    `swept` counts the processes that it had left behind and that `end` ended; `stuck` are those that nothing ends
    (waiting in the kernel, or another user's).
    """

    exit_code: int | None = None
    signal: int | None = None
    swept: int = 0
    stuck: tuple[int, ...] = ()


class Running(Protocol):
    """A command that was started, with everything it starts in turn."""

    pid: int

    async def wait(self) -> Ended:
        """Until the command itself has ended. Cancelling does not end it."""

    async def end(self, grace_s: float = 2.0) -> Ended:
        """Ends the whole tree, grandchildren that left the process group included: TERM, then KILL after the grace.

        Also to be called after `wait`: it ends what the command left behind and gives its process back to the system.
        A second call, while the first one waits, may shorten the grace.
        """


class Launcher(Protocol):
    """Starts commands. The environment given to a command holds no secret."""

    def environment(self) -> dict[str, str]:
        """The scrubbed environment that commands get."""

    def withheld(self) -> tuple[str, ...]:
        """Names of the variables that were taken out because they look like secrets."""

    async def start(self, spec: Spec) -> Running:
        """Starts the command with no standard input and no terminal. Raises OSError."""


Progress = Callable[[str], None]
