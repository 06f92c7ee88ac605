"""Single changes of a file, named by a person: taken back, or put into git's index.

Changes are named by the digest of their lines (`protocol/hunks.py`). The diff is made anew and the digests are looked
for in it, so that only what was seen is touched; a change that is not there any more is refused.
"""
# pathlib takes no bytes:
# ruff: noqa: PTH112, PTH120

import asyncio
import contextlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from workbench.protocol import events as e
from workbench.protocol.commands import RevertHunks, StageHunks
from workbench.protocol.hunks import Hunk, HunkError, hunk_digest, parse
from workbench.session.changes import COMPARED_LIMIT, Changes
from workbench.session.diffs import Version, Versions, file_diff
from workbench.session.journal import Journal
from workbench.session.scan import content_of, git, run_git, sign_of
from workbench.session.snapshots import Snapshots
from workbench.session.snapshots_held import SnapshotError
from workbench.session.snapshots_since import Since, UnknownMomentError, checked_out
from workbench.tools import files
from workbench.tools.base import ToolError

_GONE = "that change is not there any more: the file was changed meanwhile; look at it again"
_NOT_KEPT = "what it held before is not known (too large, or no snapshot has it)"
_MOMENTS = ("head", "start", "turn")


class Live(Protocol):
    """What these actions need of a session."""

    journal: Journal
    changes: Changes
    snapshots: Snapshots | None

    def emit(self, event: e.JournalEvent, *, sync: bool = False) -> None:
        """Journals EVENT and tells it."""


class _RefusedError(Exception):
    """Why nothing was done; for a person."""


async def revert(session: Live, command: RevertHunks) -> str:
    """Takes changes of a file back. Returns why not, or nothing where it was done."""
    since = Since(session.journal, session.changes, session.snapshots)
    try:
        file = await since.versions(command.path, command.since)
        if file is None:
            raise _RefusedError(f"{command.path} has no change to take back")
        count = await asyncio.to_thread(_revert, file, command.hunks)
    except (_RefusedError, UnknownMomentError, SnapshotError, HunkError, ToolError) as error:
        return str(error)
    except OSError as error:
        return f"{command.path}: {error.strerror or error}"
    session.emit(e.HunksReverted(path=command.path, hunks=count, by=command.by), sync=True)
    return ""


async def stage(session: Live, command: StageHunks) -> str:
    """Puts changes of a file into the user's index. Returns why not, or nothing where it was done."""
    since = Since(session.journal, session.changes, session.snapshots)
    try:
        found = [await since.versions(command.path, moment) for moment in _MOMENTS]
        await asyncio.to_thread(_stage, [file for file in found if file], command)
    except (_RefusedError, UnknownMomentError, SnapshotError, HunkError) as error:
        return str(error)
    return ""


def chosen(file: Versions, digests: Sequence[str]) -> list[Hunk]:
    """The changes of FILE that DIGESTS name, in the file's order; all of them where none is named.

    Raises _RefusedError where one is not there.
    """
    hunks = parse(file_diff(file)).hunks
    named = {hunk_digest(file.name, hunk): hunk for hunk in hunks}
    if not digests:
        return list(hunks)
    if not set(digests) <= named.keys():
        raise _RefusedError(_GONE)
    return [hunk for digest, hunk in named.items() if digest in set(digests)]


# --- taking back ---------------------------------------------------------------------------------------------


def _revert(file: Versions, digests: Sequence[str]) -> int:
    """Makes the file what it was, or its chosen places; returns how many. Raises _RefusedError, ToolError, OSError."""
    if os.path.realpath(os.path.dirname(file.path)) != os.path.dirname(file.path):
        raise _RefusedError(f"{file.name}: a link took the place of its folder")
    hunks = chosen(file, digests)
    whole = not digests or len(hunks) == len(chosen(file, ()))
    if file.before is None and whole:
        _remove(file)
    elif file.before is None or file.before.content is None:
        raise _RefusedError(f"{file.name}: {_NOT_KEPT}")
    elif file.after is None or stat.S_ISLNK(file.before.mode) or stat.S_ISLNK(file.after.mode):
        if not whole:
            raise _RefusedError(f"{file.name} can only be taken back as a whole")
        _put(file, file.before.mode, file.before.content)
    elif file.after.content is None:
        raise _RefusedError(f"{file.name} is too large to be taken back here")
    elif whole:
        _replace(file, file.before.content, file.before.mode)
    else:
        _replace(file, without(file.before.content, file.after.content, hunks), None)
    return max(1, len(hunks))


def without(before: bytes, after: bytes, hunks: Sequence[Hunk]) -> bytes:
    """AFTER with the places of HUNKS as BEFORE has them, byte for byte."""
    old, new = _lines(before), _lines(after)
    done: list[bytes] = []
    at = 0
    for hunk in hunks:
        start, first = _place(hunk.new, hunk.new_count), _place(hunk.old, hunk.old_count)
        done += new[at:start] + old[first : first + hunk.old_count]
        at = start + hunk.new_count
    return b"".join(done + new[at:])


def _place(number: int, count: int) -> int:
    """The index of a hunk's first line. A head names the line before where its side has none."""
    return number - 1 if count else number


def _lines(content: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in content.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _replace(file: Versions, content: bytes, mode: int | None) -> None:
    path = Path(os.fsdecode(file.path))
    source = files.load(path, file.name)
    assert file.after
    if source.data != file.after.content:
        raise _RefusedError(_GONE)
    if content != source.data:
        files.replace(path, content, file.name, source.stat)
    if mode is not None and bool(mode & 0o100) != bool(source.stat.st_mode & 0o100):
        now = stat.S_IMODE(source.stat.st_mode)
        path.chmod(now | (now & 0o444) >> 2 if mode & 0o100 else now & ~0o111)


def _remove(file: Versions) -> None:
    _check_unchanged(file)
    path = Path(os.fsdecode(file.path))
    path.unlink()


def _put(file: Versions, mode: int, content: bytes) -> None:
    """Puts a file or link where another kind of thing is, or nothing."""
    _check_unchanged(file)
    path = Path(os.fsdecode(file.path))
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".mlwb-{secrets.token_hex(8)}.tmp")
    try:
        if stat.S_ISLNK(mode):
            made.symlink_to(os.fsdecode(content))
        else:
            made.write_bytes(content)
            made.chmod(stat.S_IMODE(mode))
        made.replace(path)
    finally:
        with contextlib.suppress(OSError):
            made.unlink()


def _check_unchanged(file: Versions) -> None:
    now = content_of(file.path, COMPARED_LIMIT) if sign_of(file.path) else None
    if now != (file.after.content if file.after else None):
        raise _RefusedError(_GONE)


# --- putting into git's index --------------------------------------------------------------------------------


def _stage(found: list[Versions], command: StageHunks) -> None:
    if not found:
        raise _RefusedError(f"{command.path} has no change to stage")
    path = found[0].path
    folder = next(folder for folder in _above(path) if os.path.isdir(folder))
    top = (git(folder, "rev-parse", "--show-toplevel") or b"").removesuffix(b"\n")
    if not top:
        raise _RefusedError(f"{command.path} is not in a git repository")
    name = path[len(top.rstrip(b"/")) + 1 :]
    index = _indexed(top, name)
    if not command.hunks or index is None or sign_of(path) is None:
        # As the person would say it: git's own filters (LFS, line ends) make what is stored.
        return _tell(top, command.path, "add", "-A", "--", os.fsdecode(name))
    here = _against_index(found[0], index)
    for file in [here, *found] if here else found:
        with contextlib.suppress(_RefusedError):
            hunks = chosen(file, command.hunks)
            patch = _patch(name, file, hunks, crlf=b"\r\n" not in (index.content or b""))
            return _tell(top, command.path, "apply", "--cached", "--whitespace=nowarn", "-", stdin=patch)
    raise _RefusedError(_GONE)


def _above(path: bytes) -> list[bytes]:
    folders = [os.path.dirname(path)]
    while folders[-1] != os.path.dirname(folders[-1]):
        folders.append(os.path.dirname(folders[-1]))
    return folders


def _indexed(top: bytes, name: bytes) -> Version | None:
    """The file as git's index has it."""
    row = (git(top, "ls-files", "-z", "-s", "--", os.fsdecode(name)) or b"").split(b"\0")[0]
    mode, oid, *_ = row.split() or (b"", b"")
    content = git(top, "cat-file", "blob", oid.decode()) if oid else None
    return None if content is None else Version(int(mode, 8), content)


def _against_index(file: Versions, index: Version) -> Versions | None:
    if file.after is None or file.after.content is None:
        return None
    before = Version(file.after.mode, checked_out(index.content, file.after.content))
    return Versions(file.path, file.name, before, file.after)


def _patch(name: bytes, file: Versions, hunks: Sequence[Hunk], crlf: bool) -> bytes:
    """A patch of HUNKS with the bytes of FILE. CRLF: git stores the file's lines without their carriage returns."""
    assert file.before and file.after
    old, new = _lines(file.before.content or b""), _lines(file.after.content or b"")
    parts = [b"--- " + _quoted(b"a/" + name) + b"\n+++ " + _quoted(b"b/" + name) + b"\n"]
    for hunk in hunks:
        parts.append(b"@@ -%d,%d +%d,%d @@\n" % (hunk.old, hunk.old_count, hunk.new, hunk.new_count))
        for row in hunk.rows():
            line = new[row.new - 1] if row.sign == "+" else old[row.old - 1]
            if crlf and line.endswith(b"\r\n"):
                line = line[:-2] + b"\n"
            parts.append(row.sign.encode() + line)
            if not line.endswith(b"\n"):
                parts.append(b"\n\\ No newline at end of file\n")
    return b"".join(parts)


def _quoted(name: bytes) -> bytes:
    """NAME as git's diffs quote it."""
    if all(0x20 <= byte < 0x7F and byte not in b'"\\' for byte in name):
        return name
    return b'"' + b"".join(b"%c" % x if 0x20 <= x < 0x7F and x not in b'"\\' else b"\\%03o" % x for x in name) + b'"'


def _tell(top: bytes, path: str, *args: str, stdin: bytes = b"") -> None:
    done = run_git(top, *args, stdin=stdin)
    if done is None or done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip() if done else "git does not answer"
        raise _RefusedError(f"git did not stage {path}: {why[:500]}")
