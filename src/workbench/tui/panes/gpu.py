"""The GPU pane: a line for each card with those who use it under it, and the machine at the end."""

import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from rich.cells import cell_len
from textual._context import NoActiveAppError
from textual.app import App
from textual.content import Content
from textual.message import Message

from workbench.host import telemetry as source
from workbench.host.telemetry import Gpu, GpuProcess, Host, Sample, Telemetry, words
from workbench.protocol.events import Envelope
from workbench.protocol.state import SessionState
from workbench.tui.panes.rows import Part, Rows, chrome, cut, row
from workbench.tui.safe import safe
from workbench.tui.view import Pane
from workbench.tui.widgets.spark import bins, spark

SHOWN_S, HIDDEN_S = 1.0, 10.0  # how often it looks while it is on the screen, and for the strip
STEP_S = 5.0  # what one block of the history stands for
SPARK = (6, 24)  # blocks at least and at most
STATE = (10, 20)  # cells for why a card is slowed
SHORT = {
    "hardware slowdown": "hw slow",
    "software thermal": "sw heat",
    "hardware thermal": "hw heat",
    "application clocks": "app clocks",
    "display clocks": "display",
    "power brake": "brake",
}
NAMED_FOR = 76  # columns from which rows of processes grow no wider
BUSY_FROM = 44  # columns from which each process tells its share of the card
FULL = 0.95  # share of a card's memory from which it is marked
BUSY = 5  # percent
FOREIGN = "process numbers are the host's: this container cannot tell whose they are"


class GpuPane(Pane, Rows):
    """Draws what the session's machine says of itself. It looks once a second while it is seen, else hardly ever."""

    pane_id: ClassVar[str] = "gpu"
    title: ClassVar[str] = "gpu"
    empty: ClassVar[str] = "cards and load"

    class Sampled(Message):
        """A sample came from the sampler's thread."""

        def __init__(self, sample: Sample) -> None:
            super().__init__()
            self.sample = sample

    def __init__(self) -> None:
        super().__init__()
        self.details = False
        self._sample: Sample | None = None
        self._source: Telemetry | None = None
        self._every = 0.0
        self._stop: Callable[[], None] = lambda: None
        self._told = ""
        self._bench: App[Any] | None = None

    # --- looking -------------------------------------------------------------------------------------------

    def _look(self, app: "App[Any]", every_s: float) -> None:
        """Has a sample come at least every EVERY_S; 0: none at all."""
        if every_s == self._every:
            return
        self._bench = app
        self._stop()
        self._every, self._stop = every_s, lambda: None
        if not every_s:
            return
        if self._source is None:
            workspace = getattr(getattr(app, "state", None), "workspace", "") or "."
            self._source = getattr(app, "telemetry", None) or source.telemetry(workspace)
        pane = weakref.ref(self)  # one that was put away without ever being on the screen is not kept by its samples

        def take(sample: Sample) -> None:
            if (held := pane()) is None:
                raise ReferenceError("the pane is gone")  # ends the subscription
            held._take(sample)

        self._stop = self._source.subscribe(take, every_s)

    def _take(self, sample: Sample) -> None:
        """In the sampler's thread."""
        app = self._bench
        if app is None or not app.is_running:
            raise RuntimeError("the screen is gone")  # ends the subscription
        if self.is_attached:
            self.post_message(self.Sampled(sample))
        else:
            app.call_later(self._show, sample)

    def on_gpu_pane_sampled(self, event: Sampled) -> None:
        """Draws what changed."""
        event.stop()
        self._show(event.sample)

    def _show(self, sample: Sample) -> None:
        self._sample = sample
        if self._every == HIDDEN_S and not sample.gpus and self._bench is not None:
            self._look(self._bench, 0.0)  # nothing will come of it: no card, nobody looking
        if self.is_mounted and self.display:
            self.redraw()
        if self._bench is not None and (told := self._strip_text()) != self._told:
            self._told = told
            chrome(self._bench)

    def appears(self) -> None:
        """On the screen: looked at as often as there."""
        self._look(self.app, SHOWN_S)
        self.redraw()

    def on_hide(self) -> None:
        """Off the screen: now only for the strip."""
        self._look(self.app, HIDDEN_S)

    def on_unmount(self) -> None:
        """Gone."""
        self._look(self.app, 0.0)

    # --- what the shell asks -------------------------------------------------------------------------------

    def show_session(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """Nothing that a session says is shown here yet."""

    def do(self, action: str) -> None:
        """gpu_details: more of each card, or less."""
        if action == "gpu_details":
            self.details = not self.details
            self.redraw()

    def strip(self, state: SessionState) -> Content:
        """How busy the cards are."""
        if not self._every and self._sample is None:
            with suppress(NoActiveAppError):  # asked outside of an app, there is nobody to look for
                self._look(self.app, HIDDEN_S)
        return row(self._strip_text() or self.empty)

    def filled(self, state: SessionState) -> bool:
        """Once a card is at work, or someone has it."""
        sample = self._sample
        return sample is not None and (
            bool(sample.processes) or any((gpu.utilization or 0) >= BUSY for gpu in sample.gpus)
        )

    def _strip_text(self) -> str:
        sample = self._sample
        if sample is None:
            return ""
        if sample.problem or not sample.gpus:
            return sample.problem or "no card"
        lost = sum(gpu.problem is not None for gpu in sample.gpus)
        known = [gpu.utilization for gpu in sample.gpus if gpu.utilization is not None]
        if len(sample.gpus) <= 4:
            said = " ".join(words.percent(gpu.utilization) for gpu in sample.gpus)
        else:
            mean = sum(known) / len(known) if known else None
            said = f"{sum(one >= BUSY for one in known)}/{len(sample.gpus)} busy {words.percent(mean)}"
        return f"{said} · {lost} lost" if lost else said

    # --- rows ----------------------------------------------------------------------------------------------

    def build(self, width: int) -> Iterator[Content]:
        """Cards, processes, machine."""
        sample = self._sample
        if sample is None:
            yield row(("looking…", "$muted"))
            return
        if sample.problem or not sample.gpus:
            yield row((sample.problem or "the NVIDIA driver sees no card", "$muted"))
        if sample.gpus:
            yield from self._cards(sample, width)
        if any(process.foreign for process in sample.processes):
            yield row((FOREIGN, "$muted-2"))
        yield from _host(sample.host, width)

    def _cards(self, sample: Sample, width: int) -> Iterator[Content]:
        columns = _Columns(sample.gpus, width)
        history = self._source.history() if self._source and columns.spark else ()
        recent = [one for one in history if sample.mono - one.mono <= (columns.spark + 4) * STEP_S]
        for at, gpu in enumerate(sample.gpus):
            points = [(one.mono, _utilization(one, at, gpu.uuid)) for one in recent]
            blocks = spark(bins(points, sample.mono, columns.spark, STEP_S)) if columns.spark else ""
            yield columns.card(gpu, blocks)
            on_card = [one for one in sample.processes if one.gpu == gpu.index]
            for mig in gpu.mig_devices:
                profile = (mig.name or "").rpartition("MIG ")[2] or "slice"
                yield row((f"  mig {profile}  {words.of(mig.memory_used, mig.memory_total)}", "$muted"))
                yield from _processes([one for one in on_card if mig.uuid and one.mig_uuid == mig.uuid], width)
            slices = {mig.uuid for mig in gpu.mig_devices if mig.uuid}
            yield from _processes([one for one in on_card if one.mig_uuid not in slices], width)
            if self.details and not gpu.problem:
                yield from _details(gpu, width)


def _utilization(sample: Sample, at: int, uuid: str | None) -> int | None:
    gpu = sample.gpus[at] if at < len(sample.gpus) else None
    return gpu.utilization if gpu and gpu.uuid == uuid else None


class _Columns:
    """Which columns of the cards fit, and how wide each is: the same for all cards, and from sample to sample."""

    def __init__(self, gpus: Sequence[Gpu], width: int) -> None:
        self.width = width
        self.index = max(len(str(gpu.index)) for gpu in gpus)
        self.name = min(16, max(len(words.short_name(gpu.name)) for gpu in gpus))
        self.memory = max(len(words.of(gpu.memory_total, gpu.memory_total)) for gpu in gpus)
        limits = [words.pair(gpu.power_limit, gpu.power_limit, "W") for gpu in gpus]
        clocks = [words.pair(gpu.clock_sm_max, gpu.clock_sm_max, "MHz") for gpu in gpus]
        left = width - self.index - 1 - self.name - 5 - 2 - self.memory
        # The most wanted first; a column that does not fit leaves its room to those behind it.
        self.state = self.temperature = self.spark = self.power = self.clock = 0
        wanted = (
            ("state", STATE[0]),
            ("spark", SPARK[0]),
            ("temperature", 4),
            ("power", max(map(len, limits))),
            ("clock", max(map(len, clocks))),
        )
        for name, wide in wanted:
            if wide + 2 <= left:
                setattr(self, name, wide)
                left -= wide + 2
        # What is left is shared by width alone: no reason that comes or goes moves a column.
        if self.state:
            self.state += (more := min(left, STATE[1] - STATE[0]))
            left -= more
        if self.spark:
            self.spark += min(left, SPARK[1] - SPARK[0])

    def card(self, gpu: Gpu, blocks: str) -> Content:
        """A card's line."""
        head = f"{gpu.index:>{self.index}} {cut(words.short_name(gpu.name), self.name):<{self.name}}"
        if gpu.problem:
            return row((head, "$foreground"), (f"  ✗ {gpu.problem}", "$error"))
        full = bool(gpu.memory_total) and (gpu.memory_used or 0) / (gpu.memory_total or 1) >= FULL
        parts: list[Part] = [(head, "$foreground"), (f" {words.percent(gpu.utilization):>4}", "$foreground bold")]
        if self.spark:
            known = blocks.lstrip()  # before it nobody looked: dots, so that what is there stands on something
            parts.append(("  " + ("·" if known else " ") * (self.spark - len(known)), "$border-dim"))
            parts.append((known, "$agent"))
        memory = f"  {words.of(gpu.memory_used, gpu.memory_total):>{self.memory}}"
        parts.append((memory, "$warning" if full else "$foreground"))
        if self.power:
            parts.append((f"  {words.pair(gpu.power, gpu.power_limit, 'W'):>{self.power}}", "$muted"))
        if self.temperature:
            parts.append((f"  {words.degrees(gpu.temperature):>{self.temperature}}", "$muted"))
        if self.clock:
            parts.append((f"  {words.pair(gpu.clock_sm, gpu.clock_sm_max, 'MHz'):>{self.clock}}", "$muted-2"))
        if self.state and (slowed := gpu.slowed_by):
            said = _slowed(slowed, self.state)
            parts.append((f"  {said}", "$warning"))
        return row(*parts)


def _slowed(reasons: Sequence[str], width: int) -> str:
    """REASONS in WIDTH cells: all of them, else the first and how many more, else that in short words."""
    said = ", ".join(reasons)
    more = f" +{len(reasons) - 1}" if len(reasons) > 1 else ""
    for shorter in (said, reasons[0] + more, SHORT.get(reasons[0], reasons[0]) + more):
        if len(shorter) <= width:
            return shorter
    return cut(shorter, width)


def _details(gpu: Gpu, width: int) -> Iterator[Content]:
    memory_clock = words.pair(gpu.clock_memory, gpu.clock_memory_max, "MHz")
    clock = words.pair(gpu.clock_sm, gpu.clock_sm_max, "MHz")
    lines = [f"sm {clock}  memory {memory_clock}", words.links(gpu), gpu.uuid or ""]
    lines.append(", ".join(gpu.throttle_reasons or ()) and f"clocks: {', '.join(gpu.throttle_reasons or ())}")
    for line in lines:
        if line:
            yield row((f"    {line}", "$muted-2"))


# --- processes ---------------------------------------------------------------------------------------------

_PYTHON = re.compile(r"python[\d.]*$")


def short_command(command: str) -> str:
    """COMMAND without the folders of its program, and of the script that Python runs."""
    program, _, rest = command.partition(" ")
    program = program.rpartition("/")[2] or program
    if _PYTHON.match(program) and rest and not rest.startswith("-"):
        script, _, arguments = rest.partition(" ")
        rest = f"{script.rpartition('/')[2] or script} {arguments}".rstrip()
    return f"{program} {rest}".rstrip()


def _processes(processes: Sequence[GpuProcess], width: int) -> Iterator[Content]:
    if not processes:
        return
    ranked = sorted(processes, key=lambda one: -(one.memory or 0))
    users = [safe(one.user or words.DASH) for one in ranked]
    user = min(12, max(map(cell_len, users)))
    busy = 6 if width >= BUSY_FROM and any(one.utilization is not None for one in ranked) else 0
    room = min(width, NAMED_FOR) - 2 - 2 - user - 2 - 5 - busy
    names = [safe(_name(one)) for one in ranked]
    wide = max(8, min(room, max(map(cell_len, names))))
    for process, name, owner in zip(ranked, names, users, strict=True):
        size = f"{words.size(process.memory):>5}"
        share = f"  {words.percent(process.utilization):>4}" if busy else ""
        yield row(
            (f"  {_fit(name, wide)}", "$muted"), (f"  {_fit(owner, user)}", "$muted-2"), (f"  {size}{share}", "$muted")
        )


def _name(process: GpuProcess) -> str:
    said = short_command(process.command) if process.command else f"process {process.pid}"
    return f"{process.run} {said}" if process.run else said


def _fit(text: str, width: int) -> str:
    shown = cut(text, width)
    return shown + " " * (width - cell_len(shown))


# --- the machine -------------------------------------------------------------------------------------------

_NOMINAL = (8, 12, 12, 16, 24)  # room for each figure, so that the next ones stand still


def _host(host: Host, width: int) -> Iterator[Content]:
    line = "host"
    for part, nominal in zip(words.host_parts(host), _NOMINAL, strict=False):
        if len(line) + 2 + max(nominal, len(part)) > width and line.strip():
            yield row((line.rstrip(), "$muted"))
            line = "    "
        line += f"  {part:<{nominal}}"
    yield row((line.rstrip(), "$muted"))
