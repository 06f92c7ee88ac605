"""A session with a person at it: it works on what is asked, then waits; an interrupt ends the work, not the session."""

import asyncio
import os
import shlex
import time
from pathlib import Path

from workbench.models.base import ModelError
from workbench.protocol import events as e
from workbench.protocol.commands import RunShell
from workbench.sandbox.launcher import PlainLauncher
from workbench.sandbox.types import Spec
from workbench.session import calls, found, loop, questions, runs_watch, watching
from workbench.session.core import Session
from workbench.session.end import EndSession
from workbench.session.journal import JournalError
from workbench.tools.output import Follower, whole_words

SHOWN_OUTPUT = 8_000
_TICK_S = 0.2  # between two pieces of what a person's command prints
# What ends a session even with a person at it.
FINAL = ("error_system_boundary",)


async def work(session: Session) -> None:
    """Serves the person until the session is stopped, or crosses the system boundary."""
    await loop.concluded(session, _serve(session))


async def _serve(session: Session) -> EndSession | None:
    try:
        await loop.sweep(session)
        while True:
            await runs_watch.prompted(session)
            async with session.steady:
                session.acting = asyncio.create_task(_act(session))
                end = await session.acting
            if end is not None:
                return end
    except asyncio.CancelledError:
        if session.acting is not None:
            session.acting.cancel()
            await asyncio.gather(session.acting, return_exceptions=True)
        if session.broken is not None:
            raise session.broken from None
        return loop.stopped(session)


async def _act(session: Session) -> EndSession | None:
    """From a prompt to the end of the agent's work on it. Returns the end of the session, if this is one."""
    reason, message = "done", ""
    try:
        await loop.until_answered(session)
        if asked := questions.parse(session.tally.final_text):
            session.emit(e.QuestionsAsked(questions=asked), sync=True)
            reason = "question"
    except asyncio.CancelledError:
        if session.stopping:
            raise
        reason = "interrupted"
    except EndSession as end:
        if end.subtype in FINAL:
            return end
        reason, message = end.subtype, str(end)
    except ModelError as error:
        reason, message = loop.subtype_of(error), loop.words_of(session, error)
    except JournalError:
        raise
    calls.close_open(session, "cancelled", "This call was not run: the person stopped the work before it.")
    session.emit(e.Idle(reason=reason, message=message), sync=True)
    return None


async def run_shell(session: Session, command: RunShell) -> None:
    """A person's own command, in the person's own shell and environment. Its output is shown and kept.

    Cancelling ends it with everything it started; where the session is not about to end, what it printed is told.
    Where that cannot be kept, the session ends, as it does for what its agent cannot keep: nobody waits for this here.
    """
    try:
        await _run_shell(session, command)
    except JournalError as error:
        session.broken = error
        session.stop("signal")


async def _run_shell(session: Session, command: RunShell) -> None:
    session.context.outputs.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = session.context.outputs / f"shell-{time.time_ns():x}.txt"  # ids begin anew with each client
    shell = os.environ.get("SHELL") or "/bin/sh"
    line = f"exec {shlex.quote(shell)} -c {shlex.quote(command.command)}"
    launcher = PlainLauncher(os.environ, ("*",), found.at_once(os.environ))
    await watching.before_person(session)
    try:
        spec = Spec(command=line, cwd=session.context.workspace, output=path, env=launcher.environment())
        began, finder = time.time(), found.of(session)
        running = await launcher.start(spec)
        finder.began(running, command.command, running, path, spec.cwd, spec.env, began, None, background=True)
        code, stopped, shown = None, False, asyncio.create_task(_show(session, command.id, path))
        try:
            code = (await running.wait()).exit_code
        except asyncio.CancelledError:
            stopped = True
            if session.stopping:
                raise
        finally:
            shown.cancel()
            ended = await running.end()
            await finder.ended(running, ended, not stopped, f"{command.by} ended it")
        output = await asyncio.to_thread(_end_of, path)
    except (OSError, ValueError) as error:
        output, code = f"could not be started: {error}", 127
    await watching.after_person(session)
    session.emit(
        e.ShellRan(command=command.command, output=output, exit_code=code, by=command.by, path=str(path)), sync=True
    )


async def _show(session: Session, command: str, path: Path) -> None:
    """Tells what the person's COMMAND prints into PATH, as it comes."""
    follower = Follower(path)
    try:
        while True:
            await asyncio.sleep(_TICK_S)
            if text := follower.gained():
                session.show(e.CallProgress(call_id=command, text=text))
    finally:
        follower.close()
        session.printed(command)


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        at = file.seek(max(0, path.stat().st_size - SHOWN_OUTPUT))
        text = file.read().decode("utf-8", "replace")
        return whole_words(text) if at else text
