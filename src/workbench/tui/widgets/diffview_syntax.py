"""The roles of words in code, for a few lines at a time: Pygments, imported in a thread once there is code to show."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

from workbench.tui.widgets.lexing import tokens

Spans = tuple[tuple[int, int, str], ...]  # start, end, role

CHUNK = 40  # lines that are read at once
_LINE = 400  # characters of a line that are read
_MOST = 4_000  # characters of a chunk that are read
_ROLES = {  # by the beginning of a token's name
    "Keyword": "keyword",
    "Operator.Word": "keyword",
    "Comment": "comment",
    "Literal.String": "string",
    "Literal.Number": "number",
    "Name.Function": "definition",
    "Name.Class": "definition",
    "Name.Decorator": "definition",
    "Name.Tag": "definition",
}


class Syntax:
    """Lexers by file name. `load` blocks; `spans` does not."""

    def __init__(self) -> None:
        self._lexers: dict[str, Any] = {}

    def knows(self, path: str) -> bool:
        """Whether the lexer of PATH was looked for."""
        return _key(path) in self._lexers

    def load(self, path: str) -> None:
        """Finds the lexer for the file PATH by its name. Blocks: the first one takes a tenth of a second."""
        lexers: Any = import_module("pygments.lexers")
        try:
            found = lexers.find_lexer_class_for_filename(_key(path))
            plain = found is None or found.name == "Text only"
            self._lexers[_key(path)] = None if plain else found(stripnl=False, ensurenl=False)
        except Exception:  # of a lexer that was installed beside Pygments, whatever the file is
            self._lexers[_key(path)] = None

    def spans(self, path: str, lines: Sequence[str]) -> list[Spans]:
        """The roles in LINES of the file PATH, a tuple a line; empty ones where nothing is known.

        A lexer that fails or takes too long is asked no more.
        """
        lexer = self._lexers.get(_key(path))
        found: list[list[tuple[int, int, str]]] = [[] for _ in lines]
        if lexer is None:
            return [() for _ in lines]
        room = _MOST
        texts = []
        for line in lines:
            text = line[: max(0, min(_LINE, room))]
            texts.append(text.replace("\r", " "))
            room -= len(text)
        row = at = 0
        if (read := tokens(lexer, "\n".join(texts))) is None:
            self._lexers[_key(path)] = None
        for kind, value in read or ():
            role = _role(kind)
            for place, piece in enumerate(value.split("\n")):
                row, at = (row + 1, 0) if place else (row, at)
                if piece and role and row < len(found):
                    found[row].append((at, at + len(piece), role))
                at += len(piece)
        return [tuple(spans) for spans in found]


def _key(path: str) -> str:
    return path.rpartition("/")[2]


@cache
def _role(kind: Any) -> str:
    name = str(kind).removeprefix("Token.")
    return next((role for start, role in _ROLES.items() if name.startswith(start)), "")
