"""A pane alone on a screen, with the project's colours, and telemetry that says what a test wants."""

import time
from collections.abc import Callable
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

from workbench.host.telemetry import Gpu, GpuProcess, Host, Sample
from workbench.tui import themes

GIB = 1 << 30
HOST = Host(
    hostname="box", cpus=16, cpu_percent=12.4, load=(3.1, 2.0, 1.0), memory_used=21 * GIB, memory_total=64 * GIB,
    disk_path="/", disk_used=400 * GIB, disk_total=900 * GIB, disk_free=450 * GIB, disk_read=2048.0, disk_write=4096.0,
)  # fmt: skip


def card(index: int = 0, **more: Any) -> Gpu:
    """A busy card."""
    known: dict[str, Any] = {
        "uuid": f"GPU-{index}", "name": "NVIDIA H100 80GB HBM3", "utilization": 92, "memory_used": 61 * GIB,
        "memory_total": 80 * GIB, "power": 655.0, "power_limit": 700.0, "temperature": 71, "clock_sm": 1755,
        "clock_sm_max": 1980, "throttle_reasons": ("power cap",), "mig": False,
    }  # fmt: skip
    return Gpu(index=index, **(known | more))


def process(gpu: int = 0, **more: Any) -> GpuProcess:
    """A training on a card."""
    known: dict[str, Any] = {"pid": 7, "user": "ana", "command": "/usr/bin/python3 /home/ana/train.py --lr 3e-4"}
    return GpuProcess(gpu=gpu, **(known | {"memory": int(59.8 * GIB)} | more))


def sample(*gpus: Gpu, at: float = 1000.0, **more: Any) -> Sample:
    """A look at GPUS; no driver where there are none and no other problem is named."""
    if not gpus:
        more.setdefault("problem", "no NVIDIA driver")
    return Sample(**{"at": at, "mono": at, "host": HOST, "gpus": gpus} | more)


class Told:
    """Telemetry by hand. `every` is how often each subscriber wants a sample, those that left taken out."""

    def __init__(self) -> None:
        self.subscribers: dict[int, tuple[Callable[[Sample], None], float]] = {}
        self.samples: list[Sample] = []
        self.count = 0

    @property
    def every(self) -> list[float]:
        return [every for _, every in self.subscribers.values()]

    def subscribe(self, callback: Callable[[Sample], None], every_s: float = 1.0) -> Callable[[], None]:
        self.count += 1
        own = self.count
        self.subscribers[own] = callback, every_s
        return lambda: void(self.subscribers.pop(own, None))

    def latest(self) -> Sample | None:
        return self.samples[-1] if self.samples else None

    def history(self) -> list[Sample]:
        return self.samples

    def tell(self, told: Sample) -> None:
        self.samples.append(told)
        for callback, _ in list(self.subscribers.values()):
            callback(told)


def void(_: object) -> None:
    """Nothing."""


class Bench(App[None]):
    """Holds one widget. `chrome` counts how often the lines around it were asked to be drawn anew."""

    CSS = "Screen { background: $background; layout: vertical; }"

    def __init__(self, *widgets: Widget) -> None:
        super().__init__()
        self.widgets, self.telemetry = widgets, Told()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.defaults()

    def compose(self) -> ComposeResult:
        yield from self.widgets


def lines(widget: Widget) -> list[str]:
    """What WIDGET shows, a line a row."""
    region = widget.scrollable_content_region
    return [widget.render_line(y).text.rstrip() for y in range(region.height)]


async def settle(pilot: Pilot[Any], true: Callable[[], object], within_s: float = 30.0) -> None:
    """Until TRUE holds."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, f"not within {within_s} s"
        await pilot.pause(0.01)
