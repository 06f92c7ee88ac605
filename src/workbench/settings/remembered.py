"""Allow rules that a person gave for one workspace, kept in the user's own configuration."""

import contextlib
import os
from pathlib import Path

import msgspec

ALLOWED = "allowed.jsonl"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the file: in `workspace` the rule `allow` holds; `outside`: what it allows is not confined."""

    workspace: str
    allow: str
    outside: bool = False


def remember(rule: str, workspace: str, config: Path, outside: bool = False) -> None:
    """Keeps an allow rule that a person gave for one workspace, in CONFIG/allowed.jsonl. Raises OSError."""
    config.mkdir(parents=True, exist_ok=True)
    line = msgspec.json.encode(Entry(workspace, rule, outside)) + b"\n"
    descriptor = os.open(config / ALLOWED, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # an editor, or a full disk, left the last line open
            line = b"\n" + line
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def remembered(workspace: Path, config: Path) -> tuple[Entry, ...]:
    """The rules that a person gave for WORKSPACE. A line that cannot be read allows nothing."""
    try:
        lines = (config / ALLOWED).read_bytes().splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        with contextlib.suppress(UnicodeDecodeError, msgspec.DecodeError):
            found.append(msgspec.json.decode(line, type=Entry))
    return tuple(entry for entry in found if entry.workspace == str(workspace))
