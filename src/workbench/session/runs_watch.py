"""Waiting for runs costs no request: the session sleeps, and is woken once when one ended or something was seen in it.

A look reads the records that changed since the last one; where no run goes on, nothing is looked at.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.experiments.launch.alive import UNSETTLED_S, alive, truly
from workbench.experiments.ledger import RECORD, LedgerError, ledger_for
from workbench.experiments.types import Run
from workbench.protocol.events import RunsTold
from workbench.session.runs_words import GOING, Happened, message
from workbench.session.tally import Told

if TYPE_CHECKING:
    from workbench.session.core import Session

EVERY_S = 1.0
GATHERED_S = 1.0  # what happens so shortly after something else is told with it
_AWAKE = ("", "done")  # what an attended session waits for when a run may begin a turn: not an answer, not after a stop

Wanted = Callable[[str, Told], bool]


class RunsWatch:
    """Looks at the runs that a session knows of. `linked` is set whenever there is one more."""

    def __init__(self, session: str, workspace: Path) -> None:
        self.linked = asyncio.Event()
        self._session, self._workspace, self._ledger = session, workspace, ledger_for(workspace)
        self._records: dict[str, tuple[tuple[int, ...], Run]] = {}  # run -> what tells its record from the next, and it

    def look(self, known: dict[str, Told], wanted: Wanted, anybodys: bool = False) -> tuple[list[Happened], list[str]]:
        """What the agent has not heard of the runs KNOWN and WANTED, and those of them that still go on. Blocks.

        A seed that ended well is no news while others of its group go on. ANYBODYS: of any run; else of those that this
        session began, and not the one that it was forked from.
        """
        self._ledger = ledger_for(self._workspace)
        news, going, groups = list[Happened](), list[str](), set[str | None]()
        for run, told in list(known.items()):
            if told.ended or not wanted(run, told):
                continue
            record = self._record(run)
            if record is None or not (anybodys or record.session in (None, self._session)):
                continue
            ended = record.status not in GOING and self._settled(record)
            if not ended:
                going.append(run)
                groups.add(record.group)
            elif _in_call(record, told):
                continue
            if ended or len(record.alerts) > told.alerts or (record.stays and not told.ready):
                news.append(Happened(run=record, ended=ended, alerts=record.alerts[told.alerts :]))
        return [one for one in news if not (one.quiet and one.run.group in groups - {None})], going

    def _record(self, run: str) -> Run | None:
        """The record as it stands; None where the run was removed."""
        try:
            found = (self._ledger.path(run) / RECORD).stat()
            stamp = found.st_ino, found.st_mtime_ns, found.st_size  # the time alone is as coarse as the kernel's tick
            held = self._records.get(run)
            if held is None or held[0] != stamp:
                held = self._records[run] = (stamp, self._ledger.get(run))
            return truly(self._ledger, held[1])
        except (LedgerError, OSError):
            return None

    def _settled(self, run: Run) -> bool:
        """Whether its last numbers and alerts are in."""
        return run.ended is None or time.time() - run.ended > UNSETTLED_S or not alive(self._ledger.path(run.id))

    def stays(self, run: str) -> bool:
        """Whether RUN is a service that is ready and will not end by itself."""
        record = self._record(run)
        return record is not None and record.stays

    def plain(self, run: str) -> bool:
        """Whether RUN is a plain command, which ends with the session."""
        record = self._record(run)
        return record is not None and record.origin == "bash"

    def words(self, news: list[Happened], going: list[str]) -> str:
        """The message. Blocks."""
        return message(self._ledger, news, going)


def _in_call(run: Run, told: Told) -> bool:
    """Whether a run that was found under a command had ended when that command's result told of it."""
    over = told.call_over
    return run.origin == "bash" and over is not None and run.ended is not None and run.ended <= over


async def tell(session: "Session") -> None:
    """Tells the agent what it has not heard of the session's runs, as one message that goes with the next request."""
    if not any(not told.ended for told in session.tally.runs.values()):
        return
    news, going = await asyncio.to_thread(session.runs.look, session.tally.runs, _any)
    if news:
        text = await asyncio.to_thread(session.runs.words, news, going)
        session.emit(RunsTold(runs=tuple(one.heard for one in news), text=text), sync=True)


async def prompted(session: "Session") -> None:
    """Until the agent of an attended session has something to do: a person spoke, or a run did.

    What happened while the session was closed begins no turn when it is opened: it goes with the first prompt.
    """
    if not session.wakes or session.state.waiting not in _AWAKE:
        await session.prompted()
    else:
        await _first(session.prompted(), _happened(session, _agents, since=_since(session), forever=True))


def sleeps(session: "Session") -> bool:
    """Whether a run goes on whose end would begin a turn; of a service that is ready nobody expects one. Blocks."""
    if not session.wakes or session.state.waiting not in _AWAKE:
        return False
    news, going = session.runs.look(session.tally.runs, lambda run, told: _agents(run, told) and not told.ready)
    return bool(going) or any(one.after(_since(session)) for one in news)


def _since(session: "Session") -> float:
    """From which Unix time on what happens begins a turn by itself."""
    return 0.0 if session.state.waiting else session.state.resumed_at


async def slept(session: "Session") -> bool:
    """Sleeps while the runs go on that a session without a person waits for. Whether the agent has something to hear.

    False: there is nothing to wait for. A plain command of which the agent heard that it does nothing may be a server,
    and is not waited for any more: what the agent does not end or wait for itself ends with the session.
    """
    if await _undecided(session):
        return True

    def awaited(run: str, told: Told) -> bool:
        return told.awaited and not told.ready

    known = session.tally.runs
    if not any(awaited(run, told) and not told.ended for run, told in known.items()):
        return False
    news, going = await asyncio.to_thread(session.runs.look, known, awaited)
    if not news and all(known[run].idles and session.runs.plain(run) for run in going):
        return False
    if not news:
        session.notice("info", f"sleeps until something happens in {', '.join(going[:20])}", "runs")
        await _first(session.prompted(), _happened(session, awaited))
    return True


async def _undecided(session: "Session") -> bool:
    """Waits until it is seen which commands in the background are runs; whether a person spoke meanwhile."""
    from workbench.session import found

    finder = found.of(session)
    if not (command := await finder.undecided()):
        return False
    session.notice("info", f"waits for a moment to see whether this trains: {command}", "runs")
    await _first(session.prompted(), finder.decided())
    return session.unheard


async def wait(session: "Session", known: dict[str, Told], whole: bool, named: bool) -> None:
    """Until something happened in the runs KNOWN (WHOLE: all have ended, or an alert), or a person spoke.

    NAMED: they were asked for by name, so that the end of a service counts as well.
    """
    await _first(session.prompted(), _happened(session, _any, known=known, whole=whole, named=named))


def _any(run: str, told: Told) -> bool:
    return True


def _agents(run: str, told: Told) -> bool:
    """Whether a call began it; what a person ran beside the agent wakes nobody, and is told with the next prompt."""
    return told.call_id is not None


async def _happened(
    session: "Session",
    wanted: Wanted,
    *,
    known: dict[str, Told] | None = None,
    whole: bool = False,
    named: bool = False,
    since: float = 0.0,
    forever: bool = False,
) -> None:
    """Until there is news of the WANTED runs of the session (or KNOWN ones) from after SINCE, or none of them goes on.

    WHOLE: an end is no news while others go on; services that stay do not count among these, unless NAMED. FOREVER:
    runs may still come.
    """
    watch = session.runs
    while True:
        watch.linked.clear()
        looked = session.tally.runs if known is None else known
        news, going = await asyncio.to_thread(watch.look, looked, wanted, known is not None)
        if whole and not named:
            going = [run for run in going if not watch.stays(run)]
        news = [one for one in news if one.after(since) and not (whole and going and not one.alerts)]
        if news:
            await asyncio.sleep(GATHERED_S if going else 0)
            return
        if going:
            await asyncio.sleep(EVERY_S)
        elif forever:
            await watch.linked.wait()
        else:
            return


async def _first(*waiting: Coroutine[Any, Any, None]) -> None:
    """Until one of WAITING is done; the others are given up."""
    tasks = [asyncio.create_task(one) for one in waiting]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
