"""The watch at work: around each call that runs commands, and what is said of what it finds."""

import asyncio

from workbench.session import exp_calls
from workbench.session.core import Session
from workbench.session.end import EndSession
from workbench.session.journal import JournalError
from workbench.session.watch import Change


async def begin(session: Session) -> None:
    """A command is about to run. Raises EndSession where one that still runs, or was stopped, changed what is watched.

    Otherwise what a person changed meanwhile counts as right.
    """
    if session.unwatched:
        _tell(session, await asyncio.to_thread(session.watch.compare), "a command in the background")
    else:
        await asyncio.to_thread(session.watch.look)
    session.unwatched = True


async def end(session: Session, command: str, approved: bool) -> None:
    """COMMAND ran; APPROVED: by a person who was shown it. Raises EndSession where it changed what is watched."""
    if approved:
        await asyncio.to_thread(session.watch.look)
    else:
        _tell(session, await asyncio.to_thread(session.watch.compare), f"`{command}`")
    session.unwatched = bool(session.state.shells) or await asyncio.to_thread(exp_calls.going, session)


def _tell(session: Session, changes: list[Change], who: str) -> None:
    aside = [change for change in changes if change.moved]
    others = [change for change in changes if not change.moved]
    for change in aside:
        session.notice(
            "warning",
            f"{who} made {change.path}, which is protected and was not there before. It lies in {change.moved} now.",
            "protected",
        )
    if not others:
        return
    session.unwatched = False
    rows = [f"{change.path} ({change.kind})" for change in others]
    told = "\n".join(
        line for change in others for line in (f"{change.path}: {change.kind}", *(f"  {row}" for row in change.shown))
    )
    session.notice("error", f"{who} changed what is protected, and no approved call did:\n{told}", "protected")
    raise EndSession(
        "error_during_execution",
        f"stopped: {who} changed what is protected: {', '.join(rows)}. Look at what is different "
        f"(`mlwb sessions audit {session.journal.session}`) and put back what you do not want: "
        "a session that is resumed takes it as it is then",
    )


async def wrote(session: Session, paths: list[str]) -> None:
    """A call that the gate allowed wrote PATHS: they are right, though a command that still runs is watched."""
    if session.unwatched:
        for path in paths:
            await asyncio.to_thread(session.watch.accept, path)


async def last(session: Session) -> EndSession | None:
    """The session ends, and so did what ran: what the last command, stopped or in the background, changed is said."""
    if session.broken is not None or not session.unwatched:
        return None
    try:
        _tell(session, await asyncio.to_thread(session.watch.compare), "the last command")
    except EndSession as end:
        return end
    except JournalError as error:
        session.broken = error
        return EndSession("error_during_execution", str(error))
    return None


async def before_person(session: Session) -> None:
    """A person's own command is about to run: what an agent's command changed by now is told, and its work stopped."""
    if session.unwatched:
        try:
            _tell(session, await asyncio.to_thread(session.watch.compare), "a command in the background")
        except EndSession:
            session.interrupt()


async def after_person(session: Session) -> None:
    """It ran: what it changed is right, though a command that still runs is watched on."""
    await asyncio.to_thread(session.watch.look)
    session.unwatched = bool(session.state.shells)
