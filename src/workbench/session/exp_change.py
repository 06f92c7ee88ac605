"""`mlwb exp stop` and `note` of the agent: of the runs that its own session began."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from workbench.experiments.launch.types import LaunchError
from workbench.experiments.ledger import Ledger, LedgerError, ledger_for
from workbench.experiments.types import Run
from workbench.permissions.types import Need
from workbench.protocol.blocks import Output
from workbench.protocol.events import RunsTold
from workbench.session.core import Session
from workbench.session.exp_carried import Carried
from workbench.session.runs_words import GOING, Happened
from workbench.tools.base import Context, Outcome, Tool, ToolError, text_content


class Change(Carried):
    """`mlwb exp stop RUN…` and `mlwb exp note RUN TEXT…`, of runs that the session itself began."""

    def __init__(self, session: Session, tool: Tool, words: list[str]) -> None:
        super().__init__(session, tool)
        self._verb, self._words = words[0], words[1:]
        self._stopped: list[Happened] = []

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Nothing beyond what the session began."""
        return ()

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Carries it out."""
        ledger = ledger_for(context.workspace)
        try:
            said = await asyncio.to_thread(self._stop if self._verb == "stop" else self._note, ledger)
        except (LedgerError, LaunchError) as error:
            raise ToolError(str(error)) from None
        if self._stopped:
            self._session.emit(RunsTold(runs=tuple(one.heard for one in self._stopped), call_id=call_id))
        return Outcome(content=text_content(said), display=[Output(text=said)], summary=said.partition("\n")[0])

    def _own(self, ledger: Ledger, run: str) -> Run:
        record = ledger.get(run)
        if record.session != self._session.id:
            raise ToolError(f"{run} was not begun by this session; a person can {self._verb} it.")
        return record

    def _stop(self, ledger: Ledger) -> str:
        from workbench.experiments.launch.alive import truly
        from workbench.experiments.launch.local import Local

        engine = Local(ledger, forks=False)
        now = "--now" in self._words
        runs = [word for word in self._words if not word.startswith("-")]
        for run in runs:
            self._own(ledger, run)
            engine.cancel(run, "stopped by the agent", now)
        until = time.monotonic() + 20.0
        while any(engine.state(run).status in ("queued", "running") for run in runs) and time.monotonic() < until:
            time.sleep(0.05)
        self._stopped = [Happened(run=truly(ledger, ledger.get(run)), ended=True) for run in runs]
        self._stopped = [one for one in self._stopped if one.run.status not in GOING]
        return "\n".join(f"{run} {truly(ledger, ledger.get(run)).status}" for run in runs) or "There is no run to stop."

    def _note(self, ledger: Ledger) -> str:
        if len(self._words) < 2:
            raise ToolError("mlwb exp note RUN TEXT")
        run, text = self._words[0], " ".join(self._words[1:])
        self._own(ledger, run)
        ledger.update(run, lambda old: msgspec.structs.replace(old, note=text))
        return f"{run}: noted"
