"""Colours of code: Pygments, imported in a thread the first time that there is code to colour."""

from importlib import import_module
from typing import Any

from workbench.tui.widgets.blocks import Line, shown
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
            except ValueError:  # no such language
                self._lexers[name] = None
        self.wanted = set()

    def lines(self, piece: Piece) -> list[Line]:
        """The lines of a PIECE of code, coloured if its language is known (by now)."""
        name = _language(piece.info)
        source = piece.text.split("\n")
        if name not in self._lexers:
            self.wanted.add(name)
        lexer = self._lexers.get(name)
        if lexer is None or len(piece.text) > _MOST or max(map(len, source)) > _LINE:
            return [[(shown(line), "")] for line in source]
        return _coloured(lexer, piece, len(source))


def _language(info: str) -> str:
    word = info.split()[0].strip("{}.").lower() if info.split() else ""
    return word[:40]


def _coloured(lexer: Any, piece: Piece, count: int) -> list[Line]:
    """The last COUNT lines, read from where the fence began, so that a long string stays one."""
    before = "\n".join([*piece.before, ""]) if piece.before else ""
    rows: list[Line] = [[]]
    for kind, value in lexer.get_tokens((before + piece.text).replace("\r", "␍")):
        role = _role(kind)
        for place, text in enumerate(value.split("\n")):
            if place:
                rows.append([])
            if text:
                rows[-1].append((shown(text), role))
    rows = rows[len(piece.before) : len(piece.before) + count]
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
