"""What happened in a session since a moment, in a few words: a brief cut down to one line."""

import time
from collections.abc import Iterator
from pathlib import Path

from workbench.protocol import queries as q
from workbench.protocol.words import counted
from workbench.session.brief import brief
from workbench.session.brief_types import Brief
from workbench.session.end import was_left

_WORD = 120


def happened(folder: Path, after: float, until: float | None = None) -> tuple[str, ...]:
    """Phrases on what happened in the session in FOLDER after Unix time AFTER (up to and with UNTIL); none if nothing.

    What needs a person comes first. Only the lines since are read. Blocks. Raises JournalError.
    """
    return _line(brief(folder, after, until))


def told(folder: Path, after: float, until: float | None = None) -> q.Brief:
    """What happened in the session in FOLDER after Unix time AFTER, for a screen. Blocks. Raises JournalError."""
    from workbench.session import brief_ledger, brief_words

    now, found = time.time(), brief(folder, after, until)
    brief_ledger.add(found)
    return q.Brief(
        heading=brief_words.heading(found, now), sections=brief_words.sections(found, now), phrases=_line(found)
    )


def _line(told: Brief) -> tuple[str, ...]:
    said = list(_phrases(told))
    return (*said, counted(told.turns, "turn")) if said or told.turns else ()


def _phrases(told: Brief) -> Iterator[str]:
    if waiting := sum(one.at > told.since for one in told.approvals):
        yield f"{counted(waiting, 'approval')} waiting"
    if told.questions and told.asked_at > told.since:
        yield f"{counted(len(told.questions), 'question')} to answer"
    if told.end and told.events:
        left = was_left(told.end, told.errors)
        yield "it was left, or told to stop" if left else f"it ended: {told.end.replace('_', ' ')}"
    if edited := sum(file.edits > 0 for file in told.files):
        yield f"{counted(edited, 'file')} changed by the agent"
    if linked := sum(run.linked for run in told.runs):
        yield f"{counted(linked, 'run')} linked"
    for shell, how in list(told.shells.items())[-2:]:
        yield f"background shell {shell[:_WORD]} ended with {how}"
    for check in told.checks[-2:]:
        how = "passed" if check.exit_code == 0 else f"failed with exit code {check.exit_code}"
        yield f"check {check.command[:_WORD]} {how}"
    if told.denied:
        yield f"{counted(len(told.denied), 'call')} denied"
