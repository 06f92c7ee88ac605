"""TASK.md: a prompt in Markdown, with YAML front matter that says how it may be done."""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.headless.keys import BY_NAME, NotTakenError
from workbench.safe_yaml import Bounded

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 5_000_000  # far more than any model's window
STDIN = "-"
_BEFORE = re.compile(r"(?:\s|<!--.*?-->)*", re.DOTALL)
_CLOSING = re.compile(r"-{3,}[ \t]*")
_KEY_LINE = re.compile(r"[A-Za-z][\w-]*[ \t]*:(?:\s|$)")


class TaskError(Exception):
    """A task that cannot be read: one line that says what, where and what to do."""


class TaskFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a task file says: the prompt, and values by key, already read and checked."""

    prompt: str
    source: str
    values: dict[str, Any] = {}


def load(name: str) -> TaskFile:
    """The task in the file NAME, `-` for standard input. Raises TaskError."""
    if name == STDIN:
        return parse(_decoded(_from_stdin(), "standard input"), "standard input")
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise TaskError(f"{name} is a folder; name the task file in it") from None
    except FileNotFoundError:
        raise TaskError(f"there is no task file {name}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TaskError(f"the task file {name[:200]} cannot be read: {reason}") from None
    return parse(_decoded(data, name), name)


def _from_stdin() -> bytes:
    if os.isatty(sys.stdin.fileno()):
        raise TaskError("`-` reads the task from standard input, which is a terminal; pipe the task in, or name a file")
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise TaskError(f"standard input cannot be read: {error.strerror}") from None


def _decoded(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise TaskError(
            f"{name} is larger than {MAX_BYTES // 1_000_000} MB; put the data into a file that the task names"
        )
    if b"\0" in data:
        raise TaskError(f"{name} is binary; a task is Markdown text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TaskError(f"{name}:{line}: this is not UTF-8 text; save the task as UTF-8") from None
    if not text.strip():
        raise TaskError(f"{name} is empty; a task file says in Markdown what is to be done")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse(text: str, source: str) -> TaskFile:
    """The task in TEXT, which was read from SOURCE. Raises TaskError with source and line."""
    lines = text.split("\n")
    first = text.count("\n", 0, _BEFORE.match(text).end())  # type: ignore[union-attr]  # it matches the empty string
    if lines[first].rstrip() != "---":
        return TaskFile(prompt=text.strip(), source=source)
    last = next((at for at in range(first + 1, len(lines)) if _CLOSING.fullmatch(lines[at])), None)
    if last is None:
        return TaskFile(prompt=_after_rule(lines, first, source), source=source)
    # Blank lines in front keep the YAML reader's line numbers those of the file.
    values = _values("\n" * (first + 1) + "\n".join(lines[first + 1 : last]), source)
    prompt = "\n".join(lines[last + 1 :]).strip()
    if not prompt:
        raise TaskError(f"{source}:{last + 1}: there is no prompt below the front matter")
    return TaskFile(prompt=prompt, source=source, values=values)


def _after_rule(lines: list[str], first: int, source: str) -> str:
    """A `---` that nothing closes is a Markdown rule, unless what follows looks like keys."""
    following = next((line for line in lines[first + 1 :] if line.strip()), "")
    if _KEY_LINE.match(following):
        raise TaskError(
            f"{source}:{first + 1}: the front matter that opens here is never closed; end it with a line `---` "
            "(for a Markdown rule write `***`)"
        )
    return "\n".join(lines[first:]).strip()


def _values(text: str, source: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, given, line in _pairs(text, source):
        where = f"{source}:{line}"
        if key in values:
            raise TaskError(f"{where}: the key {key!r} is there twice")
        if key not in BY_NAME:
            raise TaskError(f"{where}: there is no key {key!r}; {_nearest(key)}")
        try:
            values[key] = BY_NAME[key].value(given, key)
        except NotTakenError as error:
            raise TaskError(f"{where}: {error}") from None
    return values


def _pairs(text: str, source: str) -> list[tuple[str, Any, int]]:
    """Key, value and line of each top-level entry, read strictly."""
    import yaml

    class Loader(Bounded, yaml.SafeLoader):
        """A safe loader."""

    loader = Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise TaskError(
                f"{source}:{node.start_mark.line + 1}: the front matter has no `key: value` lines "
                "(for a Markdown rule on the first line write `***`)"
            )
        return [
            (str(key.value), loader.construct_object(value, deep=True), key.start_mark.line + 1)
            for key, value in node.value
        ]
    except yaml.YAMLError as error:
        raise TaskError(f"{source}:{_place(error)}: the front matter is not YAML: {_said(error)}") from None
    except (ValueError, RecursionError) as error:  # a date such as 2026-13-45, a mapping without end
        raise TaskError(f"{source}: the front matter is not YAML: {error}") from None
    except (LookupError, AttributeError, TypeError):  # as PyYAML fails of `!!bool maybe`, `!!int ""`, `!!timestamp x`
        raise TaskError(f"{source}: the front matter has a value that is not what its `!!` tag says") from None
    finally:
        loader.dispose()


def _place(error: "yaml.YAMLError") -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return mark.line + 1 if mark is not None else 1


def _said(error: "yaml.YAMLError") -> str:
    words = getattr(error, "problem", None) or str(error).split("\n")[0]
    return f"{words}; a value with `: `, `#` or a leading `*`, `[` needs quotes"


def _nearest(key: str) -> str:
    import difflib

    plain = {name.lower(): name for name in BY_NAME}
    near = difflib.get_close_matches(re.sub(r"[-_\s]", "", key).lower(), plain, n=1, cutoff=0.5)
    return f"did you mean {plain[near[0]]!r}?" if near else f"known are {', '.join(BY_NAME)}"
