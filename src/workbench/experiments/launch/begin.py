"""A run as it begins: its lock, its words, its record."""

import os
import socket
import time
from itertools import pairwise
from pathlib import Path

from workbench.experiments.launch.alive import Stop, asked, hold, sign
from workbench.experiments.launch.types import Job
from workbench.experiments.surroundings import seed as seed_of
from workbench.experiments.types import Run


class Held:
    """A run of the job that has not ended: its id, its seed, and the lock that says so."""

    def __init__(self, run: str, seed: int | None, folder: Path) -> None:
        self.run, self.seed, self.folder = run, seed, folder
        self.lock = hold(folder)
        sign(self.lock)

    def let_go(self) -> None:
        """Gives up the lock; the watcher may hold it still."""
        os.close(self.lock)

    def asked(self) -> Stop | None:
        """What somebody left who wants it to end."""
        return asked(self.folder)

    def argv(self, job: Job) -> list[str]:
        """The words of its command."""
        words = list(job.argv)
        return words if self.seed is None else [word.replace("{seed}", str(self.seed)) for word in words]


def record(job: Job, run: str, seed: int | None, argv: list[str], group: str | None) -> Run:
    """What is known of RUN before it begins."""
    return Run(
        id=run,
        name=_readable(job.name or name_of(job.argv)),
        status="queued",
        argv=tuple(map(_readable, argv)),
        cwd=_readable(job.cwd),
        workspace=_readable(job.workspace),
        created=time.time(),
        session=job.session,
        turn=job.turn,
        call_id=job.call_id,
        parent=job.parent,
        group=group,
        seed=seed if seed is not None else seed_of(argv, job.env),
        tags=tuple(map(_readable, job.tags)),
        note=_readable(job.note),
        host=socket.gethostname(),
        boot_id=_boot_id(),
        user=job.user,
        goal=job.goal,
        timeout_s=job.timeout_s,
        service=job.service,
    )


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _readable(text: str) -> str:
    """TEXT as JSON can hold it: bytes that are no UTF-8 are replaced."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def name_of(argv: tuple[str, ...]) -> str:
    """A name for a run of ARGV: its script or module, else its program."""
    for word, following in pairwise((*argv[1:], "")):
        if word == "-m" and following:
            return following
        if word.endswith((".py", ".sh", ".ipynb")):
            return Path(word).stem
    return Path(argv[0]).name or argv[0]
