"""`mlwb sessions stop` and `resume`: ends a live session so that it can be taken up again, and takes one up."""

import argparse
import socket
import sys
from typing import Any

from workbench.session import store
from workbench.verbs.options import fail
from workbench.verbs.session_at import add_id


def add(verbs: Any) -> None:
    """The verbs' options."""
    stop = verbs.add_parser("stop", help="end live sessions, so that they can be taken up again")
    stop.add_argument("ids", nargs="+", metavar="ID", help="a session's id, or the beginning of one")
    resume = verbs.add_parser("resume", help="open the workbench on a session, as `mlwb --resume ID` does")
    add_id(resume)


def stop(options: argparse.Namespace) -> int:
    """Ends sessions; returns the exit status: 1 where one is still live, 2 where there is none of that id."""
    import asyncio

    from workbench.host import stopping

    status = 0
    for name in dict.fromkeys(options.ids):
        try:
            folder = store.find(name)
            if asyncio.run(stopping.stop(folder)):
                print(f"stopped {folder.name}")
            else:
                print(f"{folder.name} was not live", file=sys.stderr)
        except store.UnknownSessionError as error:
            status = max(status, fail(error, 2))
        except stopping.NotStoppedError as error:
            status = max(status, fail(error, 1))
    return status


def resume(options: argparse.Namespace) -> int:
    """The workbench on a session; without a terminal it says what can be done instead."""
    folder = store.find(options.id)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return fail(
            "the workbench needs a terminal; without one "
            f"`mlwb run --resume {folder.name}` goes on with a run of a task, and `mlwb sessions show {folder.name}` "
            "tells how a session stands",
            2,
        )
    from workbench.verbs import workbench

    return workbench.main(["--resume", folder.name])


def standing(one: store.SessionSummary, clients: dict[str, int]) -> str:
    """How a session stands, in words for a table: also where it lives, and how many are there."""
    host = "" if one.host in ("", socket.gethostname()) else one.host
    if one.state == "live":
        if host:
            return f"live on {host}"
        here = clients.get(one.id, 0)
        return f"live, {here} here" if here else "live"
    # A lock may not reach over a shared home: whether it lives there still, only that machine can tell.
    return f"{one.state} (or live on {host})" if host and one.subtype is None else one.state
