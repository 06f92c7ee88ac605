"""What is known of a changed line beside its text: the roles of its words, and which of them changed. Read once."""

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from textual.cache import LRUCache

from workbench.tui.widgets.diffview_paint import Side
from workbench.tui.widgets.diffview_syntax import CHUNK, Spans, Syntax
from workbench.tui.widgets.diffview_words import Ranges, changed_words
from workbench.tui.widgets.hunks import DiffFile, Laid

_BUSY = 0.005  # seconds of a frame that may go into reading code and comparing words

Key = tuple[str, int]  # digest of a hunk, chunk of its lines


class Read(NamedTuple):
    """A chunk that was read: roles of words line by line, and by old line which words differ from the new one."""

    key: Key
    spans: list[Spans]
    words: dict[int, tuple[Ranges, Ranges]]


class Marks:
    """Keeps what was read. LATER is asked to call `read` in a thread for what a frame has no time for."""

    def __init__(self, syntax: Syntax, later: Callable[[str, Laid, Key], None]) -> None:
        self._syntax, self._later = syntax, later
        self._code: LRUCache[Key, list[Spans]] = LRUCache(512)
        self._words: LRUCache[Key, tuple[Ranges, Ranges]] = LRUCache(4096)
        self._mates: LRUCache[str, dict[int, int]] = LRUCache(128)
        self._spent = 0.0

    def begin_frame(self) -> None:
        """A new frame has its own time for reading."""
        self._spent = 0.0

    def line(self, file: DiffFile, laid: Laid, at: int) -> Side:
        """Line AT of a hunk with all that is known of it by now."""
        row = laid.rows[at]
        words = () if row.sign == " " else self._word_marks(file, laid, at)
        return Side(row, self._spans(file, laid, at), words)

    def read(self, path: str, laid: Laid, key: Key) -> Read:
        """What a chunk of code says; `keep` it. Blocks, and changes nothing here: it may run in a thread."""
        chunk = range(key[1] * CHUNK, (key[1] + 1) * CHUNK)
        pairs = [(old, new) for old, new in laid.pairs if old >= 0 and new >= 0 and old != new]
        beside = [(old, new) for old, new in pairs if old in chunk or new in chunk]
        return Read(key, self._roles(path, laid, key), {old: _compared(laid, old, new) for old, new in beside})

    def _roles(self, path: str, laid: Laid, key: Key) -> list[Spans]:
        if not self._syntax.knows(path):
            self._syntax.load(path)
        rows = laid.rows[key[1] * CHUNK : (key[1] + 1) * CHUNK]
        found: list[Spans] = [()] * len(rows)
        for sign in "-+":  # as the old text, for the lines that are gone, then as the new one
            places = [at for at, row in enumerate(rows) if row.sign in (" ", sign)]
            if sign == "-" and all(rows[at].sign == " " for at in places):
                continue
            for at, spans in zip(places, self._syntax.spans(path, [rows[at].text for at in places]), strict=True):
                found[at] = spans
        return found

    def keep(self, read: Read) -> None:
        """Takes over what was read."""
        self._code[read.key] = read.spans
        for old, words in read.words.items():
            self._words[read.key[0], old] = words

    def _spans(self, file: DiffFile, laid: Laid, at: int) -> Spans:
        key = (laid.digest, at // CHUNK)
        if key not in self._code:
            if not self._syntax.knows(file.path) or self._spent > _BUSY:
                self._later(file.path, laid, key)
                return ()
            began = perf_counter()
            self._code[key] = self._roles(file.path, laid, key)
            self._spent += perf_counter() - began
        return self._code[key][at % CHUNK]

    def _word_marks(self, file: DiffFile, laid: Laid, at: int) -> Ranges:
        if (pair := self._pair(laid, at)) is None:
            return ()
        key = (laid.digest, pair[0])
        if key not in self._words:
            if self._spent > _BUSY:
                self._later(file.path, laid, (laid.digest, at // CHUNK))
                return ()
            began = perf_counter()
            self._words[key] = _compared(laid, *pair)
            self._spent += perf_counter() - began
        return self._words[key][at == pair[1]]

    def _pair(self, laid: Laid, at: int) -> tuple[int, int] | None:
        """The places of line AT and the one it stands beside, the old one first."""
        if laid.digest not in self._mates:
            pairs = [(old, new) for old, new in laid.pairs if old >= 0 and new >= 0 and old != new]
            self._mates[laid.digest] = dict(pairs) | {new: old for old, new in pairs}
        mate = self._mates[laid.digest].get(at)
        if mate is None:
            return None
        return (at, mate) if laid.rows[at].sign == "-" else (mate, at)


def _compared(laid: Laid, old: int, new: int) -> tuple[Ranges, Ranges]:
    return changed_words(laid.rows[old].text, laid.rows[new].text)
