"""Which workspaces the user trusts: each by a digest of the settings files that could widen what an agent may do.

Kept in the state directory, which commands cannot see, with the files' texts as they were, so that a change can be
shown before it is trusted again.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

FILE = "trusted.json"


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace as the user trusted it: the files' texts by absolute path, their digest, and when (Unix time)."""

    workspace: str
    digest: str
    files: dict[str, str]
    at: float


def digest(files: Mapping[str, bytes]) -> str:
    """A fingerprint of FILES (path -> bytes); one that is empty counts as absent."""
    whole = hashlib.sha256()
    for path, data in sorted(files.items()):
        if data:
            whole.update(hashlib.sha256(path.encode(errors="surrogateescape")).digest() + hashlib.sha256(data).digest())
    return whole.hexdigest()


def listed(state: Path) -> tuple[Trusted, ...]:
    """All workspaces that the user trusts, sorted; none where the record cannot be read."""
    try:
        found = msgspec.json.decode((state / FILE).read_bytes(), type=list[Trusted])
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        return ()
    return tuple(sorted(found, key=lambda entry: entry.workspace))


def digests(state: Path) -> dict[str, str]:
    """Workspace -> digest of its files as the user trusted them."""
    return {entry.workspace: entry.digest for entry in listed(state)}


def trust(workspace: Path, files: Mapping[str, bytes], state: Path, now: float) -> Trusted:
    """Records that the user trusts WORKSPACE as FILES say. Raises OSError."""
    texts = {path: data.decode(errors="replace") for path, data in files.items() if data}
    entry = Trusted(workspace=str(workspace), digest=digest(files), files=texts, at=now)
    with _alone(state):
        _write([*(other for other in listed(state) if other.workspace != entry.workspace), entry], state)
    return entry


def revoke(workspace: Path, state: Path) -> bool:
    """Forgets that the user trusts WORKSPACE; whether they did. Raises OSError."""
    if not state.is_dir():
        return False
    with _alone(state):
        entries = listed(state)
        rest = [entry for entry in entries if entry.workspace != str(workspace)]
        if len(rest) != len(entries):
            _write(rest, state)
    return len(rest) != len(entries)


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """No other process changes the record meanwhile: it would write what it had read, a trust that was revoked too."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(state / f".{FILE}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot lock
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(entries: list[Trusted], state: Path) -> None:
    temporary = state / f".{FILE}.{secrets.token_hex(6)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(entries), indent=1))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(state / FILE)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
