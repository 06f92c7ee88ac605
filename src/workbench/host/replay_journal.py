"""A journal to be played: where its turns begin, its state at any line, and what its calls changed up to there."""

import bisect
import contextlib
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.blocks import Diff
from workbench.protocol.codec import encode
from workbench.protocol.fold import apply
from workbench.protocol.result import FileChange
from workbench.protocol.state import SessionState
from workbench.session.journal import JournalError, Reader
from workbench.session.snapshots_since import last_prompt

_EVERY = 1_000  # lines between two kept states, at least
_MOST = 100  # of them
NOTE = "the edits in the journal; not what commands changed"


class UpTo(Reader):
    """A journal as it was when line `limit` was its last."""

    limit = 0  # none

    @property
    def seq(self) -> int:
        """The line that is played."""
        return min(self.limit or super().seq, super().seq)


class Marks:
    """States of the session in FOLDER, kept every so many lines by a thread: from one of them any line is near."""

    def __init__(self, folder: Path, last: int) -> None:
        self._folder, self._last = folder, last
        self._every = max(_EVERY, last // _MOST)
        self._seqs: list[int] = []
        self._states: list[bytes] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="replay", daemon=True)
        if last > self._every:
            self._thread.start()

    def _keep(self) -> None:
        state = SessionState()
        # A damaged line is told where it is played or gone to; there are no kept states beyond it.
        with contextlib.suppress(JournalError), Reader(self._folder) as journal:
            for envelope in journal.read(until=self._last):
                apply(state, envelope)
                if envelope.seq % self._every == 0:
                    self._states.append(zlib.compress(encode(state), 1))
                    self._seqs.append(envelope.seq)
                    if self._stop.wait(0.0005):  # the screen comes first
                        return

    def before(self, seq: int) -> SessionState:
        """The newest kept state up to line SEQ; an empty one where there is none. Waits until it is made: blocks."""
        wanted = seq // self._every * self._every
        while self._thread.is_alive() and (not self._seqs or self._seqs[-1] < wanted):
            self._thread.join(0.01)
        place = bisect.bisect_right(self._seqs, seq) - 1
        if place < 0:
            return SessionState()
        return msgspec.json.decode(zlib.decompress(self._states[place]), type=SessionState)

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()


class _Edit(msgspec.Struct, frozen=True):
    seq: int
    path: str
    place: int  # of its diff among the blocks of the call; -1: there is none
    added: int | None = None
    removed: int | None = None
    created: bool = False


class Edits:
    """What the calls of JOURNAL changed, by its own words. To be asked in a thread, one question at a time."""

    def __init__(self, journal: UpTo) -> None:
        self._journal, self._read_to, self._workspace = journal, 0, ""
        self._edits: list[_Edit] = []
        self._lock = threading.Lock()

    def changed(self, since: str) -> q.Changes:
        """The files that calls changed up to the line that is played."""
        if since not in ("start", "turn"):
            return q.Changes(files=(), notes=("a replay has no working copy: only `start` and `turn` are known",))
        files: dict[str, FileChange] = {}
        for edit in self._counted(since):
            before = files.get(edit.path)
            change = before.change if before else "created" if edit.created else "modified"
            known = edit.added is not None and edit.removed is not None and (not before or before.added is not None)
            added = (before.added or 0 if before else 0) + (edit.added or 0) if known else None
            removed = (before.removed or 0 if before else 0) + (edit.removed or 0) if known else None
            files[edit.path] = FileChange(path=edit.path, change=change, added=added, removed=removed)
        return q.Changes(files=tuple(files[path] for path in sorted(files)), notes=(NOTE,))

    def diff(self, query: q.DiffPage) -> q.Diff:
        """The edits of one file, one after the other."""
        lines: list[str] = []
        for edit in self._counted(query.since):
            if edit.path != query.path or edit.place < 0:
                continue
            text = self._text(edit)
            lines += text[2:] if lines and text[0].startswith("--- ") else text  # one head stands for all
        at = max(0, query.offset)
        return q.Diff(lines=tuple(lines[at : at + max(0, query.lines)]), total=len(lines))

    def _text(self, edit: _Edit) -> list[str]:
        event = next(self._journal.read(edit.seq - 1, edit.seq)).event
        assert isinstance(event, e.CallFinished)
        block = event.display[edit.place]
        return block.text.removesuffix("\n").split("\n") if isinstance(block, Diff) else []

    def _counted(self, since: str) -> Iterator[_Edit]:
        """The edits up to the line that is played that no rewind of files has taken back by then."""
        with self._lock:
            self._look()
        last = self._journal.seq
        first = last_prompt(self._journal) if since == "turn" else 0
        back = self._back()
        for edit in self._edits:
            gone = any(start <= edit.seq < rewind for rewind, start in back.items())
            if first < edit.seq <= last and not gone:
                yield edit

    def _back(self) -> dict[int, int]:
        """Rewind that put files back -> the line from which on; as of the line that is played."""
        back: dict[int, int] = {}
        for seq in self._journal.find("rewound"):
            event = next(self._journal.read(seq - 1, seq)).event
            if isinstance(event, e.Rewound) and event.undone:
                back.pop(event.undone, None)
            elif isinstance(event, e.Rewound) and event.files:
                back[seq] = event.seq
        return back

    def _look(self) -> None:
        last = self._journal.seq
        for seq in self._journal.find("call_finished", self._read_to, last):
            event = next(self._journal.read(seq - 1, seq)).event
            if isinstance(event, e.CallFinished) and event.changed:
                self._edits += self._of(seq, event)
        self._read_to = max(self._read_to, last)

    def _of(self, seq: int, event: e.CallFinished) -> Iterator[_Edit]:
        shown = False
        for place, block in enumerate(event.display):
            if isinstance(block, Diff):
                shown = True
                path = self._within(block.path)
                yield _Edit(seq, path, place, block.added, block.removed, block.created)
        if not shown:
            yield from (_Edit(seq, self._within(path), -1) for path in event.changed)

    def _within(self, path: str) -> str:
        if not self._workspace:
            first = next(self._journal.read(until=1)).event
            self._workspace = first.workspace if isinstance(first, e.SessionStarted) else "/"
        return path.removeprefix(f"{self._workspace}/")
