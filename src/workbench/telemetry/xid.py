"""Xid errors: what the driver reports of a card, or of a program on it, that went wrong.

They come as events of NVML, to those who listen when they happen, and stand in the kernel's log for whoever may read
that. Codes and their meaning: NVIDIA, *XID Errors* (docs.nvidia.com/deploy/xid-errors).
"""

import contextlib
import ctypes
import os
import re
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from workbench.telemetry.nvml import RETRY_S, CardLostError, DriverGoneError, Nvml

KERNEL_LOG = Path("/dev/kmsg")
_WAIT_MS = 2000  # of one wait for an event
_PAUSE_S = 5.0  # after a wait that failed at once
_KEPT = 100
_TWICE_S = 5.0  # the same error from both sources
_LOG_BYTES = 16 << 20
_TIMEOUT = 10  # NVML_ERROR_TIMEOUT
_LINE = re.compile(
    rb"^(?:\d+,\d+,(\d+)[^;]*;|\[ *(\d+\.\d+)\] )?.*NVRM: Xid \(PCI:([0-9a-fA-F]+:[0-9a-fA-F:.]+)\): (\d{1,9}),? *(.*)",
    re.MULTILINE,
)
_MEANINGS = {
    8: "the card stopped to answer",
    13: "an error of the program on the card (graphics engine exception)",
    31: "a program read or wrote memory of the card that it has not (page fault)",
    32: "invalid commands reached the card (PBDMA error)",
    38: "the card's driver firmware failed",
    43: "the program on the card was stopped for an error of its own",
    45: "programs on the card were ended, as it was reset or they were killed",
    48: "uncorrectable memory error (double-bit ECC)",
    61: "the card's own controller stopped",
    62: "the card's own controller stopped",
    63: "a memory row was retired or remapped",
    64: "a memory row could not be retired or remapped",
    69: "an error of the program on the card (graphics engine class error)",
    74: "NVLink error",
    79: "the card fell off the bus",
    92: "many corrected memory errors",
    94: "uncorrectable memory error, held to the program that met it",
    95: "uncorrectable memory error, not held: the card needs a reset",
    109: "a program's context took too long to switch",
    119: "the card's system processor (GSP) does not answer",
    120: "the card's system processor (GSP) failed",
}


class Xid(msgspec.Struct, frozen=True, kw_only=True):
    """An Xid error: its code, when (Unix time), and on which card, as far as that is known."""

    code: int
    at: float
    gpu_uuid: str | None = None
    bus: str | None = None  # such as 0000:41:00
    detail: str = ""  # what the kernel's log adds

    @property
    def words(self) -> str:
        """In words."""
        said = _MEANINGS.get(self.code) or self.detail
        return f"Xid {self.code}{f': {said}' if said else ''}"


class _Listener:
    """Hears the driver's events in a thread of its own; with no driver, or one without events, it hears nothing."""

    def __init__(self, nvml: Nvml) -> None:
        self.heard: deque[Xid] = deque(maxlen=_KEPT)
        self._nvml = nvml
        self._thread = threading.Thread(target=self._listen, name="xid", daemon=True)

    def begin(self) -> bool:
        """Whether there is something to listen to."""
        if not self._nvml.open():
            return False
        try:
            self._set, self._cards = self._registered()
        except (CardLostError, DriverGoneError):
            return False
        if not self._cards:
            return False
        self._thread.start()
        return True

    def _registered(self) -> tuple[Any, dict[int | None, tuple[str | None, str | None]]]:
        """A set of events of all cards that tell of them; the cards by the address of their handle."""
        nv, call = self._nvml.nv, self._nvml.call
        events, cards = call(nv.nvmlEventSetCreate), {}
        for uuid, bus, handle in self._nvml.handles() if events is not None else ():
            with contextlib.suppress(CardLostError):
                told = call(nv.nvmlDeviceGetSupportedEventTypes, handle) or 0
                if told & nv.nvmlEventTypeXidCriticalError:
                    with contextlib.suppress(nv.NVMLError):
                        nv.nvmlDeviceRegisterEvents(handle, nv.nvmlEventTypeXidCriticalError, events)
                        cards[_address(handle)] = uuid, bus and bus_of(bus)
        return events, cards

    def _listen(self) -> None:
        nv = self._nvml.nv
        while True:
            try:
                event = nv.nvmlEventSetWait_v2(self._set, _WAIT_MS)
            except nv.NVMLError as error:
                if error.value != _TIMEOUT:  # a card that fell off the bus; another may still have something to tell
                    time.sleep(_PAUSE_S)
                continue
            uuid, bus = self._cards.get(_address(event.device), (None, None))
            self.heard.append(Xid(code=int(event.eventData), at=time.time(), gpu_uuid=uuid, bus=bus))


def _address(handle: Any) -> int | None:
    return ctypes.cast(handle, ctypes.c_void_p).value


_lock = threading.Lock()
_listeners: list[_Listener] = []  # of this process: none or one
_tried: list[float] = []  # when it was last tried in vain


def listen(nvml: Nvml | None = None) -> bool:
    """Listens from now on, in this process, for what `recent_xids` tells; whether the driver tells of errors.

    Costs next to nothing. May be called again and again; without a driver it is quick.
    """
    with _lock:
        if _listeners or (_tried and time.monotonic() < _tried[-1] + RETRY_S):
            return bool(_listeners)
        listener = _Listener(nvml or Nvml())
        if listener.begin():
            _listeners.append(listener)
        else:
            _tried[:] = [time.monotonic()]
        return bool(_listeners)


def recent_xids(since: float, log: Path = KERNEL_LOG) -> tuple[Xid, ...]:
    """The Xid errors since SINCE (Unix time), the oldest first: those heard here, and those in the kernel's LOG.

    Empty where nobody listened and the log may not be read. Never raises.
    """
    found = [one for listener in _listeners for one in listener.heard if one.at >= since]
    for one in _logged(log):
        if one.at >= since and not any(_same(one, other) for other in found):
            found.append(one)
    return tuple(sorted(found, key=lambda one: one.at))[-_KEPT:]


def _same(one: Xid, other: Xid) -> bool:
    here = one.bus == other.bus or one.bus is None or other.bus is None
    return here and one.code == other.code and abs(one.at - other.at) <= _TWICE_S


def _logged(path: Path) -> list[Xid]:
    """What the kernel's log at PATH tells; its times are seconds since the start of the machine."""
    booted = time.time() - time.monotonic()
    found = []
    for micro, seconds, bus, code, detail in _LINE.findall(_records(path)):
        at = booted + (int(micro) / 1e6 if micro else float(seconds or 0))
        told = detail.decode(errors="replace").strip()
        found.append(Xid(code=int(code), at=at, bus=bus_of(bus.decode()), detail=told))
    return found


def _records(path: Path) -> bytes:
    """All that stands in the log now; a read of the device gives a record, and fails where one was overwritten."""
    parts, size = [], 0
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        while size < _LOG_BYTES:
            try:
                part = os.read(descriptor, 8192)
            except BrokenPipeError:
                continue
            if not part:
                break
            parts.append(part)
            size += len(part)
    except OSError:  # nothing more now
        pass
    finally:
        os.close(descriptor)
    return b"".join(parts)


def bus_of(text: str) -> str:
    """An address on the bus as the kernel's log has it: `00000000:41:00.0` is `0000:41:00`."""
    domain, _, rest = text.lower().partition(":")
    return f"{int(domain, 16):04x}:{rest.partition('.')[0]}"
