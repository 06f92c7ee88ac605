"""Runs that a killed host had begun and did not live to tell of: whoever takes the session up follows them.

A supervisor records its run itself, which may be some time after the host that asked for it is gone.
"""

import asyncio
from typing import TYPE_CHECKING

from workbench.protocol import events as e
from workbench.session import exp_calls

if TYPE_CHECKING:
    from workbench.experiments.ledger import Ledger
    from workbench.experiments.types import Run
    from workbench.session.core import Session

_EVERY_S, _TRIES = 0.5, 40
_NEWEST = 50  # runs that are looked at


def unfinished(held: dict[str, str], event: object) -> None:
    """Folds EVENT into HELD: the commands of calls that were let through and have no result of their own."""
    if isinstance(event, e.CallDecided) and event.verdict == "allow":
        held[event.call_id] = str(event.input.get("command", ""))
    elif isinstance(event, e.CallFinished) and event.status != "interrupted":
        held.pop(event.call_id, None)


async def adopt(session: "Session") -> None:
    """Links the runs of calls that were under way when the session broke off."""
    calls = session.broken_calls
    if not calls:
        return
    from workbench.experiments.ledger import ledger_for

    ledger, seen = ledger_for(session.context.workspace), set(session.state.runs)
    for _ in range(_TRIES):
        for run in await asyncio.to_thread(_of, ledger, seen):
            if run.session == session.id and run.call_id in calls and run.id not in session.state.runs:
                awaited = exp_calls.awaits(calls[run.call_id])
                session.emit(e.RunLinked(run=run.id, call_id=run.call_id, awaited=awaited))
        await asyncio.sleep(_EVERY_S)


def _of(ledger: "Ledger", seen: set[str]) -> "list[Run]":
    """The newest runs that are not in SEEN; they are from now on."""
    from workbench.experiments.ledger import LedgerError

    found = []
    for name in ledger.ids()[-_NEWEST:]:
        if name not in seen:
            try:
                found.append(ledger.get(name))
            except LedgerError:  # its record is yet to be written
                continue
            seen.add(name)
    return found
