"""Real runs in tests: `mlwb exp` in a scratch folder, its records, and who of its processes lives."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.mlwb import MLWB
from workbench.experiments.launch.alive import alive
from workbench.experiments.ledger import Ledger, LedgerError
from workbench.experiments.types import Run

PATIENCE_S = 30.0


def until(what: Callable[[], Any]) -> Any:
    """What WHAT gives, once that is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)
    return found


class Exp:
    """`mlwb exp` in a folder, which may be a repository."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        # Not the variables by which a session that runs these tests would find, and end, what they start.
        self.env = {name: text for name, text in (env or dict(os.environ)).items() if not name.startswith("MLWB_")}
        self.ledger = Ledger(folder)

    def __call__(self, *args: str, code: int | None = 0, **more: Any) -> "subprocess.CompletedProcess[bytes]":
        """`mlwb exp ARGS` to its end, which shall have the exit status CODE."""
        command = [*MLWB, "exp", *args]
        env = self.env | more.pop("env", {})
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        done = subprocess.run(command, cwd=self.folder, env=env, timeout=60, check=False, **streams)
        if code is not None:
            assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def start(self, *args: str, **more: Any) -> "subprocess.Popen[bytes]":
        """`mlwb exp ARGS`, not waited for."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen([*MLWB, "exp", *args], cwd=self.folder, env=self.env, **streams)

    def detached(self, *args: str) -> str:
        """The id of a run that was left to itself."""
        return self("run", "--detach", *args).stdout.decode().strip()

    def json(self, *args: str, code: int = 0) -> Any:
        """What `mlwb exp ARGS --json` tells."""
        return json.loads(self(*args, "--json", code=code).stdout)

    def status(self, run: str) -> str:
        """How RUN stands by its record; empty where there is none yet."""
        try:
            return self.ledger.get(run).status
        except LedgerError:
            return ""

    def ended(self, run: str) -> Run:
        """The record of RUN, once it has ended."""
        return until(lambda: (one := self.ledger.get(run)).status not in ("queued", "running") and one)

    def settled(self, run: str) -> Run:
        """The record of RUN, once its last numbers are in."""
        until(lambda: self.status(run) not in ("", "queued", "running") and not alive(self.ledger.path(run)))
        return self.ledger.get(run)

    def output(self, run: str) -> bytes:
        """All that RUN wrote."""
        return (self.ledger.path(run) / "output.log").read_bytes()

    def supervisor(self, run: str) -> int:
        """The process that supervises RUN."""
        return int((self.ledger.path(run) / "alive").read_text().split()[0])

    def stop_all(self) -> None:
        """Ends whatever still runs."""
        if runs := [run for run in self.ledger.ids() if self.status(run) in ("queued", "running")]:
            self("stop", "--now", *runs, code=None)


def exp(tmp_path: Path) -> Any:
    """A fixture's generator: an Exp whose runs are gone afterwards."""
    found = Exp(tmp_path / "work")
    yield found
    found.stop_all()


fixture = pytest.fixture(name="exp")(exp)
