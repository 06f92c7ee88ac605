"""What no session says of itself: what happened since the person last looked, and who else works in this folder."""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.protocol import events as e
from workbench.protocol.queries import Brief
from workbench.tui import alarms, doing_brief, prefs
from workbench.tui.connection import watching
from workbench.tui.opening import NeighbourRow, SessionRow
from workbench.tui.widgets.line import Part

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

_DAY = 86_400.0
_BOUNDARY = "error_system_boundary"


class Surroundings:
    """Looks beyond one session, while the screen goes on. Nothing is scheduled: it looks when something happened."""

    def __init__(self, app: "WorkbenchApp") -> None:
        self.app = app
        self.neighbours: list[NeighbourRow] = []
        self._looking = self._again = False
        self._edits: dict[str, float] = {}  # files that this session edited, whose neighbours are yet to be asked
        self._own: dict[str, float] = {}  # file -> when this session changed it before
        self._told: set[tuple[str, str, float]] = set()

    async def opened(self, began: float) -> None:
        """One line on what happened here; the session was opened at Unix time BEGAN."""
        app = self.app
        if app.opener.tour is not None:
            app.opener.tour.begin(app)
            return
        session = app.client.session if app.client else ""
        # One that was begun where nobody looked is told from its beginning; not one whose first turn begins meanwhile.
        begun = app.state.started if app.state.turns else None
        sessions = await app.opener.sessions()
        await self.look()
        looked = prefs.looked()
        parts = [*watching(app.client), *neighbouring(self.neighbours), *await self._runs(sessions, looked)]
        absent = looked.get(session, begun)
        told = await self._happened(session, absent, began) if absent is not None else None
        if told and told.phrases and session in looked:
            parts += since(looked[session], told.phrases, time.time())
        elif not app.state.turns:
            parts += await self._before(sessions, session, looked)
        app.main.recall(parts)
        self.boundary()
        if told and absent is not None and (told.phrases or session not in looked):
            doing_brief.after_absence(app, told, began - absent)

    async def _happened(self, session: str, absent: float, began: float) -> Brief | None:
        """What happened while the person was ABSENT; None where it is not known, or another session is open by now."""
        try:
            told = await doing_brief.asked(self.app, absent, began)
        except doing_brief.NotToldError:  # the talk tells it all the same
            return None
        return told if self.app.state.session == session else None

    async def alone(self) -> None:
        """One line on what runs came to, where there is no session."""
        self.app.main.recall(await self._runs(await self.app.opener.sessions(), prefs.looked()))

    async def _runs(self, sessions: list[SessionRow], looked: dict[str, float]) -> list[Part]:
        """What runs of this folder came to since the person was here last; nothing where that is not known."""
        here = str(self.app.opener.workspace)
        moments = [looked.get(here, 0.0), *(looked.get(one.id, 0.0) for one in sessions if one.workspace == here)]
        return ended(await self.app.opener.runs_since(max(moments))) if any(moments) else []

    async def _before(self, sessions: list[SessionRow], here: str, looked: dict[str, float]) -> list[Part]:
        """What the session that was last at work in this folder came to."""
        from workbench.tui.screens.sessions import recalled

        live = {one.id for one in self.neighbours if not one.rests}
        workspace = str(self.app.opener.workspace)
        near = [one for one in sessions if one.workspace == workspace and one.id not in (here, *live) and one.turns]
        if not near:
            return []
        last = max(near, key=lambda one: one.updated or one.started)
        phrases: tuple[str, ...] = ()
        if last.updated > looked.get(last.id, last.updated):
            phrases = await self.app.opener.happened(last.id, looked[last.id])
        told = since(looked[last.id], phrases, time.time()) if phrases else []
        return [*recalled(last, time.time()), *([Part("  ")] if told else []), *told]

    def given(self, news: Sequence[e.Envelope]) -> None:
        """Looks who else is here where NEWS give reason to; what the watch has found is shown."""
        alarms.given(self.app, news)
        if self.app.opener.tour is not None:
            self.app.opener.tour.given(self.app, news)
            return
        wanted = False
        for envelope in news:
            event = envelope.event
            if isinstance(event, e.CallFinished) and event.changed:
                self._edits.update({self._whole(path): envelope.at for path in event.changed})
                wanted = True
            elif isinstance(event, e.PromptSubmitted | e.SessionEnded):
                wanted = True
        if wanted:
            self.boundary()
            self.app.beside(self.look, "around")

    def _whole(self, path: str) -> str:
        return os.path.normpath(f"{self.app.state.workspace}/{path}" if not path.startswith("/") else path)

    async def look(self) -> None:
        """Who is live in this folder now, and whether they changed what this session edited."""
        if self._looking:
            self._again = True
            return
        self._looking = True
        try:
            self._again = True
            while self._again:
                self._again = False
                session = self.app.client.session if self.app.client else ""
                self.neighbours = await self.app.opener.neighbours(session)
        finally:
            self._looking = False
        others = sum(not one.rests for one in self.neighbours)
        if self.app.facts.others != others:
            self.app.facts = self.app.facts._replace(others=others)
            self.app.main.chrome()
        self._judge()

    def _judge(self) -> None:
        edits, self._edits = self._edits, {}
        for path, at in edits.items():
            before = self._own.get(path, self.app.state.resumed_at)
            for one in self.neighbours:
                other = one.changed.get(path, 0.0)
                if before < other and (one.id, path, other) not in self._told:
                    self._told.add((one.id, path, other))
                    name = os.path.relpath(path, self.app.state.workspace)
                    self.app.tell(
                        f"{name} was edited here, and {one.id} ({one.agent}) changed it at {clock(other, at)}: "
                        "look at the diff before you go on",
                        "warning",
                    )
            self._own[path] = at

    def boundary(self) -> None:
        """Where the session stopped at the system boundary: the way on, with its key."""
        if self.app.state.end == _BOUNDARY:
            key = self.app.keymap.label("fork_before") or "/fork"
            words = "it ended at the system boundary"
            self.app.main.recall(
                [Part("● ", "$warning"), Part(f"{words}   ", "$muted"), Part(key, "$agent bold", "fork_before"),
                 Part(" forks it from before that", "$foreground", "fork_before")]
            )  # fmt: skip


def neighbouring(rows: Sequence[NeighbourRow]) -> list[Part]:
    """Who else is at work here; not one that only waits for somebody to come back."""
    rows = [one for one in rows if not one.rests]
    if not rows:
        return []
    first = rows[0]
    who = f"{first.id} ({first.agent})" + (f" and {len(rows) - 1} more" if len(rows) > 1 else "")
    verb = "is" if len(rows) == 1 else "are"
    title = f": {first.title}" if first.title and len(rows) == 1 else ""
    return [
        Part("● ", "$warning", "sessions"),
        Part(f"{who} {verb} at work in this folder too{title}   ", "", "sessions"),
    ]


def ended(phrases: Sequence[str]) -> list[Part]:
    """Runs that ended; a click goes to the one that is told, another to all."""
    if not phrases:
        return []
    first, *more = phrases
    told = [Part("● ", "$agent"), Part(first, "", f"open_reference {first.partition(' ')[0]}")]
    return [*told, *(Part(f", {one}", "$muted", "runs") for one in more), Part("   ")]


def since(looked: float, phrases: Sequence[str], now: float) -> list[Part]:
    """What happened since the person last looked."""
    return [Part(f"since {clock(looked, now)}: ", "$muted-2"), Part(", ".join(phrases), "$muted")]


def clock(at: float, now: float) -> str:
    """AT as a person says it: the time of a day under a day ago, else with the date."""
    form = "%H:%M" if now - at < _DAY else "%Y-%m-%d %H:%M"
    return time.strftime(form, time.localtime(at))
