"""Answers to queries: what is older or larger than the state that a client holds, from what the session keeps.

Pages are folded by the same function as the state, a turn at a time, so that both tell the same items.
"""

import asyncio
import base64
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.blocks import DisplayBlock
from workbench.protocol.fold import PLACES, apply, items_of, mark_rewound
from workbench.protocol.items import source_of
from workbench.protocol.state import Item, SessionState
from workbench.session.blobs import BlobError, Blobs
from workbench.session.changes import Changes
from workbench.session.file_index import FileIndex
from workbench.session.journal import Reader, head_of
from workbench.session.rewind_talk import Rewinds
from workbench.session.run_pages import RunPages
from workbench.session.snapshots import Snapshots
from workbench.session.snapshots_since import Since

MAX_ITEMS = 1_000
MAX_BYTES = 1 << 20
MAX_LINES = 20_000
_TURN = head_of("request_started")  # where a turn begins
_PICTURE = re.compile(r"e(\d{1,18})\.(\d{1,6})")
_CUT = 4_000  # characters that a verdict's line keeps of a text


class Pages:
    """The queries of one session. What is None cannot be answered: its pages are empty."""

    def __init__(
        self,
        journal: Reader,
        blobs: Blobs,
        changes: Changes | None = None,
        runs: RunPages | None = None,
        snapshots: Snapshots | None = None,
        files: FileIndex | None = None,
    ) -> None:
        self._journal, self._blobs, self._runs, self._files = journal, blobs, runs, files
        self._since = Since(journal, changes, snapshots) if changes else None
        self._rewinds = Rewinds(journal)

    async def answer(self, query: q.AnyQuery) -> q.AnyPage:
        """The page that QUERY asks for; an empty one where there is none. Raises JournalError."""
        if isinstance(query, q.ItemsBefore):
            return self.items(query.before, query.n)
        if isinstance(query, q.ItemText):
            return self._text(query)
        if isinstance(query, q.BlobPage):
            return self._blob(query)
        if isinstance(query, q.DiffPage):
            return await self._diff(query)
        if isinstance(query, q.ChangedFiles):
            return await self._since.changed(query.since) if self._since else q.Changes(files=())
        if isinstance(query, q.FindFiles):
            return await self._files.find(query.pattern, query.n) if self._files else q.Paths(paths=(), total=0)
        if isinstance(query, q.BriefSince):
            return await self._brief(query)
        if self._runs is not None:
            return await self._runs.answer(query)
        raise NotImplementedError(type(query).__name__)

    async def _brief(self, query: q.BriefSince) -> q.Brief:
        from workbench.session.since import told

        return await asyncio.to_thread(told, self._journal.folder, query.after, query.until)

    def items(self, before: int, n: int) -> q.Items:
        """The N newest items whose id is lower than BEFORE (0: all), complete as of now, oldest first."""
        wanted = max(0, min(n, MAX_ITEMS))
        found: list[Item] = []
        for turn in self._turns_backwards(before // PLACES if before > 0 else self._journal.seq):
            found[:0] = [item for item in turn if before <= 0 or item.id < before]
            if len(found) > wanted:
                break
        more = len(found) > wanted
        mark_rewound(found, self._rewinds.spans())
        return q.Items(items=tuple(found[len(found) - wanted :] if more else found), more=more)

    def _turns_backwards(self, seq: int) -> Iterator[list[Item]]:
        """The items of the turn that event SEQ belongs to, then those of the turn before, and so on."""
        start = min(seq, self._journal.seq)
        end = start
        while end < self._journal.seq and not self._begins(end + 1):
            end += 1  # what a call of this turn came to may be told after SEQ
        while end > 0:
            start = min(start, end)
            while start > 1 and not self._begins(start):
                start -= 1
            state = SessionState(seq=start - 1)
            # With the request that follows: it says what became of calls without a result.
            for envelope in self._journal.read(after=start - 1, until=end + 1):
                apply(state, envelope, kept=end * PLACES)
            yield state.items
            start, end = start - 1, start - 1

    def _begins(self, seq: int) -> bool:
        return _TURN.match(self._journal.line(seq)) is not None

    def _text(self, query: q.ItemText) -> q.Blob:
        seq = query.item // PLACES
        if not 0 < seq <= self._journal.seq:
            return q.Blob(data=b"", total=-1)
        for envelope in self._journal.read(after=seq - 1, until=seq):
            if isinstance(envelope.event, e.CallDecided | e.CallFinished):
                return _cut(msgspec.json.encode(self._call(seq, envelope.event.call_id)), query)
            for item in items_of(envelope):
                if item.id == query.item:
                    return _cut(item.text.encode("utf-8", "backslashreplace"), query)
        return q.Blob(data=b"", total=-1)

    def _call(self, seq: int, call_id: str) -> q.CallWhole:
        """The call of that id in the turn of event SEQ."""
        start, end = seq, seq
        while start > 1 and not self._begins(start):
            start -= 1
        while end < self._journal.seq and not self._begins(end + 1):
            end += 1
        asked: dict[str, Any] = {}
        decided: dict[str, Any] = {}
        display: tuple[DisplayBlock, ...] = ()
        for envelope in self._journal.read(after=start - 1, until=end):
            event = envelope.event
            if isinstance(event, e.AnswerCompleted):
                asked = self._asked(event, call_id) or asked
            elif isinstance(event, e.CallDecided) and event.call_id == call_id:
                decided = event.input
            elif isinstance(event, e.CallFinished) and event.call_id == call_id:
                display = event.display
        return q.CallWhole(input=asked if _shortened(asked, decided) else decided, display=display)

    def _asked(self, answer: e.AnswerCompleted, call_id: str) -> dict[str, Any]:
        """The input of that call as the model wrote it; the verdict's line may hold it cut."""
        content: Any = answer.content
        if answer.blob is not None:
            try:
                content = msgspec.json.decode(self._blobs.get(answer.blob))
            except (BlobError, UnicodeDecodeError, msgspec.DecodeError):
                return {}
        found: dict[str, Any] = next((block for block in content if block.get("id") == call_id), {})
        given = found.get("input")
        return given if isinstance(given, dict) else {}

    def _blob(self, query: q.BlobPage) -> q.Blob:
        if found := _PICTURE.fullmatch(query.blob):
            return _cut(self._picture(int(found[1]), int(found[2])), query)
        try:
            data = self._blobs.get(query.blob, query.offset, min(query.size, MAX_BYTES))
            return q.Blob(data=data, total=self._blobs.size(query.blob))
        except BlobError:
            return q.Blob(data=b"", total=-1)

    def _picture(self, seq: int, place: int) -> bytes | None:
        """The picture at PLACE in the prompt of event SEQ; None where there is none."""
        for envelope in self._journal.read(after=seq - 1, until=seq) if 0 < seq <= self._journal.seq else ():
            if isinstance(envelope.event, e.PromptSubmitted) and place < len(envelope.event.content):
                data = source_of(envelope.event.content[place]).get("data")
                try:
                    return base64.b64decode(data, validate=True) if isinstance(data, str) else None
                except ValueError:
                    return None
        return None

    async def _diff(self, query: q.DiffPage) -> q.Diff:
        lines = await self._since.diff(query.path, query.since) if self._since else []
        at = max(0, query.offset)
        return q.Diff(lines=tuple(lines[at : at + max(0, min(query.lines, MAX_LINES))]), total=len(lines))


def _cut(data: bytes | None, query: q.ItemText | q.BlobPage) -> q.Blob:
    if data is None:
        return q.Blob(data=b"", total=-1)
    at = max(0, query.offset)
    return q.Blob(data=data[at : at + max(0, min(query.size, MAX_BYTES))], total=len(data))


def _shortened(asked: dict[str, Any], decided: dict[str, Any]) -> bool:
    """Whether DECIDED says the same as ASKED but for long texts, which a verdict's line cuts."""
    return bool(asked) and all(
        value == asked.get(name)
        or (isinstance(value, str) and value[:_CUT] == str(asked.get(name))[:_CUT] and len(value) > _CUT)
        for name, value in decided.items()
    )
