"""Markdown as it comes: cut into pieces that do not change any more, and one last piece that still does.

So text that streams costs what its last paragraph costs, and a long answer is drawn piece by piece.
"""

import re
from dataclasses import dataclass, field

PIECE = 4_096  # characters of a piece; longer paragraphs are cut
ROWS = 200  # source lines of a piece
CODE_ROWS = 50  # lines of code in a piece

_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})[ \t]*([^`]*)$")
_INNER = re.compile(r"^\s*(`{3,}|~{3,})")
_ITEM = re.compile(r"^ ?(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)")
_HEADING = re.compile(r"^ {0,3}#{1,6}(?:[ \t]|$)")
_UNDECIDED = re.compile(r"^ {0,3}(?:[`~]{1,}[\w.+#-]*|[-*+=#>_|]{1,6}|\d{1,9}[.)]?) ?$")


@dataclass(slots=True)
class Piece:
    """A piece of Markdown. kind: text, item (of a list), code.

    `gap`: blank lines above. Of code: `info` names the language, `before` are lines of the same fence that came
    earlier, for whoever needs them to read on; `first` begins a fence.
    """

    kind: str
    text: str
    gap: int = 1
    info: str = ""
    first: bool = True
    before: tuple[str, ...] = ()


@dataclass(slots=True)
class Splitter:
    """Feed it text in any portions; `feed` returns the pieces that are done, `tail` what is not."""

    _partial: str = ""
    _lines: list[str] = field(default_factory=list)
    _size: int = 0
    _kind: str = ""
    _gap: int = 0
    _blank: bool = False  # the last line was empty
    _previous: str = ""  # kind of the piece before
    _fence: str = ""  # what closes the code that is open
    _indent: int = 0
    _info: str = ""
    _first: bool = True
    _before: tuple[str, ...] = ()
    _inner: str = ""  # what closes code within a list item
    _done: list[Piece] = field(default_factory=list)

    def feed(self, text: str) -> list[Piece]:
        """Takes more TEXT; the pieces that will not change any more."""
        *lines, partial = (self._partial + text if self._partial else text).split("\n")
        for line in lines:
            self._line(line.removesuffix("\r"))
        while len(partial) > PIECE:
            self._line(partial[:PIECE], whole=False)
            partial = partial[PIECE:]
        self._partial = partial
        done, self._done = self._done, []
        return done

    def tail(self) -> list[Piece]:
        """What more text may still change, as it looks so far."""
        partial = self._partial.removesuffix("\r")
        if self._fence:
            closing = partial.strip() and self._fence.startswith(partial.strip())
            return [self._code(self._lines if closing or not partial else [*self._lines, partial])]
        if _UNDECIDED.match(partial):  # a mark that the next character may change into another
            partial = ""
        ahead = Splitter(
            _lines=list(self._lines), _size=self._size, _kind=self._kind, _gap=self._gap, _blank=self._blank,
            _previous=self._previous, _inner=self._inner, _partial=partial,
        )  # fmt: skip
        return ahead.end()

    def end(self) -> list[Piece]:
        """No more text follows: the pieces that are left."""
        if self._partial:
            self._line(self._partial.removesuffix("\r"))
        self._partial = ""
        if self._fence:
            self._close_code()
        else:
            self._close()
        done, self._done = self._done, []
        return done

    # --- one line ----------------------------------------------------------------------------------------

    def _line(self, line: str, *, whole: bool = True) -> None:
        if self._fence:
            self._code_line(line)
            return
        within = self._inner or (self._kind == "item" and self._lines and line.startswith("  "))
        if not within and (found := _FENCE.match(line)) and whole:
            self._close()
            self._fence, self._indent, self._info = found[2], len(found[1]), found[3].strip()
            self._first, self._before = True, ()
            return
        if self._inner:
            self._inner = "" if line.strip().startswith(self._inner) and not line.strip().strip("`~") else self._inner
        elif not line.strip():
            self._blank = True
            return
        elif (found := _INNER.match(line)) and whole:
            self._inner = found[1]
        elif self._begins(line):
            self._close()
        self._add(line)
        if self._size > PIECE or len(self._lines) >= ROWS or not whole:
            self._close(cut=True)
        elif self._kind == "heading":
            self._close()

    def _begins(self, line: str) -> bool:
        """Whether LINE is the first of another piece."""
        if not self._lines:
            return False
        if _ITEM.match(line) and (self._kind == "item" or self._blank or line.lstrip()[0] in "-*+1"):
            return True
        if _HEADING.match(line):
            return True
        if not self._blank:
            return False
        return not (self._kind == "item" and line.startswith(("  ", "\t")))

    def _add(self, line: str) -> None:
        if not self._lines:
            self._kind = "item" if _ITEM.match(line) else "heading" if _HEADING.match(line) else "text"
            self._gap = self._space()
        elif self._blank:
            self._lines.append("")
        self._blank = False
        self._lines.append(line)
        self._size += len(line) + 1

    def _space(self) -> int:
        """Blank lines above the piece that begins."""
        if not self._previous or self._previous == "cut" or self._previous == "heading":
            return 0
        return int(self._blank or self._kind != "item")

    def _close(self, *, cut: bool = False) -> None:
        if self._lines:
            self._done.append(Piece(self._kind, "\n".join(self._lines), self._gap))
            self._previous = "cut" if cut else self._kind
        self._lines, self._size, self._inner = [], 0, ""

    # --- code ---------------------------------------------------------------------------------------------

    def _code_line(self, line: str) -> None:
        stripped = line.strip()
        if stripped.startswith(self._fence) and not stripped.strip(self._fence[0]):
            self._close_code()
            return
        self._lines.append(line[self._indent :] if not line[: self._indent].strip() else line)
        if len(self._lines) >= CODE_ROWS:
            self._done.append(self._code(self._lines))
            self._before = (*self._before, *self._lines)[-2 * CODE_ROWS :]
            self._first, self._lines = False, []

    def _close_code(self) -> None:
        if self._lines or self._first:
            self._done.append(self._code(self._lines))
        self._lines, self._fence, self._before, self._blank, self._previous = [], "", (), False, "code"

    def _code(self, lines: list[str]) -> Piece:
        return Piece(
            "code", "\n".join(lines), int(self._first and bool(self._previous)), self._info, self._first, self._before
        )


def split(text: str) -> list[Piece]:
    """All pieces of TEXT."""
    splitter = Splitter()
    return splitter.feed(text) + splitter.end()
