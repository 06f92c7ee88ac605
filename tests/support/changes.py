"""A diff pane alone in an app, over a client that knows two texts of each file."""

import asyncio
import difflib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen

from workbench.protocol import commands as c
from workbench.protocol import queries as q
from workbench.protocol.hunks import NO_NEWLINE, hunk_digest, parse, revert
from workbench.protocol.result import FileChange
from workbench.protocol.state import SessionState
from workbench.tui.keys import Keymap, name_of
from workbench.tui.panes.diff import DiffPane
from workbench.tui.themes import DARK, Looks, defaults


def unified(old: str | None, new: str | None) -> list[str]:
    """The diff's lines, as a session tells them."""
    one, two = (old or "").splitlines(keepends=True), (new or "").splitlines(keepends=True)
    diff: list[str] = []
    for line in difflib.unified_diff(one, two, "/dev/null" if old is None else "a/f", "b/f"):
        diff += [line.removesuffix("\n")] if line.endswith("\n") else [line, NO_NEWLINE]
    return diff


@dataclass
class FakeClient:
    """Answers from `files`: path -> (old text, new text), None where there is no file; takes hunks back, too."""

    files: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    raw: dict[str, tuple[FileChange, list[str]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    session: str = "s-1"
    sent: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    refuse: str = ""
    broken: str = ""
    at_once: int = 0
    most_at_once: int = 0

    async def send(self, command: Any) -> c.Ack:
        """Notes COMMAND, and does it where it takes changes back."""
        self.sent.append(command)
        if self.refuse:
            return c.Ack(id=command.id, ok=False, error=self.refuse)
        if isinstance(command, c.RevertHunks):
            old, new = self.files[command.path]
            hunks = parse(unified(old, new)).hunks
            chosen = [hunk for hunk in hunks if not command.hunks or hunk_digest(command.path, hunk) in command.hunks]
            self.files[command.path] = (old, revert(new or "", chosen))
        return c.Ack(id=command.id, ok=True)

    async def query(self, query: Any) -> Any:
        """A page."""
        self.asked.append(query)
        if self.broken:
            raise ConnectionError(self.broken)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if isinstance(query, q.ChangedFiles):
            return q.Changes(files=tuple(self._changes()), notes=self.notes)
        raw = self.raw.get(query.path)
        lines = raw[1] if raw else unified(*self.files.get(query.path, ("", "")))
        return q.Diff(lines=tuple(lines[query.offset : query.offset + query.lines]), total=len(lines))

    def _changes(self) -> list[FileChange]:
        found = [change for change, _ in self.raw.values()]
        for path, (old, new) in self.files.items():
            if old == new:
                continue
            hunks = parse(unified(old, new)).hunks
            change = "created" if old is None else "deleted" if new is None else "modified"
            counts = {"added": sum(h.added for h in hunks), "removed": sum(h.removed for h in hunks)}
            found.append(FileChange(path=path, change=change, **counts))
        return found


class PaneScreen(Screen[None]):
    """Hands on the keys that no widget took, as the workbench's own screen does."""

    def on_key(self, event: events.Key) -> None:
        """By the table of actions."""
        app = cast("PaneApp", self.app)
        found = app.table.find("diff", name_of(event.key, event.character))
        if found is not None and found.on == "diff":
            event.stop()
            event.prevent_default()
            app.pane.do(found.id)


class PaneApp(App[None]):
    """The pane alone, with the keys of the table."""

    CSS = "PaneScreen { background: $background; color: $foreground; }"

    def __init__(self, client: FakeClient, workspace: Path | str = "/w", theme: str = DARK) -> None:
        super().__init__()
        self.client, self.theme_name, self.pane = client, theme, DiffPane()
        self.state = SessionState(session="s-1", workspace=str(workspace), user="ana")
        self.told: list[str] = []
        self.table = Keymap()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The project's variables."""
        return defaults()

    def get_default_screen(self) -> Screen[None]:
        """One with the keys of the table."""
        return PaneScreen()

    def compose(self) -> ComposeResult:
        """The pane."""
        yield self.pane

    def on_mount(self) -> None:
        """In the colours of a theme of the project."""
        Looks(env={"COLORTERM": "truecolor"}).wear(self, self.theme_name)

    async def opened(self, pilot: Pilot[Any]) -> None:
        """The pane has the session and shows all its lines."""
        self.pane.show_session(self.state, ())
        self.pane.view.focus()
        await until(pilot, lambda: self.pane.source.changes.known and not unread(self.pane))


def unread(pane: DiffPane) -> list[str]:
    """Files whose lines are still to come."""
    return [file.path for file in pane.source.changes.files if file.stale]


async def until(pilot: Pilot[Any], holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Waits until HOLDS, up to SECONDS."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        await pilot.pause(0.01)
    await pilot.pause()
