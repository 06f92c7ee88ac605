"""What is known of a changed line beside its text: the roles of its words, and which of them changed. Read once."""

from collections.abc import Callable
from time import perf_counter

from textual.cache import LRUCache

from workbench.tui.widgets.diffview_paint import Side
from workbench.tui.widgets.diffview_syntax import CHUNK, Spans, Syntax
from workbench.tui.widgets.diffview_words import Ranges, changed_words
from workbench.tui.widgets.hunks import DiffFile, Laid

_BUSY = 0.008  # seconds of a frame that may go into reading code

Key = tuple[str, int]  # digest of a hunk, chunk of its lines


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
        words = () if row.sign == " " else self._word_marks(laid, at)
        return Side(row, self._spans(file, laid, at), words)

    def read(self, path: str, laid: Laid, key: Key) -> None:
        """Reads a chunk of code and keeps what it says. Blocks."""
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
        self._code[key] = found

    def _spans(self, file: DiffFile, laid: Laid, at: int) -> Spans:
        key = (laid.digest, at // CHUNK)
        if key not in self._code:
            if not self._syntax.knows(file.path) or self._spent > _BUSY:
                self._later(file.path, laid, key)
                return ()
            began = perf_counter()
            self.read(file.path, laid, key)
            self._spent += perf_counter() - began
        return self._code[key][at % CHUNK]

    def _word_marks(self, laid: Laid, at: int) -> Ranges:
        if laid.digest not in self._mates:
            pairs = [(old, new) for old, new in laid.pairs if old >= 0 and new >= 0 and old != new]
            self._mates[laid.digest] = dict(pairs) | {new: old for old, new in pairs}
        mate = self._mates[laid.digest].get(at)
        if mate is None:
            return ()
        old, new = (at, mate) if laid.rows[at].sign == "-" else (mate, at)
        key = (laid.digest, old)
        if key not in self._words:
            self._words[key] = changed_words(laid.rows[old].text, laid.rows[new].text)
        return self._words[key][at == new]
