"""Cards for runs: which may be used, which are free, and claims that hold for everybody on this host.

A claim is a lock on a file that all users share: the kernel gives it up when its holder ends, however it ends.
"""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench.experiments.types import Card
from workbench.telemetry.host import Who
from workbench.telemetry.nvml import Nvml, Use
from workbench.telemetry.types import Gpu

CLAIMS = Path("/tmp/mlwb-gpus")  # noqa: S108 - one for the host, whoever makes it: mode 1777, as /tmp has
FOLDER_VARIABLE, IDLE_VARIABLE = "MLWB_GPU_CLAIMS", "MLWB_GPU_IDLE"
IDLE_S = 30.0  # without a process for so long: between two steps of somebody's script there is none, either
LOOK_S = 1.0
_GLANCE_S = 0.02  # a `_probe` takes a thousandth of it
_SLURM = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
# What a desktop keeps on a card; it does not make the card taken.
_DESKTOP = frozenset(("Xorg", "Xwayland", "gnome-shell", "kwin_wayland", "kwin_x11", "plasmashell", "sway", "mutter"))


class NoCardsError(Exception):
    """There are never as many cards; the message says which there are."""


class Holder(msgspec.Struct, frozen=True):
    """The content of a claim's file: who has it, or had it last. `released`: when, by the clock of this boot.

    `folder`: the workspace of the run, by its last names; empty in claims of versions that did not tell it.
    """

    user: str
    run: str
    pid: int
    released: float | None = None
    folder: str = ""


class _Place(msgspec.Struct, frozen=True):
    """A card, or a slice of one, as a run may be given it."""

    uuid: str
    gpu: Gpu
    mig: bool = False

    @property
    def name(self) -> str:
        """How people call it."""
        return f"GPU {self.gpu.index}{' (a slice)' if self.mig else ''}"


class Taken:
    """Claimed cards, until `release` or the end of this process."""

    def __init__(self, cards: tuple[Card, ...], locks: tuple[int, ...], holder: Holder) -> None:
        self.cards = cards
        self.locks = locks
        self._holder = holder

    def release(self) -> None:
        """Gives the cards back: nobody else was on them, so that they need not be watched again."""
        gone = msgspec.structs.replace(self._holder, released=time.monotonic())
        for lock in self.locks:
            _write(lock, gone)
            os.close(lock)


class Claims:
    """Looks for COUNT free cards of those that ENV leaves, for USER's RUN in WORKSPACE.

    `try_now` is asked until it gives them.
    IDLE_S: how long a card has to be without a process before it counts as free.
    """

    def __init__(
        self,
        count: int,
        env: Mapping[str, str],
        user: str,
        run: str,
        nvml: Nvml | None = None,
        idle_s: float | None = None,
        workspace: str = "",
    ) -> None:
        self._count, self._env = count, env
        self.holder = Holder(user=user, run=run, pid=os.getpid(), folder=_last_names(workspace))
        self._nvml, self._who = nvml or Nvml(), Who()
        self._quiet_since: dict[str, float] = {}
        self._idle_s = float(os.environ.get(IDLE_VARIABLE, IDLE_S)) if idle_s is None else idle_s
        self.busy: dict[str, str] = {}  # card -> why it is not free, by the last look
        self.soon = False  # by the last look, enough cards only have to stay idle a little longer

    def try_now(self) -> Taken | None:
        """The cards, claimed; None where too few are free. Raises NoCardsError where there never will be enough."""
        gpus, uses = self._nvml.read()
        places = allowed(gpus, self._env)
        if len(places) < self._count:
            raise NoCardsError(self._too_few(places))
        self.busy, waiting = {}, 0
        found: list[tuple[_Place, int]] = []
        for place in places:
            if len(found) == self._count:
                break
            lock = self._free(place, _of(place, uses))
            if lock is not None:
                found.append((place, lock))
            waiting += place.uuid in self._quiet_since
        self.soon = waiting >= self._count
        if len(found) < self._count:
            for _, lock in found:
                os.close(lock)
            return None
        cards = tuple(Card(uuid=one.uuid, index=one.gpu.index, name=one.gpu.name or "") for one, _ in found)
        for _, lock in found:
            _write(lock, self.holder)
        return Taken(cards, tuple(lock for _, lock in found), self.holder)

    def look(self) -> dict[str, str]:
        """Every card that may be used, and why it is not free; empty words for one that is. Nothing is claimed."""
        gpus, uses = self._nvml.read()
        found = {}
        for place in allowed(gpus, self._env):
            why = place.gpu.problem or self.used_by(place, _of(place, uses))
            held, holder = _probe(place.uuid)
            if held:
                why = _claimed(holder)
            found[place.name] = why
        return found

    def words(self) -> str:
        """Which cards are not free, and why; those of which the same is to be said stand together."""
        alike: dict[str, list[str]] = {}
        for card, why in self.busy.items():
            alike.setdefault(why, []).append(card)
        return "; ".join(f"{', '.join(cards)}: {why}" for why, cards in alike.items())

    def _too_few(self, places: list[_Place]) -> str:
        if self._nvml.problem:
            return f"{self._count} GPUs were asked for, and there is {self._nvml.problem}"
        named = self._env.get("CUDA_VISIBLE_DEVICES")
        within = f" within CUDA_VISIBLE_DEVICES={named}" if named is not None else ""
        return f"{self._count} GPUs were asked for, and there are {len(places)}{within}"

    def _free(self, place: _Place, uses: list[Use]) -> int | None:
        """The lock of PLACE, where nobody has it or is on it; else None, and `busy` says why."""
        why = place.gpu.problem or self.used_by(place, uses)
        held, holder = _probe(place.uuid)
        if held:
            why = _claimed(holder)
        if why:
            self._quiet_since.pop(place.uuid, None)
        else:
            now = time.monotonic()
            idle = now - self._quiet_since.setdefault(place.uuid, now)
            ours = holder is not None and holder.released is not None and 0 <= now - holder.released < self._idle_s
            if (ours or idle >= self._idle_s) and (lock := _claim(place.uuid)) is not None:
                return lock
            why = f"free, but idle for {idle:.0f} s only; {self._idle_s:g} s are waited for"
        self.busy[place.name] = why
        return None

    def used_by(self, place: _Place, uses: list[Use]) -> str:
        """Who of USES, those of PLACE, is on it, in words; empty where nobody is."""
        told, oldest = [], time.time()
        for use in uses:
            user, command, started, foreign = self._who(use.pid)
            oldest = min(oldest, started or oldest)
            if command and Path(command.split()[0]).name in _DESKTOP:
                continue
            memory = "" if use.memory is None else f", {use.memory / (1 << 30):.1f} GB"
            name = "a process outside of this container" if foreign else f"{user or 'somebody'} (process {use.pid})"
            told.append(f"{name}{memory}")
        if told and place.gpu.utilization is not None:
            age = _age(time.time() - oldest)
            told.append(f"{place.gpu.utilization}% busy{f' now, there for {age}' if age else ''}")
        if not told and (place.gpu.utilization or 0) > 0:
            told.append(f"{place.gpu.utilization}% busy, and no process is to be seen")
        return ", ".join(told)


def _of(place: _Place, uses: list[Use]) -> list[Use]:
    return [use for use in uses if place.uuid in (use.gpu_uuid, use.mig_uuid)]


def _claimed(holder: Holder | None) -> str:
    """Who has a card, in words."""
    if holder is None:
        return "claimed by somebody"
    return f"claimed by {holder.user} for {holder.run}{f' in {holder.folder}' if holder.folder else ''}"


def _last_names(workspace: str) -> str:
    """WORKSPACE as a claim tells it, which all may read: two names tell it from others, and a claim's file is short."""
    parts = Path(workspace).parts
    text = workspace if len(parts) <= 3 else "/".join(("…", *parts[-2:]))
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _age(seconds: float) -> str:
    """SECONDS in whole hours or minutes; empty for less than a minute."""
    if seconds >= 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else ""


def up_to(
    count: int, env: Mapping[str, str], user: str, run: str, workspace: str, nvml: Nvml, free: bool
) -> tuple[Taken, str]:
    """As many cards of those that ENV leaves as can be claimed, COUNT at most, and words on those that cannot.

    FREE: not one that somebody has a process on. How long a card was idle does not count.
    """
    taken: list[tuple[Card, int]] = []
    busy: list[str] = []
    who = Claims(1, env, user, run, nvml, idle_s=0.0, workspace=workspace)
    gpus, uses = nvml.read()
    for place in allowed(gpus, env):
        if len(taken) >= count:
            break
        why = place.gpu.problem or (who.used_by(place, _of(place, uses)) if free else "")
        lock = None if why else _claim(place.uuid)
        if lock is None:
            _, holder = _probe(place.uuid)
            busy.append(f"{place.name}: {why or _claimed(holder)}")
        else:
            _write(lock, who.holder)
            taken.append((Card(uuid=place.uuid, index=place.gpu.index, name=place.gpu.name or ""), lock))
    return Taken(tuple(card for card, _ in taken), tuple(lock for _, lock in taken), who.holder), "; ".join(busy)


def listed(places: list[_Place], words: str) -> list[_Place]:
    """Those of PLACES that WORDS name: numbers, or beginnings of UUIDs, apart by commas."""
    return [
        place
        for word in words.split(",")
        for place in places
        if (place.gpu.index == int(word) if word.isdigit() else place.uuid.startswith(word))
    ]


def allowed(gpus: list[Gpu], env: Mapping[str, str]) -> list[_Place]:
    """The cards that ENV leaves, in its order: CUDA_VISIBLE_DEVICES, else what Slurm gave; else all.

    As CUDA reads it: numbers or beginnings of UUIDs, up to the first that is none. A partitioned card is its slices.
    """
    places = [place for gpu in gpus if gpu.uuid for place in _places(gpu)]
    named = env.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        named = next((env[name] for name in _SLURM if env.get(name)), None)
    if named is None:
        return places
    found: list[_Place] = []
    for word in (part.strip() for part in named.split(",")):
        if word.isdigit():
            meant = [place for place in places if place.gpu.index == int(word)]
        else:
            meant = [place for place in places if word[:4] in ("GPU-", "MIG-") and place.uuid.startswith(word)]
        if not meant:
            break
        found += [place for place in meant[:1] if place not in found]
    return found


def _places(gpu: Gpu) -> list[_Place]:
    if gpu.mig and gpu.mig_devices:
        return [_Place(mig.uuid, gpu, mig=True) for mig in gpu.mig_devices if mig.uuid]
    return [_Place(gpu.uuid or "", gpu)]


# --- the files ---------------------------------------------------------------------------------------------


def _probe(uuid: str) -> tuple[bool, Holder | None]:
    """Whether somebody holds the card UUID, and who has or had it. Others may look at the same time."""
    descriptor = _opened(uuid)
    try:
        holder = None
        with contextlib.suppress(OSError, UnicodeDecodeError, msgspec.DecodeError):
            holder = msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Holder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True, holder
        return False, holder
    finally:
        os.close(descriptor)


def _claim(uuid: str) -> int | None:
    """The lock of the card UUID; None where somebody has it, and not only looks at it for a moment."""
    descriptor = _opened(uuid)
    until = time.monotonic() + _GLANCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= until:
                os.close(descriptor)
                return None
            time.sleep(_GLANCE_S / 10)
        else:
            return descriptor


def _opened(uuid: str) -> int:
    """The file of the card UUID, which is open to all; it and its folder are made where they are missing.

    Raises OSError.
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE) or CLAIMS)
    name = "".join(sign if sign.isalnum() or sign == "-" else "_" for sign in uuid)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o1777)
        folder.chmod(0o1777)
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise NotADirectoryError(f"{folder} is no folder; it is needed to share the GPUs of this host")
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        # Not O_CREAT for one that is there: the kernel refuses that for another user's file in such a folder.
        return os.open(folder / name, flags)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(folder / name, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(descriptor, 0o666)
            return descriptor
        return os.open(folder / name, flags)


def _write(lock: int, holder: Holder) -> None:
    with contextlib.suppress(OSError):  # words for people; the lock is what counts
        os.ftruncate(lock, 0)
        os.pwrite(lock, msgspec.json.encode(holder), 0)
