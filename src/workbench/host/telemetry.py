"""The machine's cards and figures for clients of this process: one sampler, shared by all that look."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from workbench.telemetry import words
from workbench.telemetry.types import NO_DRIVER, Gpu, GpuProcess, Host, Mig, Sample

__all__ = ["NO_DRIVER", "Gpu", "GpuProcess", "Host", "Mig", "Sample", "Telemetry", "telemetry", "words"]


class Telemetry(Protocol):
    """Where samples come from, near or far."""

    def subscribe(self, callback: Callable[[Sample], None], every_s: float = 1.0) -> Callable[[], None]:
        """CALLBACK gets each sample, in another thread, at least every EVERY_S seconds; the answer ends that."""

    def latest(self) -> Sample | None:
        """The newest sample, None before the first."""

    def history(self) -> Sequence[Sample]:
        """The newest samples, oldest first; a bounded number."""


class Elsewhere:
    """In place of the sampler where the session lives on the machine FAR: the cards of this one would mislead."""

    def __init__(self, far: str) -> None:
        words = f"on {far}: mlwb gpu"
        self._sample = Sample(at=time.time(), mono=time.monotonic(), host=Host(hostname=far), problem=words)

    def subscribe(self, callback: Callable[[Sample], None], every_s: float = 1.0) -> Callable[[], None]:
        """CALLBACK gets the one sample that says so, as soon as the caller is done."""
        later = threading.Timer(0.0, callback, (self._sample,))
        later.daemon = True
        later.start()
        return later.cancel

    def latest(self) -> Sample:
        """The sample that says so."""
        return self._sample

    def history(self) -> Sequence[Sample]:
        """None."""
        return ()


_shared: Telemetry | None = None
_lock = threading.Lock()


def telemetry(disk: str | Path = ".") -> Telemetry:
    """This process's sampler. The first caller's DISK is the one whose space, and whose runs, are told."""
    global _shared
    with _lock:
        if _shared is None:
            from workbench.experiments.found_owner import Owners
            from workbench.experiments.ledger import ledger_for
            from workbench.telemetry.sampler import Sampler

            folder = Path(disk).absolute()
            _shared = Sampler(folder, run_of=Owners([ledger_for(folder)]))
        return _shared
