"""Bash: a command, run to its end or left in the background."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Runs
from workbench.protocol.blocks import Output
from workbench.sandbox import status
from workbench.sandbox.types import Ended
from workbench.tools.base import Context, Outcome, text_content
from workbench.tools.output import Follower, View, begun, shorten, view
from workbench.tools.shells import Command, Shells

_DEFAULT_MS = 120_000
_MOST_MS = 600_000
_TICK_S = 0.1  # between two pieces of progress
_LARGE = 1 << 18  # bytes; longer outputs are read in a thread
_NEARLY_FULL = 1 << 16  # bytes
_SUMMARY = 120  # characters


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run."""

    command: str
    timeout: Annotated[int, msgspec.Meta(ge=1, description="In ms; default 120000, at most 600000")] | None = None
    description: Annotated[str, msgspec.Meta(description="What it does, in 5-10 words")] | None = None
    run_in_background: bool | None = None


class Bash:
    """Runs commands."""

    name = "Bash"
    description = (
        "Runs a bash command and gives its output (stdout and stderr together) and exit code. The working directory "
        "persists between calls; variables do not. There is no stdin and no terminal. Long output is cut in the "
        "middle; the whole of it is in a file that Read opens. What outlives the call (servers, long training) needs "
        "run_in_background: BashOutput reads it, KillShell ends it; a plain `&` ends with the call."
    )
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Runs the command."""
        return (Runs(given.command),)

    def target(self, given: Any) -> str:
        """The command's first line."""
        first, _, rest = given.command.strip().partition("\n")
        return f"{first} …" if rest else str(first)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Runs the command. Cancelling ends it with all that it started, before this returns."""
        shells = Shells.of(context)
        if given.run_in_background:
            return await _leave_running(given, shells, call_id)
        timeout_s = min(given.timeout or _DEFAULT_MS, _MOST_MS) / 1000
        began = context.now()
        command = await shells.start(given.command, call_id)
        try:
            command.why = why = await _follow(shells, command, progress, timeout_s)
        finally:
            # Also after a good end: what the command left in the background ends with it.
            ended, after = await command.end()
        seen = await _seen(command)
        whole = seen.text(command.path)
        failed = bool(why) or after.setup_status is None or status.failed(given.command, ended)
        notes = [_setup_note(after.setup_status), shells.environment_note()]
        notes += [_moved(context, command.cwd, after.cwd), _left_note(ended), _full_note(context.outputs)]
        notes += [f"the sandbox: {line}" for line in ended.refused]
        notes.append(shells.withheld_note(given.command, whole if failed else ""))
        notes.append(command.note)
        notes.append(why or ("" if ended.exit_code == 0 else status.words(ended)))
        return _outcome(command, seen, ended, notes, failed=failed, took_s=context.now() - began, why=why)


async def _leave_running(given: Any, shells: Shells, call_id: str) -> Outcome:
    shell = await shells.background(given.command, call_id)
    words = (
        f"Started in the background as {shell.id}. BashOutput with bash_id {shell.id} gives its output, "
        f"KillShell ends it. The output is also in {shell.command.path}."
    )
    notes = [shells.environment_note(), shells.withheld_note(given.command)]
    return Outcome(
        content=text_content("\n".join([words, *_bracketed(notes)])),
        display=[Output(text="", path=str(shell.command.path))],
        summary=f"{shell.id} runs in the background",
    )


async def _follow(shells: Shells, command: Command, progress: Callable[[str], None], timeout_s: float) -> str:
    """Until the command ends by itself (empty), or has to be ended: then why."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    waiting = asyncio.ensure_future(command.running.wait())
    follower = Follower(command.path)
    try:
        while True:
            await asyncio.wait([waiting], timeout=max(0.0, min(_TICK_S, deadline - loop.time())))
            if waiting.done():
                return ""
            if text := follower.gained():
                progress(text)
            if follower.size() > shells.largest:
                return f"The command was ended: {shells.too_much()}"
            if loop.time() >= deadline:
                return (
                    f"The command was ended after its time limit of {timeout_s:g} s. Give a longer `timeout` "
                    f"(at most {_MOST_MS} ms), or start it with run_in_background"
                )
    finally:
        waiting.cancel()
        follower.close()


async def _seen(command: Command) -> View:
    size = command.size()
    if size == 0:
        command.path.unlink(missing_ok=True)
        return View(head="")
    return await asyncio.to_thread(view, command.path) if size > _LARGE else view(command.path)


def _outcome(
    command: Command, seen: View, ended: Ended, notes: list[str], *, failed: bool, took_s: float, why: str
) -> Outcome:
    text = seen.text(command.path)
    shown = text.rstrip("\n") or "(no output)"
    path = str(command.path) if seen.size else None
    if why:
        summary = f"stopped · {took_s:.1f} s"
    elif failed:
        how = status.words(ended).removeprefix("ended by ").replace("exit code", "exit").partition(" (")[0]
        summary = f"{how} · {took_s:.1f} s"
    else:
        summary = begun(seen.last_line, _SUMMARY) or f"done · {took_s:.1f} s"
    return Outcome(
        content=text_content("\n".join([shown, *_bracketed(notes)])),
        display=[Output(text=shorten(text), exit_code=ended.exit_code, signal=ended.signal, path=path)],
        summary=summary,
        is_error=failed,
        refused=ended.refused,
    )


def _bracketed(notes: list[str]) -> list[str]:
    return [f"[{note}]" for note in notes if note]


def _setup_note(setup_status: int | None) -> str:
    if setup_status is None:
        return "the user's setting shell.setup did not come to its end, so the command did not run"
    return f"the user's setting shell.setup failed with exit code {setup_status}" if setup_status else ""


def _left_note(ended: Ended) -> str:
    if ended.stuck:
        return f"these processes could not be ended: {', '.join(map(str, ended.stuck))}"
    if not ended.swept:
        return ""
    many = f"{ended.swept} processes that it left in the background were"
    one = "a process that it left in the background was"
    return f"{one if ended.swept == 1 else many} ended; what shall go on needs run_in_background"


def _full_note(outputs: Path) -> str:
    """The command's own word on it could not be written either."""
    disk = os.statvfs(outputs)
    if disk.f_bavail * disk.f_frsize >= _NEARLY_FULL:
        return ""
    return f"No space left on the disk that holds {outputs}: the output may be cut off"


def _moved(context: Context, start: Path, end: Path | None) -> str:
    """Keeps the folder that the command ended in, where that is inside the workspace; else says that it does not."""
    if end is None or str(end) == os.path.realpath(start):
        return ""
    for root in (context.workspace, *context.roots):
        real = Path(os.path.realpath(root))
        if end.is_relative_to(real):
            context.cwd = root / end.relative_to(real)
            return ""
    context.cwd = context.workspace
    return f"{end} is outside the workspace; the working directory is {context.workspace} again"
