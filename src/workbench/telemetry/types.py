"""What a look at the machine's cards and at the machine itself gives. None: the card or the system does not say."""

import msgspec

NO_DRIVER = "no NVIDIA driver"


class Mig(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of a card that is partitioned (Multi-Instance GPU). Memory in bytes."""

    index: int
    uuid: str | None = None
    name: str | None = None  # with its profile, such as "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
    gpu_instance: int | None = None
    compute_instance: int | None = None
    memory_used: int | None = None
    memory_total: int | None = None


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """What is read less often than the rest. Rates in bytes a second, as the card sees them (rx: into the card).

    ECC errors are counted since the driver was loaded; `ecc_total_uncorrected` over the card's life.
    """

    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    ecc_total_uncorrected: int | None = None
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    pcie_rx: int | None = None
    pcie_tx: int | None = None
    nvlink_active: int | None = None  # links that are up; None: the card has none
    sm_active: float | None = None  # percent of the processors that were busy since the look before
    tensor_active: float | None = None  # and that did tensor operations
    nvlink_rx: int | None = None
    nvlink_tx: int | None = None


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One card as it is now. Bytes, watts, degrees Celsius, MHz, percent.

    `problem` says why nothing more is known ("lost: …"); the values are then None, save what was known before.
    `throttle_reasons`: why the clocks are where they are, "idle" included; None where the card does not tell.
    """

    index: int
    uuid: str | None = None
    name: str | None = None
    problem: str | None = None
    utilization: int | None = None
    memory_utilization: int | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    memory_reserved: int | None = None
    power: float | None = None
    power_limit: float | None = None
    energy: float | None = None  # joules since the driver was loaded
    temperature: int | None = None
    clock_sm: int | None = None
    clock_sm_max: int | None = None
    clock_memory: int | None = None
    clock_memory_max: int | None = None
    throttle_reasons: tuple[str, ...] | None = None
    mig: bool | None = None
    mig_devices: tuple[Mig, ...] = ()
    links: Links = Links()

    @property
    def slowed_by(self) -> tuple[str, ...]:
        """The reasons that hold the clocks down; being idle is none."""
        return tuple(reason for reason in self.throttle_reasons or () if reason != "idle")


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process that uses a card. `foreign`: the number is the host's, and this container cannot tell who it is."""

    gpu: int
    gpu_uuid: str | None = None
    mig_uuid: str | None = None
    pid: int
    user: str | None = None
    command: str | None = None
    memory: int | None = None
    utilization: int | None = None
    started: float | None = None  # Unix time
    run: str | None = None
    foreign: bool = False


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine beside its cards. Bytes, bytes a second, percent of all cores.

    `memory_limit` is the smallest that a control group sets (a container, a Slurm job), None where there is none.
    """

    hostname: str
    cpus: int | None = None
    cpu_percent: float | None = None
    load: tuple[float, float, float] | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    memory_limit: int | None = None
    memory_limit_used: int | None = None
    disk_path: str | None = None
    disk_used: int | None = None
    disk_total: int | None = None
    disk_free: int | None = None  # what a user may still write
    disk_read: float | None = None
    disk_write: float | None = None
    net_received: float | None = None
    net_sent: float | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look at everything. `problem` says why there are no cards.

    `at` is Unix time; `mono` a clock of this machine that never jumps, in seconds.
    """

    at: float
    mono: float
    host: Host
    gpus: tuple[Gpu, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    problem: str | None = None
    driver: str | None = None
    cuda: str | None = None
