"""Plain commands of a session that turn out to train: looked at from their second second on, kept as runs.

What is read of a run is read in a process of its own (`experiments/found_watch.py`), so that no output, however long,
holds up the session; here it is only decided, in a thread, whether there is a run.
"""

import asyncio
import contextlib
import functools
import re
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.experiments import code
from workbench.protocol.events import RunLinked
from workbench.sandbox.confined import ConfinedLauncher
from workbench.sandbox.types import Ended, Running, Spec
from workbench.session import gpus
from workbench.session.core import Session
from workbench.session.identity import user_name
from workbench.tools.shells import Command, Shells

if TYPE_CHECKING:
    from workbench.experiments.found import Begun, Look, Seen
    from workbench.experiments.types import Code
    from workbench.telemetry.nvml import Nvml

CHECK = "check"  # in place of a call's id
FIRST_S = 1.5  # a command that is over by then is left alone
_PAUSES = (1.5, 2.0, 2.0, 3.0, 3.0, 5.0)  # between two looks
_OLD_S, _OLD_PAUSE_S = 600.0, 15.0  # what did not train for so long is looked at less often
_UNDECIDED_S = 60.0  # for so long a command that computes may yet show that it trains
_IDLE_S, _IDLE = 3.0, 0.02  # what uses less than this share of a core for so long computes nothing
_SETTLED_S = 5.0  # for the last numbers, when the session ends
_SHOWN = 80  # characters of a command
_ANSWER_S, _ANSWER_SIZE = 10.0, 1 << 20  # of a confined interpreter that is asked for its packages
_FINDER = "finder"
_OWN = re.compile(r"\bmlwb\s+(?:exp|run)\b")  # what begins runs by itself


class _One:
    """A command that goes on, and what became of it."""

    def __init__(self, running: Running, make: Callable[[], "Seen"], background: bool) -> None:
        self.running, self.background = running, background
        self._make = make  # not before it is looked at: what that takes is not even imported for a quick command
        self.over = asyncio.Event()
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None
        self.look: Look | None = None
        self.spent, self.computes = (0.0, 0.0), False  # CPU seconds, and how old it was then
        self.code: Code | None = None
        self.run: Begun | None = None

    @functools.cached_property
    def seen(self) -> "Seen":
        """What is known of it."""
        return self._make()


class Finder:
    """Finds the runs among a session's plain commands."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._nvml: Nvml | None = None
        self._going: dict[object, _One] = {}
        self._settling: list[Begun] = []
        self._changed = asyncio.Event()  # one has ended, or is a run
        self._problem = ""
        self._early, self._took_code = f"found-{session.id}", False
        session.context.closers.append(self.close)

    # --- told of commands ---

    def began(
        self,
        key: object,
        command: str,
        running: Running,
        output: Path,
        cwd: Path,
        env: Mapping[str, str],
        started: float,
        call_id: str | None,
        *,
        confined: bool = False,
        background: bool = False,
    ) -> None:
        """A command runs; KEY is by what its end will be told. Does next to nothing."""
        tree = getattr(running, "tree", None)
        if tree is None or _OWN.search(command):
            return
        session = self._session
        turn = session.state.turns

        def make() -> "Seen":
            from workbench.experiments.found import Seen
            from workbench.telemetry.host import pids_are_ours

            return Seen(
                command=command,
                cwd=str(cwd),
                workspace=str(session.context.workspace),
                env=env,
                output=output,
                tree=tree.identity(),
                started=started,
                session=session.id,
                turn=turn,
                call_id=call_id,
                user=user_name(),
                confined=confined,
                cards=() if pids_are_ours() else gpus.of(session).cards,
            )

        one = self._going[key] = _One(running, make, background)
        one.timer = asyncio.get_running_loop().call_later(FIRST_S, self._follow_it, one)

    async def ended(self, key: object, ended: Ended, by_itself: bool, why: str = "") -> str:
        """The command of KEY has ended, BY_ITSELF or for WHY; the run that it was, if it was one."""
        one = self._going.pop(key, None)
        at = time.time()
        if one is None or one.timer is None:
            return ""
        one.timer.cancel()
        self._changed.set()
        if one.task is None:
            return ""
        one.over.set()
        await one.task
        if one.run is None:
            await self._looked(one, last=True)
        if one.run is None:
            return ""
        with contextlib.suppress(Exception):  # a full disk, or a run that was removed: the call's result counts
            await asyncio.to_thread(one.run.end, ended, at, by_itself, why)
        self._settling.append(one.run)
        return one.run.run

    async def close(self) -> None:
        """The session ends: until the last numbers of its runs are in, for a moment."""
        if self._took_code:
            await asyncio.to_thread(code.forget, self._session.context.workspace, self._early)
        until = time.monotonic() + _SETTLED_S
        for begun in self._settling:
            await asyncio.to_thread(begun.settled, max(0.0, until - time.monotonic()))

    async def undecided(self) -> str:
        """A command in the background that computes, and has not shown yet what it is, in a line; empty: none."""
        for one in list(self._going.values()):
            if self._may_train(one):
                await asyncio.sleep(max(0.0, FIRST_S - (time.time() - one.seen.started)))
            if self._may_train(one) and await asyncio.to_thread(self._computes, one):
                return " ".join(one.seen.command.split())[:_SHOWN]
        return ""

    async def decided(self) -> None:
        """Until there is no such command."""
        while await self.undecided():
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _IDLE_S)

    def _may_train(self, one: _One) -> bool:
        looked = one.task is not None and one.task.done()
        return one.background and not looked and time.time() - one.seen.started < _UNDECIDED_S

    def _computes(self, one: _One) -> bool:
        from workbench.experiments.found import spent

        tree: Any = one.running.tree  # type: ignore[attr-defined]  # as below
        age = time.time() - one.seen.started
        spent_s, since = one.spent
        if age - since >= _IDLE_S or not one.computes:
            one.spent = spent(tree.members()), age
            one.computes = one.spent[0] - spent_s > _IDLE * (age - since)
        return one.computes

    # --- looking ---

    def _follow_it(self, one: _One) -> None:
        one.task = asyncio.ensure_future(self._follow(one))

    async def _follow(self, one: _One) -> None:
        if one.background:  # the agent goes on, and may change the code before it shows what the command is
            self._took_code = True
            one.code = await asyncio.to_thread(self._code, one)
        looks = 0
        while not one.over.is_set():
            if await self._looked(one):
                return
            pause = _PAUSES[min(looks, len(_PAUSES) - 1)]
            if time.time() - one.seen.started > _OLD_S:
                pause = _OLD_PAUSE_S
            looks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(one.over.wait(), pause)

    async def _looked(self, one: _One, last: bool = False) -> bool:
        """Looks once; whether there is no more to look for."""
        try:
            why = await asyncio.to_thread(self._why, one, last)
            if not why:
                return False
            await self._begin(one, why)
        except Exception as error:  # whatever it is, the command and its call go on
            said = f"a command that trains could not be kept as a run: {error}"
            if said != self._problem:
                self._problem = said
                self._session.notice("warning", said, "runs")
        return True

    def _why(self, one: _One, last: bool) -> str:
        from workbench.experiments.found import Look
        from workbench.telemetry.nvml import Nvml

        self._nvml = self._nvml or Nvml()
        if one.look is None:
            one.look = Look(one.seen, self._nvml)
        tree: Any = one.running.tree  # type: ignore[attr-defined]  # `began` has seen that it is there
        return one.look.counts([] if last else tree.members(), last)

    def _code(self, one: _One) -> "Code | None":
        with contextlib.suppress(code.CodeError):
            return code.taken(Path(one.seen.workspace), self._early, early=True)
        return None

    async def _begin(self, one: _One, why: str) -> None:
        from workbench.experiments.found import begin
        from workbench.experiments.ledger import ledger_for

        session, folder = self._session, ledger_for(Path(one.seen.workspace)).folder
        if folder.is_symlink() or folder.parent.is_symlink():
            raise OSError(f"{folder} is a link, or lies in one: no run is recorded through it")
        if not folder.is_dir():
            folder.mkdir(parents=True)
            await asyncio.to_thread(session.watch.accept, str(folder))  # by the host, and right
        one.run = await asyncio.to_thread(begin, one.seen, why, one.code)
        session.emit(RunLinked(run=one.run.run, call_id=one.seen.call_id, awaited=one.background))
        self._changed.set()
        if one.seen.confined:
            await self._surroundings(one.seen, one.run)

    async def _surroundings(self, seen: "Seen", begun: "Begun") -> None:
        """Interpreter and packages of a confined command: its interpreter is the agent's to change, so it runs as that.

        The folder's own environment is asked where the command names none.
        """
        import msgspec

        from workbench.experiments import surroundings
        from workbench.experiments.found import python_of

        context, answer = self._session.context, ""
        python = python_of(seen.words, seen.cwd, seen.env.get("PATH", ""))
        if python is not None:
            output = context.outputs / f".surroundings-{begun.run}"
            command = f"exec {shlex.join([python, '-I', '-c', surroundings.ASK])}"
            with contextlib.suppress(OSError, ValueError):
                spec = Spec(command=command, cwd=Path(seen.cwd), output=output, env=seen.env)
                running = await context.launcher.start(spec)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(running.wait(), _ANSWER_S)
                await running.end(0)
                answer = output.read_text(errors="replace")[:_ANSWER_SIZE]
            output.unlink(missing_ok=True)
        found = surroundings.told(answer, seen.env, begun.folder)
        await asyncio.to_thread(begun.change, lambda run: msgspec.structs.replace(run, environment=found))


class BesideCommands:
    """What a session does beside the commands of its agent; see `tools.shells.Beside`."""

    def __init__(self, session: Session, finder: Finder) -> None:
        self._session, self._finder = session, finder

    async def variables(self) -> dict[str, str]:
        """The cards that they see."""
        return await gpus.of(self._session).variables()

    def began(self, command: Command) -> None:
        """A command runs; a check confirms work and is no run."""
        gpus.of(self._session).began()
        if command.call_id != CHECK:
            launcher = self._session.context.launcher
            self._finder.began(
                command,
                command.command,
                command.running,
                command.path,
                command.cwd,
                command.env,
                command.started,
                command.call_id,
                confined=isinstance(launcher, ConfinedLauncher) and command.reach != "outside",
                background=command.background,
            )

    async def ended(self, command: Command, ended: Ended) -> None:
        """It has ended; a run that it was is told to the model."""
        gpus.of(self._session).ended()
        run = await self._finder.ended(command, ended, bool(command.by_itself), command.why)
        if run:
            command.note = f"this was recorded as the run {run}: `mlwb exp show {run}`"


def at_once(env: Mapping[str, str]) -> dict[str, str]:
    """By what a Python program, whose output goes to a file, prints a line when it says it; the user's word counts."""
    return {} if "PYTHONUNBUFFERED" in env else {"PYTHONUNBUFFERED": "1"}


def wire(session: Session) -> None:
    """Has the session see its commands."""
    finder = session.context.extras[_FINDER] = Finder(session)
    Shells.of(session.context).beside = BesideCommands(session, finder)


def of(session: Session) -> Finder:
    """The session's own."""
    finder = session.context.extras[_FINDER]
    assert isinstance(finder, Finder)
    return finder
