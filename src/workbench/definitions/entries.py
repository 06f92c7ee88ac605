"""Lists of tools as people write them, cut into entries; and one entry, cut into tool and scopes."""

import json
import re
from typing import Any

import msgspec

# `tools` of one of these, alone, means every tool.
ALL = ("*", "All tools")

_ENTRY = re.compile(r"(?P<tool>[^()]*)(?:\((?P<scopes>.*)\))?", re.DOTALL)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: the tool as written and its scopes. `scopes` is None for all of the tool.

    `wrong` says why the scopes cannot be read; then they are empty.
    """

    tool: str
    scopes: tuple[str, ...] | None = None
    wrong: str = ""


def entries(value: Any, whole: bool = False) -> tuple[tuple[str, ...], str]:
    """The entries of a field's VALUE as written, and what is wrong with the value's form ("" if nothing).

    A comma string (commas inside parentheses do not split), a YAML list or a JSON list. A value of another kind
    comes back as what can be shown of it, with the reason: none of it may be granted. An item of a list that is no
    text names no tool and is shown as JSON; with `whole` it spoils the list.
    """
    if value is None:
        return (), ""
    if isinstance(value, str):
        return tuple(_from_text(value)), ""
    if isinstance(value, list):
        texts = [item.strip() if isinstance(item, str) else json.dumps(item) for item in value]
        spoilt = whole and not all(isinstance(item, str) for item in value)
        return tuple(_rejoined([text for text in texts if text])), "an item of the list is no text" if spoilt else ""
    shown = tuple(value) if isinstance(value, dict) else (str(value),)
    return shown, "must be a comma-separated string or a list of tool names"


def entry(text: str) -> Entry:
    """The tool and the scopes of one entry. `, ` inside the parentheses separates scopes."""
    found = _ENTRY.fullmatch(text)
    tool = text.partition("(")[0].rstrip()
    if found is None or not _balanced(text) or found["tool"] != tool:
        return Entry(tool=tool, scopes=(), wrong="its parentheses do not match")
    if found["scopes"] is None:
        return Entry(tool=tool)
    scopes = tuple(scope.strip() for scope in re.split(r",\s+", found["scopes"]))
    if not all(scope.removesuffix(":*").strip() for scope in scopes):
        return Entry(tool=tool, scopes=(), wrong="its parentheses hold an empty scope")
    # `Bash(*)` is Bash, as in permission rules.
    return Entry(tool=tool) if "*" in scopes else Entry(tool=tool, scopes=scopes)


def _from_text(text: str) -> list[str]:
    text = text.strip()
    if text.startswith("["):
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            text = text.removeprefix("[").removesuffix("]")
        else:
            if isinstance(items, list) and all(isinstance(item, str) for item in items):
                return [item.strip() for item in items if item.strip()]
    return [unquoted for piece in _cut(text) if (unquoted := _unquoted(piece))]


def _cut(text: str) -> list[str]:
    """TEXT cut at commas and line ends outside parentheses."""
    pieces, start, depth = [], 0, 0
    for at, character in enumerate(text):
        if character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        elif character in ",\n" and depth == 0:
            pieces.append(text[start:at])
            start = at + 1
    return [*pieces, text[start:]]


def _unquoted(piece: str) -> str:
    piece = piece.strip()
    if len(piece) > 1 and piece[0] == piece[-1] and piece[0] in "\"'`":
        return piece[1:-1].strip()
    return piece


def _rejoined(items: list[str]) -> list[str]:
    """A YAML list without quotes cuts `[Bash(git diff:*, git log:*)]` in two: such pieces are one entry again."""
    whole: list[str] = []
    at = 0
    while at < len(items):
        end = _closing(items, at)
        whole.append(", ".join(items[at : end + 1]))
        at = end + 1
    return whole


def _closing(items: list[str], at: int) -> int:
    """The index of the piece that closes the parenthesis open in ITEMS[at]; AT itself where none does."""
    if items[at].count("(") != items[at].count(")") + 1:
        return at
    for end in range(at + 1, len(items)):
        opened, closed = items[end].count("("), items[end].count(")")
        if closed == opened + 1:
            return end
        if opened != closed:
            break
    return at


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0
