"""A session played from its journal: a client as any other, whose host is the past. It takes no commands."""

import asyncio
import bisect
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

from workbench.host.replay_journal import Edits, Marks, UpTo
from workbench.protocol import queries as q
from workbench.protocol.commands import Ack, AnyCommand
from workbench.protocol.events import AnswerCompleted, Envelope, TextDelta, ThinkingDelta
from workbench.protocol.fold import apply
from workbench.protocol.state import SessionState
from workbench.session.blobs import Blobs
from workbench.session.journal import Reader
from workbench.session.pages import Pages
from workbench.session.run_pages import RunPages

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
REFUSED = "a replay takes no commands"
LONGEST = 1.0  # seconds that a wait of the session is played as, at most
_CHARACTERS = 600.0  # a second, at which an answer is written again
_WRITING = 3.0  # seconds that the longest answer takes
_PIECE = 0.04  # seconds between two pieces of it
_LEAST = 0.004  # seconds that are worth waiting for


class Place(NamedTuple):
    """Where a replay is: turn of turns, seconds of the session's own time of all there are."""

    turn: int
    turns: int
    at: float
    length: float
    speed: float
    paused: bool
    ended: bool


class ReplayClient:
    """Plays the session in FOLDER, up to now where it is live. Raises JournalError.

    `renewed` counts how often `state` became another than what was sent led to; `on_line` is called then.
    """

    outlives = True  # leaving ends nothing
    attended = owner = False
    role, user = "viewer", ""
    ended = why = trouble = ""
    lost_since: float | None = None
    waiting = 0

    def __init__(self, folder: Path, speed: float = 1.0) -> None:
        self.folder = folder
        self._all = Reader(folder)  # what is played; pages are answered from what was played so far
        self._journal = UpTo(folder)
        self.session, self.last = self._all.session, self._all.seq
        self.state = SessionState()
        first, end = self._line(1), self._line(self.last)
        apply(self.state, first)
        self._began, self.length = first.at, max(0.0, end.at - first.at)
        self._turns = list(self._all.find("request_started"))
        self._marks = Marks(folder, self.last)
        self._edits = Edits(self._journal)
        self._blobs = Blobs(folder / "blobs")
        workspace = Path(self.state.workspace)
        self._runs = RunPages(workspace) if workspace.is_dir() else None
        self._pages = self._page_maker()
        self.speed, self.paused, self.renewed = min(max(speed, SPEEDS[0]), SPEEDS[-1]), False, 0
        self.on_line: Callable[[], None] = lambda: None
        self._goal: int | None = None  # the line to go to
        self._wake, self._closed = asyncio.Event(), False
        self._owed = 0.0  # seconds that are yet to be waited
        self._at = first.at

    def _line(self, seq: int) -> Envelope:
        return next(self._all.read(seq - 1, seq))

    def _page_maker(self) -> Pages:
        self._journal.limit = self.state.seq
        return Pages(self._journal, self._blobs, None, self._runs)

    # --- where it is ---------------------------------------------------------------------------------------

    @property
    def place(self) -> Place:
        """Where it is now, or where it goes."""
        seq = self.state.seq if self._goal is None else self._goal
        turn = bisect.bisect_right(self._turns, seq)
        at = min(self.length, max(0.0, self.state.updated - self._began))
        return Place(turn, len(self._turns), at, self.length, self.speed, self.paused, seq >= self.last)

    def pause(self) -> None:
        """Stops, or goes on; from the end it begins anew."""
        if self.place.ended:
            self.paused = False
            self.go_to(1)
        else:
            self.paused = not self.paused
        self._wake.set()

    def faster(self, by: int) -> None:
        """The next speed up (BY 1) or down (-1)."""
        nearest = min(range(len(SPEEDS)), key=lambda place: abs(SPEEDS[place] - self.speed))
        self.speed = SPEEDS[min(len(SPEEDS) - 1, max(0, nearest + by))]
        self._owed = 0.0
        self._wake.set()

    def step(self, by: int) -> None:
        """To where the turn begins that is BY turns further; before the first one is the beginning."""
        turn = self.place.turn + by
        if turn > len(self._turns):
            self.go_to(self.last)
        else:
            self.go_to(self._turns[turn - 1] if turn > 0 else 1)

    def go_to(self, seq: int) -> None:
        """To line SEQ."""
        self._goal = min(self.last, max(1, seq))
        self._wake.set()

    def to_turn(self, turn: int) -> None:
        """To where TURN begins, by its place among the turns of the journal."""
        self.go_to(self._turns[min(turn, len(self._turns)) - 1] if self._turns and turn > 0 else 1)

    # --- what it plays -------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Envelope]:
        """Envelopes in their own time, deltas made for the answers among them, until `close`."""
        while not self._closed:
            if self._goal is not None:
                await self._jump()
            elif self.state.seq >= self.last:
                await self._woken()
            else:
                async for envelope in self._played():
                    yield envelope

    async def _played(self) -> AsyncIterator[Envelope]:
        """What follows, until something else is asked for."""
        for envelope in self._all.read(self.state.seq, self.last):
            gap = min(LONGEST, max(0.0, envelope.at - self._at))
            if isinstance(envelope.event, AnswerCompleted):
                async for delta in self._written(envelope, envelope.event, gap):
                    yield delta
            else:
                await self._wait(gap)
            if await self._left():
                return
            self._at = envelope.at
            apply(self.state, envelope)
            self._journal.limit = self.state.seq
            yield envelope

    async def _written(self, envelope: Envelope, event: AnswerCompleted, gap: float) -> AsyncIterator[Envelope]:
        """The answer as it was written, in pieces."""
        texts = [
            (place, kind, str(block.get("thinking" if kind == "thinking" else "text") or ""))
            for place, block in enumerate(event.content)
            if (kind := block.get("type")) in ("text", "thinking")
        ] or [(0, "text", event.text)]
        size = sum(len(words) for _, _, words in texts)
        seconds = min(_WRITING, size / _CHARACTERS)
        await self._wait(max(0.0, gap - seconds))
        for place, kind, words in texts:
            make = ThinkingDelta if kind == "thinking" else TextDelta
            begun = 0
            while begun < len(words):
                if await self._left():
                    return
                step = max(8, int(_PIECE * self.speed * max(_CHARACTERS, size / _WRITING)))
                piece = words[begun : begun + step]
                begun += step
                yield Envelope(
                    seq=0, session=self.session, at=envelope.at, event=make(turn=event.turn, index=place, text=piece)
                )
                await self._wait(seconds * len(piece) / size)

    async def _wait(self, seconds: float) -> None:
        """SECONDS of the session's time at the speed that is set; less where something is asked for."""
        self._owed += seconds / self.speed
        if self._owed < _LEAST:
            return
        began = time.monotonic()
        await self._woken(self._owed)
        self._owed = max(-LONGEST, self._owed - (time.monotonic() - began))

    async def _left(self) -> bool:
        """Whether it is to go on elsewhere; not before a pause is over."""
        while self.paused and self._goal is None and not self._closed:
            await self._woken()
        return self._closed or self._goal is not None

    async def _woken(self, most: float | None = None) -> None:
        """Returns when something is asked for, after MOST seconds at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most):
                await self._wake.wait()
        self._wake.clear()

    async def _jump(self) -> None:
        """Goes to the goal, the newest one where another is set meanwhile."""
        while (goal := self._goal) is not None and not self._closed:
            state = await asyncio.to_thread(self._state_at, goal)
            if goal == self._goal:
                self._goal = None
                self.state, self._at, self._owed = state, state.updated, 0.0
                self._pages = self._page_maker()
                self.renewed += 1
                self.on_line()

    def _state_at(self, seq: int) -> SessionState:
        state = self._marks.before(seq)
        for envelope in self._all.read(state.seq, seq):
            apply(state, envelope)
        return state

    # --- as any client -------------------------------------------------------------------------------------

    async def send(self, command: AnyCommand) -> Ack:
        """Refuses COMMAND."""
        return Ack(id=command.id, ok=False, error=REFUSED)

    async def query(self, query: q.AnyQuery) -> q.AnyPage:
        """A page of what the journal holds up to here; of runs what the ledger has, where the workspace is here."""
        if isinstance(query, q.ChangedFiles):
            return await asyncio.to_thread(self._edits.changed, query.since)
        if isinstance(query, q.DiffPage):
            return await asyncio.to_thread(self._edits.diff, query)
        if isinstance(query, q.InForce):
            return q.Holding(sandbox=self.state.sandbox or "")
        if isinstance(query, q.ListRuns):
            return await self._listed()
        if self._runs is None and (empty := _NOTHING.get(type(query))):
            return empty
        return await self._pages.answer(query)

    async def _listed(self) -> q.Runs:
        """The runs of this session that there were by now. A run's numbers are those of today."""
        if self._runs is None:
            return q.Runs(notes=(f"the runs are not known: {self.state.workspace} is not on this machine",))
        page = await self._runs.answer(q.ListRuns())
        assert isinstance(page, q.Runs)
        rows = tuple(row for row in page.rows if row.session == self.session and row.created <= self.state.updated + 1)
        return q.Runs(rows=rows, notes=page.notes)

    async def close(self) -> None:
        """Ends the play."""
        self._closed = True
        self._wake.set()
        await asyncio.to_thread(self._marks.close)
        self._journal.close()
        self._all.close()


_NOTHING: dict[type, q.AnyPage] = {
    q.SeriesPage: q.Series(points=()),
    q.RunLogPage: q.RunLog(),
    q.RunChangesPage: q.RunChanges(),
}
