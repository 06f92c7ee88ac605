"""Answers to queries for runs, from the ledger of a workspace: with a session, and where there is none.

Each answer is made in a thread, from what is kept of the last one, so that asking once a second costs little.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from workbench.protocol import queries as q

if TYPE_CHECKING:
    from workbench.session.run_changes import RunDifferences
    from workbench.session.run_log import RunLogs
    from workbench.session.run_series import RunCurves
    from workbench.session.run_table import RunTable

T = TypeVar("T")


class RunPages:
    """The runs of WORKSPACE. What is no query for runs raises NotImplementedError."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()  # of the four below, each of which has one of its own
        self._table: RunTable | None = None
        self._curves: RunCurves | None = None
        self._logs: RunLogs | None = None
        self._differences: RunDifferences | None = None

    async def answer(self, query: q.AnyQuery) -> q.AnyPage:
        """The page that QUERY asks for; an empty one where there is none."""
        if isinstance(query, q.ListRuns):
            return await asyncio.to_thread(lambda: self.table.listed(query))
        if isinstance(query, q.SeriesPage):
            return await asyncio.to_thread(lambda: self.curves.page(query))
        if isinstance(query, q.RunLogPage):
            return await asyncio.to_thread(lambda: self.logs.page(query))
        if isinstance(query, q.RunChangesPage):
            return await asyncio.to_thread(lambda: self.differences.page(query))
        raise NotImplementedError(type(query).__name__)

    async def since(self, after: float) -> tuple[str, ...]:
        """In phrases, which runs ended after Unix time AFTER and what came of them, the most telling first."""
        from workbench.session.run_since import since

        return await asyncio.to_thread(lambda: since(self.table, self.differences, after))

    # Made in the thread that first needs them: what they import is no light matter.

    @property
    def table(self) -> "RunTable":
        """The records, as rows."""
        from workbench.session.run_table import RunTable

        return self._made("_table", lambda: RunTable(self._workspace))

    @property
    def curves(self) -> "RunCurves":
        """The series."""
        from workbench.session.run_series import RunCurves

        return self._made("_curves", lambda: RunCurves(self.table))

    @property
    def logs(self) -> "RunLogs":
        """What runs have printed."""
        from workbench.session.run_log import RunLogs

        return self._made("_logs", lambda: RunLogs(self.table))

    @property
    def differences(self) -> "RunDifferences":
        """What runs changed against others."""
        from workbench.session.run_changes import RunDifferences

        return self._made("_differences", lambda: RunDifferences(self.table, self.curves))

    def _made(self, name: str, make: Callable[[], T]) -> T:
        found: T | None = getattr(self, name)
        if found is None:
            made = make()
            with self._lock:
                found = getattr(self, name)
                if found is None:
                    setattr(self, name, made)
                    found = made
        return found
