"""Colours of code: Pygments, imported in a thread the first time that there is code to colour."""

from importlib import import_module
from typing import Any

from workbench.tui.widgets.blocks import Line, shown
from workbench.tui.widgets.lexing import Token, tokens
from workbench.tui.widgets.markdown import Piece

_LINE = 1_000  # characters of a line that are coloured
_MOST = 16_000  # characters that are read for one piece


class Highlighter:
    """Lexers by name of language. `wanted` are names that `load` has not looked for yet."""

    def __init__(self) -> None:
        self._lexers: dict[str, Any] = {"": None}
        self.wanted: set[str] = set()

    def load(self) -> None:
        """Looks for the lexers that are wanted. Blocks: the first takes a tenth of a second."""
        lexers = import_module("pygments.lexers")
        for name in sorted(self.wanted):
            try:
                self._lexers[name] = lexers.get_lexer_by_name(name, stripnl=False, ensurenl=False)
            except Exception:  # no such language, or one installed beside Pygments that cannot be had
                self._lexers[name] = None
            self.wanted.discard(name)  # others may have come meanwhile

    def lines(self, piece: Piece) -> list[Line]:
        """The lines of a PIECE of code, coloured if its language is known (by now).

        A lexer that fails or takes too long is asked no more.
        """
        name = _language(piece.info)
        source = piece.text.split("\n")
        if name not in self._lexers:
            self.wanted.add(name)
        lexer = self._lexers.get(name)
        if lexer is not None and len(piece.text) <= _MOST and max(map(len, source)) <= _LINE:
            before = piece.before if sum(map(len, piece.before)) <= _MOST else ()
            # Read from where the fence began, so that a long string stays one.
            read = tokens(lexer, "\n".join([*before, piece.text]).replace("\r", "␍"))
            if read is not None:
                return _coloured(read, len(before), len(source))
            self._lexers[name] = None
        return [[(shown(line), "")] for line in source]


def _language(info: str) -> str:
    word = info.split()[0].strip("{}.").lower() if info.split() else ""
    return word[:40]


def _coloured(read: list[Token], start: int, count: int) -> list[Line]:
    """COUNT lines of what was READ, from line START on."""
    rows: list[Line] = [[]]
    for kind, value in read:
        role = _role(kind)
        for place, text in enumerate(value.split("\n")):
            if place:
                rows.append([])
            if text:
                rows[-1].append((shown(text), role))
    rows = rows[start : start + count]
    return [*rows, *([] for _ in range(count - len(rows)))]


def _role(kind: Any) -> str:
    """The role of a token: Pygments names its kinds as paths."""
    path = tuple(kind)
    if path[:1] == ("Keyword",) or path[:2] == ("Operator", "Word"):
        return "keyword"
    if path[:2] in _NAMES:
        return "definition"
    return _ROLES.get(path[:2]) or _ROLES.get(path[:1]) or ""


_NAMES = {("Name", name) for name in ("Function", "Class", "Decorator", "Tag")}
_ROLES = {
    ("Comment",): "comment", ("Literal", "String"): "string", ("Literal", "Number"): "number",
    ("Generic", "Inserted"): "added", ("Generic", "Deleted"): "removed",
}  # fmt: skip
