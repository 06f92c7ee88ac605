"""Words, from tree-sitter's nodes to `syntax`: a whitelist of node kinds, with a look at what lies between them."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from workbench.permissions.syntax import Block, Digits, Lit, Part, Sub, UnreadableError, Var, Word

DEEPEST = 30
BLANK = re.compile(r"[ \t]*\Z")
BLANKS = re.compile(r"[ \t\n]*\Z")
_SPECIAL = re.compile(r"[$`;|&<>()\"'\s]")
# `${name…}` with operators that neither assign nor evaluate (`=`, `!`, `@`, subscripts do), and only text after them.
_CHANGED = re.compile(
    r"\$\{(?:#([A-Za-z_]\w*)|([A-Za-z_]\w*)(?:(?::?[-+]|##?|%%?|//?|\^\^?|,,?)[\w./*?%:=+,~ \[\]-]*|:\d+(?::\d+)?))\}\Z"
)
_ARITHMETIC = re.compile(r"[0-9+\-*/% ()]*\Z")


class WordReader:
    """Reads the words of one source. Each method takes a tree-sitter node of the kind that it is named after."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.depth = 0

    def text(self, node: Any) -> str:
        """The source of NODE."""
        return self.source[node.start_byte : node.end_byte].decode()

    def gaps(self, children: list[Any], allowed: re.Pattern[str] = BLANK) -> None:
        """Between CHILDREN stands nothing but what ALLOWED says, and something between two words."""
        for one, two in pairwise(children):
            joined = one.end_byte == two.start_byte
            if joined and ((one.type in _WORDLIKE and two.type in _WORDLIKE) or one.type in _KEYWORDS):
                raise UnreadableError("what may be one word or two")
            if not allowed.match(self.source[one.end_byte : two.start_byte].decode()):
                raise UnreadableError("a line break or a character inside a command that bash may read differently")

    def word(self, node: Any) -> Word:
        """One word: its pieces in order."""
        return Word(tuple(self.parts(node)))

    def parts(self, node: Any) -> list[Part]:
        """The pieces of a word or of one part of it."""
        method = _PIECES.get(node.type)
        if method is None or node.is_missing:
            raise UnreadableError(f"it uses {named(node.type)}")
        pieces: list[Part] = method(self, node)
        return pieces

    def plain(self, node: Any) -> list[Part]:
        text, parts, at = self.text(node), [], 0
        while at < len(text):
            if text[at] == "\\":
                if at + 1 == len(text) or text[at + 1] == "\n":
                    raise UnreadableError("a backslash at the end of a word or a line")
                parts.append(Lit(text[at + 1]))
                at += 2
                continue
            stop = text.find("\\", at)
            run = text[at : stop if stop >= 0 else len(text)]
            if _SPECIAL.search(run):
                raise UnreadableError("an operator, a quote or a line break inside a word")
            parts.append(Lit(run, True))
            at += len(run)
        return list[Part](parts)

    def raw(self, node: Any) -> list[Part]:
        text = self.text(node)
        if text.count("'") != 2:
            raise UnreadableError("odd quoting")
        return [Lit(text[1:-1])]

    def string(self, node: Any) -> list[Part]:
        """A double-quoted string; the text between its expansions is taken from the source, blanks included."""
        parts: list[Part] = []
        if node.children[0].type != '"' or node.children[-1].type != '"':
            raise UnreadableError("a translated string")
        at = node.start_byte + 1
        for child in [*node.children[1:-1], node.children[-1]]:
            if child.type in ("string_content", "$"):
                continue
            if child.start_byte > at:
                parts.append(Lit(_unescape(self.source[at : child.start_byte].decode())))
            at = child.end_byte
            if child.start_byte != node.end_byte - 1:
                parts.extend(_quoted(part) for part in self.parts(child))
        return parts or [Lit("")]

    def concatenation(self, node: Any) -> list[Part]:
        if any(one.end_byte != two.start_byte for one, two in pairwise(node.children)):
            raise UnreadableError("a word with blanks in it")
        kinds = [child.type for child in node.children]
        if any(kind == "$" for kind in kinds):
            raise UnreadableError("a translated string")
        return [part for child in node.children for part in self.parts(child)]

    def variable(self, node: Any) -> list[Part]:
        kinds = [child.type for child in node.children]
        if changed := _CHANGED.match(self.text(node)):
            return [Var(changed[1] or changed[2], changed=True)]
        if kinds not in (["$", "variable_name"], ["$", "special_variable_name"], ["${", "variable_name", "}"]):
            raise UnreadableError("an expansion other than $name")
        name = self.text(node.children[1])
        if self.text(node) not in (f"${name}", f"${{{name}}}"):
            raise UnreadableError("an odd expansion")
        return [Var(name)]

    def substitution(self, node: Any) -> list[Part]:
        children = node.children
        if (children[0].type, children[-1].type) not in (("$(", ")"), ("`", "`")):
            raise UnreadableError("an odd substitution")
        if children[0].type == "`" and "\\" in self.text(node):
            raise UnreadableError("a backslash within backticks")
        documents = list(_documents(node))  # bash 5.2 takes the first `;` or line break behind one for a blank
        if len(documents) > 1 or (documents and self.source[documents[0].end_byte : node.end_byte - 1].strip()):
            raise UnreadableError("a here-doc in a substitution, with more behind it")
        self.gaps(children, BLANKS)
        self.deeper()
        body = self.block(children[1:-1], own=True)
        self.depth -= 1
        return [Sub(body)]

    def arithmetic(self, node: Any) -> list[Part]:
        inner = self.text(node)
        if not inner.startswith("$((") or not _ARITHMETIC.match(inner[3:-2]):
            raise UnreadableError("arithmetic over names")
        return [Digits()]

    def braces(self, node: Any) -> list[Part]:
        text = self.text(node)
        if not re.fullmatch(r"\{\d+\.\.\d+\}", text):
            raise UnreadableError("an odd brace expansion")
        return [Lit(text, True)]

    def block(self, children: list[Any], own: bool = False) -> Block:
        """Statements with their separators; `Reader` knows them."""
        raise NotImplementedError

    def deeper(self) -> None:
        """One level further in; ends what is nested beyond reason."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnreadableError("it is nested too deeply")


def _documents(node: Any) -> Iterator[Any]:
    """The here-docs in NODE, also those of what is nested in it."""
    for child in node.children:
        if child.type == "heredoc_redirect":
            yield child
        yield from _documents(child)


def _quoted(part: Part) -> Part:
    if isinstance(part, Var):
        return Var(part.name, quoted=True, changed=part.changed)
    return Sub(part.body, quoted=True) if isinstance(part, Sub) else part


def _unescape(text: str) -> str:
    """The text of a double-quoted string without its escapes; an expansion that has no node is refused."""
    bare = re.sub(r"\\[\s\S]", "", text)
    if re.search(r"`|\$[A-Za-z0-9_{(\[@*#?$!'\"-]", bare):
        raise UnreadableError("an expansion inside a string that was not recognised")
    return re.sub(r"\\([$`\"\\\n])", lambda found: "" if found[1] == "\n" else found[1], text)


def named(kind: str) -> str:
    """A node kind in words."""
    return _WORDS.get(kind, f"`{kind}`" if not kind.isidentifier() else kind.replace("_", " "))


_WORDS = {
    "function_definition": "a function of its own",
    "process_substitution": "process substitution <( ) or >( )",
    "ansi_c_string": "a $'…' string",
    "c_style_for_statement": "a for (( )) loop",
    "expansion": "an expansion other than $name",
}
_PIECES: dict[str, Any] = {
    "word": WordReader.plain,
    "number": WordReader.plain,
    "raw_string": WordReader.raw,
    "string": WordReader.string,
    "concatenation": WordReader.concatenation,
    "simple_expansion": WordReader.variable,
    "expansion": WordReader.variable,
    "command_substitution": WordReader.substitution,
    "arithmetic_expansion": WordReader.arithmetic,
    "brace_expression": WordReader.braces,
    "test_operator": WordReader.plain,
}
_KEYWORDS = frozenset(("!", "{", "if", "then", "elif", "else", "for", "in", "do", "while", "until", "[", "[["))
_WORDLIKE = frozenset((*_PIECES, "command_name", "variable_assignment"))
