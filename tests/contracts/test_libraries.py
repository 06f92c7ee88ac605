"""The real libraries write in one process while the collector reads in another; the numbers are compared exactly."""

import importlib.util
import json
import os
import selectors
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.experiments.collect import Collector

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE = 240.0  # seconds for a program to begin, on a machine that is busy
# program -> (modules that it needs, seconds until what was logged can be on disk; None: only when the program ends)
LIBRARIES: dict[str, tuple[tuple[str, ...], float | None]] = {
    "print_loop": ((), 5),
    "json_lines": ((), 5),
    "tensorboard_torch": (("torch", "tensorboard"), 5),
    "tensorboard_x": (("tensorboardX",), 5),
    "mlflow_sklearn": (("mlflow", "sklearn"), 5),
    "mlflow_files": (("mlflow",), 5),
    "wandb_offline": (("wandb",), None),
    "trainer": (("transformers", "accelerate"), 5),
    "lightning_csv": (("lightning",), 5),
    "dvclive_plain": (("dvclive",), 5),
    "trackio_plain": (("trackio",), 10),
    "optuna_study": (("optuna",), 5),
    "optuna_journal": (("optuna",), 5),
    "hydra_app": (("hydra",), 5),
    "keras_csv": (("keras", "torch"), 5),
    "lightgbm_lines": (("lightgbm",), 5),
    "ray_tune": (("ray",), 5),
}
_QUIET = {
    "WANDB_SILENT": "true", "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false", "GRADIO_ANALYTICS_ENABLED": "False",
}  # fmt: skip


class Watched:
    """A program of PROGRAMS under way, and the collector that reads what it leaves behind."""

    def __init__(self, name: str, folder: Path) -> None:
        self.work, ledger = folder / "work", folder / "ledger/r-1"
        self.work.mkdir()
        ledger.mkdir(parents=True)
        self._output = (ledger / "output.log").open("ab")
        environment = {**os.environ, **_QUIET, "HOME": str(folder / "home"), "PYTHONUNBUFFERED": "1"}
        self.started = time.time()
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAMS / f"{name}.py")], cwd=self.work, env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.collector = Collector(ledger, self.work, (), self.started, lambda: [self.process.pid])
        self._data = b""
        self.words = b""

    def until_pause(self) -> bool:
        """Reads on while the program prints, until it pauses; whether it did, rather than end."""
        assert self.process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                if selector.select(0.1):
                    data = os.read(self.process.stdout.fileno(), 1 << 16)
                    self._output.write(data)
                    self._output.flush()
                    self.words = (self.words + data)[-8000:]
                    if not data:
                        return False
                    self._data += data
                    if b"@pause" in self._data:
                        self._data = self._data.rpartition(b"@pause")[2]
                        return True
                self.collector.poll()
        raise AssertionError(f"the program did not get on: {self.words.decode(errors='replace')}")

    def go_on(self) -> None:
        """Lets the program log more."""
        assert self.process.stdin
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Ends the program if it still runs, and lets go of everything."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self._output.close()
        self.collector.close()


@pytest.mark.parametrize("name", LIBRARIES)
def test_what_a_program_logged_is_what_is_read(name: str, tmp_path: Path) -> None:
    modules, lag = LIBRARIES[name]
    if missing := [module for module in modules if importlib.util.find_spec(module) is None]:
        pytest.skip(f"{', '.join(missing)} not installed; `make test-contracts` installs what is needed")
    watched = Watched(name, tmp_path)
    try:
        seen: list[int] = []
        while watched.until_pause():
            seen.append(_points_within(watched.collector, lag, seen[-1] if seen else 0))
            watched.go_on()
        assert watched.process.wait(PATIENCE) == 0, watched.words.decode(errors="replace")
    finally:
        watched.end()
    watched.collector.finish()
    truth = json.loads((watched.work / "truth.txt").read_text())
    told = {
        key: [[step, value] for step, value in zip(series.steps, series.values, strict=True)]
        for key, series in watched.collector.series.items()
    }
    for key, points in truth["points"].items():
        expected = [[float(step), float(value)] for step, value in dict(points).items()]  # the later one counts
        assert repr(told.get(key)) == repr(expected), key
    config = watched.collector.config
    assert {key: config.get(key) for key in truth["config"]} == truth["config"]
    if lag is not None:
        assert seen[0] > 0 and seen == sorted(set(seen)), "points were seen in every phase, before the program ended"
    assert not [note for note in watched.collector.notes if "cannot be read" in note]


def _points_within(collector: Collector, lag: float | None, before: int) -> int:
    """How many points are known, as soon as they are more than BEFORE, LAG seconds at most."""
    end = time.monotonic() + (lag or 0.0)
    while True:
        collector.poll(thorough=True)
        known = sum(map(len, collector.series.values()))
        if known > before or time.monotonic() > end:
            return known
        time.sleep(0.05)
