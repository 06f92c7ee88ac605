"""Going back: which prompt, the talk or the files or both, and what that will change, before it is done."""

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from workbench.host.client import Client
from workbench.protocol import queries as q
from workbench.protocol.commands import Rewind
from workbench.protocol.fold import PLACES
from workbench.protocol.state import Item, SessionState
from workbench.tui.safe import content, safe
from workbench.tui.screens.sessions import ago
from workbench.tui.screens.steady import Steady
from workbench.tui.widgets.diffview_paint import shorten
from workbench.tui.widgets.line import Line, Part
from workbench.tui.widgets.picks import Pick, Picks

ORIGINS = ("task", "person", "answer")
WHAT = {"both": "talk and files", "talk": "talk only", "files": "files only"}
_KEYS = {"b": "both", "t": "talk", "f": "files"}
_PAGE = 300  # items of a page of older ones
_PAGES = 20  # that many are asked for at most
_FILES = 8  # named in the preview
_BECOMES = {"created": ("−", "is removed"), "deleted": ("+", "comes back")}
_ids = (f"rewind-{number}" for number in itertools.count(1))


class RewindScreen(Steady, ModalScreen[None]):
    """Prompts, the newest last and chosen; below them what going back to before one would change."""

    DEFAULT_CSS = """
    RewindScreen { align: center middle; background: $background 60%; }
    RewindScreen > Vertical {
        width: 90%; max-width: 110; height: auto; max-height: 90%; background: $surface; padding: 0 1;
        border: round $border-dim; border-title-color: $foreground; border-subtitle-color: $muted;
    }
    RewindScreen Picks { max-height: 50%; }
    RewindScreen #what { margin: 1 0; }
    RewindScreen #preview { height: auto; min-height: 3; color: $muted; }
    """

    def __init__(self, state: SessionState | None = None) -> None:
        super().__init__()
        self._state = state
        self._items: list[Item] = []
        self._what = "both"
        self._changes: dict[int, q.Changes | str] = {}  # by seq: what differs since, or why that cannot be told
        self._error = ""
        self._sending = False

    def compose(self) -> ComposeResult:
        """List, choice, preview."""
        with Vertical() as box:
            box.border_title = "rewind"
            yield Picks(id="prompts", careful=True)
            yield Line(id="what")
            yield Static(id="preview")

    # --- what there is to go back to -----------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """The session's, or the one that was given."""
        found: SessionState = self._state or getattr(self.app, "state", None) or SessionState()
        return found

    @property
    def client(self) -> Client | None:
        """Who is asked and told."""
        return getattr(self.app, "client", None)

    def on_mount(self) -> None:
        """What is held at once; what is older a moment later."""
        self._items = list(self.state.items)
        self._list()
        self._draw()
        if self.state.items_total > len(self._items):
            self.run_worker(self._older(), group="older")

    async def _older(self) -> None:
        for _ in range(_PAGES):
            if self.client is None or not self._items:
                return
            page = await self._ask(q.ItemsBefore(before=self._items[0].id, n=_PAGE))
            if not isinstance(page, q.Items) or not page.items:
                return
            self._items[:0] = page.items
            self._list()
            if not page.more:
                return

    async def _ask(self, query: q.AnyQuery) -> q.AnyPage | str:
        try:
            return await self.client.query(query) if self.client else "there is no session"
        except Exception as error:
            return str(error) or type(error).__name__

    def _prompts(self) -> list[tuple[Item, int]]:
        """Each prompt that can be gone back to, with the turn that it began."""
        found, turn = [], 0
        for item in reversed(self._items):
            turn = item.turn or turn
            if item.kind == "prompt" and item.origin in ORIGINS and not item.rewound:
                found.append((item, turn))
                turn = 0
        return found[::-1]

    def _list(self) -> None:
        picks, keep, prompts = self.query_one(Picks), self.chosen, self._prompts()
        picks.display = bool(prompts)
        at = next((n for n, (item, _) in enumerate(prompts) if keep and item.id == keep.id), len(prompts) - 1)
        picks.put([_row(item, turn, time.time()) for item, turn in prompts], at if prompts else None)

    @property
    def chosen(self) -> Item | None:
        """The prompt at the cursor."""
        current = self.query_one(Picks).current
        return next((item for item in self._items if str(item.id) == current), None)

    # --- what will change ----------------------------------------------------------------------------------

    def on_picks_moved(self, event: Picks.Moved) -> None:
        """Another prompt: has its files asked for."""
        event.stop()
        self._error = ""
        self._draw()
        if (item := self.chosen) and item.id // PLACES not in self._changes:
            self.run_worker(self._preview(item.id // PLACES), group="preview", exclusive=True)

    async def _preview(self, seq: int) -> None:
        page = await self._ask(q.ChangedFiles(since=f"rewind:{seq}"))
        self._changes[seq] = page if isinstance(page, q.Changes | str) else "they cannot be told"
        self._draw()

    def _draw(self) -> None:
        parts = []
        for what, words in WHAT.items():
            mark, style = ("●", "$agent bold") if what == self._what else ("○", "$muted")
            parts += [Part(f"{mark} {words}", style, what), Part("   ")]
        line = self.query_one("#what", Line)
        line.display = self.chosen is not None
        line.put(parts)
        keys = "enter goes back   b both  t talk  f files   " if line.display else ""
        self.query_one(Vertical).border_subtitle = f"{keys}esc closes"
        self.query_one("#preview", Static).update(Content("\n").join(self._words()))

    def _words(self) -> Iterator[Content]:
        item = self.chosen
        if item is None:
            yield content("nothing was asked yet: there is nothing to go back to", "$muted")
            return
        if self._error:
            yield content(self._error, "$error")
        if self._what != "files":
            yield content(_forgotten(self._items, item), "$foreground")
        if self._what == "talk":
            yield content("the files stay as they are", "$muted")
        else:
            yield from _files(self._changes.get(item.id // PLACES), max(20, self.size.width * 9 // 10 - 24))
        if self._what == "files":
            yield content("the talk goes on from here", "$muted")

    # --- doing it ------------------------------------------------------------------------------------------

    def on_line_pressed(self, event: Line.Pressed) -> None:
        """A choice was clicked."""
        event.stop()
        self._choose(event.action)

    def _choose(self, what: str) -> None:
        self._what, self._error = what, ""
        self._draw()

    def on_key(self, event: events.Key) -> None:
        """Letters choose what goes back; escape closes."""
        if event.key in _KEYS:
            self._choose(_KEYS[event.key])
        elif event.key in ("tab", "shift+tab", "left", "right"):
            names = list(WHAT)
            step = -1 if event.key in ("left", "shift+tab") else 1
            self._choose(names[(names.index(self._what) + step) % len(names)])
        elif event.key == "escape":
            self.dismiss(None)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_picks_chosen(self, event: Picks.Chosen) -> None:
        """Enter, or a click on the chosen prompt, goes back; a click on another one only chooses it."""
        event.stop()
        if (item := self.chosen) and not self._sending:
            self._sending = True
            self.run_worker(self._go(item), group="rewind")

    async def _go(self, item: Item) -> None:
        if self.client is None:
            self._refused("there is no session")
            return
        user = getattr(getattr(self.app, "opener", None), "user", "") or self.state.user
        command = Rewind(
            id=next(_ids), seq=item.id // PLACES, talk=self._what != "files", files=self._what != "talk", by=user
        )
        try:
            ack = await self.client.send(command)
        except Exception as error:
            self._refused(str(error) or type(error).__name__)
            return
        if not ack.ok:
            self._refused(ack.error)
            return
        if command.talk:
            self._give_back(item)
        words = f"{WHAT[self._what]} went back to before “{_first_words(item, 40)}”; /undo takes that back"
        self.app.notify(words, timeout=8, markup=False)
        self.dismiss(None)

    def _refused(self, why: str) -> None:
        self._sending, self._error = False, why
        self._draw()

    def _give_back(self, item: Item) -> None:
        """The words are at the prompt again, to be asked better, unless something is written there."""
        prompt: Any = getattr(getattr(self.app, "main", None), "prompt", None)
        if prompt is not None and not item.cut and not getattr(prompt, "text", "?"):
            prompt.put(item.text)


def _row(item: Item, turn: int, now: float) -> Pick:
    key = f"t{turn}" if turn else ""
    return Pick(
        str(item.id),
        Content.assemble(
            content(f"{key:>5} ", "$muted"),
            content(f"{ago(max(0.0, now - item.at)):>9}  ", "$muted-2"),
            content(_first_words(item, 200)),
        ),
    )


def _first_words(item: Item, most: int) -> str:
    line = next((line.strip() for line in item.text.split("\n") if line.strip()), "(without words)")
    return safe(line if len(line) <= most else line[: most - 1] + "…")


def _forgotten(items: Sequence[Item], item: Item) -> str:
    """What of the talk the agent will know no more."""
    after = [one for one in items if one.id >= item.id and not one.rewound]
    counts = {
        "prompt": sum(one.kind == "prompt" and one.origin in ORIGINS for one in after),
        "answer": len({one.turn for one in after if one.kind in ("answer", "thinking", "call")}),
        "call": sum(one.kind == "call" for one in after),
    }
    parts = [f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items() if count]
    return f"the agent forgets {', '.join(parts)}"


def _files(changes: q.Changes | str | None, width: int) -> Iterator[Content]:
    if changes is None:
        yield content("looking at the files…", "$muted")
        return
    if isinstance(changes, str):
        yield content(f"the files cannot be told: {changes}", "$warning")
        return
    count = len(changes.files)
    if not count:
        yield content("no file has changed since", "$muted")
    else:
        yield content(f"{count} file{'s' * (count != 1)} go{'es' * (count == 1)} back:", "$foreground")
    for file in changes.files[:_FILES]:
        sign, words = _BECOMES.get(file.change) or ("·", f"+{file.added} −{file.removed or 0} undone")
        if file.change == "modified" and file.added is None:
            words = "as it was"
        yield Content.assemble(
            content(f"  {sign} ", "$muted"), content(shorten(file.path, width)), content(f"  {words}", "$muted")
        )
    if count > _FILES:
        yield content(f"  … and {count - _FILES} more", "$muted")
    for note in changes.notes:
        yield content(note, "$muted")
