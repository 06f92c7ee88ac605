"""What the workbench asks about safety: whether a workspace is trusted, each call of a session, what works here."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from workbench.tui.opening import Asking, AuditRows, FindingRow, StandingRow

T = TypeVar("T")


class Safety(ABC):
    """The part of an opener that answers this. What can block runs in a thread of its own."""

    asking: "Asking | None"  # asks a person; None: nobody is there
    recorded: bool  # a recording plays in a workspace of its own: nothing is asked

    @abstractmethod
    async def tried(self, work: Callable[[], T]) -> T:
        """WORK, beside the screen. Raises NotOpenedError for what it fails of."""

    async def settle(self, workspace: Path) -> None:
        """Has a person asked about WORKSPACE, where its files would widen: before a session has its rules."""
        if self.asking is None or self.recorded:
            return
        found = await asyncio.to_thread(_to_ask, workspace)
        if found is not None:
            await self.asking(found)

    async def standing(self, workspace: str) -> "StandingRow":
        """How WORKSPACE stands with the user."""
        return await self.tried(lambda: _row(_local().trust_standing(Path(workspace))))

    async def trust(self, workspace: str, digest: str) -> None:
        """Trusts WORKSPACE as it was shown."""
        await self.tried(lambda: _local().trust(Path(workspace), digest))

    async def trust_later(self, workspace: str, digest: str) -> None:
        """Asks nobody about this content of WORKSPACE for a day."""
        await self.tried(lambda: _local().trust_later(Path(workspace), digest))

    async def trust_no_longer(self, workspace: str) -> None:
        """Forgets that WORKSPACE is trusted."""
        await self.tried(lambda: _local().trust_no_longer(Path(workspace)))

    async def audit(self, session: str) -> "AuditRows":
        """Each call of SESSION."""
        return await self.tried(lambda: _audit(session))

    async def findings(self) -> "AsyncIterator[FindingRow]":
        """What the doctor finds, each as soon as it was looked at."""
        from workbench.tui.opening import FindingRow
        from workbench.verbs.doctor import looked
        from workbench.verbs.doctor_checks import all_checks

        for check in all_checks():
            for one in await asyncio.to_thread(partial(looked, check)):
                yield FindingRow(name=one.name, ok=one.ok, detail=one.detail, fix=one.fix)


def workspace_of(session: str) -> Path | None:
    """The workspace of SESSION; None where there is no such session, which its resume will tell. Blocks."""
    from workbench.session import store

    try:
        named = store.summary(store.find(session)).workspace
    except (store.StoreError, OSError):
        return None
    return Path(named) if named else None


def _local() -> Any:
    from workbench.host import local

    return local


def _to_ask(workspace: Path) -> "StandingRow | None":
    """How WORKSPACE stands, where a person is to be asked; None also for settings that the session's start refuses."""
    local = _local()
    try:
        found = local.trust_standing(workspace)
    except local.StartError:
        return None
    return _row(found) if local.trust_is_asked(found) else None


def _row(found: Any) -> "StandingRow":
    from workbench.tui.opening import StandingRow

    return StandingRow(**{name: getattr(found, name) for name in StandingRow.__struct_fields__})


def _audit(session: str) -> "AuditRows":
    from workbench.session import store
    from workbench.session.audit import audit
    from workbench.tui.opening import AuditRows, CallRow

    found = audit(store.find(session))
    calls = tuple(CallRow(**{name: getattr(one, name) for name in CallRow.__struct_fields__}) for one in found.calls)
    return AuditRows(calls=calls, remarks=tuple(found.remarks), damaged=tuple(found.damaged))
