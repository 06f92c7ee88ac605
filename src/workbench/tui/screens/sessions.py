"""The sessions of this user: find one, take it up, give it a name, write it down, delete it."""

import time
from collections.abc import Callable
from pathlib import Path

from textual import work

from workbench.tui.opening import NotOpenedError, Opener, SessionRow
from workbench.tui.screens.ask import Ask, Confirm
from workbench.tui.screens.chooser import Chooser, Row
from workbench.tui.widgets.header import home, pad, short_model, shortened
from workbench.tui.widgets.line import Part

_SIGNS = {"live": "●", "resumable": "○", "done": "✓"}


class Sessions(Chooser):
    """Gives the id of the session to take up. `renamed` is called where the open session gets another title."""

    TITLE_LINE = "sessions"
    HINT = "enter resumes   / search   r rename   e export   d delete   esc closes"
    SEARCH_FIRST = False
    NONE_LEFT = "no session yet, or none with these words"

    def __init__(self, sessions: list[SessionRow], opener: Opener, here: str, rename: Callable[[str], None]) -> None:
        self._opener, self._here, self._rename = opener, here, rename
        self._sessions = {one.id: one for one in sessions}
        super().__init__(listed(sessions, time.time()), chosen=here)

    def letter(self, key: str) -> None:
        """The list's own letters."""
        does = {"r": self._give_name, "e": self._write_down, "d": self._delete}.get(key)
        if does is not None and self.current is not None:
            does(self._sessions[self.current])

    def choose(self, row: str) -> None:
        """A session that is open elsewhere cannot be taken up twice."""
        if self._sessions[row].state == "live" and row != self._here:
            self.notify(f"{row} is open in another terminal; stop it there first", severity="warning", markup=False)
        else:
            self.dismiss(row)

    @work(exit_on_error=False)
    async def _give_name(self, one: SessionRow) -> None:
        title = await self.app.push_screen_wait(Ask("rename", value=one.title))
        if not title:
            return
        if one.id == self._here:
            self._rename(title)
        elif not await self._tried(self._opener.rename(one.id, title)):
            return
        one = SessionRow(**{**{field: getattr(one, field) for field in one.__struct_fields__}, "title": title})
        self._sessions[one.id] = one
        self._relist()

    @work(exit_on_error=False)
    async def _write_down(self, one: SessionRow) -> None:
        path = await self.app.push_screen_wait(Ask("export as Markdown", value=f"{one.id}.md"))
        if path:
            target = self._opener.workspace / Path(path).expanduser()
            if await self._tried(self._opener.export(one.id, target)):
                self.notify(f"written to {target}", markup=False)

    @work(exit_on_error=False)
    async def _delete(self, one: SessionRow) -> None:
        if one.state == "live":
            self.notify(f"{one.id} is live; stop it first", severity="warning", markup=False)
            return
        words = f"{one.id}  {one.title}\nIts journal, blobs and snapshots go; the workspace stays as it is."
        if await self.app.push_screen_wait(Confirm("delete this session?", words)) and await self._tried(
            self._opener.remove(one.id)
        ):
            del self._sessions[one.id]
            self._relist()

    async def _tried(self, asked: object) -> bool:
        try:
            await asked  # type: ignore[misc]
        except NotOpenedError as error:
            self.notify(error.message, severity="error", markup=False)
            return False
        return True

    def _relist(self) -> None:
        self.rows = listed(list(self._sessions.values()), time.time())
        self.fill()


def listed(sessions: list[SessionRow], now: float) -> list[Row]:
    """One row a session."""
    return [
        Row(
            id=one.id,
            key=f"{_SIGNS.get(one.state, ' ')} {pad(ago(now - (one.updated or one.started)), 8)}",
            label=one.title or "(no title)",
            note=_note(one),
            words=f"{one.id} {one.workspace} {one.model} {one.state}",
        )
        for one in sessions
    ]


def recalled(last: SessionRow, now: float) -> list[Part]:
    """One line on what the session that was LAST at work here came to."""
    end = {None: "was left", "success": "ended well"}.get(last.subtype, str(last.subtype).replace("_", " "))
    cost = "$?" if last.cost_usd is None else f"${last.cost_usd:.2f}"
    said = f"{last.title or last.id}: {end} {ago(now - (last.updated or last.started))} ago, {last.turns} turns, {cost}"
    return [Part("last here  ", "$muted-2"), Part(said, "$muted", f"sessions {last.id}"),
            Part(f"   {last.id}", "$muted-2", f"sessions {last.id}")]  # fmt: skip


def _note(one: SessionRow) -> str:
    cost = "$?" if one.cost_usd is None else f"${one.cost_usd:.2f}"
    where = shortened(home(one.workspace), 28)
    end = "" if one.subtype in (None, "success") else f"  {one.subtype}"
    return f"{one.agent} · {short_model(one.model)}  {one.turns} turns  {cost}  {where}  {one.id}{end}"


def ago(seconds: float) -> str:
    """SECONDS as `now`, `12 min`, `3 h`, `5 d`."""
    if seconds < 60:
        return "1 min"
    for size, unit in ((60, "min"), (3600, "h"), (86400, "d")):
        if seconds < size * {"min": 60, "h": 24, "d": 10_000}[unit]:
            return f"{int(seconds // size)} {unit}"
    return "long"
