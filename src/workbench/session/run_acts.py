"""What a person does with runs from a screen, near or far: an end made of them, a note, tags, more GPU-hours."""

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workbench.experiments.ledger import LedgerError, ledger_for
from workbench.experiments.types import Run
from workbench.protocol.commands import AnnotateRun, RaiseGpuHours, StopRuns
from workbench.protocol.events import CapsRaised

if TYPE_CHECKING:
    from workbench.session.core import Session


async def carried_out(workspace: Path, command: StopRuns | AnnotateRun) -> str:
    """Does what COMMAND asks with the runs of WORKSPACE; empty, or why not all of it was done."""
    if isinstance(command, StopRuns):
        return await asyncio.to_thread(_stop, workspace, command)
    return await asyncio.to_thread(_annotate, workspace, command)


def _stop(workspace: Path, command: StopRuns) -> str:
    from workbench.experiments.launch.local import Local
    from workbench.experiments.launch.types import LaunchError

    engine, problems = Local(ledger_for(workspace), forks=False), list[str]()
    for run in command.runs:
        try:
            if not engine.cancel(run, f"stopped by {command.by}"):
                problems.append(f"{run} does not run: {engine.state(run).status}")
        except (LedgerError, LaunchError) as error:
            problems.append(str(error))
    return "; ".join(problems)


def _annotate(workspace: Path, command: AnnotateRun) -> str:
    def change(run: Run) -> Run:
        return msgspec.structs.replace(
            run,
            note=run.note if command.note is None else command.note,
            tags=run.tags if command.tags is None else tuple(dict.fromkeys(command.tags)),
        )

    try:
        ledger_for(workspace).update(command.run, change)
    except LedgerError as error:
        return str(error)
    return ""


def raise_hours(session: "Session", command: RaiseGpuHours) -> str:
    """Lets SESSION use more GPU-hours; empty, or why not."""
    held = session.caps.max_gpu_hours
    if held is None:
        return "this session has no limit of GPU-hours"
    if not held < command.hours < math.inf:
        return f"it may use {held:g} GPU-hours already; a limit is only raised here"
    session.caps = msgspec.structs.replace(session.caps, max_gpu_hours=command.hours)
    session.emit(CapsRaised(caps=session.caps, by=command.by), sync=True)
    return ""
