"""A load of requests on a service, of so many callers at once, and what it showed.

Closed loop: each caller sends its next request when the one before is answered, so a service that stalls is asked less
while it does, and its percentiles look better than what people would meet who come whatever it does ("coordinated
omission": G. Tene, *How NOT to Measure Latency*, 2015). With a rate the load is open: requests have a moment at which
they are due, and a latency counts from there, as wrk2 has it.
"""

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from workbench.experiments import stats
from workbench.experiments.latency import Load, summary
from workbench.experiments.launch.service_http import Client, Request, words
from workbench.experiments.types import Service

_REST_S = 0.05  # of a caller whose request failed: one that is refused is not to be asked a thousand times a second
_WINDOWS = 60  # of a load, told while it goes on; none shorter than a second
_TICK_S = 0.1


class Sent(msgspec.Struct, frozen=True, gc=False):
    """A request: when it was due and when it was answered, by time.perf_counter; FAILED says why it was not."""

    due: float
    ended: float
    first: float | None = None
    tokens: int = 0
    failed: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a load showed. `failures`: how often, by reason; `warmed`: requests of the warm-up, which do not count."""

    load: Load
    first: Load | None = None  # to the first piece of a streamed answer
    tokens_per_second: float | None = None
    failures: dict[str, int] = {}
    warmed: int = 0
    cut: bool = False  # somebody ended it before its time

    def metrics(self) -> dict[str, float]:
        """As metrics of a run."""
        found = self.load.metrics()
        found["request_error_rate"] = found.pop("error_rate")
        if self.first is not None:
            found |= {f"ttft_p{100 * one.q:g}_ms": 1000 * one.value for one in self.first.percentiles}
        if self.tokens_per_second is not None:
            found["tokens_per_second"] = self.tokens_per_second
        return found


class Press:
    """Sends REQUESTS in turn, as SERVICE says; TELL gets a line of each window, STOP ends it early."""

    def __init__(
        self, service: Service, requests: Sequence[Request], tell: Callable[[str], None], stop: Callable[[], bool]
    ) -> None:
        self._service, self._requests, self._tell, self._stop = service, requests, tell, stop
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._sent: list[list[Sent]] = [[] for _ in range(service.concurrency)]

    def run(self) -> Shown:
        """Until the time is over and every request has its answer."""
        service = self._service
        self._begun = time.perf_counter()
        self._measured = self._begun + service.warm_up_s
        self._end = self._measured + service.duration_s
        callers = [threading.Thread(target=self._call, args=(sent,), name="load", daemon=True) for sent in self._sent]
        for caller in callers:
            caller.start()
        cut = self._watch(callers)
        return self._shown(cut)

    def _watch(self, callers: Sequence[threading.Thread]) -> bool:
        """Tells of the windows as they pass; whether it was ended early."""
        length = max(1.0, self._service.duration_s / _WINDOWS)
        told, going = 0, True
        while going:
            if self._stop():
                self._over.set()
                return True
            going = any(caller.is_alive() for caller in callers)
            now = min(time.perf_counter(), self._end)
            while self._measured + (told + 1) * length <= now:
                told += 1
                self._tell_window(told, length)
            time.sleep(_TICK_S if going else 0)
        return False

    def _tell_window(self, number: int, length: float) -> None:
        until = self._measured + number * length
        ended = [one for sent in self._sent for one in _since(sent, until - length) if one.ended < until]
        times = sorted(one.ended - one.due for one in ended if not one.failed)
        said = f"step {number * length:.0f} | window/throughput_rps: {len(times) / length:.6g}"
        if times:
            said += "".join(f" | window/latency_p{100 * q:g}_ms: {_ms(times, q)}" for q in (0.5, 0.99))
        self._tell(f"{said} | window/request_errors: {len(ended) - len(times)}")

    def _call(self, sent: list[Sent]) -> None:
        """The life of one caller."""
        client = Client()
        for number, due in self._turns():
            request = self._requests[number % len(self._requests)]
            failed, first, tokens = "", None, 0
            try:
                answer = client.send(request)
                first, tokens = answer.first, answer.tokens
                failed = "" if answer.status < 400 else f"status {answer.status}"
            except (OSError, http.client.HTTPException, ValueError) as error:
                failed = words(error)
            sent.append(Sent(due, time.perf_counter(), first, tokens, failed))
            if failed:
                self._over.wait(_REST_S)
        client.close()

    def _turns(self) -> Iterator[tuple[int, float]]:
        """Numbers of requests, and when each is due, until the time is over."""
        rate = self._service.rate
        while not self._over.is_set():
            if rate is None:
                if (due := time.perf_counter()) >= self._end:
                    return
                yield next(self._numbers), due
                continue
            number = next(self._numbers)
            due = self._begun + number / rate
            if due >= self._end:
                return
            self._over.wait(max(0.0, due - time.perf_counter()))
            yield number, due

    def _shown(self, cut: bool) -> Shown:
        """What counts: latencies of requests that were due after the warm-up, answers that came until the end."""
        everything = sorted(itertools.chain.from_iterable(self._sent), key=lambda one: one.due)
        counted = [one for one in everything if one.due >= self._measured]
        answered = [one for one in counted if not one.failed]
        until = min(self._end, time.perf_counter())
        inside = [one for one in everything if not one.failed and self._measured <= one.ended <= until]
        streamed = [one.first - one.due for one in answered if one.first is not None]
        tokens = sum(one.tokens for one in inside)
        return Shown(
            load=summary(
                [one.ended - one.due for one in answered],
                [one.ended for one in inside],
                len(counted) - len(answered),
            ),
            first=summary(streamed) if streamed else None,
            tokens_per_second=tokens / (until - self._measured) if tokens and until > self._measured else None,
            failures=dict(Counter(one.failed for one in counted if one.failed).most_common(5)),
            warmed=len(everything) - len(counted),
            cut=cut,
        )


def _since(sent: Sequence[Sent], moment: float) -> Iterator[Sent]:
    """Those of SENT, which ended one after the other, that ended at MOMENT or later, the newest first."""
    return itertools.takewhile(lambda one: one.ended >= moment, reversed(sent))


def _ms(times: Sequence[float], q: float) -> str:
    return f"{1000 * stats.quantile(times, q):.6g}"
