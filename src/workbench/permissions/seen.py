"""Every command that a text may hold, read generously: for deny and ask rules, which no spelling may escape.

`survey.py` reads strictly what may be allowed; this reads on where that one stops.
"""

import re
import shlex
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

from workbench.permissions.cut import cut, redirects, unescaped
from workbench.permissions.shell import nodes, odd_sign, tree
from workbench.permissions.words import UNKNOWN, Field, braces
from workbench.permissions.wrappers import SHELLS, base, inner_names, scripts

REMOVERS = ("rm", "rmdir", "mv")
_DEEPEST = 4
_MOST_TEXT = 100_000  # characters that are read for one command: its own and those of texts in it
_MOST_DOCUMENTS = 500  # here-docs in a text: the grammar looks for the end of each to the end of all
_MOST_WORDS = 200_000  # of the commands in it, each counted again in every command that runs it
_QUOTED = ("raw_string", "string", "ansi_c_string")
_RUNS, _RUNS_ESCAPED = re.compile(rb"`|\$\("), re.compile(rb"\\`|\\\$\(|\\x|\\[0-7]")
_SUBSCRIPT = re.compile(rb"\w\[[^\]]*(?:`|\$\()")
_ARITHMETIC = ("arithmetic_expansion", "subscript", "expansion", "test_command", "c_style_for_statement")
_COMMANDS = ("command", "declaration_command", "unset_command", "test_command")
_BESIDE = ("variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect")
_DESCRIPTOR = re.compile(rb"\d+|\{\w+\}")
_NOTHING, _BLANK, _BLANKS = (re.compile(rb"(?:%b\\\n)*" % blank) for blank in (b"", rb"[ \t]|", rb"[ \t\n]|"))
# What may stand between the parts of a node: BLANKS, if not said otherwise.
_BETWEEN = {
    **dict.fromkeys(("simple_expansion", "concatenation"), _NOTHING),
    **dict.fromkeys(("command", "declaration_command", "redirected_statement"), _BLANK),
    **dict.fromkeys(("file_redirect", "herestring_redirect"), _BLANK),
}
# Between whose parts text may stand; with any other node, the grammar has passed over a character.
_TEXTS = (*_QUOTED, "translated_string", "heredoc_body", "heredoc_content", "regex")


def commands(text: str) -> tuple[tuple[str, ...], ...]:
    """The argument lists of all commands in TEXT: in branches, substitutions, functions, wrappers, `-c` texts."""
    return _commands(text)[0]


def all_of(text: str) -> bool:
    """Whether `commands` looked at all of TEXT: commands within commands may be more than anybody could look at."""
    return _commands(text)[1]


@lru_cache(maxsize=4096)
def _commands(text: str) -> tuple[tuple[tuple[str, ...], ...], bool]:
    found: dict[tuple[str, ...], None] = {}
    texts, known, left, words = [(text, 0)], {text}, max(_MOST_TEXT, 2 * len(text)), _MOST_WORDS
    for within, depth in texts:
        left -= len(within)
        if left < 0 or words < 0 or within.count("<<") > _MOST_DOCUMENTS:
            return tuple(found), False
        for argv in (argv for one in _joined(within) for argv in _written(one)):
            for inner in inner_names(argv) if argv else ():
                if UNKNOWN in inner[0] != UNKNOWN:  # what is computed may be nothing
                    inner = [inner[0].replace(UNKNOWN, ""), *inner[1:]]
                words -= len(inner)
                if words < 0:
                    break
                found[tuple(inner)] = None
                new = [script for script in scripts(inner) if script not in known] if depth < _DEEPEST else []
                known.update(new)
                texts += [(script, depth + 1) for script in new]
    return tuple(found), words >= 0


@lru_cache(maxsize=4096)
def files(text: str, *, inner: bool = False) -> frozenset[tuple[str, str]]:
    """What redirects in TEXT, and in the texts that it gives to shells, open: path, and read or write.

    INNER: only those of the texts given to shells.
    """
    given = {script for argv in commands(text) for script in scripts(list(argv))}
    parts = given if inner else {text, *given}
    return frozenset(pair for part in parts for one in _joined(part) for pair in _redirected(one))


@lru_cache(maxsize=4096)
def values(text: str) -> frozenset[str]:
    """What names are set to in TEXT, as far as it is written out: by assignments and by `for`."""
    found, source = set(), text.encode("utf-8", "surrogatepass")
    for node in nodes(tree(text)):
        if node.type in ("variable_assignment", "for_statement"):
            found |= {word for child in node.named_children[1:] for word in _expanded(_value(child, source))}
    return frozenset(found)


def forms(argv: tuple[str, ...]) -> set[str]:
    """ARGV as a rule may name it: as it is, quoted, and without the program's folder."""
    plain = " ".join(argv)
    short = " ".join((base(argv[0]), *argv[1:]))
    return {plain, short, shlex.join(argv), shlex.join((base(argv[0]), *argv[1:]))}


def removed(argv: list[str]) -> list[str]:
    """The operands of ARGV that would be gone where they are: all of rm and rmdir, the sources of mv."""
    name = base(argv[0])
    if name not in REMOVERS:
        return []
    into = argv.index("-t") + 1 if "-t" in argv else 0
    words = [word for at, word in enumerate(argv) if at not in (0, into) and not word.startswith("-")]
    named = into or any(word.startswith(("-t", "--target")) for word in argv)
    return words if name != "mv" or named else words[:-1]


def _joined(text: str) -> tuple[str, ...]:
    """TEXT, and as bash reads lines that end in a backslash; the grammar ends a word there."""
    return (text.replace("\\\n", ""), text) if "\\\n" in text else (text,)


def _written(text: str) -> Iterator[list[str]]:
    root = tree(text)
    source, below = text.encode("utf-8", "surrogatepass"), nodes(root)
    for node in below:
        # Several in backticks may be taken for one by the grammar, and backslashes count twice there.
        if node.type == "command_substitution" and (
            node.text.count(b"`") > 2 or (node.text[:1] == b"`" and b"\\" in node.text)
        ):
            for part in re.split(r"(?<!\\)`", node.text.decode("utf-8", "replace")):
                yield from _written(re.sub(r"\\([`\\$])", r"\1", part))
        if node.type in _QUOTED and _evaluated(node):
            yield from cut(node.text.decode("utf-8", "replace"))
        if node.type in (*_COMMANDS, "redirected_statement"):
            yield [text for word in _words(node) for text in _expanded(_value(word, source))]
        if node.type == "test_command" and not node.text.startswith(b"[["):  # `[ a || rm b ]` runs rm
            yield from cut(node.text.decode("utf-8", "replace"))
        if node.type in ("command", "redirected_statement"):
            yield from (["sh", "-c", text] for text in _given(node, source))
    if _misread(text, root, below):
        yield from cut(text)


def _words(node: Any) -> list[Any]:
    """The words of NODE, a command or one with redirects: bash reads on behind the target of a redirect."""
    if node.type in _COMMANDS:
        return [child for child in node.children if child.type not in _BESIDE]
    targets = [child for child in node.children if child.type == "file_redirect"]
    behind = [word for target in targets for word in _targets(target)[1:]]
    if not behind:
        return []
    last = node.children[0]  # the grammar hangs the redirects of a last command on the whole list
    while last.children and last.type not in _COMMANDS:
        last = last.children[-1]
    words = _words(last) if last.type in _COMMANDS else []
    if words and words[-1].end_byte == targets[0].start_byte and _DESCRIPTOR.fullmatch(words[-1].text):
        words.pop()  # `x=1 0>&1 ls`: to the grammar, 0 is a command
    return [*words, *behind]


def _targets(redirect: Any) -> list[Any]:
    """What REDIRECT opens, and the words behind it."""
    return [child for child in redirect.named_children if child.type != "file_descriptor"]


def _misread(text: str, root: Any, below: list[Any]) -> bool:
    """Whether the grammar does not understand TEXT, or is known to read it in another way than bash."""
    if root.has_error or odd_sign(text, root):
        return True
    source = text.encode("utf-8", "surrogatepass")
    for node in below:
        if node.type == "heredoc_redirect" and _runs_within(node):
            return True
        # The grammar ends a here-doc at a line that only begins so.
        if node.type == "heredoc_end" and source[node.end_byte : node.end_byte + 1] not in (b"\n", b""):
            return True
        if node.type == "word" and b"\n" in node.text:
            return True
        allowed = _BETWEEN.get(node.type, _BLANKS)
        if node.children and node.type not in _TEXTS and not all(map(allowed.fullmatch, _gaps(node, source))):
            return True
    return False


def _gaps(node: Any, source: bytes) -> Iterator[bytes]:
    """What stands before, between and behind the parts of NODE, whose tree is that of SOURCE."""
    parts = [(child.start_byte, child.end_byte) for child in node.children]
    ends = [(node.start_byte, node.start_byte), *parts, (node.end_byte, node.end_byte)]
    for one, two in pairwise(ends):
        yield source[one[1] : two[0]]


def _runs_within(node: Any) -> bool:
    """Whether bash runs what stands in backticks in NODE, a here-doc; the grammar takes it for text."""
    parts = {child.type: child.text for child in node.children}
    quoted = re.search(rb"['\"\\]", parts.get("heredoc_start", b""))
    return b"`" in parts.get("heredoc_body", b"") and not quoted


def _evaluated(node: Any) -> bool:
    """Whether bash may run what stands in NODE, a quoted text: as arithmetic, where quotes are none, as a subscript."""
    if not (_RUNS if node.type == "raw_string" else _RUNS_ESCAPED).search(node.text):
        return False
    if _SUBSCRIPT.search(node.text):  # whatever it is given to: let, unset, printf -v
        return True
    above = node.parent
    while above is not None:
        if above.type in _ARITHMETIC or (above.type == "subshell" and above.text.startswith(b"((")):
            return True
        if above.type == "file_redirect" and any(child.type in (">&", "<&") for child in above.children):
            return True  # bash expands such a target twice
        above = above.parent
    return False


def _redirected(text: str) -> Iterator[tuple[str, str]]:
    root = tree(text)
    source, below = text.encode("utf-8", "surrogatepass"), nodes(root)
    for node in below:
        if node.type == "file_redirect":
            reads = any(child.type == "<" for child in node.children)
            yield from ((_value(target, source), "read" if reads else "write") for target in _targets(node)[:1])
    if _misread(text, root, below):
        yield from redirects(text)


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
        return unescaped(text[2:-1])
    if kind == "string":
        return "".join(_inside(node, source))
    if kind in ("concatenation", "command_name"):
        return "".join(_value(child, source) for child in node.children)
    if text in ("$HOME", "${HOME}"):
        return "~"
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
