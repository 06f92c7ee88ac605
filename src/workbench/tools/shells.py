"""The commands of a session: how each is started and ended, and those that run in the background."""

import asyncio
import errno
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Protocol

from workbench.protocol.events import Notice, ShellFinished, ShellStarted
from workbench.sandbox import prologue, pythonenv
from workbench.sandbox.types import Ended, Running, Spec
from workbench.tools.base import Context, ToolError

LARGEST = 1 << 30  # bytes of output after which a command is ended
_LOOK_S = 2.0  # how often a background command's output is measured


class Beside(Protocol):
    """What a session does beside its commands. A command that is over in a moment costs it next to nothing."""

    async def variables(self) -> dict[str, str]:
        """What each command finds in its environment, besides what the launcher gives."""

    def began(self, command: "Command") -> None:
        """COMMAND runs."""

    async def ended(self, command: "Command", ended: Ended) -> None:
        """COMMAND has ended, with all that it started; maybe told twice."""


class Command:
    """A command that runs: its processes, the file with its output, and the folder that its shell writes notes in.

    `started` is a Unix time before its first process was there. `why`: in words, why it is ended, where it has to be.
    `note` is set by what the session does beside it: a line for the model.
    """

    def __init__(
        self,
        spec: Spec,
        running: Running,
        call_id: str,
        started: float,
        beside: Beside | None = None,
        background: bool = False,
    ) -> None:
        assert spec.scratch is not None
        self.command, self.call_id, self.background = spec.command, call_id, background
        self.running = running
        self.path, self.cwd, self.env, self.reach = spec.output, spec.cwd, spec.env, spec.reach
        self.started = started
        self.why = self.note = ""
        self.by_itself: bool | None = None  # how it ended, once it has
        self._scratch = spec.scratch
        self._beside = beside
        self._exited = asyncio.ensure_future(running.wait())
        if beside is not None:
            beside.began(self)

    async def end(self, grace_s: float = 2.0) -> tuple[Ended, prologue.Aftermath]:
        """Ends everything that the command started; how it ended, and what its shell wrote down.

        A cancelled caller is told so only once nothing is left. Cancelling while it waits takes the grace away.
        """
        if self.by_itself is None:
            self.by_itself = self._exited.done()
        ending = [asyncio.ensure_future(self._end(grace_s))]
        cancelled = False
        while not ending[0].done():
            try:
                await asyncio.shield(ending[0])
            except asyncio.CancelledError:
                cancelled = True
                ending.append(asyncio.ensure_future(self.running.end(0)))
        after = prologue.read(self._scratch)
        shutil.rmtree(self._scratch, ignore_errors=True)
        if cancelled:
            raise asyncio.CancelledError
        return ending[0].result(), after

    async def _end(self, grace_s: float) -> Ended:
        ended = await self.running.end(grace_s)
        if self._beside is not None:
            await self._beside.ended(self, ended)
        return ended

    def size(self) -> int:
        """Bytes of output by now."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


class Shell:
    """A command in the background. `read` is how much of its output the model has had, in bytes."""

    def __init__(self, shell_id: str, command: Command, started: float) -> None:
        self.id = shell_id
        self.command = command
        self.started = started
        self.read = 0
        self.ended: Ended | None = None
        self.why = ""  # why it was ended, where it did not end by itself
        self.watch: asyncio.Task[None] | None = None


class Shells:
    """All commands of one session. `Shells.of(context)` is the session's own.

    `largest` is how many bytes of output a command may write before it is ended; `beside` sees each command.
    """

    def __init__(self, context: Context) -> None:
        self.largest = LARGEST
        self.beside: Beside | None = None
        self._context = context
        self._shells: dict[str, Shell] = {}
        self._named: set[str] = set()
        self._shown: pythonenv.PythonEnv | None = None
        context.closers.append(self.close)

    @classmethod
    def of(cls, context: Context) -> "Shells":
        """The one of this session."""
        found = context.extras.get("shells")
        if not isinstance(found, Shells):
            found = context.extras["shells"] = cls(context)
        return found

    # --- starting ---

    async def start(self, command: str, call_id: str, cwd: Path | None = None, background: bool = False) -> Command:
        """Starts COMMAND in CWD (default: the session's working directory), set up as the settings say.

        Raises ToolError. Whoever starts it calls its `end`.
        """
        if not command.strip():
            raise ToolError("The command is empty.")
        context = self._context
        if cwd is None and not context.cwd.is_dir():
            gone, context.cwd = context.cwd, context.workspace
            # The gate judged the command for another folder: it has to be judged again.
            raise ToolError(f"{gone} is gone, so the command was not run. The working directory is now {context.cwd}.")
        context.outputs.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".shell-", dir=context.outputs))
        path = _fresh(context.outputs, call_id)
        cwd = context.cwd if cwd is None else cwd
        try:
            setup = str(context.extras.get("shell_setup") or "")
            env = context.launcher.environment()
            if not setup:
                env = pythonenv.activated(env, pythonenv.find(context.workspace, env))
            env |= prologue.write(scratch, setup=setup, workspace=context.workspace, cwd=cwd)
            env |= await self.beside.variables() if self.beside is not None else {}
            spec = Spec(command=command, cwd=cwd, output=path, env=env, scratch=scratch, reach=context.reach)
            started = time.time()
            running = await context.launcher.start(spec)
        except (OSError, ValueError) as error:
            shutil.rmtree(scratch, ignore_errors=True)
            path.unlink(missing_ok=True)
            raise ToolError(_not_started(error)) from None
        return Command(spec, running, call_id, started, self.beside, background)

    async def background(self, command: str, call_id: str) -> Shell:
        """Starts COMMAND and leaves it running. Raises ToolError."""
        started = await self.start(command, call_id, background=True)
        number = int(self._context.extras.get("shells_started", 0)) + 1
        self._context.extras["shells_started"] = number
        shell = self._shells[f"bash_{number}"] = Shell(f"bash_{number}", started, self._context.now())
        self._context.emit(
            ShellStarted(
                shell_id=shell.id, call_id=call_id, command=command, pid=started.running.pid, path=str(started.path)
            )
        )
        shell.watch = asyncio.ensure_future(self._watch(shell))
        return shell

    # --- in the background ---

    def get(self, shell_id: str) -> Shell:
        """The shell of that id. Raises ToolError, which lists those that run."""
        if shell_id not in self._shells:
            alive = ", ".join(f"{shell.id} ({_short(shell.command.command)})" for shell in self.alive())
            raise ToolError(f"There is no background command {shell_id!r}. Running: {alive or 'none'}.")
        return self._shells[shell_id]

    def alive(self) -> list[Shell]:
        """Those that run, the oldest first."""
        return [shell for shell in self._shells.values() if shell.ended is None]

    async def kill(self, shell: Shell, why: str) -> None:
        """Ends SHELL with all that it started, and waits until it is gone."""
        shell.why = shell.command.why = shell.why or why
        await shell.command.end()
        await self.finished(shell)

    async def finished(self, shell: Shell, timeout_s: float | None = None) -> None:
        """Until SHELL has ended, or the time is over."""
        if shell.watch is not None:
            await asyncio.wait([shell.watch], timeout=timeout_s)

    async def close(self) -> None:
        """Ends what runs in the background."""
        await asyncio.gather(*(self.kill(shell, "the session closed") for shell in self.alive()))

    async def _watch(self, shell: Shell) -> None:
        waiting = asyncio.ensure_future(shell.command.running.wait())
        while not waiting.done():
            await asyncio.wait([waiting], timeout=_LOOK_S)
            if shell.command.size() > self.largest:
                shell.why = shell.command.why = self.too_much()
                break
        shell.ended, _ = await shell.command.end()
        waiting.cancel()
        self._context.emit(ShellFinished(shell_id=shell.id, exit_code=shell.ended.exit_code, signal=shell.ended.signal))

    # --- words ---

    def too_much(self) -> str:
        """Why a command with endless output was ended."""
        return f"its output passed {self.largest:,} bytes"

    def environment_note(self) -> str:
        """Which Python environment commands use, where that is new; a person is told as well."""
        if self._context.extras.get("shell_setup"):
            return ""
        found = pythonenv.find(self._context.workspace, self._context.launcher.environment())
        if found == self._shown:
            return ""
        self._shown = found
        if found is None:
            return ""
        where = _relative(found.path, self._context.workspace)
        if found.shadows:
            text = (
                f"{where} is not activated: its bin folder would hide the system's {', '.join(found.shadows[:5])}. "
                f"Activate it with the setting `shell.setup: source {where}/bin/activate` if you trust it."
            )
        else:
            kind = "conda environment" if found.kind == "conda" else "virtual environment"
            text = f"Commands use the {kind} {where}" + (" that was active already." if found.active else ".")
        self._context.emit(Notice(level="warning" if found.shadows else "info", text=text, about="environment"))
        return "" if found.active else text

    def withheld_note(self, *texts: str) -> str:
        """Names each withheld variable that TEXTS mention, once in a session; a person is told as well."""
        names = [
            name
            for name in self._context.launcher.withheld()
            if name not in self._named and any(_mentions(text, name) for text in texts)
        ]
        if not names:
            return ""
        self._named.update(names)
        one = len(names) == 1
        text = (
            f"{', '.join(names)} {'is' if one else 'are'} set in the user's environment, but withheld from commands "
            f"because {'it looks like a secret' if one else 'they look like secrets'}. "
            f"The user's setting `shell.env: [{', '.join(names)}]` lets {'it' if one else 'them'} through."
        )
        self._context.emit(Notice(level="info", text=text, about="withheld"))
        return text


def _fresh(folder: Path, call_id: str) -> Path:
    """A new file for the output of a call; the id is the model's, so it is not trusted as a name."""
    stem = "bash-" + re.sub(r"[^A-Za-z0-9_-]", "", call_id)[-60:]
    number = 1
    while True:
        path = folder / (f"{stem}.txt" if number == 1 else f"{stem}-{number}.txt")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            number += 1
        else:
            return path


def _not_started(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "The command holds characters that cannot be encoded; it was not run."
    if isinstance(error, ValueError):
        return "The command holds a NUL character; it was not run."
    if error.errno == errno.E2BIG:
        return "The command is too long for the system; put the text into a file with Write and run that."
    where = f" ({error.filename})" if error.filename else ""
    return f"The command could not be started: {error.strerror or error}{where}."


def _mentions(text: str, name: str) -> bool:
    return name in text and re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", text) is not None


def _relative(path: Path, workspace: Path) -> str:
    return str(path.relative_to(workspace) if path.is_relative_to(workspace) else path)


def _short(command: str) -> str:
    line = command.strip().partition("\n")[0]
    return line if len(line) <= 60 else f"{line[:60]}…"
