"""The words of the experiment ledger: a run, what it came from, what it cost, what it showed."""

from typing import Any, Literal

import msgspec

Status = Literal["queued", "running", "finished", "failed", "stopped"]
Origin = Literal["exp", "bash", "import"]
Goal = Literal["min", "max"]


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """The exact code of a run: the commit, and the commit that holds the changes which were not committed.

    `snapshot` names a commit kept under a ref of the ledger's own; None where nothing was changed, or where there is
    no repository.
    """

    commit: str | None = None
    branch: str | None = None
    snapshot: str | None = None
    dirty: bool = False


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What a run ran in. `packages` is a hash of the list that is kept beside the run; no variable's value is kept."""

    python: str = ""
    packages: str = ""
    variables: tuple[str, ...] = ()


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU that a run was given or was seen on."""

    uuid: str
    index: int | None = None
    name: str = ""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a run cost: peak memory of its process tree and of its cards in bytes, GPU-hours, energy in joules."""

    cpu_s: float | None = None
    peak_memory: int | None = None
    peak_gpu_memory: int | None = None
    gpu_hours: float | None = None
    energy_j: float | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where numbers of a run came from: the reader and its file, relative to the cwd where it lies below that."""

    kind: str
    path: str


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a run was given as data: its role (train, validation, test, or empty), size in bytes, Unix mtime.

    `digest` is of the content, empty for a file that is too large. The path is relative to the cwd where it lies below.
    """

    path: str
    role: str = ""
    size: int = 0
    mtime: float = 0.0
    digest: str = ""


READY = "startup_seconds"  # the metric by which a service tells that it answers, and how long it took


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a run serves: it is ready once the URL `ready` answers, at the latest after `ready_s` seconds.

    Its load: a command for the shell, or requests (a file of them, a URL) of `concurrency` callers at once, `rate` a
    second where that is told, over `duration_s` after `warm_up_s`. Then it is ended, unless it shall `stay`.
    """

    ready: str
    ready_s: float = 600.0
    load: str = ""
    request: str = ""
    concurrency: int = 1
    rate: float | None = None
    duration_s: float = 30.0
    warm_up_s: float = 3.0
    stay: bool = False

    @property
    def ends(self) -> bool:
        """Whether it is ended once its load is over; else somebody has to."""
        return bool(self.load or self.request) and not self.stay


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A series in short: its last point, its best value by the metric's goal, and how many points it has.

    A value is None where the run logged NaN or an infinity.
    """

    last: float | None
    best: float | None
    step: float
    count: int = 0


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was seen: kind (nan, divergence, plateau, stall, memory, crash, idle, disk, overlap), in words."""

    kind: str
    at: float
    text: str
    step: float | None = None


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Memory at a time, in bytes: of the run's processes, free for others on the machine, taken of its cards."""

    at: float
    used: int
    free: int | None = None
    on_cards: int | None = None


class Crash(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run that failed left behind: how its output ends, memory before it, Xid errors, who else was on its cards.

    `kind`: memory, disk, crash, or empty where the output shows none; `where` is the innermost frame of the user's own
    code; `memory` holds the last samples, the oldest first.
    """

    kind: str = ""
    error: str = ""
    where: str = ""
    traceback: tuple[str, ...] = ()
    last_lines: tuple[str, ...] = ()
    memory: tuple[Moment, ...] = ()
    xids: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run: the content of its `run.json`. Times are Unix times; `argv` is the command as it was started."""

    id: str
    name: str
    status: Status
    argv: tuple[str, ...]
    cwd: str
    workspace: str
    created: float
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    origin: Origin = "exp"
    engine: str = "local"
    session: str | None = None
    turn: int | None = None
    call_id: str | None = None
    parent: str | None = None  # the run that this one repeats
    group: str | None = None  # runs that differ by their seed alone share it
    seed: int | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    code: Code = Code()
    environment: Environment = Environment()
    host: str = ""
    boot_id: str = ""
    user: str = ""
    pid: int | None = None
    gpus: tuple[Card, ...] = ()
    usage: Usage = Usage()
    config: dict[str, Any] = {}
    sources: tuple[Source, ...] = ()
    data: tuple[Data, ...] = ()
    metrics: dict[str, Metric] = {}
    alerts: tuple[Alert, ...] = ()
    crash: Crash | None = None
    why: str = ""  # in words, why it failed or was stopped
    goal: Goal | None = None  # of every metric; None: by its name
    timeout_s: float | None = None
    progress: tuple[float, float] | None = None  # steps done, and in all
    eta_s: float | None = None  # seconds left, by the last look at it
    notes: tuple[str, ...] = ()  # what its readers had to say
    lost: int = 0  # bytes of output that could not be kept
    service: Service | None = None

    @property
    def standing(self) -> str:
        """The status, and of a service that answers: `ready`."""
        return "ready" if self.status == "running" and self.service and READY in self.metrics else self.status

    @property
    def stays(self) -> bool:
        """Whether it is a service that answers and goes on until somebody ends it: there is nothing to wait for."""
        return self.standing == "ready" and self.service is not None and not self.service.ends
