"""`mlwb exp wait`: until runs have ended, or something was seen in one."""

import sys
import time

from workbench.experiments.launch.alive import settle, truly
from workbench.experiments.launch.waiting import read
from workbench.experiments.types import Run
from workbench.protocol.visible import visible
from workbench.verbs.exp_list import opened

_EVERY_S = 0.5
_TIMED_OUT = 124  # as timeout(1) has it
_GOING = ("queued", "running")


def wait(args: list[str]) -> int:
    """Runs `mlwb exp wait ARGS`; 0 where all that ended have finished, 1 where one has not or something was seen.

    A service that becomes ready is told as well; one that was so before it is no news, unless it was named.
    """
    options, ledger = read(args), opened()
    first = [ledger.get(run) for run in options.runs] or [run for run in ledger.runs()[0] if run.status in _GOING]
    seen = {run.id: len(run.alerts) if run.status in _GOING else 0 for run in first}  # of what has ended all is news
    ready = {run.id for run in first if run.stays and not options.runs}
    until = None if options.timeout_s is None else time.monotonic() + options.timeout_s
    told: dict[str, Run] = {}
    if going := [run.id for run in first if run.status in _GOING]:
        print(f"mlwb: waiting for {', '.join(going[:20])}", file=sys.stderr, flush=True)
    while True:
        runs = [settle(ledger, truly(ledger, ledger.get(run))) for run in seen]
        alerts = [(run, alert) for run in runs for alert in run.alerts[seen[run.id] :]]
        for run, alert in alerts:
            print(f"{run.id} {visible(alert.kind)}: {visible(alert.text)}")
        for run in runs:
            if run.status not in _GOING and run.id not in told:
                print(f"{run.id} {run.status}{f': {visible(run.why)}' if run.why else ''}")
                told[run.id] = run
        came = [run for run in runs if run.stays and run.id not in ready]
        for run in came:
            print(f"{run.id} ready")
            ready.add(run.id)
        # Of all, a service that stays is waited for only where it was named: it ends when somebody ends it.
        left = [run for run in runs if run.status in _GOING and not (run.stays and options.all and not options.runs)]
        if alerts or not left or ((told or came) and not options.all):
            return int(bool(alerts) or any(run.status != "finished" for run in told.values()))
        if until is not None and time.monotonic() >= until:
            return _TIMED_OUT
        sys.stdout.flush()
        time.sleep(_EVERY_S)
