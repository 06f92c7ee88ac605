"""What a run takes of the machine: memory of its processes, and its share of the cards."""

import time
from collections import deque
from pathlib import Path

import msgspec

from workbench.experiments.types import Card, Moment, Usage
from workbench.sandbox.tree import Tree
from workbench.telemetry import xid
from workbench.telemetry.nvml import Nvml, Use

_MOMENTS = 10  # that are kept
_FIELDS = (b"RssAnon:", b"RssFile:", b"RssShmem:", b"VmHWM:")


class Using:
    """Looks at the processes of TREE; CARDS are those that the run was given. `told` is what it took by now."""

    def __init__(self, tree: Tree, cards: tuple[Card, ...]) -> None:
        self.told = Usage()
        self.cards = cards  # those that it was given, else those that it was seen on
        self.busy: float | None = None  # the busiest of its cards, in percent
        self.moments: deque[Moment] = deque(maxlen=_MOMENTS)  # the last ones
        self.others: tuple[Use, ...] = ()  # who else was on its cards at the last look
        self._tree, self._given = tree, {card.uuid for card in cards}
        self._nvml = Nvml()
        self._before: tuple[float, dict[str, float | None]] | None = None  # when, and energy by card

    def look(self) -> None:
        """Takes a sample."""
        pids = self._tree.members()
        now, most = held(pids)
        peak = max(self.told.peak_memory or 0, now, most)
        self.told = msgspec.structs.replace(self.told, peak_memory=peak or None)
        on_cards = self._look_at_cards(set(pids)) if self._nvml.open() else None
        self.moments.append(Moment(at=time.time(), used=now, free=free(), on_cards=on_cards))

    def _look_at_cards(self, pids: set[int]) -> int | None:
        """Bytes that are taken of its cards, where it has any."""
        gpus, uses = self._nvml.read()
        mine = [use for use in uses if use.pid in pids]
        on = self._given | {use.gpu_uuid for use in mine if use.gpu_uuid}
        if not on:
            return None
        xid.listen(self._nvml)
        if not self._given:
            known = {card.uuid for card in self.cards}
            seen = [gpu for gpu in gpus if gpu.uuid in on and gpu.uuid not in known]
            self.cards += tuple(Card(uuid=gpu.uuid or "", index=gpu.index, name=gpu.name or "") for gpu in seen)
        self.others = tuple(use for use in uses if use.gpu_uuid in on and use.pid not in pids)
        memory_ = sum(use.memory or 0 for use in mine)
        if not mine:  # in a container the numbers are the host's; cards that it was given are its own
            memory_ = sum(gpu.memory_used or 0 for gpu in gpus if gpu.uuid in on)
        busy = [gpu.utilization for gpu in gpus if gpu.uuid in on and gpu.utilization is not None]
        self.busy = max(busy, default=None)
        now, energy = time.monotonic(), {gpu.uuid: gpu.energy for gpu in gpus if gpu.uuid in on and gpu.uuid}
        told = self.told
        hours, joules = told.gpu_hours or 0.0, told.energy_j
        if self._before is not None:
            then, before = self._before
            for uuid, spent in energy.items():
                if uuid in before:
                    hours += (now - then) / 3600
                    since = before[uuid]
                    if spent is not None and since is not None and spent >= since:
                        joules = (joules or 0.0) + spent - since
        self._before = now, energy
        peak = max(told.peak_gpu_memory or 0, memory_)
        self.told = msgspec.structs.replace(told, peak_gpu_memory=peak, gpu_hours=hours, energy_j=joules)
        return sum(gpu.memory_used or 0 for gpu in gpus if gpu.uuid in on)


def free() -> int | None:
    """Bytes that the machine could give to others now; None where the system does not tell."""
    try:
        found = Path("/proc/meminfo").read_bytes().partition(b"MemAvailable:")[2].split(None, 1)
        return int(found[0]) << 10
    except (OSError, ValueError, IndexError):
        return None


def memory(pids: list[int]) -> int:
    """Bytes that the processes PIDS hold together, or the most that one of them ever held."""
    return max(held(pids))


def held(pids: list[int]) -> tuple[int, int]:
    """Bytes that the processes PIDS hold together: each its own, and what they may share counted once; and the most
    that one of them ever held. 0 where the system does not tell.
    """
    own = shared = most = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
        except OSError:
            continue
        found = {line.split()[0]: int(line.split()[1]) << 10 for line in lines if line.startswith(_FIELDS)}
        own += found.get(b"RssAnon:", 0)
        shared = max(shared, found.get(b"RssFile:", 0) + found.get(b"RssShmem:", 0))
        most = max(most, found.get(b"VmHWM:", 0))
    return own + shared, most
