"""The sessions of this user: find one, take it up, give it a name, write it down, delete it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from textual import work

from workbench.protocol.words import counted
from workbench.tui.opening import Opener, SessionRow, TurnRow
from workbench.tui.safe import safe
from workbench.tui.screens.ask import Ask, Confirm
from workbench.tui.screens.chooser import Chooser, Row
from workbench.tui.widgets.header import home, short_model, shortened
from workbench.tui.widgets.line import Part

BOUNDARY = "error_system_boundary"
_SIGNS = {"live": "●", "resumable": "○", "done": "✓"}


class Sessions(Chooser):
    """Gives the id of the session to take up. `rename` is called where the open session gets another title, `fork`
    with a session and the prompt before which it is to be forked."""

    DEFAULT_CSS = """
    Sessions > Vertical, Turns > Vertical { width: 96%; max-width: 128; }
    """
    TITLE_LINE = "sessions   ● live   ○ can go on   ✓ done"
    HINT = "enter opens  / search  f fork  r rename  e export  d delete  esc"
    SEARCH_FIRST = False
    NONE_LEFT = "no session yet, or none with these words"

    def __init__(
        self,
        sessions: list[SessionRow],
        opener: Opener,
        here: str,
        rename: Callable[[str], None],
        fork: Callable[[str, int], None],
    ) -> None:
        self._opener, self._here, self._rename, self._fork = opener, here, rename, fork
        self._sessions = {one.id: one for one in sessions}
        super().__init__(listed(sessions, time.time(), str(opener.workspace)), chosen=here)

    @property
    def label_width(self) -> int:
        """A title leaves room for id, turns and cost."""
        return max(24, min(60, self.app.size.width - 56))

    def letter(self, key: str) -> None:
        """The list's own letters."""
        does = {"r": self._give_name, "e": self._write_down, "d": self._delete, "f": self._choose_turn}.get(key)
        if does is not None and self.current is not None:
            does(self._sessions[self.current])

    def choose(self, row: str) -> None:
        """One that is live is joined; one that the boundary ended is forked from before it."""
        one = self._sessions[row]
        if one.subtype == BOUNDARY and one.state != "live" and row != self._here:
            self._choose_turn(one)
        else:
            self.dismiss(row)

    @work(exit_on_error=False)
    async def _choose_turn(self, one: SessionRow) -> None:
        turns: list[TurnRow] = []

        async def read() -> None:
            turns.extend(await self._opener.turns(one.id))

        if not await self._tried(read()):
            return
        if not turns:
            self.notify(f"nothing was asked in {one.id} yet", markup=False)
            return
        chosen = await self.app.push_screen_wait(Turns(turns, stopped=one.subtype == BOUNDARY))
        if chosen is not None:
            self.dismiss(None)
            self._fork(one.id, int(chosen))

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
            self.notify(
                f"{one.id} is live; `mlwb sessions stop {one.id}` ends it first", severity="warning", markup=False
            )
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
        except Exception as error:  # the reason, and the list stays
            self.notify(safe(str(error) or type(error).__name__), severity="error", markup=False)
            return False
        return True

    def _relist(self) -> None:
        self.rows = listed(list(self._sessions.values()), time.time(), str(self._opener.workspace))
        self.fill()


class Turns(Chooser):
    """The prompts of a session, the newest first. Gives the event before which to fork; `0` is the end of the talk."""

    HINT = "enter forks there   type to search   esc closes"

    def __init__(self, turns: Sequence[TurnRow], stopped: bool = False) -> None:
        now = time.time()
        rows = [
            Row(id=str(one.seq), key=f"t{one.turn}", label=" ".join(one.text.split()) or "(no words)",
                words=ago(now - one.at))
            for one in reversed(turns)
        ]  # fmt: skip
        whole = Row(id="0", key="end", label="all of it, and go on differently")
        title = (
            "it stopped at the system boundary: fork from before which prompt"
            if stopped
            else "fork before which prompt"
        )
        super().__init__([*rows, whole] if stopped else [whole, *rows], title)


def listed(sessions: list[SessionRow], now: float, workspace: str) -> list[Row]:
    """One row a session: those of WORKSPACE first, each group the newest first."""
    newest = sorted(sessions, key=lambda one: (one.workspace != workspace, -(one.updated or one.started)))
    several = len({one.workspace == workspace for one in sessions}) > 1
    return [
        Row(
            id=one.id,
            key=f"{_SIGNS.get(one.state, ' ')} {ago(now - (one.updated or one.started)):>6}",
            label=entitled(one.title, one.turns),
            note=_note(one, one.workspace != workspace),
            group=("in this folder" if one.workspace == workspace else "elsewhere") if several else "",
            words=f"{one.id} {one.workspace} {one.model} {one.state}",
        )
        for one in newest
    ]


def entitled(title: str, turns: int) -> str:
    """TITLE, or why there is none: a session is called by the first that is asked in it."""
    return title or ("untitled" if turns else "nothing asked yet")


def recalled(last: SessionRow, now: float) -> list[Part]:
    """One line on what the session that was LAST at work here came to."""
    end = {None: "was left", "error_retryable": "was left", "success": "ended well"}.get(
        last.subtype, str(last.subtype).replace("_", " ")
    )
    cost = "$?" if last.cost_usd is None else f"${last.cost_usd:.2f}"
    when, turns = ago(now - (last.updated or last.started)), counted(last.turns, "turn")
    said = f"{last.title or last.id}: {end} {when} ago, {turns}, {cost}"
    return [Part("last here  ", "$muted-2"), Part(said, "$muted", f"sessions {last.id}"),
            Part(f"   {last.id}", "$muted-2", f"sessions {last.id}")]  # fmt: skip


def _note(one: SessionRow, elsewhere: bool) -> str:
    cost = "$?" if one.cost_usd is None else f"${one.cost_usd:.2f}"
    where = f"  {shortened(home(one.workspace), 28)}" if elsewhere else ""
    end = (
        ""
        if one.subtype in (None, "success", "error_retryable")
        else f"  {one.subtype.removeprefix('error_').replace('_', ' ')}"
    )
    turns = f"{one.turns:>3} {'turn ' if one.turns == 1 else 'turns'}"
    return f"{one.id:<10} {turns} {cost:>7}{end}  {one.agent} · {short_model(one.model)}{where}"


def ago(seconds: float) -> str:
    """SECONDS as `now`, `12 min`, `3 h`, `5 d`."""
    if seconds < 60:
        return "1 min"
    for size, unit in ((60, "min"), (3600, "h"), (86400, "d")):
        if seconds < size * {"min": 60, "h": 24, "d": 10_000}[unit]:
            return f"{int(seconds // size)} {unit}"
    return "long"
