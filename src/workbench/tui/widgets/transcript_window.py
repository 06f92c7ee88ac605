"""Which items the transcript holds: the newest ones, or a stretch of older ones, with what is still being written."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from workbench.protocol import events as e
from workbench.protocol.fold import PLACES
from workbench.protocol.state import Item, SessionState
from workbench.tui.clocks import seconds_since
from workbench.tui.widgets.transcript_entry import BEFORE, DRAFT, KEPT_DRAFT, Draft, Entry, Scene
from workbench.tui.widgets.transcript_items import build, extend

MOST = 600  # entries that are held; what lies further away is asked for again
INPUTS = 200  # calls whose arguments are remembered


class Window:
    """Entries in the order of their ids. `more`: there are older ones. `live`: the newest are among them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.clear()

    def clear(self) -> None:
        """Holds nothing: another session."""
        self.entries: list[Entry] = []
        self.more = False
        self.live = True
        self.last_id = 0  # no item's id is beyond
        self.arrived = 0  # items that were new, ever
        self._drafts: dict[tuple[str, int, int], Entry] = {}
        self._inputs: dict[str, dict[str, Any]] = {}
        self._next = DRAFT

    # --- what is new -----------------------------------------------------------------------------------

    def take(self, state: SessionState, news: Sequence[e.Envelope]) -> None:
        """STATE is what it became with NEWS."""
        self.last_id = (state.seq + 1) * PLACES
        for envelope in news:
            if step := _STEPS.get(type(envelope.event)):
                step(self, envelope, envelope.event)
        if self.live and (not news or any(envelope.seq for envelope in news)):
            self._sync(state)
        elif not self.live and any(envelope.seq for envelope in news):
            self.arrived += sum(1 for envelope in news if envelope.seq and _makes_items(envelope))
        for envelope in news:  # what is told of calls, which may have begun in this very batch
            if isinstance(envelope.event, e.CallProgress):
                self._progress(envelope.event)

    def _sync(self, state: SessionState) -> None:
        items = state.items
        first = items[0].id if items else 0
        drafts = [entry for entry in self.entries if entry.id >= DRAFT]
        held = self.entries[: len(self.entries) - len(drafts)]
        start = bisect_left(held, first, key=lambda entry: entry.id)
        if (
            start and start == len(held) and items
        ):  # nothing of what is held is in the state: what lies between is not known
            held, start = [], 0
        if not start:
            self.more = state.items_total > len(items)
        tail, fresh = self._tail(held[start:], items, joined=not self.entries)
        rebuilt = self._adopt(fresh, drafts)
        self.entries = [*held[:start], *tail, *drafts]
        for at in range(start, len(self.entries)):
            entry = self.entries[at]
            if self._placed(at) or entry in rebuilt or not entry.blocks:
                build(entry, entry.above, self.scene)

    def _placed(self, at: int) -> bool:
        """Tells the entry AT what it stands under; whether that is something else than before."""
        entry, above = self.entries[at], self.entries[at - 1].item if at else None
        kind = above.kind if above else ""
        if kind == "notice" and self.entries[at - 1].above in ("prompt", BEFORE):
            kind = BEFORE
        stands = kind, bool(entry.item.turn) and (above is None or above.turn != entry.item.turn)
        changed = stands != (entry.above, entry.begins)
        entry.above, entry.begins = stands
        return changed

    def _tail(self, held: list[Entry], items: list[Item], joined: bool) -> tuple[list[Entry], list[Entry]]:
        """Entries for ITEMS, those of HELD that are among them taken over; and which are new.

        JOINED: they are the first, so that a call among them may have run before this screen came.
        """
        known = {entry.id: entry for entry in held}
        tail: list[Entry] = []
        fresh: list[Entry] = []
        for item in items:
            entry = known.get(item.id)
            if entry is None:
                entry = self._new(item, seconds_since(item.at) if joined else 0.0)
                fresh.append(entry)
            elif entry.update(item):
                self._state_changed(entry)
                entry.blocks = []
            tail.append(entry)
        self.arrived += len(fresh)
        kept_local = [entry for entry in held if entry.local and entry.id > (items[0].id if items else 0)]
        if kept_local:
            tail = sorted([*tail, *kept_local], key=lambda entry: entry.id)
        return tail, fresh

    def _new(self, item: Item, age: float = 0.0) -> Entry:
        entry = Entry(item)
        entry.update(item)
        self._state_changed(entry, age)
        return entry

    def _state_changed(self, entry: Entry, age: float = 0.0) -> None:
        """ENTRY's call may run now: for AGE seconds already, where it was met running."""
        if entry.item.kind != "call":
            return
        entry.input = self._inputs.get(entry.item.call_id) or entry.input
        if entry.item.status == "running" and entry.since is None:
            entry.since = self.scene.clock() - age

    def rebuild(self, entry: Entry) -> None:
        """Makes the blocks of ENTRY anew: it was opened, closed or told more."""
        build(entry, entry.above, self.scene)

    # --- what is being written ---------------------------------------------------------------------------

    def _draft(self, kind: str, envelope: e.Envelope, turn: int, index: int, **item: Any) -> Entry | None:
        """What is written at INDEX of the answer of TURN; None where that answer is whole already."""
        key = (kind, turn, index)
        if key not in self._drafts:
            if kind != "call" and self._is_whole(turn):
                return None
            entry = Entry(Item(id=self._next, at=envelope.at, kind=kind, turn=turn, **item))
            self._next += 1
            self._drafts[key] = entry
            if kind != "call":
                entry.draft = Draft(envelope.at)
            if self.live:
                self.entries.append(entry)
                self._placed(len(self.entries) - 1)
                build(entry, entry.above, self.scene)
        return self._drafts[key]

    def _text(self, envelope: e.Envelope, event: e.TextDelta | e.ThinkingDelta) -> None:
        kind = "answer" if isinstance(event, e.TextDelta) else "thinking"
        entry = self._draft(kind, envelope, event.turn, event.index)
        if entry is None or (draft := entry.draft) is None:
            return
        if event.whole:  # pieces were missed
            entry.draft = draft = Draft(draft.began)
            build(entry, entry.above, self.scene)
        done = draft.feed(event.text, envelope.at)
        if kind == "answer":
            extend(entry, done, self.scene)
        else:
            self.rebuild(entry)

    def _call(self, envelope: e.Envelope, event: e.CallDelta) -> None:
        if self._by_call(event.call_id):
            return
        entry = self._draft(
            "call", envelope, event.turn, event.index, call_id=event.call_id, tool=event.name, status="writing"
        )
        if entry is not None:
            entry.take_input(event.text, event.whole)
            self.rebuild(entry)

    def _progress(self, event: e.CallProgress) -> None:
        if entry := self._by_call(event.call_id):
            entry.tell(event.text, event.whole)
            self.rebuild(entry)

    def _is_whole(self, turn: int) -> bool:
        """Whether the answer of TURN is held: the state may be ahead of the deltas."""
        for entry in reversed(self.entries):
            if entry.item.kind == "prompt":
                return False
            if entry.item.kind in ("answer", "thinking") and entry.item.turn == turn and entry.id < DRAFT:
                return not entry.local
        return False

    def _by_call(self, call_id: str) -> Entry | None:
        for entry in reversed(self.entries):
            if entry.item.kind == "call" and entry.item.call_id == call_id and entry.id < DRAFT:
                return entry
            if entry.item.kind == "prompt":
                return None
        return None

    def _decided(self, envelope: e.Envelope, event: e.CallDecided) -> None:
        self._inputs[event.call_id] = event.input
        at = bisect_left(self.entries, envelope.seq * PLACES, key=lambda entry: entry.id)
        if at < len(self.entries) and self.entries[at].id == envelope.seq * PLACES:  # the state came before its events
            self.entries[at].input = event.input
        while len(self._inputs) > INPUTS:
            del self._inputs[next(iter(self._inputs))]

    def _answered(self, envelope: e.Envelope, event: e.AnswerCompleted) -> None:
        """What was written is whole now: its items take the drafts' places."""
        for key, entry in list(self._drafts.items()):
            if entry.draft is not None and entry.item.turn == event.turn:
                entry.seconds = entry.draft.last - entry.draft.began
                entry.finished = True
                if not self.live:
                    del self._drafts[key]
            elif entry.item.turn == event.turn:
                entry.item.text = "waits"
                self.rebuild(entry)

    def _adopt(self, fresh: list[Entry], drafts: list[Entry]) -> set[Entry]:
        """Gives new items what their drafts drew, so that nothing moves; takes those drafts out of DRAFTS.

        Returns the entries that are to be drawn anew.
        """
        changed: set[Entry] = set()
        waiting = list(fresh)
        for draft in list(drafts):
            whole = next((entry for entry in waiting if _same(entry, draft)), None)
            if whole is None:
                continue
            waiting.remove(whole)
            drafts.remove(draft)
            self._drafts = {key: entry for key, entry in self._drafts.items() if entry is not draft}
            whole.opened, whole.seconds, whole.above = draft.opened, draft.seconds, draft.above
            whole.begins = draft.begins
            if not self._take_words(whole, draft):
                changed.add(whole)
        for draft in [one for one in drafts if one.finished]:
            drafts.remove(draft)
        self._drafts = {key: entry for key, entry in self._drafts.items() if not entry.finished}
        return changed

    def _take_words(self, whole: Entry, draft: Entry) -> bool:
        """Whether WHOLE says what DRAFT said, and so has its blocks now. More than an item may hold is kept."""
        item, text = whole.item, draft.text
        if draft.draft is None or draft.draft.size > KEPT_DRAFT:
            return False
        if text != item.text and not (item.cut and text.startswith(item.text)):
            return False
        if item.cut:
            whole.full[""] = text
        if item.kind != "answer":
            return False
        extend(draft, draft.draft.end(), self.scene)
        whole.heads, whole.blocks, whole.gap = draft.heads, draft.blocks, draft.gap
        return True

    def _drop(self, envelope: e.Envelope, event: Any) -> None:
        """What was being written will not be finished. The words stay to be read, if only on this screen."""
        for entry in [one for one in self._drafts.values() if not one.finished]:
            if entry in self.entries:
                self.entries.remove(entry)
            if (
                entry.item.kind == "answer"
                and entry.text.strip()
                and isinstance(event, e.AnswerDiscarded | e.Idle)
                and not getattr(event, "text", "")  # else the session keeps them
                and self.live
            ):
                item = Item(
                    id=envelope.seq * PLACES - 1, at=entry.item.at, kind="answer", turn=entry.item.turn,
                    text=entry.text, level="discarded",
                )  # fmt: skip
                left = Entry(item, local=True)
                self.entries.insert(self._first_draft(), left)
        self._drafts = {key: entry for key, entry in self._drafts.items() if entry.finished}

    def _first_draft(self) -> int:
        return bisect_left(self.entries, DRAFT, key=lambda entry: entry.id)

    # --- older and newer -----------------------------------------------------------------------------------

    @property
    def oldest(self) -> int:
        """Id of the oldest item that is held, 0 where none is."""
        return self.entries[0].id if self.entries and self.entries[0].id < DRAFT else 0

    @property
    def newest(self) -> int:
        """Id of the newest item that is held, 0 where none is."""
        at = self._first_draft()
        return self.entries[at - 1].id if at else 0

    def older(self, items: Sequence[Item], more: bool) -> int:
        """ITEMS come right before those that are held; returns how many entries that were."""
        fresh = [self._new(item) for item in items if not self.oldest or item.id < self.oldest]
        self.more = more
        self.entries[:0] = fresh
        self._rebuild_from(0, len(fresh) + 1)
        if len(self.entries) > MOST:
            del self.entries[MOST:]
            self.live = False
        return len(fresh)

    def newer(self, items: Sequence[Item], state: SessionState) -> int:
        """ITEMS come right after those that are held. Returns how many entries left above.

        Where they reach those that STATE holds, the newest are held again.
        """
        start = len(self.entries)
        self.entries += [self._new(item) for item in items if item.id > self.newest]
        self._rebuild_from(start, len(self.entries))
        gone = max(0, len(self.entries) - MOST)
        del self.entries[:gone]
        self.more = self.more or bool(gone)
        if not items or not state.items or self.newest >= state.items[0].id:
            self.live = True
            self.entries += self._drafts.values()
            self._sync(state)
        return gone

    def replace(self, items: Sequence[Item], more: bool) -> None:
        """Only ITEMS, from anywhere."""
        self.entries, self.more, self.live = [self._new(item) for item in items], more, False
        self._rebuild_from(0, len(self.entries))

    def to_end(self, state: SessionState) -> None:
        """The newest items again."""
        drafts = list(self._drafts.values())
        self.entries, self.live = drafts, True
        self._sync(state)

    def part(self) -> None:
        """Another state comes: what is held stays, what came since is asked for."""
        del self.entries[self._first_draft() :]
        self._drafts, self.live = {}, False

    def running(self) -> list[Entry]:
        """The entries in which something moves."""
        return [entry for entry in self.entries[-64:] if entry.running]

    def trim(self) -> int:
        """Drops what is far above while the end is followed; returns how many entries that were."""
        gone = len(self.entries) - MOST
        if gone <= MOST // 4:
            return 0
        del self.entries[:gone]
        self.more = True
        return gone

    def _rebuild_from(self, start: int, end: int) -> None:
        for at in range(start, min(end, len(self.entries))):
            self._placed(at)
            build(self.entries[at], self.entries[at].above, self.scene)


def _same(entry: Entry, draft: Entry) -> bool:
    if entry.item.kind != draft.item.kind:
        return False
    if entry.item.kind == "call":
        return entry.item.call_id == draft.item.call_id
    return entry.item.turn == draft.item.turn


def _makes_items(envelope: e.Envelope) -> bool:
    return isinstance(
        envelope.event,
        e.AnswerCompleted | e.PromptSubmitted | e.Notice | e.RunsTold | e.CallDecided | e.SessionEnded,
    )


_STEPS: dict[type, Any] = {
    e.TextDelta: Window._text,
    e.ThinkingDelta: Window._text,
    e.CallDelta: Window._call,
    e.CallDecided: Window._decided,
    e.AnswerCompleted: Window._answered,
    e.AnswerDiscarded: Window._drop,
    e.Idle: Window._drop,
    e.RequestStarted: Window._drop,
    e.RequestRetried: Window._drop,
    e.SessionEnded: Window._drop,
}
