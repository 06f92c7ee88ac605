"""Reads the known fields of a front matter that is not YAML, line by line.

A field is read only where its line starts, at column 0, with a known key. Most such files have an unquoted
`description:` with `: ` in it, or an unindented `<example>` block: free text runs on to the next known key.
"""

import re
from typing import Any

import msgspec

from workbench.definitions.fields import KNOWN
from workbench.definitions.strictyaml import NotYamlError, parse

# Text that people write over several lines; every other field ends where its own lines end.
FREE_TEXT = ("description", "initialPrompt")
# Fields that narrow what an agent may do: one that cannot be read must not widen it.
NARROWING = ("tools", "disallowedTools")

_KEY = re.compile(rf"^(?P<quote>[\"']?)(?P<key>{'|'.join(KNOWN)})(?P=quote)[ \t]*:(?P<rest>(?:[ \t].*)?)$")
# The blank after the colon may be missing where that would lose a limit; elsewhere `color:red` is no field.
_TIGHT = re.compile(rf"^(?P<key>{'|'.join(NARROWING)}):(?P<rest>.*)$")
_ANY_KEY = re.compile(r"^[\"']?([A-Za-z][\w-]*)[\"']?[ \t]*:(?:[ \t]|$)")
_INDENTED = re.compile(rf"^[ \t]+[\"']?({'|'.join(NARROWING)})[\"']?[ \t]*:", re.MULTILINE)


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What could be read. `lines`: field -> number of its line, the first line of the text being 0.

    `unsure` are narrowing fields that seem to be there, indented, and so were not read; `others` are unknown keys.
    """

    values: dict[str, Any]
    lines: dict[str, int]
    repeated: tuple[str, ...]
    unsure: tuple[str, ...]
    others: tuple[str, ...]


def recover(text: str) -> Recovered:
    """The known top-level fields of TEXT. Never fails; of a repeated field the first value is kept."""
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    repeated: list[str] = []
    for number, key, block in _blocks(text):
        if key in values:
            repeated.append(key)
            continue
        values[key] = _value(key, block)
        lines[key] = number
    unsure = {key for key in _INDENTED.findall(text) if key not in values}
    others = (found[1] for line in text.split("\n") if (found := _ANY_KEY.match(line)) and found[1] not in KNOWN)
    return Recovered(
        values=values,
        lines=lines,
        repeated=tuple(dict.fromkeys(repeated)),
        unsure=tuple(sorted(unsure)),
        others=tuple(dict.fromkeys(others)),
    )


def key_lines(text: str) -> dict[str, int]:
    """Top-level key -> number of the line where it first stands, the first line of TEXT being 0."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n")):
        if found := _ANY_KEY.match(line):
            lines.setdefault(found[1], number)
    return lines


def _blocks(text: str) -> list[tuple[int, str, list[str]]]:
    """Each known key with the number of its line and all lines up to the next known key."""
    blocks: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(text.split("\n")):
        if found := _key(line):
            blocks.append((number, found["key"], [line]))
        elif blocks:
            blocks[-1][2].append(line)
    return blocks


def _key(line: str) -> re.Match[str] | None:
    return _KEY.match(line) or _TIGHT.match(line)


def _value(key: str, block: list[str]) -> Any:
    """The value of a key's lines: as YAML where those alone are YAML, else the text as it stands."""
    own = block if key in FREE_TEXT else _own_lines(block)
    try:
        read = parse("\n".join(own))
    except NotYamlError:
        read = {}
    if list(read) == [key]:
        return read[key]
    found = _key(own[0])
    raw = "\n".join([found["rest"] if found else "", *own[1:]]).strip()
    if key not in NARROWING and len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'":
        return raw[1:-1]
    return raw


def _own_lines(block: list[str]) -> list[str]:
    """The key's line and those that go on with it: indented, list items, closing brackets."""
    own = [block[0]]
    for line in block[1:]:
        if line.strip() and not line[0].isspace() and line[0] not in "-]}":
            break
        own.append(line)
    return own
