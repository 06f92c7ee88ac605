"""Allow rules that a person gave for one workspace, kept in the user's own configuration."""

import os
from pathlib import Path

import msgspec

ALLOWED = "allowed.jsonl"


def remember(rule: str, workspace: str, config: Path) -> None:
    """Keeps an allow rule that a person gave for one workspace, in CONFIG/allowed.jsonl. Raises OSError."""
    config.mkdir(parents=True, exist_ok=True)
    line = msgspec.json.encode({"workspace": workspace, "allow": rule}) + b"\n"
    descriptor = os.open(config / ALLOWED, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def remembered(workspace: Path, config: Path) -> tuple[str, ...]:
    """The rules that a person gave for WORKSPACE. A line that cannot be read allows nothing."""
    try:
        lines = (config / ALLOWED).read_bytes().splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            entry = msgspec.json.decode(line, type=dict[str, str])
        except msgspec.DecodeError:
            continue
        if entry.get("workspace") == str(workspace) and "allow" in entry:
            found.append(entry["allow"])
    return tuple(found)
