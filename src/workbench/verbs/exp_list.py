"""`mlwb exp list|show|metrics`: what is in the ledger."""

import argparse
import json
import math
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.launch.alive import settle, truly
from workbench.experiments.ledger import OUTPUT, Ledger, ledger_for
from workbench.experiments.types import Run
from workbench.protocol.visible import escaped, visible
from workbench.verbs import exp_words as words
from workbench.verbs.options import Parser

_SHOWN = 50  # runs of a table without --all
_SETTLE_S = 5.0
_DATA = 5  # files of a role that are named
_STATUS = ("queued", "running", "finished", "failed", "stopped")


def opened() -> Ledger:
    """The ledger of the folder that the command is given in."""
    return ledger_for(Path.cwd())


# --- list --------------------------------------------------------------------------------------------------


def list_(args: list[str]) -> int:
    """Runs `mlwb exp list ARGS`."""
    parser = Parser(prog="mlwb exp list", description="All runs, the newest first.")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--status", action="append", choices=_STATUS, help="only those; may be given again")
    parser.add_argument("--tag", action="append", default=[], metavar="T", help="only those that have it")
    parser.add_argument("--metric", metavar="KEY", help="the metric of the table (default: the most telling)")
    parser.add_argument("--all", action="store_true", help=f"in the table too; else the newest {_SHOWN}")
    options = parser.parse_args(args)
    ledger = opened()
    found, problems = ledger.runs()
    runs = [run for run in _standing(ledger, found) if _wanted(run, options)][::-1]
    if options.json:
        print(json.dumps([brief(run) for run in runs], indent=2))
    elif runs:
        shown = runs if options.all else runs[:_SHOWN]
        now = time.time()
        print("\n".join(words.table([_HEAD, *(_row(run, options.metric, now) for run in shown)])))
        if len(shown) < len(runs):
            print(f"{len(runs) - len(shown):,} older runs; --all shows them", file=sys.stderr)
    else:
        print("There are no such runs." if found else "There are no runs yet.", file=sys.stderr)
    for problem in problems:
        print(f"mlwb: {visible(problem)}", file=sys.stderr)
    return 0


def _standing(ledger: Ledger, runs: list[Run]) -> Iterator[Run]:
    until = time.monotonic() + _SETTLE_S
    for run in runs:
        yield settle(ledger, truly(ledger, run), max(0.0, until - time.monotonic()))


def _wanted(run: Run, options: argparse.Namespace) -> bool:
    return (not options.status or run.status in options.status) and set(options.tag) <= set(run.tags)


def brief(run: Run) -> dict[str, Any]:
    """A run as the contract has it for lists; times are Unix times."""
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "command": shlex.join(run.argv),
        "cwd": run.cwd,
        "created": run.created,
        "started": run.started,
        "ended": run.ended,
        "session": run.session,
        "turn": run.turn,
        "commit": run.code.commit,
        "dirty": run.code.dirty,
        "seed": run.seed,
        "group": run.group,
        "gpus": [card.uuid for card in run.gpus],
        "tags": run.tags,
        "note": run.note,
        "origin": run.origin,
        "metrics": {
            key: {"last": one.last, "best": one.best, "step": one.step, "count": one.count}
            for key, one in run.metrics.items()
        },
        "why": run.why,
        "service": run.service and run.service.ready,
        "ready": run.standing == "ready",
    }


_HEAD = ("ID", "STATUS", "NAME", "METRIC", "LAST", "BEST", "STEP", "SEED", "GPU", "TOOK", "STARTED", "TAGS")


def _row(run: Run, wanted: str | None, now: float) -> tuple[str, ...]:
    key = wanted or words.chosen(run.metrics)
    one = run.metrics.get(key) if key else None
    name = f"{key} {words.arrow(key, run.goal)}".rstrip() if key and one else words.DASH
    return (
        run.id,
        words.status(run),
        words.cell(run.name, 24),
        words.cell(name, 24),
        words.number(one.last) if one else words.DASH,
        words.number(one.best) if one else words.DASH,
        f"{one.step:g}" if one else words.DASH,
        words.DASH if run.seed is None else str(run.seed),
        words.cards(run),
        words.duration(words.took(run, now)),
        words.moment(run.started)[:16],
        words.cell(",".join(run.tags), 24),
    )


# --- show --------------------------------------------------------------------------------------------------


def show(args: list[str]) -> int:
    """Runs `mlwb exp show ARGS`."""
    parser = Parser(prog="mlwb exp show", description="What a run was, and how it went.")
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--json", action="store_true", help="for programs: the whole record")
    options = parser.parse_args(args)
    ledger = opened()
    run = _settled(ledger, options.run)
    if options.json:
        told = msgspec.to_builtins(run)
        print(json.dumps(told | {"command": shlex.join(run.argv), "folder": str(ledger.path(run.id))}, indent=2))
        return 0
    print("\n".join(f"{visible(name):<12} {text}" for name, text in _told(run, ledger) if text))
    if run.metrics:
        print()
        print("\n".join(words.table([("METRIC", "LAST", "BEST", "STEP", "POINTS"), *_metrics(run)])))
    return 0


def _settled(ledger: Ledger, run: str) -> Run:
    return settle(ledger, truly(ledger, ledger.get(run)), _SETTLE_S)


def _metrics(run: Run) -> Iterator[tuple[str, ...]]:
    for key, one in sorted(run.metrics.items()):
        name = f"{words.cell(key)} {words.arrow(key, run.goal)}".rstrip()
        yield name, words.number(one.last), words.number(one.best), f"{one.step:g}", f"{one.count:,}"


def _told(run: Run, ledger: Ledger) -> Iterator[tuple[str, str]]:
    used, code = run.usage, run.code
    yield "run", f"{run.id}  {visible(run.name)}"
    yield "status", f"{words.status(run)}{f': {visible(run.why)}' if run.why else ''}"
    yield "command", visible(shlex.join(run.argv))
    yield "folder", visible(run.cwd)
    yield "service", visible(_service(run))
    yield (
        "started",
        f"{words.moment(run.started)}, {words.duration(words.took(run, time.time()))}" if run.started else "",
    )
    yield "by", f"{visible(run.user)} on {visible(run.host)}"
    yield "session", f"{visible(run.session)}, turn {run.turn or words.DASH}" if run.session else ""
    yield "code", _code(code.commit, code.branch, code.snapshot)
    yield "seed", "" if run.seed is None else str(run.seed)
    yield "group", visible(run.group or "")
    yield "python", _environment(run)
    yield "gpus", ", ".join(f"{card.index} {visible(card.name)} ({visible(card.uuid)})" for card in run.gpus)
    yield "used", ", ".join(_used(used.cpu_s, used.peak_memory, used.peak_gpu_memory, used.gpu_hours, used.energy_j))
    yield "progress", _progress(run)
    yield "tags", visible(", ".join(run.tags))
    yield "note", visible(run.note)
    yield "config", visible(", ".join(f"{key}={value}" for key, value in list(run.config.items())[:40]))[:2000]
    yield "sources", visible(", ".join(source.path for source in run.sources[:20]))
    yield "output", visible(str(ledger.path(run.id) / OUTPUT))
    for reader in run.notes[:10]:
        yield "note", visible(reader)
    yield from _data(run)
    for alert in run.alerts:
        yield alert.kind, visible(alert.text)
    if run.crash is not None:
        from workbench.experiments.postmortem import rows

        yield from ((name, visible(text)) for name, text in rows(run.crash))


def _data(run: Run) -> Iterator[tuple[str, str]]:
    """Which files were which data, a line each role."""
    for role in dict.fromkeys(one.role for one in run.data):
        paths = [one.path for one in run.data if one.role == role]
        more = f" and {len(paths) - _DATA} more" if len(paths) > _DATA else ""
        yield role or "data", visible(", ".join(paths[:_DATA]) + more)


def _progress(run: Run) -> str:
    if run.progress is None:
        return ""
    done, total = run.progress
    left = f", {words.duration(run.eta_s)} left" if run.eta_s is not None and run.status == "running" else ""
    return f"{done:g} of {total:g}{left}"


def _code(commit: str | None, branch: str | None, snapshot: str | None) -> str:
    if commit is None and snapshot is None:
        return ""
    where = f"{visible(commit[:12]) if commit else 'no commit yet'}{f' on {visible(branch)}' if branch else ''}"
    return f"{where}, its changes kept as {visible(snapshot[:12])}" if snapshot else where


def _service(run: Run) -> str:
    if run.service is None:
        return ""
    load = run.service.load or run.service.request
    return run.service.ready + (f", load: {load}" if load else "")


def _environment(run: Run) -> str:
    found = run.environment
    return f"{visible(found.python)}, packages {visible(str(found.packages))}" if found.python else ""


def _used(
    cpu_s: float | None, memory: int | None, gpu_memory: int | None, gpu_hours: float | None, energy_j: float | None
) -> Iterator[str]:
    if cpu_s is not None:
        yield f"{words.duration(cpu_s)} of CPU"
    if memory is not None:
        yield f"{memory / (1 << 20):,.0f} MB at most"
    if gpu_memory is not None:
        yield f"{gpu_memory / (1 << 20):,.0f} MB on GPUs at most"
    if gpu_hours is not None:
        yield f"{gpu_hours:.3g} GPU-hours"
    if energy_j is not None:
        yield f"{energy_j / 3600:,.1f} Wh"


# --- metrics -----------------------------------------------------------------------------------------------


def metrics(args: list[str]) -> int:
    """Runs `mlwb exp metrics ARGS`."""
    parser = Parser(prog="mlwb exp metrics", description="Every point of a run's series.")
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--json", action="store_true", help="for programs: {key: [[step, time, value or null], …]}")
    parser.add_argument("--metric", action="append", metavar="KEY", help="only that; may be given again")
    options = parser.parse_args(args)
    from workbench.experiments.collect import series_of

    ledger = opened()
    run = _settled(ledger, options.run)
    series = series_of(run, ledger.path(run.id))
    keys = [key for key in sorted(series) if not options.metric or key in options.metric]
    for missing in set(options.metric or ()) - set(keys):
        print(f"mlwb: {run.id} has no metric {visible(missing)}", file=sys.stderr)
    if options.json:
        told = {
            key: [[_plain(step), _plain(at), _plain(value)] for step, at, value in _points(series[key])] for key in keys
        }
        print(escaped(msgspec.json.encode(told).decode()))
    else:
        rows = [
            (words.cell(key), f"{step:g}", words.moment(at), words.number(_plain(value)))
            for key in keys
            for step, at, value in _points(series[key])
        ]
        print("\n".join(words.table([("METRIC", "STEP", "AT", "VALUE"), *rows])))
    return 1 if options.metric and not keys else 0


def _points(one: Any) -> Iterator[tuple[float, float, float]]:
    return zip(one.steps, one.times, one.values, strict=True)


def _plain(value: float) -> float | int | None:
    """VALUE as JSON has it: whole numbers as such, what is not finite as null."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 1 << 53 else value
