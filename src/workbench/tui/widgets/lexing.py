"""Pygments on whatever stands in an answer or a file: in bounded time, and without a failure."""

from time import thread_time
from typing import Any

_MOST = 1.5  # seconds of its own that a thread spends on one text: with some lexers blanks alone cost their square
_ENDLESS = {"Easytrieve"}  # of those a single step has no end that one could wait for

Token = tuple[Any, str]  # its kind, as Pygments names it, and its text


def tokens(lexer: Any, text: str) -> list[Token] | None:
    """What LEXER finds in TEXT; None where it fails of it or takes too long."""
    if lexer.name in _ENDLESS:
        return None
    end = thread_time() + _MOST
    found: list[Token] = []
    try:
        for token in lexer.get_tokens(text):
            found.append(token)
            if thread_time() > end:
                return None
    except Exception:  # a lexer is others' code, and may be one that was installed beside
        return None
    return found
