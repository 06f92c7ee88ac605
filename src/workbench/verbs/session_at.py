"""Which session is meant: by its id, the beginning of one, or the path of its folder, copied from elsewhere maybe."""

import argparse
from pathlib import Path

from workbench import places
from workbench.session import store
from workbench.session.journal import EVENTS

ID = "a session's id, or the beginning of one; or the path of a session's folder"


def folder_of(named: str) -> Path:
    """The folder of the session NAMED. Raises UnknownSessionError."""
    path = places.named(named)
    if path.name == EVENTS:
        path = path.parent
    if "/" in named or named in (".", "..") or named.startswith("~"):
        if not (path / EVENTS).is_file():
            raise store.UnknownSessionError(f"{path} is no folder of a session: there is no {EVENTS} in it")
        return path.resolve()
    return store.find(named)


def add_id(parser: argparse.ArgumentParser) -> None:
    """The argument that names the session."""
    parser.add_argument("id", metavar="ID", help=ID)
