"""What the workbench has done with a session that is not open: in a thread, imported when it is asked for."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.session.fork import Prompt


def hosts() -> Any:
    """The modules that open a session in this process."""
    from workbench.host import local, threaded

    return local, threaded


def is_live(folder: Path) -> bool:
    """Whether some process has the session in FOLDER open."""
    from workbench.session.journal import is_live

    return is_live(folder)


def local() -> Any:
    """What lists sessions, agents and models."""
    from workbench.host import local

    return local


def renamed(session: str, title: str) -> None:
    """Another title for a session."""
    from workbench.protocol.events import Renamed
    from workbench.session import store
    from workbench.session.journal import Journal

    journal = Journal.open(store.find(session), time.time)
    try:
        journal.append(Renamed(title=title), sync=True)
    finally:
        journal.close()


def exported(session: str, path: Path) -> None:
    """Writes a session as the ending of PATH says."""
    from workbench.verbs.session_export import write

    write(folder(session), path)


def folder(prefix: str) -> Path:
    """The folder of the session that begins so. Raises UnknownSessionError."""
    from workbench.session import store

    return store.find(prefix)


def prompts(session: str) -> "list[Prompt]":
    """The prompts of a session."""
    from workbench.session.fork import prompts

    return prompts(folder(session))


def forked(session: str, seq: int) -> str:
    """The id of a new session with the talk up to before the prompt SEQ."""
    from workbench.session.fork import fork

    return fork(folder(session), seq)


def happened(session: str, after: float, until: float | None) -> tuple[str, ...]:
    """In phrases, what happened in a session after Unix time AFTER."""
    from workbench.session.since import happened

    return happened(folder(session), after, until)


def removed(session: str) -> None:
    """Deletes a session."""
    from workbench.session import store

    store.remove(session)
