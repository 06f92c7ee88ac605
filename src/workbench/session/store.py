"""Where sessions live, and what can be told of each without reading all of it."""

import contextlib
import difflib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from workbench import places
from workbench.protocol.codec import encode, is_moment
from workbench.session.files import write_whole
from workbench.session.journal import EVENTS, JournalError, Reader, SessionBusyError, is_live, take_lock

SUMMARY = "summary.json"
# Crockford's base 32 in lower case: no letter that looks like a digit, none that makes words by accident (u).
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TITLE = 80
# Ends after which there is nothing to go on with.
_FINAL = ("success", "error_system_boundary")


class StoreError(Exception):
    """What was asked of a session cannot be done; the message says why."""


class UnknownSessionError(StoreError):
    """No such session, or more than one; the message names what there is instead."""


class SessionSummary(msgspec.Struct, kw_only=True):
    """One session in a list. `state`: live (its host runs), resumable, done. `started` is Unix time in seconds.

    `cost_usd` is None where a price is not known, `subtype` before its first end. `host` is the machine that had it at
    work last; `attended`: a person is at it, it is no headless run. `problem` says why nothing more can be told.
    """

    id: str
    title: str = ""
    workspace: str = ""
    state: str = "resumable"
    started: float = 0.0
    updated: float = 0.0
    agent: str = ""
    model: str = ""
    turns: int = 0
    cost_usd: float | None = 0.0
    subtype: str | None = None
    exit_code: int | None = None
    host: str = ""
    attended: bool = False
    problem: str = ""


def new_id(random: Callable[[int], bytes] = os.urandom) -> str:
    """A new session's id: `s-` and 8 characters that are easy to read and to type. RANDOM gives so many bytes."""
    number = int.from_bytes(random(5), "big")
    return "s-" + "".join(_ALPHABET[number >> shift & 31] for shift in range(35, -1, -5))


def list_sessions() -> list[SessionSummary]:
    """All sessions of this user, the newest first."""
    found = [summary(folder) for folder in folders()]
    return sorted(found, key=lambda one: (one.started, one.id), reverse=True)


def find(prefix: str) -> Path:
    """The folder of the session whose id is PREFIX or begins with it (`s-` may be left out).

    Raises UnknownSessionError.
    """
    names = sorted(folder.name for folder in folders())
    found = [name for name in names if prefix and name.startswith((prefix, f"s-{prefix}"))]
    for exact in (prefix, f"s-{prefix}"):
        if exact in found:
            found = [exact]
    if len(found) == 1:
        return places.sessions() / found[0]
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise UnknownSessionError(f"{prefix!r} is not one session: {', '.join(found[:5])}{more}")
    near = difflib.get_close_matches(prefix, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "`mlwb sessions list` shows those there are"
    raise UnknownSessionError(f"there is no session {prefix[:80]!r}; {hint}")


def remove(session: str) -> str:
    """Deletes a session, all of it; returns its id. Raises StoreError, also where it is live.

    SESSION is a whole id: nothing is deleted on the strength of its first letters.
    """
    folder = find(session)
    if session not in (folder.name, folder.name.removeprefix("s-")):
        raise UnknownSessionError(f"to remove a session give its whole id: {folder.name}")
    lock = -1
    try:
        lock = take_lock(folder)
        # It leaves the list at once, whatever becomes of the deletion.
        doomed = folder.with_name(f".removed-{folder.name}")
        folder.rename(doomed)
        shutil.rmtree(doomed)
    except SessionBusyError as error:
        raise StoreError(f"{error}: it is live; `mlwb sessions stop {folder.name}` ends it first") from None
    except OSError as error:
        raise StoreError(f"session {folder.name} could not be removed: {error}") from error
    finally:
        if lock >= 0:
            os.close(lock)
    return folder.name


def folders() -> list[Path]:
    """The folders of all sessions of this user."""
    try:
        entries = list(os.scandir(places.sessions()))
    except OSError:
        return []
    return [Path(entry.path) for entry in entries if not entry.name.startswith(".") and _has_journal(entry.path)]


def _has_journal(folder: str) -> bool:
    """Whether a session lies in FOLDER. In one that may not be entered it does, as far as anybody can tell."""
    try:
        os.stat(f"{folder}/{EVENTS}")  # noqa: PTH116 - the list is asked for often
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


# --- summaries ---------------------------------------------------------------------------------------------


class _Result(msgspec.Struct):
    subtype: str
    exit_code: int = 0


class _Task(msgspec.Struct):
    prompt: str = ""
    interactive: bool = False


class _Used(msgspec.Struct):
    """That tokens were used; how many, a summary does not tell."""


class _Event(msgspec.Struct):
    """What a summary takes from an event of any type; decoding skips the rest."""

    type: str
    title: str = ""
    workspace: str = ""
    agent: str = ""
    model: str = ""
    turn: int = 0
    cost_usd: float | None = None
    usage: _Used | None = None
    result: _Result | str | None = None
    task: _Task | None = None
    text: str | None = None
    origin: str = ""
    host: str = ""


class _Line(msgspec.Struct):
    at: float
    event: _Event


class _Kept(msgspec.Struct):
    """A summary, and up to which byte of the journal it tells."""

    size: int
    summary: SessionSummary


_lines: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


def summary(folder: Path) -> SessionSummary:
    """What is told of the session in FOLDER; never raises, see `problem`.

    Kept beside the journal: only lines written since the last look are read.
    """
    path = folder / EVENTS
    try:
        size = path.stat().st_size
        kept = _kept(folder, size)
        if kept.size < size:
            _read_on(path, kept)
            _keep(folder, kept)
    except (OSError, JournalError) as error:
        return SessionSummary(id=folder.name, state="done", problem=str(error))
    told = kept.summary
    told.state = "live" if is_live(folder) else "done" if told.subtype in _FINAL else "resumable"
    return told


def _kept(folder: Path, size: int) -> _Kept:
    with contextlib.suppress(OSError, UnicodeDecodeError, msgspec.DecodeError):
        kept = msgspec.json.decode((folder / SUMMARY).read_bytes(), type=_Kept)
        if kept.size <= size and kept.summary.id == folder.name:
            return kept
    with Reader(folder):  # a journal of a newer version, or one that never began, says so here
        return _Kept(size=0, summary=SessionSummary(id=folder.name))


def _keep(folder: Path, kept: _Kept) -> None:
    """Writes the summary down; where that is not possible the next look reads the lines again."""
    with contextlib.suppress(OSError):
        write_whole(folder / SUMMARY, encode(kept))


def _read_on(path: Path, kept: _Kept) -> None:
    with path.open("rb") as file:
        file.seek(kept.size)
        for line in file:
            if not line.endswith(b"\n"):
                break
            kept.size += len(line)
            # A damaged line is told by who reads the journal; a list is not the place.
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                _take(kept.summary, _lines.decode(line))


def _take(told: SessionSummary, line: _Line) -> None:
    if not is_moment(line.at):
        return
    event, told.updated = line.event, line.at
    if event.type == "session_started":
        told.started, told.workspace, told.agent, told.model = line.at, event.workspace, event.agent, event.model
        told.attended = event.task is not None and event.task.interactive
        told.title, told.host = event.title or _title(event.task.prompt if event.task else ""), event.host
    elif event.type == "prompt_submitted":
        if not told.title and event.origin == "person":
            told.title = _title(event.text or "")
    elif event.type == "renamed":
        told.title = event.title
    elif event.type == "request_started":
        told.turns = event.turn
    elif event.usage is not None:  # of an answer, a summary, or an attempt at one
        unknown = event.cost_usd is None or told.cost_usd is None
        told.cost_usd = None if unknown else (told.cost_usd or 0.0) + (event.cost_usd or 0.0)
    elif event.type == "session_resumed":
        told.subtype, told.exit_code, told.host = None, None, event.host
    elif event.type == "session_ended" and isinstance(event.result, _Result):
        told.subtype, told.exit_code = event.result.subtype, event.result.exit_code


def _title(prompt: str) -> str:
    """The first line of PROMPT that says something."""
    lines = (line.strip().lstrip("#").strip() for line in prompt.splitlines())
    title = next(filter(None, lines), "")
    return title if len(title) <= _TITLE else title[: _TITLE - 1] + "…"
