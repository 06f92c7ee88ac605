"""The machine's cards and figures for clients of this process: one sampler, shared by all that look."""

import threading
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
