"""`mlwb sessions brief`: what happened in a session since a person last looked."""

import argparse
import json
import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from workbench.protocol.visible import visible
from workbench.verbs.options import fail
from workbench.verbs.session_at import add_id, folder_of

_HOURS = re.compile(r"(\d{1,2}):(\d{2})")
_SECONDS = re.compile(r"\d{9,11}(?:\.\d+)?")


def add(verbs: Any) -> None:
    """The verb's options."""
    parser = verbs.add_parser("brief", help="what happened since you last looked: to decide, changes, runs, numbers")
    moment = parser.add_mutually_exclusive_group()
    moment.add_argument("--since", metavar="WHEN", help="14:02, 2h, 2026-11-22T14:02, or start (all of it)")
    moment.add_argument("--for", dest="user", metavar="USER", help="since USER was last at the session")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_id(parser)


def run(options: argparse.Namespace) -> int:
    """Prints the brief; returns the exit status."""
    from workbench.session import brief_ledger, brief_words
    from workbench.session.brief import brief
    from workbench.session.store import summary

    folder, now = folder_of(options.id), time.time()
    try:
        since = _since(options, folder, now)
    except ValueError as error:
        return fail(str(error), 2)
    told = brief(folder, since)
    brief_ledger.add(told)
    if options.json:
        from workbench.session.transcript import moment

        given = msgspec.to_builtins(told)
        times = {name: moment(given[name]) if given[name] else None for name in ("since", "until")}
        print(json.dumps({**given, **times, "standing": brief_words.standing(told)}, indent=2))
        return 0
    for line in brief_words.plain(told, summary(folder).title, now):
        print(visible(line))
    return 0


def _since(options: argparse.Namespace, folder: Path, now: float) -> float:
    """The moment that is meant: told, or when the person looked last. Raises ValueError."""
    from workbench.session.brief import last_seen

    if options.since:
        return moment_of(options.since, now)
    if options.user:
        if not (seen := last_seen(folder, options.user)):
            raise ValueError(f"the journal knows no {options.user}: they never came, asked or answered here")
        return seen
    from workbench.session.identity import user_name
    from workbench.tui.prefs import looked

    return looked().get(folder.name) or last_seen(folder, user_name())


def moment_of(text: str, now: float) -> float:
    """Unix time of what a person wrote: a time of day (the last one), how long ago, a date and time, `start`.

    Raises ValueError.
    """
    if text == "start":
        return 0.0
    if _SECONDS.fullmatch(text):
        return float(text)
    if (match := _HOURS.fullmatch(text)) and int(match[1]) < 24 and int(match[2]) < 60:
        today = datetime.fromtimestamp(now).replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
        # A day by the clock on the wall: one in spring has 23 hours.
        return (today if today.timestamp() <= now else today - timedelta(days=1)).timestamp()
    from workbench.experiments.launch.options import duration

    try:
        return now - duration(text)
    except argparse.ArgumentTypeError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no moment, such as 14:02, 2h, 2026-11-22T14:02 or start") from None
