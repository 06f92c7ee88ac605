"""Cuts a definition file into front matter and body. What had to be forgiven is told as problems."""

import codecs
import re

import msgspec

from workbench.definitions.types import Problem

# Real front matter is a few kilobytes; beyond this it is no definition, and YAML is not asked to read it.
MAX_FRONT = 64 * 1024

_FENCE = re.compile(r"^-{3,}[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"\s*<!--.*?-->", re.DOTALL)


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """Front matter and body, line ends made `\\n`. `first` is the number of the front matter's first line."""

    text: str
    first: int
    body: str
    forgiven: tuple[Problem, ...] = ()


def decode(data: bytes) -> tuple[str, tuple[Problem, ...]]:
    """The file's text with line ends made `\\n`, and what was wrong with its encoding.

    UTF-8 with or without a byte order mark is right; UTF-16 with one is read too, and told.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text, encoding = data.decode("utf-16", "replace"), "UTF-16"
    else:
        data = data.removeprefix(codecs.BOM_UTF8)
        try:
            text, encoding = data.decode(), ""
        except UnicodeDecodeError:
            text, encoding = data.decode(errors="replace"), "no UTF-8 throughout"
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not encoding:
        return text, ()
    return text, (Problem(field="file", message=f"the text is {encoding}: save it as UTF-8", line=1),)


def split(text: str) -> Front | Problem:
    """Front matter and body of TEXT, or the problem that makes it no definition.

    A front matter that is never closed is refused: a file cut short may have lost the line that limits its tools.
    """
    start, forgiven = _opening(text)
    opening = _FENCE.match(text, start)
    if opening is None:
        message = "the file does not begin with a line `---`: it is no agent definition"
        return Problem(field="file", message=message, line=1)
    first = text.count("\n", 0, start) + 2
    closing = _FENCE.search(text, opening.end() + 1)
    if closing is None:
        message = "the front matter is never closed: end it with a line `---`"
        return Problem(field="file", message=message, line=first - 1)
    front = text[opening.end() + 1 : closing.start()]
    if len(front) > MAX_FRONT:
        return Problem(field="file", message=f"the front matter is longer than {MAX_FRONT:,} characters", line=first)
    for fence in (opening, closing):
        if len(fence[0].rstrip()) > 3:
            line = text.count("\n", 0, fence.start()) + 1
            forgiven = (*forgiven, Problem(field="file", message="a fence is three dashes, here are more", line=line))
    return Front(text=front, first=first, body=text[closing.end() :].strip(), forgiven=forgiven)


def _opening(text: str) -> tuple[int, tuple[Problem, ...]]:
    """Where the opening fence should be, past blank lines and HTML comments."""
    start = 0
    while comment := _COMMENT.match(text, start):
        start = comment.end()
    while start < len(text) and text[start].isspace():
        start += 1
    if start == 0:
        return 0, ()
    message = "blank lines or comments stand before the front matter: it belongs in the first line"
    return start, (Problem(field="file", message=message, line=1),)
