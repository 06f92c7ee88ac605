"""On which machine a session lives, from its journal: a home may be shared between hosts."""

import mmap
import os
import socket
from pathlib import Path
from typing import NamedTuple

from workbench.protocol.codec import MalformedError, decode_envelope
from workbench.protocol.events import SessionResumed, SessionStarted
from workbench.session.identity import boot_id
from workbench.session.journal import EVENTS, head_of

_RESUMED = b'"event":{"type":"session_resumed"'


class Whereabouts(NamedTuple):
    """The host that has, or had, the session at work last. `here`: it is this one, in its present boot."""

    host: str
    boot: str
    here: bool


def whereabouts(folder: Path) -> Whereabouts:
    """Where the session in FOLDER was taken up last; of this machine where its journal does not say."""
    event = _last(folder)
    host = socket.gethostname()
    if event is None:
        return Whereabouts(host, boot_id(), True)
    here = event.host == host and event.boot_id in ("", boot_id())
    return Whereabouts(event.host, event.boot_id, here)


def elsewhere(folder: Path) -> str:
    """The name of the other machine that the session in FOLDER lives on; empty where it is this one."""
    found = whereabouts(folder)
    return "" if found.host == socket.gethostname() else found.host


def _last(folder: Path) -> SessionStarted | SessionResumed | None:
    """The last start or resume in the journal of FOLDER: the end of a long one is searched first."""
    try:
        with (folder / EVENTS).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return None
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _in(data)
    except (OSError, ValueError):
        return None


def _in(data: mmap.mmap) -> SessionStarted | SessionResumed | None:
    head, at = head_of("session_resumed"), len(data)
    while (at := data.rfind(_RESUMED, 0, at)) >= 0:
        start = data.rfind(b"\n", 0, at) + 1
        if head.match(data, start) and isinstance(event := _event(data, start), SessionResumed):
            return event
    event = _event(data, 0)
    return event if isinstance(event, SessionStarted) else None


def _event(data: mmap.mmap, start: int) -> object:
    end = data.find(b"\n", start)
    try:
        return decode_envelope(data[start:end]).event if end > 0 else None
    except MalformedError:
        return None
