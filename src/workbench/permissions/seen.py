"""Every command that a text may hold, read generously: for deny and ask rules, which no spelling may escape.

`survey.py` reads strictly what may be allowed; this reads on where that one stops.
"""

import re
import shlex
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from workbench.permissions.shell import tree
from workbench.permissions.words import UNKNOWN, Field, braces
from workbench.permissions.wrappers import SHELLS, base, inner_names, scripts

_DEEPEST = 4
_MOST_NODES = 300_000
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|[0-7]{1,3}|.)", re.DOTALL)
_REDIRECT = re.compile(r"(<>|<|>[>|&]?)\s*([^\s;&|<>()]+)")
_COMMANDS = ("command", "declaration_command", "unset_command", "test_command")
_BESIDE = ("variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}


@lru_cache(maxsize=4096)
def commands(text: str, depth: int = 0) -> tuple[tuple[str, ...], ...]:
    """The argument lists of all commands in TEXT: in branches, substitutions, functions, wrappers, `-c` texts."""
    found: dict[tuple[str, ...], None] = {}
    for argv in _written(text):
        for inner in inner_names(argv):
            if inner:
                found[tuple(inner)] = None
                if depth < _DEEPEST:
                    for script in scripts(inner):
                        found.update(dict.fromkeys(commands(script, depth + 1)))
    return tuple(found)


@lru_cache(maxsize=4096)
def files(text: str, *, inner: bool = False) -> frozenset[tuple[str, str]]:
    """What redirects in TEXT, and in the texts that it gives to shells, open: path, and read or write.

    INNER: only those of the texts given to shells.
    """
    given = {script for argv in commands(text) for script in scripts(list(argv))}
    return frozenset(pair for part in (given if inner else {text, *given}) for pair in _redirected(part))


def forms(argv: tuple[str, ...]) -> set[str]:
    """ARGV as a rule may name it: as it is, quoted, and without the program's folder."""
    plain = " ".join(argv)
    short = " ".join((base(argv[0]), *argv[1:]))
    return {plain, short, shlex.join(argv), shlex.join((base(argv[0]), *argv[1:]))}


def _written(text: str) -> Iterator[list[str]]:
    root = tree(text)
    nodes, looked = [root], 0
    source = text.encode("utf-8", "surrogatepass")
    broken = root.has_error
    while nodes and looked < _MOST_NODES:
        node = nodes.pop()
        looked += 1
        nodes.extend(node.children)
        broken = broken or (node.type == "heredoc_body" and b"`" in node.text)
        if node.type in _COMMANDS:
            words = [child for child in node.children if child.type not in _BESIDE]
            broken = broken or any(word.type == "word" and b"\n" in word.text for word in words)
            yield [text for word in words for text in _expanded(_value(word, source))]
        if node.type in ("command", "redirected_statement"):
            yield from (["sh", "-c", text] for text in _given(node, source))
    if broken or nodes:  # what the grammar does not understand is cut at every separator instead
        for piece in re.split(r"[;&|\n(){}`]+", text):
            if words_there := piece.split():
                yield [word.strip("'\"\\") for word in words_there]


def _redirected(text: str) -> Iterator[tuple[str, str]]:
    root = tree(text)
    source = text.encode("utf-8", "surrogatepass")
    nodes, looked = [root], 0
    while nodes and looked < _MOST_NODES:
        node = nodes.pop()
        looked += 1
        nodes.extend(node.children)
        if node.type == "file_redirect":
            reads = any(child.type == "<" for child in node.children)
            targets = [child for child in node.children if child.is_named and child.type != "file_descriptor"]
            yield from ((_value(target, source), "read" if reads else "write") for target in targets)
    if root.has_error or nodes:
        for sign, target in _REDIRECT.findall(text):
            yield target.strip("'\"\\"), "read" if sign == "<" else "write"


def _expanded(text: str) -> list[str]:
    """TEXT with its braces expanded, as if they were not quoted."""
    if "{" not in text:
        return [text]
    fields = braces(Field(text, "a" * len(text)))
    return [text] if fields is None else [field.text for field in fields if field.text or len(fields) == 1]


def _given(node: Any, source: bytes) -> Iterator[str]:
    """What a shell in NODE, a command with its redirects, gets on its standard input, as far as it is written there."""
    words = source[node.start_byte : node.end_byte].decode("utf-8", "replace").partition("<<")[0].split()
    if not any(base(word.strip("'\"\\")) in SHELLS for word in words):
        return
    for child in node.children:
        if child.type == "herestring_redirect":
            yield _value(child.children[-1], source)
        yield from (part.text.decode("utf-8", "replace") for part in child.children if part.type == "heredoc_body")


def _value(node: Any, source: bytes) -> str:
    """What a word stands for, as far as it is written out; UNKNOWN where it is computed."""
    kind = node.type
    text = source[node.start_byte : node.end_byte].decode("utf-8", "replace")
    if kind in ("word", "number", "variable_name", "test_operator"):
        return re.sub(r"\\(.)", r"\1", text)
    if kind == "raw_string":
        return text[1:-1]
    if kind == "ansi_c_string":
        return _ESCAPE.sub(_escaped, text[2:-1])
    if kind == "string":
        return "".join(_inside(node, source))
    if kind in ("concatenation", "command_name"):
        return "".join(_value(child, source) for child in node.children)
    return UNKNOWN if kind.isidentifier() else text


def _inside(node: Any, source: bytes) -> Iterator[str]:
    at = node.start_byte + 1
    for child in node.children[1:]:
        if child.type == "string_content":
            continue
        yield re.sub(r"\\([$`\"\\\n])", r"\1", source[at : child.start_byte].decode("utf-8", "replace"))
        if child.end_byte < node.end_byte:
            yield _value(child, source)
        at = child.end_byte


def _escaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "xu" and len(code) > 1:
        return chr(int(code[1:], 16))
    return chr(int(code, 8)) if code.isdigit() and int(code, 8) < 256 else _LETTERS.get(code, code)
