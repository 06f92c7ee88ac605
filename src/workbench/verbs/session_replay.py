"""`mlwb sessions replay`: plays a session in the workbench, as it happened."""

import argparse
import re
import sys
from typing import Any

from workbench.protocol.fold import apply
from workbench.protocol.state import SessionState
from workbench.session.journal import Reader
from workbench.verbs.options import fail
from workbench.verbs.session_at import add_id, folder_of

_REFERENCE = re.compile(r"(.+):t(\d{1,9})")


def add(verbs: Any) -> None:
    """The verb's options."""
    parser = verbs.add_parser("replay", help="play a session in the workbench; it runs nothing and changes nothing")
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="how fast, 0.25 to 64 (default: 1)")
    parser.add_argument("--turn", type=int, default=0, metavar="N", help="begin with turn N")
    parser.add_argument("--theme", metavar="NAME", help="how it looks, this time")
    add_id(parser)


def _speed(text: str) -> float:
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0.25 <= speed <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed from 0.25 to 64")
    return speed


def run(options: argparse.Namespace) -> int:
    """Plays the session until it is left; returns the exit status."""
    named, turn = options.id, options.turn
    if found := _REFERENCE.fullmatch(named):
        named, turn = found[1], turn or int(found[2])
    folder = folder_of(named)
    with Reader(folder) as journal:
        state = SessionState()
        apply(state, next(journal.read(until=1)))
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return fail("a replay is drawn on a terminal; `mlwb sessions export` writes a session down", 2)
    from workbench.tui import frames, garbage

    garbage.manage()
    frames.often()
    from workbench.tui.replay import ReplayApp
    from workbench.verbs.replaying import Replaying

    app = ReplayApp(Replaying(folder, state, options.speed, turn), options.theme)
    status = app.run()
    return app.return_code or status or 0
