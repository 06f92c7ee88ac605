"""Reads a shell command strictly: what tree-sitter and bash might take differently is refused, not guessed.

tree-sitter-bash silently disagrees with bash in places (a newline and a backslash inside what it calls one word,
control characters as blanks, backticks in here-docs), so node kinds are a whitelist and the text between nodes is
looked at too: see `reader.py`.
"""

from functools import cache, lru_cache
from typing import Any

from workbench.permissions.reader import Reader
from workbench.permissions.syntax import INVISIBLE, Block, UnreadableError

LONGEST = 10_000


@cache
def _parser() -> Any:
    # Imported here: 15 ms that a session without Bash does not pay.
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


@lru_cache(maxsize=16)
def tree(command: str) -> Any:
    """The syntax tree of COMMAND, errors included."""
    return _parser().parse(command.encode("utf-8", "surrogatepass")).root_node


def nodes(root: Any) -> list[Any]:
    """ROOT and all that is below it."""
    found = [root]
    for node in found:
        found.extend(node.children)
    return found


_BEFORE_COMMENT = (b" ", b"\t", b"\n", b";", b"&", b"|", b"(", b")")


@lru_cache(maxsize=4096)
def read(command: str) -> Block:
    """COMMAND as a block. Raises UnreadableError for whatever is not surely understood."""
    if len(command) > LONGEST:
        raise UnreadableError(f"it is longer than {LONGEST:,} characters")
    if found := INVISIBLE.search(command):
        raise UnreadableError(f"it holds the control or invisible character U+{ord(found[0]):04X}")
    lines = _lines(command)
    try:
        return _parse("\n".join(lines))
    except UnreadableError:
        if len(lines) < 2 or "\\" in command:
            raise
    # The grammar at times runs a pipeline into the next line. Lines that are whole by themselves are read one by one,
    # but not next to a backslash: there the two disagree, and someone may have meant them to.
    return Block(tuple(_parse(line) for line in lines if line.strip()))


def _parse(text: str) -> Block:
    root = tree(text)
    if root.has_error:
        raise UnreadableError("its syntax is not understood")
    if odd := odd_sign(text, root):
        raise UnreadableError(odd)
    return Reader(text.encode()).program(root)


def odd_sign(text: str, root: Any) -> str:
    """What the grammar, whose tree of TEXT is ROOT, took for a sign that is none to bash; "" where there is nothing.

    `]#; x` goes on with x; `cat -n<<E` has an option.
    """
    if "#" not in text and "<<" not in text:
        return ""
    source = text.encode("utf-8", "surrogatepass")
    for node in nodes(root):
        at = node.start_byte
        if node.type == "comment" and at > 0 and source[at - 1 : at] not in _BEFORE_COMMENT:
            return "a # within a word, which the grammar takes for a comment"
        if node.type in ("<<", "<<-") and source[at : node.end_byte] != node.type.encode():
            return "a word that runs into a here-doc, of which the grammar makes one sign"
    return ""


def _lines(command: str) -> list[str]:
    """COMMAND cut at the line breaks that end a line for bash: not those in quotes or after a backslash.

    One piece where that is not sure: with here-docs, comments or substitutions.
    """
    if "\n" not in command or any(sign in command for sign in ("<<", "#", "$(", "`", "$'")):
        return [command]
    lines, quote, at = [""], "", 0
    while at < len(command):
        char = command[at]
        taken = char
        if char == "\\" and quote != "'":
            pair = command[at : at + 2]
            taken = "" if pair == "\\\n" else pair
            at += 1
        elif char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        elif char == "\n" and not quote:
            lines.append("")
            taken = ""
        lines[-1] += taken
        at += 1
    return lines
