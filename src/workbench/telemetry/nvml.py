"""The cards, through NVML. The only file that imports pynvml, and only once the driver's library is known to be there.

Names and units: NVIDIA's NVML API reference. A call that a card lacks gives None, a card that is lost is said to be
lost, and what the others say is kept.
"""

import contextlib
import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

from workbench.telemetry.gpm import Activity
from workbench.telemetry.types import NO_DRIVER, Gpu, Links, Mig

LIBRARY = "libnvidia-ml.so.1"
RETRY_S = 30.0  # how long "no driver" holds before it is looked at again

# Bits of nvmlDeviceGetCurrentClocksEventReasons, in words.
REASONS = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal",
    0x40: "hardware thermal",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
_ALL_LINKS = 0xFFFFFFFF  # scope of a field value: every NVLink of the card
_MAX_LINKS = 18
_FIELD_NVLINK_TX, _FIELD_NVLINK_RX = 138, 139  # KiB since the driver was loaded

# What a person needs to hear of an error that concerns the driver as a whole.
_DRIVER_PROBLEMS = {
    9: "the NVIDIA driver is not loaded",
    12: NO_DRIVER,
    18: "the NVIDIA driver and its library differ in version: reboot, or reload the driver",
    4: "no permission to use the NVIDIA driver",
}
_REOPEN = (1, 9, 18)  # uninitialised, driver gone, driver replaced under us
_LOST = {
    15: "lost: it fell off the bus; the kernel log (Xid) says why, a reset or reboot brings it back",
    16: "lost: it needs a reset",
    999: "lost: the driver cannot reach it",
    4: "no permission to read it",
}
_CARD_GONE = (15, 16)


def words(bits: int) -> tuple[str, ...]:
    """The reasons that BITS stand for; a bit of a newer driver is given as its number."""
    known = tuple(text for bit, text in REASONS.items() if bits & bit)
    rest = bits & ~sum(REASONS)
    return (*known, f"reason {rest:#x}") if rest else known


class CardLostError(Exception):
    """The card stopped to answer; `code` is NVML's."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class DriverGoneError(Exception):
    """The driver was unloaded or replaced; `code` is NVML's."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Use:
    """What NVML says of a process: memory in bytes, utilisation in percent, the slice of the card it is on."""

    __slots__ = ("gpu", "gpu_uuid", "memory", "mig_uuid", "pid", "utilization")

    def __init__(self, gpu: int, gpu_uuid: str | None, mig_uuid: str | None, pid: int, memory: int | None) -> None:
        self.gpu, self.gpu_uuid, self.mig_uuid, self.pid, self.memory = gpu, gpu_uuid, mig_uuid, pid, memory
        self.utilization: int | None = None


class _Card:
    """A card's handle, and what does not change from look to look."""

    def __init__(self, index: int, handle: Any, ask: "Nvml") -> None:
        nv, call = ask.nv, ask.call
        self.index, self.handle = index, handle
        self.name = _text(call(nv.nvmlDeviceGetName, handle))
        self.uuid = _text(call(nv.nvmlDeviceGetUUID, handle))
        self.clock_sm_max = call(nv.nvmlDeviceGetMaxClockInfo, handle, nv.NVML_CLOCK_SM)
        self.clock_memory_max = call(nv.nvmlDeviceGetMaxClockInfo, handle, nv.NVML_CLOCK_MEM)
        self.links = Links()
        self.activity: Activity | None = None
        self.migs: tuple[tuple[Mig, Any], ...] = ()
        self.nvlink_at: tuple[float, int | None, int | None] | None = None
        self.seen_us = 0  # newest sample of process utilisation that was read


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class Nvml:
    """A way to the driver that opens itself when asked, and again when the driver comes back. For several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.nv: Any = None
        self.problem: str | None = None
        self.driver: str | None = None
        self.cuda: str | None = None
        self._clock = clock
        self._lock = threading.Lock()  # of opening and closing; reading needs none, NVML is safe between threads
        self._open = False
        self._retry_at = 0.0
        self._cards: dict[int, _Card] = {}
        self._known: dict[int, tuple[str | None, str | None]] = {}  # name and uuid, for when the card is lost

    # --- opening ---------------------------------------------------------------------------------------

    def open(self) -> bool:
        """Whether there is a driver to ask; `problem` says why not. Quick when there is none."""
        with self._lock:
            if self._open:
                return True
            if self.problem is not None and self._clock() < self._retry_at:
                return False
            self._retry_at = self._clock() + RETRY_S
            self.problem = self._begin()
            self._open = self.problem is None
            return self._open

    def _begin(self) -> str | None:
        try:
            ctypes.CDLL(LIBRARY)  # far cheaper than importing pynvml to learn the same
        except OSError:
            return NO_DRIVER
        import pynvml

        self.nv = pynvml
        try:
            self.nv.nvmlInit()
        except self.nv.NVMLError as error:
            return _DRIVER_PROBLEMS.get(error.value, f"the NVIDIA driver does not answer: {error}")
        self.driver = _text(self.call(self.nv.nvmlSystemGetDriverVersion))
        version = self.call(self.nv.nvmlSystemGetCudaDriverVersion_v2)
        self.cuda = f"{version // 1000}.{version % 1000 // 10}" if version else None
        return None

    def close(self) -> None:
        """Lets go of the driver; a later look opens it again."""
        with self._lock:
            self._cards = {}
            if self._open:
                self._open = False
                with contextlib.suppress(DriverGoneError, CardLostError):
                    self.call(self.nv.nvmlShutdown)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """What FUNCTION gives, None where the card lacks it. Raises CardLostError, DriverGoneError."""
        try:
            return function(*args)
        except self.nv.NVMLError as error:
            if error.value in _CARD_GONE:
                raise CardLostError(error.value) from None
            if error.value in _REOPEN:
                raise DriverGoneError(error.value) from None
            return None
        except self.nv.NVMLLibraryMismatchError:
            return None

    # --- looking ---------------------------------------------------------------------------------------

    def read(self) -> tuple[list[Gpu], list[Use]]:
        """Every card and every process on one, now. Empty with `problem` set where there is no driver."""
        if not self.open():
            return [], []
        uses: list[Use] = []
        try:
            count: int = self.call(self.nv.nvmlDeviceGetCount) or 0
            gpus = [self._look(index, uses) for index in range(count)]
        except DriverGoneError as gone:
            self._drop(gone)
            return [], []
        return gpus, uses

    def handles(self) -> list[tuple[str | None, str | None, Any]]:
        """UUID, address on the bus and handle of each card that answers. Raises DriverGoneError."""
        found = []
        for index in range(self.call(self.nv.nvmlDeviceGetCount) or 0):
            with contextlib.suppress(CardLostError):
                handle = self._handle(index)
                pci = self.call(self.nv.nvmlDeviceGetPciInfo, handle)
                found.append((_text(self.call(self.nv.nvmlDeviceGetUUID, handle)), _text(pci and pci.busId), handle))
        return found

    def read_links(self) -> None:
        """Reads what is slow (PCIe throughput takes 20 ms a value and card); `read` shows it from then on."""
        if not self.open():
            return
        try:
            for card in list(self._cards.values()):
                try:
                    self._look_at_links(card)
                except CardLostError:
                    card.links = Links()  # the next `read` says that it is lost
        except DriverGoneError as gone:
            self._drop(gone)

    def _drop(self, gone: DriverGoneError) -> None:
        with self._lock:
            if not self._open:
                return
            self._open, self._cards = False, {}
            self.problem = _DRIVER_PROBLEMS.get(gone.code, "the NVIDIA driver went away")
            self._retry_at = self._clock() + RETRY_S

    def _look(self, index: int, uses: list[Use]) -> Gpu:
        card = self._cards.get(index)
        try:
            if card is None:
                card = self._cards[index] = _Card(index, self._handle(index), self)
                self._known[index] = card.name, card.uuid
            gpu = self._gpu(card)
            uses.extend(self._uses(card))
        except CardLostError as lost:
            self._cards.pop(index, None)  # the next look asks for it anew
            name, uuid = self._known.get(index, (None, None))
            return Gpu(index=index, name=name, uuid=uuid, problem=_LOST.get(lost.code, f"lost: NVML error {lost.code}"))
        return gpu

    def _handle(self, index: int) -> Any:
        try:
            return self.nv.nvmlDeviceGetHandleByIndex(index)
        except self.nv.NVMLError as error:
            if error.value in _REOPEN:
                raise DriverGoneError(error.value) from None
            raise CardLostError(error.value) from None

    def _gpu(self, card: _Card) -> Gpu:
        nv, call, handle = self.nv, self.call, card.handle
        utilization = call(nv.nvmlDeviceGetUtilizationRates, handle)
        memory = call(nv.nvmlDeviceGetMemoryInfo, handle, nv.nvmlMemory_v2) or call(nv.nvmlDeviceGetMemoryInfo, handle)
        reasons = call(nv.nvmlDeviceGetCurrentClocksEventReasons, handle)
        if reasons is None:  # a driver from before the name was changed
            reasons = call(nv.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
        temperature = call(nv.nvmlDeviceGetTemperatureV, handle, nv.NVML_TEMPERATURE_GPU)
        if temperature is None:
            temperature = call(nv.nvmlDeviceGetTemperature, handle, nv.NVML_TEMPERATURE_GPU)
        mig = call(nv.nvmlDeviceGetMigMode, handle)
        on = None if mig is None else bool(mig[0])
        card.migs = self._migs(handle) if on else ()
        return Gpu(
            index=card.index,
            uuid=card.uuid,
            name=card.name,
            # With slices on, NVML may give a utilisation that means nothing.
            utilization=utilization.gpu if utilization and not on else None,
            memory_utilization=utilization.memory if utilization and not on else None,
            memory_used=memory.used if memory else None,
            memory_total=memory.total if memory else None,
            memory_reserved=getattr(memory, "reserved", None),
            power=_scaled(call(nv.nvmlDeviceGetPowerUsage, handle)),
            power_limit=_scaled(call(nv.nvmlDeviceGetEnforcedPowerLimit, handle)),
            energy=_scaled(call(nv.nvmlDeviceGetTotalEnergyConsumption, handle)),
            temperature=temperature,
            clock_sm=call(nv.nvmlDeviceGetClockInfo, handle, nv.NVML_CLOCK_SM),
            clock_sm_max=card.clock_sm_max,
            clock_memory=call(nv.nvmlDeviceGetClockInfo, handle, nv.NVML_CLOCK_MEM),
            clock_memory_max=card.clock_memory_max,
            throttle_reasons=None if reasons is None else words(reasons),
            mig=on,
            mig_devices=tuple(mig for mig, _ in card.migs),
            links=card.links,
        )

    def _migs(self, handle: Any) -> tuple[tuple[Mig, Any], ...]:
        nv, call = self.nv, self.call
        found = []
        for index in range(call(nv.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
            slice_ = call(nv.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)
            if slice_ is None:  # places need not be filled in order
                continue
            memory = call(nv.nvmlDeviceGetMemoryInfo, slice_)
            mig = Mig(
                index=index,
                uuid=_text(call(nv.nvmlDeviceGetUUID, slice_)),
                name=_text(call(nv.nvmlDeviceGetName, slice_)),
                gpu_instance=call(nv.nvmlDeviceGetGpuInstanceId, slice_),
                compute_instance=call(nv.nvmlDeviceGetComputeInstanceId, slice_),
                memory_used=memory.used if memory else None,
                memory_total=memory.total if memory else None,
            )
            found.append((mig, slice_))
        return tuple(found)

    # --- processes -------------------------------------------------------------------------------------

    def _uses(self, card: _Card) -> list[Use]:
        nv = self.nv
        merged: dict[tuple[str | None, int], Use] = {}
        places = [(mig.uuid, slice_) for mig, slice_ in card.migs] or [(None, card.handle)]
        for mig_uuid, handle in places:
            for listing in (nv.nvmlDeviceGetComputeRunningProcesses, nv.nvmlDeviceGetGraphicsRunningProcesses):
                for one in self.call(listing, handle) or ():
                    key = (mig_uuid, one.pid)
                    if key not in merged:  # one that computes and draws is listed twice
                        merged[key] = Use(card.index, card.uuid, mig_uuid, one.pid, one.usedGpuMemory)
        if merged and not card.migs:
            self._add_utilization(card, merged)
        return list(merged.values())

    def _add_utilization(self, card: _Card, merged: dict[tuple[str | None, int], Use]) -> None:
        newest: dict[int, tuple[int, int]] = {}
        for sample in self.call(self.nv.nvmlDeviceGetProcessUtilization, card.handle, card.seen_us) or ():
            if sample.timeStamp >= newest.get(sample.pid, (0, 0))[0]:
                newest[sample.pid] = (sample.timeStamp, sample.smUtil)
        for (_, pid), use in merged.items():
            if pid in newest and newest[pid][1] <= 100:
                card.seen_us = max(card.seen_us, newest[pid][0])
                use.utilization = newest[pid][1]

    # --- what is slow ----------------------------------------------------------------------------------

    def _look_at_links(self, card: _Card) -> None:
        nv, call, handle = self.nv, self.call, card.handle
        corrected, uncorrected = nv.NVML_MEMORY_ERROR_TYPE_CORRECTED, nv.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
        ecc, volatile = nv.nvmlDeviceGetTotalEccErrors, nv.NVML_VOLATILE_ECC
        rx, tx = self._nvlink_rates(card)
        if card.activity is None:
            card.activity = Activity(nv, call, handle)
        busy, tensor = card.activity.read()
        card.links = Links(
            sm_active=busy,
            tensor_active=tensor,
            ecc_corrected=call(ecc, handle, corrected, volatile),
            ecc_uncorrected=call(ecc, handle, uncorrected, volatile),
            ecc_total_uncorrected=call(ecc, handle, uncorrected, nv.NVML_AGGREGATE_ECC),
            pcie_generation=call(nv.nvmlDeviceGetCurrPcieLinkGeneration, handle),
            pcie_generation_max=call(nv.nvmlDeviceGetMaxPcieLinkGeneration, handle),
            pcie_width=call(nv.nvmlDeviceGetCurrPcieLinkWidth, handle),
            pcie_width_max=call(nv.nvmlDeviceGetMaxPcieLinkWidth, handle),
            pcie_rx=_kib_bytes(call(nv.nvmlDeviceGetPcieThroughput, handle, nv.NVML_PCIE_UTIL_RX_BYTES)),
            pcie_tx=_kib_bytes(call(nv.nvmlDeviceGetPcieThroughput, handle, nv.NVML_PCIE_UTIL_TX_BYTES)),
            nvlink_active=self._nvlinks(handle),
            nvlink_rx=rx,
            nvlink_tx=tx,
        )

    def _nvlinks(self, handle: Any) -> int | None:
        up: int | None = None
        for link in range(_MAX_LINKS):
            state = self.call(self.nv.nvmlDeviceGetNvLinkState, handle, link)
            if state is None:
                break
            up = (up or 0) + bool(state)
        return up

    def _nvlink_rates(self, card: _Card) -> tuple[int | None, int | None]:
        """Bytes a second since the last look; None at the first one."""
        fields = [(_FIELD_NVLINK_RX, _ALL_LINKS), (_FIELD_NVLINK_TX, _ALL_LINKS)]
        values = self.call(self.nv.nvmlDeviceGetFieldValues, card.handle, fields)
        if values is None:
            return None, None
        totals = [value.value.ullVal if value.nvmlReturn == 0 else None for value in values]
        before, now = card.nvlink_at, self._clock()
        card.nvlink_at = (now, totals[0], totals[1])
        if before is None or now <= before[0]:
            return None, None
        span = now - before[0]
        return _rate(before[1], totals[0], span), _rate(before[2], totals[1], span)


def _scaled(thousandths: int | None) -> float | None:
    return None if thousandths is None else thousandths / 1000


def _kib_bytes(kib: int | None) -> int | None:
    return None if kib is None else kib * 1024


def _rate(before: int | None, now: int | None, span: float) -> int | None:
    return int((now - before) * 1024 / span) if before is not None and now is not None and now >= before else None
