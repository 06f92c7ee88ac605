"""Glob patterns as ripgrep and git read them: `*`, `?`, `[…]`, `{a,b}`, and `**` between slashes.

Standard library alone: the search worker imports this in a bare interpreter.
"""

import re

_MAGIC = frozenset("*?[{\\")
_MOST = 1_000  # patterns that one with braces may stand for
_DEEPEST = 50  # braces within each other
# The wildcards as expressions: a star; `**/` at the beginning, `/**/`, and `**` at the end.
_STAR, _BEFORE, _BETWEEN, _BEHIND = "[^/]*", "(?:.*/)?", "/(?:.*/)?", ".*"
_LAZY = {_BEFORE: "(?:.*?/)??", _BETWEEN: "/(?:.*?/)??"}


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
    """A regular expression that matches the whole of a path relative to where GLOB starts. Raises GlobError.

    Its time grows with the path, not with a power of it: a repository's .gitignore must not be able to hold a search.
    """
    tokens, at, depth = [], 0, 0
    while at < len(glob):
        token, at, change = _token(glob, at, depth)
        depth += change
        if depth > _DEEPEST:
            raise GlobError(f"its braces are nested more than {_DEEPEST} deep")
        tokens.append(token)
    if depth:
        raise GlobError(f"a brace is not closed in {glob!r}")
    found, _ = _spread(tokens, 0)
    made = dict.fromkeys(map(_matching, found))
    return next(iter(made)) if len(made) == 1 else f"(?:{'|'.join(made)})"


def _token(glob: str, at: int, depth: int) -> tuple[str, int, int]:
    """What stands AT a place in GLOB, where it ends, and the change of the depth of braces.

    A wildcard, a sign of braces (`{`, `,`, `}`), or the expression for one character.
    """
    character = glob[at]
    if character == "*":
        return *_stars(glob, at), 0
    if character == "?":
        return "[^/]", at + 1, 0
    if character == "[":
        return *_class(glob, at), 0
    if character == "{":
        return "{", at + 1, 1
    if character == "}" and depth:
        return "}", at + 1, -1
    if character == "," and depth:
        return ",", at + 1, 0
    if glob.startswith("\\/", at):
        return _token(glob, at + 1, depth)
    if character == "\\" and at + 1 < len(glob):
        return _escaped(glob[at + 1]), at + 2, 0
    if glob.startswith("/**/", at):
        return _BETWEEN, at + 4, 0
    return _escaped(character), at + 1, 0


def _escaped(character: str) -> str:
    """One character's expression, which is none of the signs of braces."""
    return f"[{character}]" if character in "{,}" else re.escape(character)


def _stars(glob: str, at: int) -> tuple[str, int]:
    end = at
    while end < len(glob) and glob[end] == "*":
        end += 1
    if end - at == 2 and (at == 0 or glob[at - 1] == "/"):
        if glob.startswith("/", end):
            return _BEFORE, end + 1
        if end == len(glob):
            return _BEHIND, end
    return _STAR, end


def _spread(tokens: list[str], at: int) -> tuple[list[list[str]], int]:
    """The TOKENS from AT to the brace that closes, or the end, each choice in braces made; and where that is."""
    done: list[list[str]] = []
    going: list[list[str]] = [[]]
    while at < len(tokens) and tokens[at] != "}":
        if tokens[at] == "{":
            inner, at = _spread(tokens, at + 1)
            _bounded(len(done) + len(going) * len(inner))
            going = [[*one, *other] for one in going for other in inner]
        elif tokens[at] == ",":
            done, going = done + going, [[]]
        else:
            for one in going:
                one.append(tokens[at])
        _bounded(len(done) + len(going))
        at += 1
    return done + going, at


def _bounded(patterns: int) -> None:
    if patterns > _MOST:
        raise GlobError(f"its braces stand for more than {_MOST} patterns")


def _matching(tokens: list[str]) -> str:
    """The expression of TOKENS without braces. What is behind `**` is found where it is first, before the next one."""
    parts, wide = [], ""
    chunk: list[str] = []
    for token in tokens:
        if token == _BETWEEN:
            parts.append(f"(?>{_LAZY.get(wide, wide)}{_within(chunk)}(?=/))")
        elif token == _BEFORE and wide and not chunk:
            continue  # `**/**/` says no more than `**/`
        elif token in (_BEFORE, _BEHIND):
            parts.append(wide + _within(chunk))
        else:
            chunk.append(token)
            continue
        wide, chunk = token, []
    return "".join([*parts, wide, _within(chunk)])


def _within(tokens: list[str]) -> str:
    """The expression of TOKENS without `**`: what stands between two stars is found where it is first."""
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token != _STAR:
            parts[-1].append(token)
        elif len(parts) == 1 or parts[-1]:
            parts.append([])
    first, *rest = map("".join, parts)
    if not rest:
        return first
    return first + "".join(f"(?>[^/]*?{fixed})" for fixed in rest[:-1]) + _STAR + rest[-1]


def _class(glob: str, at: int) -> tuple[str, int]:
    start = at + 1
    negated = glob.startswith(("!", "^"), start)
    start += negated
    end = glob.find("]", start + 1)
    if end < 0:
        raise GlobError(f"a bracket is not closed in {glob!r}")
    members = re.sub(r"([\\\[&~|^])", r"\\\1", glob[start:end])
    return f"[{'^/' if negated else ''}{members}]", end + 1
