"""The talk alone on a screen: an app with a client that answers pages from a journal of made-up envelopes."""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import msgspec
from textual import events as te
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.fold import PLACES, apply, items_of
from workbench.protocol.state import Item, SessionState
from workbench.tui.actions import ACTIONS
from workbench.tui.keys import Keymap
from workbench.tui.panes.talk import Talk
from workbench.tui.themes import DARK, Looks, defaults

SESSION = "s-aaaaaaaa"


class Paged:
    """A client that holds all items of a session, and counts what it is asked."""

    def __init__(self) -> None:
        self.session = SESSION
        self.items: Sequence[Item] = []
        self.asked: list[Any] = []
        self.texts: dict[int, str] = {}
        self.blobs: dict[str, str] = {}
        self.calls: dict[int, q.CallWhole] = {}
        self.pictures: dict[str, bytes] = {}

    async def query(self, query: Any) -> Any:
        """Pages of `items`, of `texts`, of `calls`, of `pictures` and of `blobs`."""
        self.asked.append(query)
        if isinstance(query, q.ItemsBefore):
            end = bisect_left(self.items, query.before, key=lambda item: item.id) if query.before else len(self.items)
            start = max(0, end - min(query.n, 1000))
            return q.Items(items=tuple(self.items[start:end]), more=start > 0)
        if isinstance(query, q.ItemText) and query.item in self.calls:
            data = msgspec.json.encode(self.calls[query.item])
            return q.Blob(data=data[query.offset : query.offset + query.size], total=len(data))
        if isinstance(query, q.BlobPage) and query.blob in self.pictures:
            data = self.pictures[query.blob]
            return q.Blob(data=data[query.offset : query.offset + query.size], total=len(data))
        text = self.texts.get(query.item) if isinstance(query, q.ItemText) else self.blobs.get(query.blob)
        if text is None:
            return q.Blob(data=b"", total=-1)
        data = text.encode()
        return q.Blob(data=data[query.offset : query.offset + query.size], total=len(data))


class Talking(App[None]):
    """`give` makes events happen, as a presenter would tell them."""

    CSS = "Screen { background: $background; }"

    def __init__(self, theme: str = DARK) -> None:
        super().__init__()
        self.client, self.state, self.talk = Paged(), SessionState(), Talk()
        self.still = True
        self._seq, self._at = 0, 1_790_000_000.0
        self.copied: list[str] = []
        self.references: list[str] = []
        self._keymap = Keymap()
        Looks().wear(self, theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The project's own."""
        return defaults()

    def compose(self) -> ComposeResult:
        """The talk alone."""
        yield self.talk

    def on_mount(self) -> None:
        """The talk has the focus."""
        self.talk.focus()

    def on_key(self, event: te.Key) -> None:
        """Keys as the workbench gives them to the view with the focus."""
        if isinstance(self.focused, Input):
            return
        action = self._keymap.find("talk", event.character if event.is_printable else event.key)
        action = action or self._keymap.find("talk", event.key)
        if action is not None and (action.on == "talk" or action.id == "search"):  # of the app, wherever one is
            self.talk.do(action.id)

    def on_talk_reference(self, message: Talk.Reference) -> None:
        """Kept to look at."""
        self.references.append(message.reference)

    def copy_to_clipboard(self, text: str) -> None:
        """Kept to look at, and sent."""
        self.copied.append(text)
        super().copy_to_clipboard(text)

    def envelope(self, event: Any, after: float = 1.0) -> e.Envelope:
        """EVENT in its place, AFTER seconds."""
        self._at += after
        seq = 0
        if not isinstance(event, e.Ephemeral):
            self._seq += 1
            seq = self._seq
        return e.Envelope(seq=seq, session=SESSION, at=self._at, event=event)

    def give(self, *events: Any) -> None:
        """EVENTS happen, in one batch."""
        news = [self.envelope(event) for event in events]
        for envelope in news:
            apply(self.state, envelope)
            self.client.items = [*self.client.items, *items_of(envelope)]
        self.talk.show_session(self.state, news)

    def begin(self, items: Sequence[Item], events: int) -> None:
        """A session of so many EVENTS that has ITEMS; the state holds the newest of them."""
        self.client.items = items
        self.state = SessionState(session=SESSION, seq=events, agent="ml-engineer", user="ana", phase="idle")
        self.state.items, self.state.items_total = list(items[-200:]), len(items)
        self._seq = events
        self.talk.show_session(self.state, ())


class Many(Sequence[Item]):
    """COUNT items of a long session, numbered, made when they are looked at."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self._item(one) for one in range(*at.indices(self._count))]
        return self._item(range(self._count)[at])

    def _item(self, at: int) -> Item:
        if at % 10 == 0:
            return Item(id=(at + 1) * PLACES, at=1e9 + at, kind="prompt", text=f"prompt number {at}", by="ana")
        return Item(id=(at + 1) * PLACES, at=1e9 + at, kind="answer", turn=at, text=f"answer number {at}, **short**")


async def until(pilot: Pilot[Any], condition: Any, most: float = 60.0) -> None:
    """Waits until CONDITION holds; fails after MOST seconds."""
    end = asyncio.get_running_loop().time() + most
    while not condition():
        assert asyncio.get_running_loop().time() < end, "it did not come to pass"
        await pilot.pause(0.01)


def bound(action: str) -> tuple[str, ...]:
    """The keys of ACTION in the table."""
    return next(one.keys for one in ACTIONS if one.id == action)
