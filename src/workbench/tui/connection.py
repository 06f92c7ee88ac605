"""How the connection to a session's host stands: told in the footer, quietly; which session, where several are live."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.timer import Timer

from workbench.protocol.words import counted
from workbench.tui.widgets.line import Part

if TYPE_CHECKING:
    from workbench.host.client import Client
    from workbench.protocol.wire import Live
    from workbench.tui.app import WorkbenchApp
    from workbench.tui.presenter import Presenter


class Connection:
    """Looks after CLIENT's connection while PRESENTER shows its session. One in this process has none."""

    def __init__(self, app: "WorkbenchApp", client: "Client", presenter: "Presenter") -> None:
        self._app, self._client, self._presenter = app, client, presenter
        self._timer: Timer | None = None
        self._renewed = getattr(client, "renewed", 0)
        if hasattr(client, "on_line"):
            client.on_line = self.changed

    def changed(self) -> None:
        """The connection was lost, or is back, or the client has ended."""
        client: Any = self._client
        if self._app.client is not self._client:
            return
        if client.renewed != self._renewed:
            self._renewed = client.renewed
            self._presenter.renew()
        lost = client.lost_since is not None and not client.ended
        if lost and self._timer is None:
            self._timer = self._app.set_interval(1.0, self._tell)
        elif not lost:
            self._stop()
        self._tell()

    def _tell(self) -> None:
        if self._app.client is not self._client:  # left while it was lost: the footer is another session's
            self._stop()
            return
        lost = self._timer is not None
        self._app.main.footer.lost = words(self._client, time.monotonic()) if lost else ""
        self._app.main.chrome()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None


def words(client: Any, now: float) -> str:
    """That CLIENT's connection is lost, since when, why, and what waits for it."""
    seconds = int(now - client.lost_since) if client.lost_since is not None else 0
    since = f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"
    why = f": {client.trouble}" if client.trouble and seconds >= 3 else ""
    waits = f"; {counted(client.waiting, 'command')} waiting" if client.waiting else ""
    return f"connection lost {since} ago, trying again{waits}{why}"


def parted(client: "Client", key: str, far: str = "") -> str:
    """Why CLIENT gets nothing more, and how to go on; empty where the session itself says that it has ended.

    KEY lists the sessions here; one that lives on the machine FAR is taken up there.
    """
    why, session = getattr(client, "why", ""), client.session
    if client.state.phase == "ended" or getattr(client, "ended", "") in ("left", "ended"):
        return ""
    on = f"on {far} `mlwb --resume {session}`" if far else f"{key} or `mlwb --resume {session}`"
    if not getattr(client, "owner", True):  # a guest takes nothing up
        return str(why)
    return f"{why or 'the host has let go of this screen'}; {on} takes it up again"


def watching(client: "Client | None") -> list[Part]:
    """That CLIENT's session is a headless run; empty where a person steers it, or it is over."""
    if client is None or getattr(client, "attended", True) or client.state.phase == "ended":
        return []
    words = "a headless run: you watch it; "
    return [Part("● ", "$agent"), Part(words), Part("esc", "$agent bold"), Part(" stops it   ")]


async def choose(app: "WorkbenchApp", sessions: "Sequence[Live]") -> str | None:
    """The one of SESSIONS that a person chooses; with none of them the workbench is left."""
    from workbench.tui.screens.chooser import Chooser, Row
    from workbench.tui.screens.sessions import ago, entitled
    from workbench.tui.widgets.header import home

    now = time.time()
    rows = [
        Row(
            id=one.id,
            key=f"● {ago(now - one.updated):>6}",
            label=entitled(one.title, one.turns),
            note=f"{one.id}  {counted(one.turns, 'turn')}  {one.agent}  {home(one.workspace)}",
        )
        for one in sessions
    ]
    chosen: str | None = await app.push_screen_wait(Chooser(rows, "attach to which live session"))
    if chosen is None:  # nothing else was asked for
        app.exit(0)
    return chosen
