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


def tree(command: str) -> Any:
    """The syntax tree of COMMAND, errors included."""
    return _parser().parse(command.encode("utf-8", "surrogatepass")).root_node


@lru_cache(maxsize=4096)
def read(command: str) -> Block:
    """COMMAND as a block. Raises UnreadableError for whatever is not surely understood."""
    if len(command) > LONGEST:
        raise UnreadableError(f"it is longer than {LONGEST:,} characters")
    if found := INVISIBLE.search(command):
        raise UnreadableError(f"it holds the control or invisible character U+{ord(found[0]):04X}")
    joined = _join_lines(command)
    root = tree(joined)
    if root.has_error:
        raise UnreadableError("its syntax is not understood")
    return Reader(joined.encode()).program(root)


def _join_lines(command: str) -> str:
    """COMMAND with backslash-newline taken out where bash does so too: outside single quotes, comments, here-docs."""
    if "\\\n" not in command or "<<" in command or "#" in command:
        return command
    out, quote, at = [], "", 0
    while at < len(command):
        char = command[at]
        if char == "\\" and quote != "'":
            pair = command[at : at + 2]
            if pair != "\\\n":
                out.append(pair)
            at += 2
            continue
        if char in "'\"" and quote in ("", char):
            quote = "" if quote else char
        out.append(char)
        at += 1
    return "".join(out)
