"""Commands and redirects of a text by a plain cut at separators: for what the grammar misreads, where none may hide.

More is found than bash would run. Nothing is allowed by it: deny and ask rules alone are held against what it finds.
"""

import re
from collections.abc import Iterator
from itertools import dropwhile

from workbench.permissions.words import UNKNOWN

# A quote that nothing closes goes on to the end: looking for its end again from each place would take too long.
_PART = r"""\\.|\$'(?:\\.|[^'\\])*+(?:'|\Z)|'[^']*+(?:'|\Z)|"(?:\\.|[^"\\])*+(?:"|\Z)|\$\{[^{}]*+\}"""
# Blanks are the shell's own: a carriage return or a wide space is part of a word.
_WORD = rf"""(?:{_PART}|[^ \t\n'"\\;&|<>()`])+"""
_TOKEN = re.compile(
    rf"(?:\d+|\{{\w+\}})?(?P<sign><<[<-]?|&>>?|<>|[<>]&|>[>|]?|<)[ \t]*(?P<target>{_WORD})?"
    rf"|(?P<end>[;&|\n()`]+)|(?P<word>{_WORD}|[^ \t\n])",
    re.DOTALL,
)
_PARTS = re.compile(rf"{_PART}|\$\w+|\$.|['\"\\]", re.DOTALL)
_ASSIGNED = re.compile(r"\w+(?:\[[^\]]*\])?\+?=")
_STRING = re.compile(r'"((?:\\.|[^"\\])*+)', re.DOTALL)
_QUOTES = str.maketrans("", "", "'\"\\")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|c.|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}


def cut(text: str) -> Iterator[list[str]]:
    """The words between any two separators of TEXT, without redirects and the assignments before them.

    Three times: quotes hold together what they enclose; what double ones enclose by itself; as if there were none.
    """
    for part in _readings(text):
        words: list[str] = []
        for token in _TOKEN.finditer(part):
            if token["word"]:
                words.append(token["word"])
            elif token["end"]:
                yield from _command(words)
                words = []
        yield from _command(words)


def redirects(text: str) -> Iterator[tuple[str, str]]:
    """What redirects in TEXT open, by the same cut: path, and read or write."""
    for part in _readings(text):
        for token in _TOKEN.finditer(part):
            if token["target"] and not token["sign"].startswith("<<"):
                yield bare(token["target"]), "read" if token["sign"] == "<" else "write"


def unescaped(text: str) -> str:
    """TEXT, as it stands between `$'` and `'`, with its escapes read."""
    return _ESCAPE.sub(_escaped, text)


def bare(word: str) -> str:
    """WORD without quotes; UNKNOWN for what is computed in it."""
    return _PARTS.sub(_plain, word)


def _readings(text: str) -> Iterator[str]:
    yield text
    yield from (found[1] for found in _STRING.finditer(text))
    yield text.translate(_QUOTES)


def _command(words: list[str]) -> Iterator[list[str]]:
    if left := [bare(word) for word in dropwhile(_ASSIGNED.match, words)]:
        yield left


def _plain(found: re.Match[str]) -> str:
    part = found[0]
    if part[0] == "$":
        return unescaped(part[2:-1]) if part[1:2] == "'" else UNKNOWN
    if part[0] == "'" or len(part) == 1:
        return part[1:-1]
    return bare(part[1:-1]) if part[0] == '"' else part[1:].strip("\n")


def _escaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "xuU" and len(code) > 1:
        return chr(min(int(code[1:], 16), 0x10FFFF))
    if code[0] == "c" and len(code) > 1:
        return chr(ord(code[1]) & 0x1F)
    return chr(int(code, 8) & 0xFF) if code.isdigit() else _LETTERS.get(code, code)
