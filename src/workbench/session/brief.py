"""The hand-over in time: what happened in a session since a person last looked, gathered from its journal alone."""

from bisect import bisect_right
from pathlib import Path

import msgspec

from workbench.protocol.events import SessionStarted
from workbench.session.brief_steps import Gathering
from workbench.session.brief_types import Brief
from workbench.session.journal import Reader, head_of

_TURN = head_of("request_started")


def brief(folder: Path, after: float = 0.0, until: float | None = None) -> Brief:
    """What happened in the session in FOLDER after Unix time AFTER (up to and with UNTIL).

    Only the lines since are read, and those of the turn before them for what still waits. Blocks. Raises JournalError.
    """
    with Reader(folder) as journal:
        start = _seq_at(journal, after)
        stop = journal.seq if until is None else _seq_at(journal, until)
        turn = stop
        while turn > 0 and not _TURN.match(journal.line(turn)):
            turn -= 1
        gathered = Gathering(journal.session, after, start)
        first = next(journal.read(until=1)).event
        gathered.brief.workspace = first.workspace if isinstance(first, SessionStarted) else ""
        for envelope in journal.read(after=max(0, min(start, turn - 1)), until=stop):
            gathered.take(envelope)
    return gathered.done()


def last_seen(folder: Path, user: str) -> float:
    """When USER was at the session last: came, left, asked, answered; Unix time, 0.0 where the journal knows none.

    Blocks. Raises JournalError.
    """
    name = msgspec.json.encode(user)
    with Reader(folder) as journal:
        for seq in range(journal.seq, 0, -1):
            if name not in (line := journal.line(seq)):
                continue
            try:
                found = _person.decode(line)
            except (UnicodeDecodeError, msgspec.DecodeError):  # told by who reads the journal
                continue
            if user == (found.event.user if found.event.type in _COMINGS else found.event.by):
                return found.at
    return 0.0


_COMINGS = ("session_started", "session_resumed", "client_joined", "client_left")


class _Act(msgspec.Struct):
    type: str
    by: str | None = None
    user: str | None = None


class _Person(msgspec.Struct):
    at: float
    event: _Act


_person: msgspec.json.Decoder[_Person] = msgspec.json.Decoder(_Person)


def _seq_at(journal: Reader, at: float) -> int:
    """The last line that was written up to Unix time AT."""
    return bisect_right(range(1, journal.seq + 1), at, key=lambda seq: next(journal.read(seq - 1, seq)).at)
