"""Reads one agent definition: Markdown with YAML front matter, as Claude Code has it.

Strict YAML first; where that fails, the known fields line by line, and the definition says so. Nothing that a file
holds raises: what cannot be taken is a problem, and a file that is no definition is `rejected`.
"""

import hashlib
import os
import stat
from pathlib import Path
from typing import Any, cast

import msgspec

from workbench.definitions import fields as f
from workbench.definitions.entries import entries
from workbench.definitions.frontmatter import Front, decode, split
from workbench.definitions.grants import means_all, resolve
from workbench.definitions.recovery import key_lines, recover
from workbench.definitions.strictyaml import NotYamlError, RepeatedKeyError, parse
from workbench.definitions.types import Definition, Problem
from workbench.protocol.names import MODES, Mode

MAX_BYTES = 1024 * 1024
# A model that stands for the caller's: there is no caller here, so it is as good as none.
INHERIT = "inherit"

# What the parser's commonest words mean to the author.
_HINTS = {
    "mapping values are not allowed in this context": "a value with `: ` in it needs quotes around it",
    "did not find expected alphabetic or numeric character": "a value that begins with `*` or `&` needs quotes",
    "could not find expected ':'": "a line is neither `key: value` nor indented",
    "found character that cannot start any token": "a tab, `@`, `%` or backtick begins a value or a line",
}

_Entries = tuple[str, ...]


class _Read(msgspec.Struct, kw_only=True):
    """Values of a front matter by field. `recovered` when they are not from strict YAML; `refused` says why not."""

    values: dict[str, Any]
    lines: dict[str, int]
    recovered: bool = False
    problems: list[Problem] = []
    refused: Problem | None = None
    unsure: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def load(path: Path, source: str) -> Definition:
    """The definition in the file at PATH. `source` is where it was found: workspace, user, shipped.

    Never raises: a file that cannot be read is a rejected definition that says why.
    """
    try:
        data = read_bytes(path)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        problem = Problem(field="file", message=f"cannot be read: {why}")
        return Definition(path=str(path), source=source, status="rejected", problems=(problem,))
    return loads(data, str(path), source)


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file, MOST + 1 of them at most. Raises OSError, also for a pipe or a folder."""
    # Without blocking: a named pipe would otherwise wait for somebody to write.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        return file.read(most + 1)


def loads(data: bytes, path: str, source: str) -> Definition:
    """The definition that DATA holds. Never raises."""
    blank = Definition(path=path, source=source, status="rejected", digest=hashlib.sha256(data).hexdigest())
    if len(data) > MAX_BYTES:
        too_long = Problem(field="file", message=f"the file is larger than {MAX_BYTES // 1024:,} KiB")
        return msgspec.structs.replace(blank, digest="", problems=(too_long,))
    text, mended = decode(data)
    front = split(text)
    if isinstance(front, Problem):
        return msgspec.structs.replace(blank, problems=(front, *mended))
    read = _read(front)
    definition = _definition(read, front, blank)
    forgiven = (*mended, *front.forgiven)
    if definition.status == "rejected":
        # The reason first: it is the one line that is shown where there is room for one.
        return msgspec.structs.replace(definition, problems=(*definition.problems, *forgiven))
    status = "recovered" if forgiven else definition.status
    return msgspec.structs.replace(definition, status=status, problems=(*forgiven, *definition.problems))


def _read(front: Front) -> _Read:
    numbered = {key: front.first + line for key, line in key_lines(front.text).items()}
    try:
        return _Read(values=parse(front.text), lines=numbered)
    except RepeatedKeyError as error:
        again = recover(front.text)
        refused = Problem(field="file", message=str(error), line=_line(front, error))
        return _Read(values=again.values, lines=numbered, refused=refused)
    except NotYamlError as error:
        found = recover(front.text)
        lines = numbered | {key: front.first + line for key, line in found.lines.items()}
        names = ", ".join(found.values) or "nothing"
        message = f"the front matter is not valid YAML ({_HINTS.get(str(error), error)}); read line by line: {names}"
        problems = [Problem(field="file", message=message, line=_line(front, error))]
        refused = None
        if found.repeated:
            key = found.repeated[0]
            refused = Problem(field=key, message=f"the key {key!r} stands there twice", line=lines[key])
        return _Read(
            values=found.values,
            lines=lines,
            recovered=True,
            problems=problems,
            refused=refused,
            unsure=found.unsure,
            others=found.others,
        )


def _line(front: Front, error: NotYamlError) -> int | None:
    return None if error.line is None else front.first + error.line


def _definition(read: _Read, front: Front, blank: Definition) -> Definition:
    fields = f.Fields(read.values, read.lines)
    name, description = read.values.get("name"), read.values.get("description")
    refusals = [
        Problem(field=field, message=_missing(field, value), line=read.lines.get(field))
        for field, value in (("name", name), ("description", description))
        if not (isinstance(value, str) and value.strip())
    ]
    if read.refused:
        refusals.insert(0, read.refused)
    if refusals:
        return msgspec.structs.replace(
            blank,
            name=name.strip() if isinstance(name, str) else "",
            description=description.strip() if isinstance(description, str) else "",
            problems=(*refusals, *read.problems),
        )
    tools, disallowed, granted = _tools(read, fields)
    made = Definition(
        path=blank.path,
        source=blank.source,
        digest=blank.digest,
        status="recovered" if read.recovered else "ok",
        name=str(name).strip(),
        description=str(description).strip(),
        tools=tools,
        disallowed_tools=disallowed,
        grants=granted,
        model=None if read.values.get("model") == INHERIT else fields.text("model"),
        permission_mode=cast("Mode | None", fields.choice("permissionMode", MODES)),
        thinking_level=_lowered(fields, "thinking-level", f.LEVELS),
        thinking_tokens=fields.whole("thinking-tokens", 0, f.MAX_THINKING),
        effort=_lowered(fields, "effort", f.EFFORTS),
        max_turns=fields.whole("maxTurns", 1, f.MAX_TURNS),
        color=fields.text("color"),
        category=fields.text("category"),
        initial_prompt=fields.text("initialPrompt"),
        extra=_extra(read),
        prompt=front.body,
    )
    _tell_the_rest(read, fields, made)
    return msgspec.structs.replace(made, problems=(*read.problems, *fields.problems))


def _missing(field: str, value: Any) -> str:
    if value is None or value == "":
        return f"it has no `{field}`"
    return f"`{field}` must be text"


def _lowered(fields: f.Fields, field: str, choices: tuple[str, ...]) -> str | None:
    """A word whose case does not count."""
    value = fields.values.get(field)
    if isinstance(value, str):
        fields.values[field] = value.strip().lower()
    return fields.choice(field, choices)


def _tools(read: _Read, fields: f.Fields) -> tuple[_Entries | None, _Entries, dict[str, _Entries]]:
    """`tools` and `disallowedTools` as written, and the grants. What cannot be read grants nothing at all."""
    tools, wrong_tools = entries(read.values.get("tools"))
    disallowed, wrong_disallowed = entries(read.values.get("disallowedTools"), whole=True)
    everything = "tools" not in read.values or means_all(tools)
    unread = {"tools": wrong_tools, "disallowedTools": wrong_disallowed}
    unread |= dict.fromkeys(read.unsure, "seems to be there, but indented, in front matter that is not valid YAML")
    unread = {field: wrong for field, wrong in unread.items() if wrong}
    for field, wrong in unread.items():
        fields.tell(field, f"{wrong}: no tool is granted")
    resolved = resolve(() if unread else None if everything else tools, disallowed)
    for problem in resolved.problems:
        fields.tell(problem.field, problem.message)
    return None if everything else tools, disallowed, resolved.tools


def _extra(read: _Read) -> dict[str, Any]:
    """Every field that has no place of its own, as read; and a mode or model that stands for none."""
    kept = {key: value for key, value in read.values.items() if key not in f.ACTED_ON}
    if read.values.get("permissionMode") not in (None, *MODES):
        kept["permissionMode"] = read.values["permissionMode"]
    if read.values.get("model") == INHERIT:
        kept["model"] = INHERIT
    return kept


def _tell_the_rest(read: _Read, fields: f.Fields, made: Definition) -> None:
    """A word about fields that nothing acts on, fields that look misspelt, and a body that says nothing."""
    for unused in f.NOT_YET:
        if unused in read.values:
            fields.tell(unused, "known, but not acted on yet")
    for key in (*made.extra, *read.others):
        if key not in f.KNOWN and (field := f.meant(key)) and field not in read.values:
            fields.tell(key, f"is no field of a definition and has no effect; the field is `{field}`")
    if not made.prompt:
        fields.tell("prompt", "nothing follows the front matter: the agent has no instructions of its own")
