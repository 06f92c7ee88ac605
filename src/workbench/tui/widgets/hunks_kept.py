"""A review outlives the screen: what was marked or is not yet told is kept, a small file for each session."""

import contextlib
import os
import re
import threading
from pathlib import Path

import msgspec

from workbench import places
from workbench.tui.widgets.hunks_review import Comment, Review, Taken

_SESSION = re.compile(r"s-[0-9a-z]{8,40}")  # it becomes the name of a file, and may come from another machine
_KEPT = 200  # sessions whose reviews are kept, those last changed
_MARKS = 5_000  # hunks of one session


class _Kept(msgspec.Struct, omit_defaults=True):
    accepted: list[str] = []
    staged: list[str] = []
    comments: list[Comment] = []
    reverts: list[Taken] = []


class Keeper:
    """The review of SESSION on the disk. `load` and `save` block; `changed` does not."""

    def __init__(self, session: str = "") -> None:
        self.session = session
        self.loaded = False  # whether what was kept is known
        self._last = self._saved = b""
        self._writing = threading.Lock()

    def load(self) -> Review:
        """What was kept; an empty review where nothing was, or nothing that can be read."""
        kept = _Kept()
        if _SESSION.fullmatch(self.session):
            with contextlib.suppress(OSError, UnicodeDecodeError, msgspec.DecodeError):
                kept = msgspec.json.decode(self._path().read_bytes(), type=_Kept)
        return Review(set(kept.accepted), set(kept.staged), kept.comments, kept.reverts)

    def join(self, kept: Review, review: Review) -> Review:
        """What was KEPT, with the REVIEW that was made before that was known. From now on changes are kept."""
        self.loaded, self._last = True, _encoded(kept)
        self._saved = self._last
        joined = Review(kept.accepted | review.accepted, kept.staged | review.staged, kept.comments, kept.reverts)
        for comment in review.comments:
            joined.put(comment)
        joined.reverts += review.reverts
        return joined

    def changed(self, review: Review) -> bool:
        """Whether REVIEW is to be `save`d: not where that was done, or what was kept is not known yet."""
        if not _SESSION.fullmatch(self.session) or not self.loaded or (data := _encoded(review)) == self._last:
            return False
        self._last = data
        return True

    def save(self) -> None:
        """Writes the last change, whole or not at all; where that is not possible it holds for this time only."""
        with self._writing:
            if self._saved != self._last:
                self._saved = self._last
                self._write(self._saved)

    def _write(self, data: bytes) -> None:
        path = self._path()
        new = path.with_name(f".{path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(data)
            new.replace(path)
            for old in sorted(path.parent.glob("s-*.json"), key=lambda one: one.stat().st_mtime)[:-_KEPT]:
                old.unlink(missing_ok=True)

    def _path(self) -> Path:
        return places.state() / "reviews" / f"{self.session}.json"


def _encoded(review: Review) -> bytes:
    accepted, staged = sorted(review.accepted)[:_MARKS], sorted(review.staged)[:_MARKS]
    return msgspec.json.encode(_Kept(accepted, staged, review.comments, review.reverts))
