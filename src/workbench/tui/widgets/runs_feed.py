"""Asks for the runs as often as someone needs to know of them, and for what is looked at of one."""

from collections.abc import Callable, Coroutine
from typing import Any

from textual.app import App
from textual.timer import Timer

from workbench.protocol.commands import Ack, AnnotateRun, StopRuns
from workbench.protocol.queries import AnyPage, AnyQuery, ListRuns, RunRow, Runs
from workbench.tui.opening import NotOpenedError, OpeningClient
from workbench.tui.widgets.runs_rows import ALIVE

LIVE_S, SEEN_S = 1.0, 2.0  # seconds between two looks while the pane is seen: while a run goes on, and else
HIDDEN_LIVE_S, HIDDEN_S = 5.0, 20.0  # for the strip alone


class NobodyError(Exception):
    """There is nobody to ask: no session, and an opener that knows of no runs."""


class Feed:
    """The runs that are known. SEEN: whether anyone looks; MOVING: whether anything goes on, runs or not.

    TOLD is called whenever a look has come back, with whether anything is other than before.
    """

    def __init__(self, seen: Callable[[], bool], moving: Callable[[], bool], told: Callable[[bool], None]) -> None:
        self._seen, self._moving, self._told = seen, moving, told
        self._app: App[Any] | None = None
        self._timer: Timer | None = None
        self._busy = self._again = self._ended = False
        self._stamp = ""
        self.rows: tuple[RunRow, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.trouble = ""  # why the runs cannot be told

    @property
    def known(self) -> dict[str, RunRow]:
        """The runs by id."""
        return {row.id: row for row in self.rows}

    @property
    def alive(self) -> bool:
        """Whether any goes on."""
        return any(row.status in ALIVE for row in self.rows)

    def begin(self, app: "App[Any]") -> None:
        """Looks from now on, for as long as APP goes on or until `end`."""
        if self._app is None and not self._ended:
            self._app = app
            self.look()

    def end(self) -> None:
        """Looks no more."""
        self._ended = True
        if self._timer is not None:
            self._timer.stop()
        self._app = self._timer = None

    def forget(self) -> None:
        """Another session: another ledger, maybe."""
        self._stamp, self.rows, self.notes = "", (), ()

    async def ask(self, query: AnyQuery) -> AnyPage:
        """The answer of the session, or, without one, of the ledger itself. Raises NobodyError, and what they raise."""
        app: Any = self._app
        client = getattr(app, "client", None)
        if client is not None and not isinstance(client, OpeningClient):
            page: AnyPage = await client.query(query)
            return page
        asked = getattr(getattr(app, "opener", None), "runs", None)
        if asked is None:
            raise NobodyError
        told: AnyPage = await asked(query)
        return told

    async def act(self, command: StopRuns | AnnotateRun) -> str:
        """Has COMMAND carried out where the runs are; empty, or why not. Raises NobodyError, and what they raise."""
        app: Any = self._app
        client = getattr(app, "client", None)
        if client is not None and not isinstance(client, OpeningClient):
            ack: Ack = await client.send(command)
            return ack.error
        changes = getattr(getattr(app, "opener", None), "change_runs", None)
        if changes is None:
            raise NobodyError
        error: str = await changes(command)
        return error

    def look(self) -> None:
        """Asks now, or as soon as what was asked last is answered."""
        self._again = self._busy
        if self._app is not None and not self._busy:
            self._busy = True
            self.run(self._look())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """WORK in the app, which lives on while the pane is put away."""
        if self._app is None:
            work.close()
        else:
            self._app.run_worker(work, group="runs", exit_on_error=False)

    async def _look(self) -> None:
        changed = False
        try:
            page = await self.ask(ListRuns(stamp=self._stamp))
            if isinstance(page, Runs):
                changed = not page.same or bool(self.trouble)
                self.trouble = ""
                if not page.same:
                    self.rows, self.notes, self._stamp = page.rows, page.notes, page.stamp
        except (NobodyError, NotOpenedError, NotImplementedError):
            pass
        except Exception as error:
            said = f"the runs cannot be read: {error}"
            changed, self.trouble = said != self.trouble, said
        finally:
            self._busy = False
        if self._app is None or not self._app.is_running:
            return
        self._told(changed)
        if self._again:
            self.look()
        else:
            self.pace()

    def pace(self) -> None:
        """The next look, sooner where someone looks and something goes on."""
        if self._app is None or self._busy:
            return
        if self._timer is not None:
            self._timer.stop()
        pauses = (LIVE_S, SEEN_S) if self._seen() else (HIDDEN_LIVE_S, HIDDEN_S)
        self._timer = self._app.set_timer(pauses[0] if self._moving() else pauses[1], self.look)
