"""A session's cards: which its commands see, within what the user or Slurm left, and which its runs may take.

A card that the session chose is claimed for the whole host while commands run and for a moment after; a run that asks
for cards claims its own. On a machine without cards nothing here does anything.
"""

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.experiments.ledger import LedgerError, ledger_for
from workbench.permissions.types import Need, Verdict
from workbench.session.core import Session
from workbench.session.identity import user_name
from workbench.tools.base import ToolError

if TYPE_CHECKING:
    from workbench.experiments.gpus import Taken
    from workbench.experiments.types import Card, Run
    from workbench.telemetry.nvml import Nvml

VISIBLE = "CUDA_VISIBLE_DEVICES"
WORDS = ("all", "ask", "auto", "none")  # beside a list of cards
NEARLY, SOON_H = 0.9, 1 / 12  # of the GPU-hours, or so many hours before they are used up: then a person is told
COUNTED_S = 2.0  # between two looks at the GPU-hours; as often as a run writes them down
KEPT_S = 60.0  # a claim outlives the last command by so long: the next one need not look at the cards again
_CARDS = "cards"
_MANY = 1 << 16


class Cards:
    """The cards of SESSION by the word GPUS (`ask`, `auto`, `all`, `none`, a list), MOST of them at a time.

    ENV is the user's environment, which may have narrowed them already.
    """

    def __init__(
        self, session: Session, gpus: str, most: int | None, env: Mapping[str, str], kept_s: float = KEPT_S
    ) -> None:
        self.gpus, self._kept_s = gpus, kept_s
        listed = gpus not in WORDS
        self.most = (_MANY if gpus == "all" else len(gpus.split(",")) if listed else 1) if most is None else most
        self._session, self._env = session, env
        self._nvml: Nvml | None = None
        self._taken: Taken | None = None
        self._running = 0  # plain commands
        self._granted = gpus != "ask"
        self._later: asyncio.TimerHandle | None = None
        self._lock = threading.Lock()
        self._said = self._unsaid = ""
        self._counting: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None

    @property
    def cards(self) -> "tuple[Card, ...]":
        """Those that plain commands see now."""
        return self._taken.cards if self._taken is not None else ()

    # --- plain commands ---

    async def variables(self) -> dict[str, str]:
        """What a command finds in its environment; nothing where no cards are there.

        It has a while to begin: the claim is not given up in between.
        """
        if self.gpus == "none":
            return {VISIBLE: ""}
        for ending in (self._later, self._leaving):
            if ending is not None:
                ending.cancel()
        found = self._named() if self.cards else await asyncio.to_thread(self._visible)
        self._expire()
        if self._unsaid != self._said:
            self._said = self._unsaid
            self._session.notice("warning", f"commands see fewer GPUs: {self._said}", "gpus")
        return found

    def _named(self) -> dict[str, str]:
        return {VISIBLE: ",".join(card.uuid for card in self.cards)}

    def began(self) -> None:
        """A plain command runs."""
        self._running += 1
        self.count()
        if self._later is not None:
            self._later.cancel()

    def ended(self) -> None:
        """A plain command has ended."""
        self._running = max(0, self._running - 1)
        self._expire()

    def _expire(self) -> None:
        """From now on the claim goes on for a while only, unless a command begins."""
        if self._later is not None:
            self._later.cancel()
        if not self._running and self._taken is not None:
            self._later = asyncio.get_running_loop().call_later(self._kept_s, self._over)

    def _over(self) -> None:
        self._leaving = asyncio.ensure_future(self._leave())

    async def _leave(self) -> None:
        """Gives up the claim; not while a run of the session goes on, which may be on the cards and claims none."""
        if await asyncio.to_thread(self.live):
            self._expire()
        elif not self._running:
            self._let_go()

    async def close(self) -> None:
        """Gives up the claims."""
        for task in (self._counting, self._leaving):
            if task is not None:
                task.cancel()
        self._let_go()

    def _let_go(self) -> None:
        if self._later is not None:
            self._later.cancel()
        with self._lock:
            if self._taken is not None:
                self._taken.release()
            self._taken = None

    def _visible(self) -> dict[str, str]:
        """Claims what a command shall see. Blocks: some milliseconds where there are cards."""
        nvml = self._open()
        if nvml is None:
            return {} if self.gpus in WORDS else {VISIBLE: self.gpus}
        if not self._granted:
            return {VISIBLE: ""}
        from workbench.experiments.gpus import allowed, listed, up_to

        with self._lock:
            if self.cards:  # of a command that began at the same time
                return self._named()
            places = allowed(nvml.read()[0], self._env)
            named = listed(places, self.gpus) if self.gpus not in WORDS else places
            own = self._of_runs()
            env = {**self._env, VISIBLE: ",".join(place.uuid for place in named if place.uuid not in own)}
            chosen = self.gpus in ("ask", "auto")
            count = min(len(named) - len(own), self.most - len(own))
            workspace = str(self._session.context.workspace)
            self._taken, busy = up_to(count, env, user_name(), self._session.id, workspace, nvml, free=chosen)
        if count <= 0 and own:
            busy = f"the session's runs have {len(own)}, and it may take {self.most} at a time (maxGpus)"
        if len(self._taken.cards) < (1 if chosen else len(named)):
            self._unsaid = busy
        return self._named()

    def _open(self) -> "Nvml | None":
        if self._nvml is None:
            from workbench.telemetry.nvml import Nvml

            self._nvml = Nvml()
        return self._nvml if self._nvml.open() else None

    def _of_runs(self) -> set[str]:
        """Cards that runs of the session have claimed."""
        return {card.uuid for run in self.live() for card in run.gpus}

    def live(self) -> "list[Run]":
        """The session's runs that go on. Blocks."""
        from workbench.experiments.launch.alive import alive

        ledger, found = ledger_for(self._session.context.workspace), []
        for run in self._session.state.runs:
            with contextlib.suppress(LedgerError):
                if alive(ledger.path(run)) and (record := ledger.get(run)).status in ("queued", "running"):
                    found.append(record)
        return found

    # --- runs that ask for cards ---

    async def for_run(
        self, count: int | None, call: dict[str, Any], given: Any, needs: tuple[Need, ...]
    ) -> dict[str, str]:
        """What a run that asks for COUNT cards finds in its environment; it claims its own within that.

        Raises ToolError where the session may not have as many, or a person says no.
        """
        self.count()
        if self.gpus == "none":
            if count:
                raise ToolError("This session has no GPUs (gpus: none).")
            return {VISIBLE: ""}
        if count is None:
            return await self.variables()
        if not count:
            return {}
        await self._within(count)
        if not self._granted:
            await self._ask(count, call, given, needs)
        if not self._running:
            self._let_go()
        return await asyncio.to_thread(self._left)

    def _left(self) -> dict[str, str]:
        from workbench.experiments.gpus import allowed, listed

        nvml = self._open()
        if nvml is None or self.gpus in WORDS:
            return {}
        return {VISIBLE: ",".join(place.uuid for place in listed(allowed(nvml.read()[0], self._env), self.gpus))}

    async def _within(self, count: int) -> None:
        have = len({card.uuid for run in await asyncio.to_thread(self.live) for card in run.gpus})
        if count + have > self.most:
            also = f", and its runs have {have} now" if have else ""
            raise ToolError(f"This session may take {self.most} GPU{'s' * (self.most != 1)} at a time (maxGpus){also}.")

    async def _ask(self, count: int, call: dict[str, Any], given: Any, needs: tuple[Need, ...]) -> None:
        session, standing = self._session, await asyncio.to_thread(self.words)
        why = f"it takes {count} GPU{'s' * (count != 1)} ({standing})"
        if session.ask is None:
            raise ToolError(
                f"Denied: {why}, and which GPUs this session takes is a person's decision (gpus: ask). Go on without, "
                "or end with a decision block that names the run, its cost in GPU-hours and the options."
            )
        answer = await session.ask(call, "Bash", given, needs, Verdict(verdict="ask", reason=why), "", False)
        if answer.decision == "no":
            raise ToolError(f"Refused by {answer.by}: no GPUs for this run.")
        self._granted = answer.decision != "once"

    # --- the budget ---

    def count(self) -> None:
        """From now on GPU-hours are counted while the session lives, where they have a limit."""
        if self._session.caps.max_gpu_hours is not None and (self._counting is None or self._counting.done()):
            self._counting = asyncio.ensure_future(self._count())

    async def _count(self) -> None:
        """Stops the session's runs once its GPU-hours are used up; its next request then ends its work.

        A person is told before, while they can still allow more.
        """
        session, warned, ending = self._session, 0.0, set[str]()
        more = "; `/hours N` allows more" if session.task.interactive else ""
        while (most := session.caps.max_gpu_hours) is not None:
            used = await asyncio.to_thread(hours, session)
            live = await asyncio.to_thread(self.live)
            cards = len({card.uuid for run in live for card in run.gpus})
            near = used >= NEARLY * most or 0 < most - used < SOON_H * cards
            names = ", ".join(run.id for run in live)
            if live and used >= most:
                why = f"the {most:g} GPU-hours of the session are used up (maxGpuHours)"
                await asyncio.to_thread(_stop, session, [run.id for run in live], why)
                if new := [run.id for run in live if run.id not in ending]:  # one may take a while to end
                    ending.update(new)
                    session.notice("warning", f"{', '.join(new)} stopped: {why}{more}", "gpus")
            elif live and more and near and warned != most:
                warned = most
                told = f"{used:.3g} of {most:g} GPU-hours are used; at {most:g}, {names} will be stopped"
                session.notice("warning", f"{told}{more}", "gpus")
            await asyncio.sleep(COUNTED_S)

    def words(self) -> str:
        """How the cards stand that the session may have, for a person. Blocks."""
        return standing(self.gpus, self._env, self._open())


def standing(gpus: str, env: Mapping[str, str], nvml: "Nvml | None") -> str:
    """How the cards stand that a session with the word GPUS may have: each free, or who is on it. Blocks."""
    from workbench.experiments.gpus import Claims, allowed, listed

    if nvml is None:
        return "no GPU is there"
    places = allowed(nvml.read()[0], env)
    if gpus not in WORDS:
        places = listed(places, gpus)
    if not places:
        return "none of them is there"
    looking = Claims(0, {**env, VISIBLE: ",".join(place.uuid for place in places)}, "", "", nvml, idle_s=0.0)
    return "; ".join(f"{name}: {why or 'free'}" for name, why in looking.look().items())


def of(session: Session) -> Cards:
    """The session's own."""
    cards = session.context.extras[_CARDS]
    assert isinstance(cards, Cards)
    return cards


def wire(session: Session, gpus: str, most: int | None, env: Mapping[str, str]) -> None:
    """Gives SESSION its cards."""
    cards = session.context.extras[_CARDS] = Cards(session, gpus, most, env)
    session.context.closers.append(cards.close)


def hours(session: Session) -> float:
    """GPU-hours that the session's runs have used by now, those before a resume too. Blocks for a moment."""
    ledger, total = ledger_for(session.context.workspace), 0.0
    for run in session.state.runs:
        with contextlib.suppress(LedgerError):
            total += ledger.get(run).usage.gpu_hours or 0.0
    return total


def limited_hours(session: Session) -> float:
    """The same where they have a limit; else 0, and nothing is read."""
    return 0.0 if session.caps.max_gpu_hours is None else hours(session)


def _stop(session: Session, runs: list[str], why: str) -> None:
    from workbench.experiments.launch.local import Local
    from workbench.experiments.launch.types import LaunchError

    for run in runs:
        with contextlib.suppress(LaunchError, LedgerError):
            Local(ledger_for(session.context.workspace), forks=False).cancel(run, why)
