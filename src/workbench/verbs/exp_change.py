"""`mlwb exp stop|rm|note|import`: what changes the ledger."""

import argparse
import json
import time
from pathlib import Path

import msgspec

from workbench.experiments.launch.alive import truly
from workbench.experiments.launch.local import Local
from workbench.experiments.launch.types import LaunchError
from workbench.experiments.ledger import Ledger, LedgerError
from workbench.experiments.types import Run
from workbench.protocol.visible import visible
from workbench.session.identity import user_name
from workbench.verbs.exp_list import opened
from workbench.verbs.options import Parser, fail

_PATIENCE_S = 20.0  # more than the grace that a command gets
_LOOK_S = 0.02
_FOLLOW_S = 0.2


# --- stop --------------------------------------------------------------------------------------------------


def stop(args: list[str]) -> int:
    """Runs `mlwb exp stop ARGS`; returns when what was stopped has ended."""
    parser = Parser(prog="mlwb exp stop", description="Ends runs, with all that they started.")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--now", action="store_true", help="KILL at once; else TERM, and KILL after ten seconds")
    parser.add_argument("--json", action="store_true", help="for programs: [{id, status}, …]")
    options = parser.parse_args(args)
    ledger, status = opened(), 0
    engine, stopped = Local(ledger), list[str]()
    for run in dict.fromkeys(options.runs):
        try:
            if engine.cancel(run, f"stopped by {user_name()}", options.now):
                stopped.append(run)
            elif not options.json:
                print(f"{run} does not run: {truly(ledger, ledger.get(run)).status}")
        except (LedgerError, LaunchError) as error:
            status = max(status, fail(error, 2 if isinstance(error, LedgerError) else 1))
    until = time.monotonic() + _PATIENCE_S
    for run in stopped:
        while truly(ledger, ledger.get(run)).status in ("queued", "running") and time.monotonic() < until:
            time.sleep(_LOOK_S)
        if not options.json:
            print(f"{run} {truly(ledger, ledger.get(run)).status}")
    if options.json:
        told = [truly(ledger, ledger.get(run)) for run in dict.fromkeys(options.runs) if run in ledger.ids()]
        print(json.dumps([{"id": run.id, "status": run.status} for run in told]))
    return status


# --- rm and note -------------------------------------------------------------------------------------------


def remove(args: list[str]) -> int:
    """Runs `mlwb exp rm ARGS`."""
    parser = Parser(prog="mlwb exp rm", description="Deletes runs, all that is kept of them.")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    options = parser.parse_args(args)
    from workbench.experiments import code

    ledger, status = opened(), 0
    for run in dict.fromkeys(options.runs):
        try:
            _settle_lost(ledger, run)
            ledger.remove(run)
        except LedgerError as error:
            status = max(status, fail(error, 2 if run not in ledger.ids() else 1))
            continue
        code.forget(ledger.workspace, run)
        print(f"removed {run}")
    return status


def _settle_lost(ledger: Ledger, run: str) -> None:
    """Writes down that RUN has failed, where its supervisor is gone."""
    if truly(ledger, record := ledger.get(run)) is not record:
        ledger.update(run, lambda old: truly(ledger, old))


def note(args: list[str]) -> int:
    """Runs `mlwb exp note ARGS`."""
    parser = Parser(prog="mlwb exp note", description="Writes a word about a run into its record.")
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("text", metavar="TEXT", nargs="*", help="in place of the note before; without it, no more note")
    parser.add_argument("--tag", action="append", default=[], metavar="T", help="adds a tag; may be given again")
    parser.add_argument("--untag", action="append", default=[], metavar="T", help="takes one away")
    options = parser.parse_args(args)

    def change(run: Run) -> Run:
        tags = tuple(tag for tag in dict.fromkeys((*run.tags, *options.tag)) if tag not in options.untag)
        kept = run.note if not options.text and (options.tag or options.untag) else " ".join(options.text)
        return msgspec.structs.replace(run, note=kept, tags=tags)

    opened().update(options.run, change)
    return 0


# --- import ------------------------------------------------------------------------------------------------


def import_(args: list[str]) -> int:
    """Runs `mlwb exp import ARGS`."""
    parser = Parser(
        prog="mlwb exp import",
        description="Takes in runs that were made elsewhere: each PATH, a folder or a file, is one run. What lies "
        "there is read and stays where it is; its series are kept in the ledger.",
        epilog="A run that is followed is shown as one that goes on. Ctrl+c, or `mlwb exp stop`, ends the following; "
        "whatever writes there is never signalled.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--name", default="", metavar="N", help="a name for people (default: the path's last part)")
    parser.add_argument("--tag", action="append", default=[], metavar="T", help="may be given again")
    parser.add_argument("--follow", "-f", action="store_true", help="reads on, until ctrl+c, what still goes on there")
    parser.add_argument("--json", action="store_true", help="for programs: [{id, path, metrics}, …]")
    options = parser.parse_args(args)
    if options.follow:
        return _follow(options)
    from workbench.experiments.elsewhere import taken_in

    ledger, status, told = opened(), 0, []
    for path in options.paths:
        try:
            run = taken_in(ledger, Path(path), options.name, tuple(options.tag))
        except LedgerError as error:
            status = fail(error, 1)
            continue
        told.append({"id": run.id, "path": run.cwd, "metrics": sorted(run.metrics)})
        if not options.json:
            print(f"{run.id}  {visible(run.name)}: {len(run.metrics)} metrics from {len(run.sources)} files")
    if options.json:
        print(json.dumps(told, indent=2))
    return status


def _follow(options: argparse.Namespace) -> int:
    """Keeps runs of all PATHs up to date until a signal says that it is enough. Each is told once, as it begins."""
    import signal
    import threading

    from workbench.experiments.elsewhere import Followed

    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, lambda number, frame: over.set())
    ledger, told, status = opened(), set[str](), 0
    followed = [Followed(ledger, Path(path), options.name, tuple(options.tag)) for path in options.paths]
    while followed:
        last = over.wait(_FOLLOW_S)
        for one in list(followed):
            try:
                one.end() if last else one.poll()
            except LedgerError as error:  # removed, most of all; the others are followed on
                status = fail(error, 1)
                followed.remove(one)
            if one.run and one.run not in told:
                told.add(one.run)
                print(json.dumps([{"id": one.run, "path": str(one.path)}]) if options.json else one.run, flush=True)
        if last:
            break
    return status
