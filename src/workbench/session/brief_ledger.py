"""What the ledger says now of a session's runs: no part of its journal, and marked as such wherever it is shown."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from workbench.session.brief_types import Brief


def add(told: Brief) -> None:
    """Puts the newest numbers of TOLD's runs beside them, where its workspace is here."""
    if not told.runs or not told.workspace:
        return
    found = numbers(Path(told.workspace), told.session, (run.run for run in told.runs))
    for run in told.runs:
        run.ledger = found.get(run.run, "")


def numbers(workspace: Path, session: str, runs: Iterable[str]) -> dict[str, str]:
    """Run -> how it stands now and its most telling metric; runs of other sessions, of the same name, are none."""
    from workbench.experiments.compare import telling
    from workbench.experiments.ledger import LedgerError, ledger_for
    from workbench.session.runs_words import number

    found: dict[str, str] = {}
    if not workspace.is_dir():
        return found
    ledger = ledger_for(workspace)
    for name in runs:
        with contextlib.suppress(LedgerError):
            run = ledger.get(name)
            if run.session != session:
                continue
            key = min(run.metrics, key=telling, default=None)
            value = f", {key} {number(run.metrics[key].last)}" if key is not None else ""
            found[name] = f"{run.status}{value}"
    return found
