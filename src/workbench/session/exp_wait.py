"""`mlwb exp wait` of the agent: the call lasts until something happens, however long, and no request is made."""

import asyncio
from collections.abc import Callable
from typing import Any

from workbench.experiments.launch.waiting import WaitOptions, read
from workbench.experiments.ledger import Ledger, LedgerError, ledger_for
from workbench.permissions.types import Need
from workbench.protocol.blocks import Output
from workbench.protocol.events import RunsTold
from workbench.session import runs_watch
from workbench.session.core import Session
from workbench.session.exp_carried import Carried, decoded
from workbench.session.runs_words import GOING, Happened, headline
from workbench.session.tally import Told
from workbench.tools.base import Context, Outcome, Tool, ToolError, text_content

SPOKE = "[a person said something: this wait is over, the runs go on]"
SERVES = "[only services go on, which are ready and end when they are stopped]"
NOTHING = "No run of this session goes on, and nothing has happened that you were not told."


class Wait(Carried):
    """`mlwb exp wait [RUN…]`."""

    def __init__(self, session: Session, tool: Tool, words: list[str]) -> None:
        super().__init__(session, tool)
        self._options, self._problem = decoded(read, words, WaitOptions())

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Nothing."""
        return ()

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Waits; Bash's own limit of time is not this call's."""
        if self._problem:
            raise ToolError(self._problem)
        session, ledger = self._session, ledger_for(context.workspace)
        try:
            known = await asyncio.to_thread(self._known, ledger)
        except LedgerError as error:
            raise ToolError(str(error)) from None
        _, going = await asyncio.to_thread(session.runs.look, known, lambda run, told: True, anybodys=True)
        if going:
            progress(f"waiting for {', '.join(going[:20])}\n")
        over = False
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await runs_watch.wait(session, known, self._options.all, bool(self._options.runs))
        except TimeoutError:
            over = True
        news, going = await asyncio.to_thread(session.runs.look, known, lambda run, told: True, anybodys=True)
        return await self._outcome(ledger, news, going, call_id, over)

    def _known(self, ledger: Ledger) -> dict[str, Told]:
        """What the agent knows of the runs that it waits for. Of one that it was told has ended, that is told again."""
        told = self._session.tally.runs
        if not self._options.runs:
            return {run: one for run, one in told.items() if not one.ended}
        known = {}
        for run in self._options.runs:
            record, one = ledger.get(run), told.get(run)
            mine = record.session == self._session.id
            seen = one.alerts if one is not None and mine else len(record.alerts)
            known[run] = Told(alerts=seen, ready=one is not None and mine and one.ready)
        return known

    async def _outcome(
        self, ledger: Ledger, news: list[Happened], going: list[str], call_id: str, over: bool
    ) -> Outcome:
        session = self._session
        parts = [await asyncio.to_thread(session.runs.words, news, going)] if news else []
        if not news and going:
            spoke = SERVES if all(map(session.runs.stays, going)) and not session.unheard else SPOKE
            parts.append("[the time is over]" if over else spoke)
            parts += [headline(record) for run in going if (record := _get(ledger, run))]
        text = "\n".join(parts) or NOTHING
        mine = [one.heard for one in news if one.run.id in session.tally.runs]
        if mine:
            session.emit(RunsTold(runs=tuple(mine), call_id=call_id))
        summary = ", ".join(f"{one.run.id} {_how(one)}" for one in news) or text.partition("\n")[0].strip("[]")
        return Outcome(content=text_content(text), display=[Output(text=text)], summary=summary)


def _get(ledger: Ledger, run: str) -> Any:
    try:
        return ledger.get(run)
    except LedgerError:
        return None


def _how(news: Happened) -> str:
    if news.run.status not in GOING or not news.alerts:
        return news.run.standing
    return news.alerts[-1].kind
