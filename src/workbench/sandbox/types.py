"""How a command is started and ended, whatever confines it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

import msgspec

Network = Literal["none", "allowlist", "full"]
Reach = Literal["confined", "git", "outside"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one command may use; None is no limit. CUDA reserves address space by the terabyte: `memory` counts it.

    `processes` counts processes and threads of the user, others' commands included (RLIMIT_NPROC); the kernel does
    not hold root to it. `memory` and `file_size` are bytes, for each process (RLIMIT_AS) and each file.
    """

    processes: int | None = None
    memory: int | None = None
    file_size: int | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a confined command may reach. Paths are absolute; whatever is not named here can be read, not written.

    `roots` may be written but for `read_only`: paths below them that exist, or that shall not appear. `hidden` cannot
    be read, save what is `shown` of it. `temp` is the session's temporary folder (TMPDIR; keep its path short, a
    socket's may have 107 bytes). `caches` may be written too; a missing one is made. `domains` count where the network
    is an allowlist: `lab.test`, `*.huggingface.co`, `10.1.2.3`, `10.0.0.0/8`, each with `:port` where it is not 443
    or 80.
    """

    roots: tuple[Path, ...]
    temp: Path
    home: Path
    read_only: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    shown: tuple[Path, ...] = ()
    caches: tuple[Path, ...] = ()
    network: Network = "none"
    domains: tuple[str, ...] = ()
    limits: Limits = Limits()


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """What of the operating system confines commands, as tried here: whether it holds, why not, and how to mend it.

    `auto_allow`: whether it stops enough for a command that nothing allows to run in it without asking.
    """

    name: Literal["bubblewrap", "landlock"]
    ok: bool
    detail: str
    fix: str = ""
    abi: int = 0
    auto_allow: bool = False


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """A command for bash. Output of both streams goes, in order, to the file `output`.

    `scratch` is a folder of this command's own that the shell itself reads and writes (see `prologue.py`): a launcher
    that confines the command leaves it open. `reach`: within the confinement, there with git's own folder writable
    and its hooks off, or outside of it by a person's word. `terminal` is a descriptor of a terminal that the command
    writes to instead; whoever gives it keeps what comes there in `output`.
    """

    command: str
    cwd: Path
    output: Path
    env: Mapping[str, str]
    scratch: Path | None = None
    reach: Reach = "confined"
    terminal: int | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended: exit code, or the signal that ended it.

    `swept` counts the processes that it had left behind and that `end` ended; `stuck` are those that nothing ends
    (waiting in the kernel, or another user's). `refused` says, a line each, what the confinement kept from it.
    """

    exit_code: int | None = None
    signal: int | None = None
    swept: int = 0
    stuck: tuple[int, ...] = ()
    refused: tuple[str, ...] = ()


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
