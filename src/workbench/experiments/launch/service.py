"""A run that serves: its command is started by this small program, which stands in the command's place.

It asks until the service answers, puts the load on it, and prints what that showed as `METRIC name=value`, which the
run's reader takes like any other number. It runs where the service runs, within the same confinement: a sandbox with a
network of its own has a loopback of its own, that nobody outside can reach.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import chain, repeat
from types import FrameType
from typing import Any

import msgspec

from workbench.experiments.launch import service_http
from workbench.experiments.launch.service_http import RequestError
from workbench.experiments.launch.types import shell_status
from workbench.experiments.types import READY, Service
from workbench.sandbox.launcher import bash

_GRACE_S = 10.0  # between TERM and KILL of a service whose load is over
_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.5)  # between two probes; the last one again and again
_TICK_S = 0.05


def wrapped(service: Service, argv: Sequence[str]) -> list[str]:
    """The words that run ARGV as SERVICE."""
    told = msgspec.json.encode(service).decode()
    # Not the variables of the command, which may name another Python's modules.
    return [sys.executable, "-E", "-P", "-m", "workbench.experiments.launch.service", told, *argv]


class Serving:
    """Runs ARGV as SERVICE to its end."""

    def __init__(self, service: Service, argv: Sequence[str]) -> None:
        self._port = _free_port() if "{port}" in service.ready else None
        self._service = msgspec.structs.replace(
            service, ready=self._filled(service.ready), load=self._filled(service.load)
        )
        self._argv = [self._filled(word) for word in argv]
        self._env = os.environ | ({} if self._port is None else {"PORT": str(self._port)})
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def _filled(self, text: str) -> str:
        return text if self._port is None else text.replace("{port}", str(self._port))

    def run(self) -> int:
        """The status to exit with: the load's, and without one the service's."""
        signal.signal(signal.SIGTERM, self._stop)  # whoever sends it sends it to the service as well
        requests = self._requests()
        if service_http.listens(self._service.ready):
            say(f"somebody serves at {self._service.ready} already; give this one another port")
            return 1
        self._process = self._started(self._argv)
        if not self._becomes_ready():
            return self._end() or 1
        status = 0
        if requests:
            status = self._press(requests)
        elif self._service.load:
            status = self._command()
        if (requests or self._service.load) and not self._service.stay:
            self._end()
            return status
        return self._wait(None) or status

    def _requests(self) -> list[service_http.Request]:
        service = self._service
        if not service.request:
            return []
        return service_http.requests_of(self._filled(service.request), service.ready)

    def _started(self, words: Sequence[str]) -> "subprocess.Popen[bytes]":
        """A process group of its own, so that it can be ended with what it starts; found as a shell finds it."""
        script = [bash(), "--noprofile", "--norc", "-c", 'exec -- "$0" "$@"', *words]
        return subprocess.Popen(script, stdin=subprocess.DEVNULL, env=self._env, process_group=0)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True

    @property
    def _gone(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _becomes_ready(self) -> bool:
        begun = time.monotonic()
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            if self._gone or self._stopped:
                say("" if self._stopped else "the service ended before it was ready")
                return False
            why = service_http.answers(self._service.ready)
            took = time.monotonic() - begun
            if not why:
                say(f"ready at {self._service.ready} after {took:.1f} s", **{READY: took})
                return True
            if took > self._service.ready_s:
                say(f"not ready after {self._service.ready_s:g} s ({why}); --ready-timeout gives it longer")
                return False
            time.sleep(pause)
        return False

    # --- loads ---

    def _press(self, requests: Sequence[service_http.Request]) -> int:
        """The load of our own."""
        from workbench.experiments.launch.service_load import Press

        shown = Press(self._service, requests, put, lambda: self._stopped or self._gone).run()
        load = shown.load
        if shown.cut:
            say("" if self._stopped else "the service ended under its load")
            return 1
        for why, count in shown.failures.items():
            say(f"{count:,} requests failed: {why}")
        if not load.percentiles:
            say("no request was answered")
            return 1
        spread = "".join(
            f", p{100 * one.q:g} {1000 * one.value:.4g}"
            + (f" ({1000 * one.low:.4g} to {1000 * one.high:.4g})" if one.low is not None and one.high else "")
            for one in load.percentiles
        )
        how = f"{self._service.concurrency} at once" + (f", {self._service.rate:g}/s due" if self._service.rate else "")
        say(
            f"{load.requests:,} requests in {self._service.duration_s:g} s, {how}, after {shown.warmed:,} of warm-up; "
            f"latency in ms{spread}",
            **shown.metrics(),
        )
        return 0

    def _command(self) -> int:
        """The user's own load: what it prints and writes is read as the run's."""
        load = self._started([bash(), "-c", self._service.load])
        while load.poll() is None and not self._gone:
            time.sleep(_TICK_S)
        if load.poll() is None:
            say("the service ended under its load")
            _end(load)
            return 1
        return _status(load)

    # --- its end ---

    def _end(self) -> int:
        """Ends the service, with what it started; its status where it had ended by itself."""
        assert self._process is not None
        if self._gone:
            return _status(self._process)
        _end(self._process)
        return 0

    def _wait(self, timeout_s: float | None) -> int:
        assert self._process is not None
        self._process.wait(timeout_s)
        return _status(self._process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return


def _status(process: "subprocess.Popen[bytes]") -> int:
    code = process.returncode
    return shell_status(None, -code) if code < 0 else code


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def put(line: str) -> None:
    """Writes LINE at once, whatever else is printed."""
    with contextlib.suppress(OSError):
        os.write(1, f"{line}\n".encode(errors="replace"))


def say(text: str, **metrics: float) -> None:
    """Writes TEXT on a line of its own, and METRICS as the run's readers take them."""
    lines = ([f"mlwb: {text}"] if text else []) + [f"METRIC {key}={value:.6g}" for key, value in metrics.items()]
    if lines:
        put("\n".join(["", *lines]))  # what the service prints may not have ended its line


def main(args: Sequence[Any]) -> int:
    """Runs `SERVICE COMMAND …`; returns the exit status."""
    try:
        return Serving(msgspec.json.decode(args[0], type=Service), args[1:]).run()
    except (RequestError, OSError) as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
