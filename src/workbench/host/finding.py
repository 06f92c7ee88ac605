"""Which live session of this user is meant: by the beginning of its id, or because there is but one."""

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.host import sockets
from workbench.protocol import wire

if TYPE_CHECKING:
    from workbench.session.store import SessionSummary


def live_sessions() -> list[wire.Live]:
    """The sessions of this user that a process hosts, the one that did something last first."""
    from workbench.session import store

    found = sorted((one for one in store.list_sessions() if one.state == "live"), key=lambda one: -one.updated)
    return [_told(one) for one in found]


def one_of(folder: Path) -> wire.Live:
    """What a list tells of the session in FOLDER."""
    from workbench.session import store

    return _told(store.summary(folder))


def _told(one: "SessionSummary") -> wire.Live:
    return wire.Live(**{name: getattr(one, name) for name in wire.Live.__struct_fields__})


def none_live() -> str:
    """In words: nothing is live, and what could be gone on with."""
    from workbench.session import store

    resting = [one for one in store.list_sessions() if one.state == "resumable" and one.turns]
    if not resting:
        return "no session is live here; `mlwb` begins one"
    last = max(resting, key=lambda one: one.updated)
    title = f" ({last.title})" if last.title else ""
    return f"no session is live here; `mlwb --resume {last.id}` goes on with the last one{title}"


def live_folder(prefix: str) -> Path:
    """The folder of the live session whose id begins with PREFIX. Raises LookupError, whose words say what to do."""
    from workbench.session import store
    from workbench.session.journal import is_live
    from workbench.session.whereabouts import elsewhere

    try:
        folder = store.find(prefix)
        live = is_live(folder)
        if live and sockets.path_of(folder.name).exists():
            return folder
    except (store.StoreError, sockets.SocketError) as error:
        raise LookupError(str(error)) from None
    if host := elsewhere(folder):
        there = f"mlwb attach ssh://{host}/{folder.name}"
        if live:
            raise LookupError(f"{folder.name} lives on {host}, and this is {socket.gethostname()}: `{there}`")
        raise LookupError(f"{folder.name} was at work on {host} last: where it still is, `{there}`; else "
                          f"`mlwb --resume {folder.name}` goes on with it")  # fmt: skip
    if not live:
        raise LookupError(f"{folder.name} is not at work; `mlwb --resume {folder.name}` goes on with it")
    return folder
