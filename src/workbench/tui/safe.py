"""The one door through which text that is not ours reaches a widget: nothing in it can move the terminal."""

import re

from textual.content import Content

from workbench.protocol.visible import visible

_EMOJI = "\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
_JOINED = re.compile(f"(?:(?<=[{_EMOJI}])|(?<=[{_EMOJI}][\ufe0f\U0001f3fb-\U0001f3ff]))\u200d(?=[{_EMOJI}])")


def safe(text: str, *, newlines: bool = False) -> str:
    """TEXT with control, bidi and invisible characters shown as pictures; line feeds stay if NEWLINES."""
    return visible(text, newlines=newlines)


def content(text: str, style: str = "", *, newlines: bool = False) -> Content:
    """TEXT as content in STYLE; square brackets in it are text, never markup."""
    return Content.styled(safe(text, newlines=newlines), style) if style else Content(safe(text, newlines=newlines))


def parted(words: str) -> str:
    """WORDS that are only read, with an emoji that is joined of several shown as its parts, side by side.

    Terminals disagree on whether such an emoji is one sign or several; of the parts all know how wide they are. In
    names, paths and commands, and anywhere but between two emoji, the joiner stays something to see.
    """
    return _JOINED.sub("", words) if "\u200d" in words else words
