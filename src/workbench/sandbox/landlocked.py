"""A command held by Landlock, with the supervisor beside it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from workbench.sandbox import landlock, seccomp
from workbench.sandbox.connections import Listening
from workbench.sandbox.supervisor import Supervisor
from workbench.sandbox.tree import Tree
from workbench.sandbox.types import Profile

Start = Callable[[], "subprocess.Popen[bytes]"]


class Landlocked:
    """What holds one command to PROFILE. `start` once, then `close`. Raises OSError.

    READING are the rules for that, LISTENING the sockets of the session's commands, TREE is the command's. WRITABLE_TOO
    is opened below what is read-only; OUTPUTS, which exist, are where the streams go. REFUSED is told of hosts.
    """

    def __init__(
        self,
        profile: Profile,
        abi: int,
        reading: landlock.Reading,
        listening: Listening,
        tree: Tree,
        *,
        writable_too: tuple[Path, ...] = (),
        outputs: tuple[Path, ...] = (),
        proxy: tuple[str, int] | None = None,
        refused: Callable[[str, int], None] = lambda host, port: None,
    ) -> None:
        network = profile.network == "full"
        self._program = seccomp.program(seccomp.supervised(abi, network=network))
        self._supervisor = Supervisor(
            landlock.ground(profile, writable_too),
            listening,
            network=network,
            owns=tree.owns,
            proxy=proxy,
            refused=refused,
        )
        try:
            self._rules = (reading.rules(), landlock.writing(profile, abi, writable_too, outputs))
        except BaseException:
            self._supervisor.close()
            raise

    def start(self, start: Start) -> "subprocess.Popen[bytes]":
        """What START gives, called in a thread that has no more rights than the command shall have."""

        def restricted() -> "subprocess.Popen[bytes]":
            self._supervisor.start(landlock.restrict(self._rules, self._program))
            return start()

        try:
            return landlock.in_thread(restricted)
        finally:
            os.close(self._rules[1])

    def close(self) -> None:
        """Ends the supervisor; calls of the command that need it fail from then on."""
        self._supervisor.close()
