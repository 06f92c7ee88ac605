"""Workspaces about which a person said "not now": the same content is not asked about again for a day."""

import os
import secrets
from pathlib import Path

import msgspec

FILE = "trust-later.json"
ASKED_AGAIN_S = 86_400.0


class PutOff(msgspec.Struct, frozen=True):
    """At Unix time `at` a person did not want to decide about `workspace`, whose files had this digest."""

    workspace: str
    digest: str
    at: float


def put_off(workspace: Path, digest: str, state: Path, now: float) -> None:
    """Notes that nobody is to be asked about WORKSPACE with DIGEST for a day. Raises OSError."""
    entries = [one for one in _entries(state, now) if one.workspace != str(workspace)]
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = state / f".{FILE}.{secrets.token_hex(6)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode([*entries, PutOff(str(workspace), digest, now)]))
        temporary.replace(state / FILE)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_put_off(workspace: Path, digest: str, state: Path, now: float) -> bool:
    """Whether a person said so within the last day, about just this content."""
    return any((one.workspace, one.digest) == (str(workspace), digest) for one in _entries(state, now))


def _entries(state: Path, now: float) -> list[PutOff]:
    try:
        found = msgspec.json.decode((state / FILE).read_bytes(), type=list[PutOff])
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        return []
    return [one for one in found if 0 <= now - one.at < ASKED_AGAIN_S]
