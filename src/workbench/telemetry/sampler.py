"""One sampler for everyone who looks at the machine: it runs while someone does, as often as the most curious asks."""

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.telemetry.host import HostReader, Who
from workbench.telemetry.nvml import Nvml, Use
from workbench.telemetry.types import GpuProcess, Host, Sample

KEPT = 300  # samples of history
LINKS_S = 5.0  # how often what is slow to read is read; not at all while nobody asks for samples as often
SECOND_S = 0.3  # from the very first sample to the next: rates need two

Callback = Callable[[Sample], None]


class Sampler:
    """Takes samples in a thread of its own from the first subscription to the last one's end.

    `disk`: a path on the disk whose space is told. `who` says which process a number is, `run_of` to which run it
    belongs.
    """

    def __init__(
        self,
        disk: Path,
        nvml: Nvml | None = None,
        who: Who | None = None,
        run_of: Callable[[int], str | None] = lambda pid: None,
    ) -> None:
        self._run_of = run_of
        self._nvml, self._who = nvml or Nvml(), who or Who()
        self._host = HostReader(disk)
        self._lock = threading.Condition()
        self._subscribers: dict[int, tuple[Callback, float]] = {}
        self._ids = itertools.count()
        self._stint = 0  # grows whenever the threads are to end; each knows its own
        self._threads: tuple[threading.Thread, ...] = ()
        self._latest: Sample | None = None
        self._history: deque[Sample] = deque(maxlen=KEPT)
        self._reading = threading.Lock()

    # --- for those who look ----------------------------------------------------------------------------

    def subscribe(self, callback: Callback, every_s: float = 1.0) -> Callable[[], None]:
        """CALLBACK gets every sample, in the sampler's thread, at least every EVERY_S; the answer ends that.

        A callback that raises is dropped: whoever it served has gone. Raises RuntimeError where no thread can begin.
        """
        with self._lock:
            own = next(self._ids)
            first = not self._subscribers
            self._subscribers[own] = callback, every_s
            try:
                if first:
                    self._begin()
            except RuntimeError:  # one of the two may have begun
                self._end(own)
                raise
            self._lock.notify_all()
        return lambda: self._end(own)

    def latest(self) -> Sample | None:
        """The newest sample, None before the first."""
        return self._latest

    def history(self) -> Sequence[Sample]:
        """The newest samples, oldest first, at most KEPT; they need not be evenly spaced."""
        return tuple(self._history)

    def sample(self) -> Sample:
        """Takes a sample now, in the caller's thread."""
        with self._reading:
            gpus, uses = self._nvml.read()
            self._who.forget_all_but({use.pid for use in uses})
            sample = Sample(
                at=time.time(),
                mono=time.monotonic(),
                host=self._host.read(),
                gpus=tuple(gpus),
                processes=tuple(self._process(use) for use in uses),
                problem=self._nvml.problem,
                driver=self._nvml.driver,
                cuda=self._nvml.cuda,
            )
            self._latest = sample
            self._history.append(sample)
            return sample

    def read_links(self) -> None:
        """Reads what is slow (ECC, PCIe, NVLink), in the caller's thread; later samples carry it."""
        self._nvml.read_links()

    def close(self) -> None:
        """Ends all subscriptions and waits for the threads."""
        for own in list(self._subscribers):
            self._end(own)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(5)
        self._nvml.close()

    # --- the threads -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._stint += 1
        loops = (self._take_samples, self._take_links)
        self._threads = tuple(
            threading.Thread(target=loop, args=(self._stint,), name="telemetry", daemon=True) for loop in loops
        )
        for thread in self._threads:
            thread.start()

    def _end(self, own: int) -> None:
        with self._lock:
            if self._subscribers.pop(own, None) and not self._subscribers:
                self._stint += 1
            self._lock.notify_all()

    def _wait(self, stint: int, after: float, least_s: float = 0.0) -> bool:
        """Until the next sample is due, the one before being taken at AFTER; False once the threads are to end."""
        with self._lock:
            while self._stint == stint:
                every = min((every for _, every in self._subscribers.values()), default=float("inf"))
                if least_s and every > least_s:
                    self._lock.wait()  # until someone looks more closely
                    continue
                if least_s == 0.0 and len(self._history) == 1:
                    every = min(every, SECOND_S)
                remaining = after + max(every, least_s) - time.monotonic()
                if remaining <= 0:
                    return True
                self._lock.wait(min(remaining, threading.TIMEOUT_MAX))
            return False

    def _take_samples(self, stint: int) -> None:
        taken = float("-inf")
        while self._wait(stint, taken):
            taken = time.monotonic()
            try:
                sample = self.sample()
            except Exception as error:  # a figure that no one foresaw must not end the screen's clock
                host = self._latest.host if self._latest else Host(hostname="")
                sample = Sample(at=time.time(), mono=taken, host=host, problem=f"telemetry failed: {error!r}")
                self._latest = sample
            for own, (callback, _) in list(self._subscribers.items()):
                try:
                    callback(sample)
                except Exception:
                    self._end(own)

    def _take_links(self, stint: int) -> None:
        taken = float("-inf")
        while self._wait(stint, taken, LINKS_S):
            taken = time.monotonic()
            with contextlib.suppress(Exception):  # without what is slow to read, the rest is told all the same
                self.read_links()

    def _process(self, use: Use) -> GpuProcess:
        user, command, started, foreign = self._who(use.pid)
        return GpuProcess(
            gpu=use.gpu,
            gpu_uuid=use.gpu_uuid,
            mig_uuid=use.mig_uuid,
            pid=use.pid,
            user=user,
            command=command,
            memory=use.memory,
            utilization=use.utilization,
            started=started,
            run=None if foreign else self._run_of(use.pid),
            foreign=foreign,
        )
