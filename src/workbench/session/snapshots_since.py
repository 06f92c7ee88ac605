"""What changed since a moment: the session's start, the last prompt, HEAD, or the prompt that a rewind would go to."""

import asyncio
import hashlib
import stat
from collections.abc import Iterable

from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.session.changes import COMPARED_LIMIT, Changes
from workbench.session.diffs import Version, Versions, count, file_diff, lines_of
from workbench.session.journal import Reader
from workbench.session.rewind_talk import is_prompt, spans_at
from workbench.session.scan import content_of, sign_of
from workbench.session.snapshots import Difference, Snapshots
from workbench.session.snapshots_held import EXECUTABLE, LINK, PLAIN, Delta, Side, SnapshotError, change_of

# Calls of these change no file, so they may come before the snapshot of their prompt.
_READERS = ("Read", "Grep", "Glob", "LS", "TodoWrite", "BashOutput", "KillShell")
_POINTER_LINES = 3
_POINTER = b"version https://git-lfs.github.com/spec/v1\n"


class UnknownMomentError(Exception):
    """A `since` that names no moment, or one that cannot be told any more; the words are for a person."""


def snapshot_of(journal: Reader, prompt: int) -> str | None:
    """The snapshot of the files as they were when PROMPT came; None where nothing was written since.

    Raises UnknownMomentError where something was, and no snapshot was taken before.
    """
    tools: dict[str, str] = {}
    for envelope in journal.read(after=prompt):
        event = envelope.event
        if isinstance(event, e.SnapshotTaken) and event.reason != "rewind":
            return event.snapshot
        if isinstance(event, e.CallDecided):
            tools[event.call_id] = event.tool
        elif isinstance(event, e.CallStarted) and tools.get(event.call_id) not in _READERS:
            raise UnknownMomentError("no snapshot of the files was taken at that prompt; the talk alone can go back")
    return None


def last_prompt(journal: Reader) -> int:
    """The event of the last prompt of a person that no rewind took back; 0: there is none."""
    spans = spans_at(journal, journal.seq)
    for seq in reversed(list(journal.find("prompt_submitted"))):
        taken_back = any(start <= seq < end for start, end in spans)
        if not taken_back and is_prompt(next(journal.read(seq - 1, seq)).event):
            return seq
    return 0


class Since:
    """The answers for one session. SNAPSHOTS is None where none are taken."""

    def __init__(self, journal: Reader, changes: Changes, snapshots: Snapshots | None) -> None:
        self._journal, self._changes, self._snapshots = journal, changes, snapshots
        self._told: dict[str, dict[str, Delta]] = {}  # since -> path as told -> what differs

    async def changed(self, since: str) -> q.Changes:
        """The files that differ. A moment that cannot be told gives none, and a note that says why."""
        if since == "start":
            return q.Changes(files=tuple(await self._changes.finish()), notes=tuple(self._changes.notes))
        try:
            deltas, notes = await self._deltas(since)
        except (UnknownMomentError, SnapshotError) as error:
            return q.Changes(files=(), notes=(str(error),))
        files = tuple(change_of(delta, path) for path, delta in deltas.items())
        return q.Changes(files=files, notes=tuple(notes))

    async def diff(self, path: str, since: str) -> list[str]:
        """The change of the file that `changed` tells as PATH, as a unified diff; empty where it did not change."""
        try:
            file = await self.versions(path, since)
        except (UnknownMomentError, SnapshotError):
            return []
        return await asyncio.to_thread(file_diff, file) if file else []

    async def versions(self, path: str, since: str) -> Versions | None:
        """The file that `changed` tells as PATH, then and now; None where it did not change.

        Raises UnknownMomentError, SnapshotError.
        """
        if since == "start":
            return await self._changes.versions(path)
        if path not in self._told.get(since, {}):
            await self._deltas(since)
        delta = self._told[since].get(path)
        return await asyncio.to_thread(self._versions, path, delta) if delta else None

    async def _deltas(self, since: str) -> tuple[dict[str, Delta], list[str]]:
        if self._snapshots is None:
            raise UnknownMomentError("this session takes no snapshots")
        if since == "head":
            found, without = await self._snapshots.head()
            found = await asyncio.to_thread(self._unfiltered, found)
            notes = [f"{root} is not in a git repository" for root in without]
        else:
            snapshot = await asyncio.to_thread(self._snapshot, since)
            difference = await self._snapshots.preview(snapshot) if snapshot else Difference()
            found, notes = list(difference.deltas), list(difference.notes if since.startswith("rewind:") else ())
        told = {self._snapshots.shown(delta.path): delta for delta in found}
        self._told[since] = told
        return told, [*notes, *self._snapshots.notes]

    def _snapshot(self, since: str) -> str | None:
        if since == "turn":
            prompt = last_prompt(self._journal)
            return snapshot_of(self._journal, prompt) if prompt else None
        name, _, seq = since.partition(":")
        if name != "rewind" or not seq.isdecimal() or not 0 < int(seq) <= self._journal.seq:
            raise UnknownMomentError(f"{since[:80]!r} is no moment: start, turn, head or rewind:SEQ")
        return snapshot_of(self._journal, int(seq))

    def _versions(self, path: str, delta: Delta) -> Versions | None:
        assert self._snapshots
        sign = sign_of(delta.path)
        now = Version(_mode(sign.mode), content_of(delta.path, COMPARED_LIMIT)) if sign else None
        then = Version(delta.old.mode, self._content(delta.old)) if delta.old else None
        if now and then:
            then = Version(then.mode, checked_out(then.content, now.content))
        return None if then == now else Versions(delta.path, path, then, now)

    def _content(self, side: Side) -> bytes:
        assert self._snapshots
        return self._snapshots.content(side.oid)

    def _unfiltered(self, deltas: Iterable[Delta]) -> list[Delta]:
        """DELTAS without what only a filter of git's changed in the files that are committed."""
        return [found for delta in deltas if (found := self._without_filter(delta))]

    def _without_filter(self, delta: Delta) -> Delta | None:
        # A filter changes every line (line ends), or makes three lines of a whole file (Git LFS).
        binary = delta.added is None
        if not delta.old or not delta.new or not (binary or delta.removed in (delta.added, _POINTER_LINES)):
            return delta
        committed, now = self._content(delta.old), self._content(delta.new)
        then = checked_out(committed, now)
        if then == committed:
            return delta
        if then == now and delta.old.mode == delta.new.mode:
            return None
        before, after = lines_of(then), lines_of(now)
        if before is None or after is None:
            return delta._replace(added=None, removed=None)
        added, removed = count(before, after)
        return delta._replace(added=added, removed=removed)


def checked_out(committed: bytes | None, now: bytes | None) -> bytes | None:
    """What git's filters would have made of COMMITTED, if NOW is such a file: CR LF, or the content of an LFS pointer.

    None where that is not known.
    """
    if committed is None or now is None:
        return committed
    if committed.startswith(_POINTER) and not now.startswith(_POINTER):
        return now if f"sha256:{hashlib.sha256(now).hexdigest()}".encode() in committed else None
    if b"\r\n" not in committed and 2 * now.count(b"\r\n") > now.count(b"\n"):
        return committed.replace(b"\n", b"\r\n")
    return committed


def _mode(mode: int) -> int:
    """A mode of the system's, as git keeps it."""
    return LINK if stat.S_ISLNK(mode) else EXECUTABLE if mode & 0o100 else PLAIN
