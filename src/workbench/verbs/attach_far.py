"""`mlwb attach ssh://HOST/ID`: a session that lives on another machine, drawn here."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from workbench.host.far import Far, FarError, Ssh, read
from workbench.protocol.visible import visible
from workbench.verbs.attach import needs_a_terminal
from workbench.verbs.workbench import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.host.client import Client
    from workbench.protocol.commands import AnnotateRun, StopRuns
    from workbench.protocol.queries import AnyPage, AnyQuery
    from workbench.protocol.wire import Live
    from workbench.tui.opening import (
        AgentRow,
        Asking,
        AuditRows,
        Choosing,
        FindingRow,
        ModelRow,
        NeighbourRow,
        SessionRow,
        StandingRow,
        TurnRow,
    )
    from workbench.tui.tour import Tour

_PACE = 0.1  # seconds, in which the screen shows what came meanwhile smoothly enough


def attach(url: str, role: str, remote: str, theme: str | None) -> int:
    """Joins the session at URL; returns the exit status."""
    link = None
    try:
        link = Ssh(read(url), remote=remote)
        if status := needs_a_terminal():
            return status
        link.begin()
    except FarError as error:
        print(f"mlwb: {visible(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if link is not None:
            link.hang_up()
        raise
    return show(FarOpening(link.far, link, role), theme)


class FarOpening:
    """Joins the session at the other end of LINK. What is asked beside that session is asked where it lives."""

    _branch: str | None = None

    def __init__(self, far: Far, link: Ssh, role: str) -> None:
        from workbench.session.identity import user_name

        self._far, self._link, self._role = far, link, role
        self.far = far.host
        self.agent, self.workspace, self.user = "", Path.cwd(), user_name()
        self.tour: Tour | None = None
        self.asking: Asking | None = None
        self.choosing: Choosing | None = None
        self._session = far.session

    def way_back(self, session: str) -> str:
        """The command that comes back to SESSION."""
        return f"mlwb attach {self._far.url(session)}"

    def branch(self) -> str | None:
        """That of the far workspace, as the session's state tells it."""
        return self._branch

    # --- sessions ------------------------------------------------------------------------------------------

    async def open(self, agent: str | None = None, model: str | None = None) -> "Client":
        """The session there. Raises NotOpenedError."""
        from workbench import __version__
        from workbench.host.client import seat
        from workbench.host.remote import NotAttachedError, RemoteClient
        from workbench.protocol import wire
        from workbench.tui.opening import NotOpenedError

        if agent or model:
            self._not_here("a new session is begun there")
        hello = wire.Hello(role=self._role, program=__version__, place=seat() or "afar", pace=_PACE)
        client = RemoteClient(self._link.dial, lambda: hello, None, self._link.hang_up, far=True, choose=self._chosen)
        try:
            await client.begin()
        except NotAttachedError as error:
            raise NotOpenedError("error_usage", f"The session on {self.far} cannot be joined: {error}") from None
        self._session, self.workspace = client.session, Path(client.state.workspace or "/")
        self._branch = client.state.branch
        return client

    async def _chosen(self, sessions: "Sequence[Live]") -> str:
        from workbench.host.remote import NotAttachedError

        chosen = await self.choosing(sessions) if self.choosing is not None else None
        if chosen is None:
            raise NotAttachedError("none of its sessions was chosen")
        return chosen

    async def resume(self, session: str) -> "Client":
        """Only the session that is open can be joined through this connection."""
        self._not_here(f"there `mlwb --resume {session}` goes on with that one")

    def _not_here(self, words: str) -> NoReturn:
        from workbench.tui.opening import NotOpenedError

        raise NotOpenedError("error_usage", f"This session lives on {self.far}; {words}.")

    # --- lists ---------------------------------------------------------------------------------------------

    async def sessions(self) -> "list[SessionRow]":
        """Those that are known here: none."""
        return []

    async def agents(self) -> "list[AgentRow]":
        """The agents of the far workspace are not known here."""
        self._not_here("there `mlwb agents list` tells its agents")

    async def models(self) -> "list[ModelRow]":
        """The models of the catalogue, which is the program's own."""
        import asyncio

        from workbench.tui.opening import ModelRow

        def listed() -> list[ModelRow]:
            from workbench.host import local

            names = ModelRow.__struct_fields__
            return [ModelRow(**{name: getattr(one, name) for name in names}) for one in local.list_models()]

        return await asyncio.to_thread(listed)

    async def neighbours(self, session: str) -> "list[NeighbourRow]":
        """Who else works in the far workspace is not known here."""
        return []

    async def runs(self, query: "AnyQuery") -> "AnyPage":
        """Runs are asked for through the session."""
        self._not_here("its runs are known once it is open")

    async def change_runs(self, command: "StopRuns | AnnotateRun") -> str:
        """Through the session, too."""
        self._not_here("its runs are changed once it is open")

    async def runs_since(self, after: float) -> tuple[str, ...]:
        """Nothing: the session itself tells of its runs."""
        return ()

    async def happened(self, session: str, after: float, until: float | None = None) -> tuple[str, ...]:
        """Nothing: the talk is here."""
        return ()

    # --- what is done where the session lives ----------------------------------------------------------------

    async def rename(self, session: str, title: str) -> None:
        """Of another session."""
        self._not_here("other sessions are renamed there")

    async def export(self, session: str, path: Path) -> None:
        """Blobs and journal lie there."""
        self._not_here(f"there `mlwb sessions export {session}` writes it down")

    async def remove(self, session: str) -> None:
        """Of another session."""
        self._not_here(f"there `mlwb sessions rm {session}` removes it")

    async def find(self, prefix: str) -> str:
        """Another session by its id."""
        if not self._session.startswith((prefix, f"s-{prefix}")):
            self._not_here(f"{prefix} is looked for there")
        return self._session

    async def turns(self, session: str) -> "list[TurnRow]":
        """The journal lies there."""
        self._not_here("it is forked there")

    async def fork(self, session: str, seq: int) -> str:
        """The journal lies there."""
        self._not_here("it is forked there")

    async def audit(self, session: str) -> "AuditRows":
        """The journal lies there."""
        self._not_here(f"there `mlwb sessions audit {session}` lists its calls")

    async def standing(self, workspace: str) -> "StandingRow":
        """Trust is kept there."""
        self._not_here("there `mlwb trust` tells and changes what it trusts")

    async def trust(self, workspace: str, digest: str) -> None:
        """Trust is kept there."""
        await self.standing(workspace)

    async def trust_later(self, workspace: str, digest: str) -> None:
        """Trust is kept there."""
        await self.standing(workspace)

    async def trust_no_longer(self, workspace: str) -> None:
        """Trust is kept there."""
        await self.standing(workspace)

    async def findings(self) -> "AsyncIterator[FindingRow]":
        """The doctor looks at the machine that it runs on."""
        from workbench.tui.opening import FindingRow

        yield FindingRow(name="machine", ok=None, detail=f"this session lives on {self.far}", fix="there: mlwb doctor")
