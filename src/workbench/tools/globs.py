"""Glob patterns as ripgrep and git read them: `*`, `?`, `[…]`, `{a,b}`, and `**` between slashes.

Standard library alone: the search worker imports this in a bare interpreter.
"""

import re

_MAGIC = frozenset("*?[{\\")


class GlobError(ValueError):
    """A pattern that cannot be read; the message says why."""


def split_base(pattern: str) -> tuple[str, str]:
    """The folder that PATTERN starts in (may be empty, absolute, or begin with `..` or `~`), and the rest.

    Raises GlobError where a `..` follows a wildcard: nobody could say which folder that reaches.
    """
    parts = pattern.split("/")
    plain = next((at for at, part in enumerate(parts) if _MAGIC & set(part)), len(parts) - 1)
    if ".." in re.split(r"[/{},]", "/".join(parts[plain:])):
        raise GlobError(f"`..` after a wildcard has no one meaning in {pattern!r}; put the folder into `path`.")
    base = "/".join(parts[:plain])
    return (base or "/") if pattern.startswith("/") else base, "/".join(parts[plain:])


def words(globs: str) -> list[str]:
    """The single patterns in GLOBS, which are separated by spaces, or by commas outside braces."""
    found, depth, word = [], 0, ""
    for character in globs:
        depth += (character == "{") - (character == "}")
        if character.isspace() or (character == "," and depth <= 0):
            found.append(word)
            word = ""
        else:
            word += character
    return [word for word in [*found, word] if word]


def expression(glob: str) -> str:
    """A regular expression that matches the whole of a path relative to where GLOB starts. Raises GlobError."""
    pieces, at, depth = [], 0, 0
    while at < len(glob):
        piece, at, change = _piece(glob, at, depth)
        depth += change
        pieces.append(piece)
    if depth:
        raise GlobError(f"a brace is not closed in {glob!r}")
    return "".join(pieces)


def _piece(glob: str, at: int, depth: int) -> tuple[str, int, int]:
    """The expression for what stands AT a place in GLOB, where it ends, and the change of the depth of braces."""
    character = glob[at]
    if character == "*":
        return *_stars(glob, at), 0
    if character == "?":
        return "[^/]", at + 1, 0
    if character == "[":
        return *_class(glob, at), 0
    if character == "{":
        return "(?:", at + 1, 1
    if character == "}" and depth:
        return ")", at + 1, -1
    if character == "," and depth:
        return "|", at + 1, 0
    if character == "\\" and at + 1 < len(glob):
        return re.escape(glob[at + 1]), at + 2, 0
    if glob.startswith("/**/", at):
        return "/(?:.*/)?", at + 4, 0
    return re.escape(character), at + 1, 0


def _stars(glob: str, at: int) -> tuple[str, int]:
    end = at
    while end < len(glob) and glob[end] == "*":
        end += 1
    if end - at == 2 and (at == 0 or glob[at - 1] == "/"):
        if glob.startswith("/", end):
            return "(?:.*/)?", end + 1
        if end == len(glob):
            return ".*", end
    return "[^/]*", end


def _class(glob: str, at: int) -> tuple[str, int]:
    start = at + 1
    negated = glob.startswith(("!", "^"), start)
    start += negated
    end = glob.find("]", start + 1)
    if end < 0:
        raise GlobError(f"a bracket is not closed in {glob!r}")
    members = re.sub(r"([\\\[&~|^])", r"\\\1", glob[start:end])
    return f"[{'^/' if negated else ''}{members}]", end + 1
