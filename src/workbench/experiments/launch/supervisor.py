"""The process behind a job: it starts the command in a terminal of its own, keeps its output, and tells how it ended.

It outlives whoever submitted the job, and holds the lock of each of its runs while that goes on. See `watcher.py` for
what is done beside it.
"""

import asyncio
import contextlib
import os
import resource
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.experiments import code, surroundings
from workbench.experiments.launch import watcher
from workbench.experiments.launch.alive import Stop
from workbench.experiments.launch.begin import Held, record
from workbench.experiments.launch.drain import Drain, terminal
from workbench.experiments.launch.ends import NO_CARDS, End, How, span
from workbench.experiments.launch.types import Job, News
from workbench.experiments.ledger import OUTPUT, Ledger, LedgerError
from workbench.experiments.types import Alert, Card, Code, Run
from workbench.sandbox.launcher import bash, spawn
from workbench.sandbox.types import Ended, Running, Spec

if TYPE_CHECKING:
    from workbench.experiments.gpus import Taken
    from workbench.sandbox.confined import ConfinedLauncher

GRACE_S = 10.0  # between TERM and KILL: time to write a checkpoint
_RLIMIT_LOCKS = 10
_RESERVE = ".reserve"
_ANSWER, _ANSWER_S, _ANSWER_SIZE = ".surroundings", 10.0, 1 << 20  # of the interpreter that is asked
_RESERVED = 64 << 10  # bytes kept free for the last record, where the disk fills up
_DRAIN_S = 5.0  # for what is still in the terminal once all processes are gone


def supervise(job: Job, report: int) -> None:
    """Runs JOB to its end; news of it go to the descriptor REPORT. The life of a process that was forked for it."""
    _leave(report)
    supervisor = Supervisor(job, report)
    supervisor.all()
    os.close(report)  # who listens need not wait for the last numbers
    supervisor.reap()


def _leave(report: int) -> None:
    """Out of the session, the terminal and the command that this process was started in."""
    with contextlib.suppress(OSError):  # it leads one already
        os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, report)
    os.closerange(report + 1, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16))
    os.set_inheritable(report, False)
    os.chdir("/")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":  # the number by which a command's processes are found: a run is a command of its own
        with contextlib.suppress(OSError, ValueError):
            hard = resource.getrlimit(_RLIMIT_LOCKS)[1]
            resource.setrlimit(_RLIMIT_LOCKS, (hard, hard))


class Supervisor:
    """Runs JOB, one run after the other."""

    def __init__(self, job: Job, report: int) -> None:
        self.job, self.report = job, report
        self.ledger = Ledger(Path(job.workspace))
        self.runs: list[Held] = []
        self._besides: list[watcher.Beside] = []
        self._cards: Taken | None = None
        self._launcher: ConfinedLauncher | None = None
        self._stop = Stop(why="")  # for all: a signal, without a word
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._signalled)

    def all(self) -> None:
        """Every run of the job; returns when the last has ended."""
        job = self.job
        try:
            for seed in job.seeds or (None,):
                self._begin(seed)
        except Exception as error:  # most of all LedgerError; whatever it is, it is told
            for held in list(self.runs):
                self._ended(held, End(why="not every run of the job could be recorded", how="unbegun"))
            told = str(error) if isinstance(error, LedgerError) else f"no run could be begun: {error!r}"
            self._tell(News(what="failed", text=told, code=1))
            return
        for held in self.runs:
            self._tell(News(what="begun", run=held.run))
        while self.runs:
            self._one(self.runs[0])
        if self._cards is not None:
            self._cards.release()

    def reap(self) -> None:
        """Until the watchers are over: a session that adopts orphans would keep each as a zombie."""
        for beside in self._besides:
            beside.wait()

    @property
    def _given(self) -> tuple[Card, ...]:
        return self._cards.cards if self._cards is not None else ()

    def _locks(self) -> list[int]:
        return [held.lock for held in self.runs] + list(self._cards.locks if self._cards is not None else ())

    def _tell(self, news: News) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            os.write(self.report, msgspec.json.encode(news) + b"\n")

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self._stop = Stop(why="ended by SIGTERM", now=bool(self._stop.why))
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it was closed a moment ago: the next run sees who wants what
                self._loop.call_soon_threadsafe(self._asked.set)

    def _wanted(self, held: Held) -> Stop | None:
        """Who wants this run to end, if anybody does."""
        return self._stop if self._stop.why else held.asked()

    # --- the record ---

    def _begin(self, seed: int | None) -> None:
        job = self.job

        def make(run: str) -> Run:
            held = Held(run, seed, self.ledger.path(run))
            self.runs.append(held)
            group = self.runs[0].run if len(job.seeds) > 1 else None
            return record(job, run, seed, held.argv(job), group)

        self.ledger.begin(make)

    def _update(self, held: Held, change: Callable[[Run], Run]) -> bool:
        """Changes the record; whether that worked. Where the disk is full, what was reserved is spent."""
        for pause in (0.0, 0.0, 0.5, 2.0):
            time.sleep(pause)
            try:
                self.ledger.update(held.run, change)
                return True
            except LedgerError:
                with contextlib.suppress(OSError):
                    (held.folder / _RESERVE).unlink()
                if not held.folder.is_dir():
                    break  # removed: no later try helps, and the run waits meanwhile
        return False

    def _code(self, held: Held) -> Code:
        try:
            return code.taken(Path(self.job.workspace), held.run)
        except code.CodeError as error:
            self._tell(News(what="warning", run=held.run, text=f"the code was not recorded: {error}"))
            return Code()

    # --- one run ---

    def _claim(self, held: Held) -> End | None:
        """Claims cards, for all runs of the job; None once it has as many as were asked for, else why it ends."""
        if not self.job.gpus or self._cards is not None:
            return None
        from workbench.experiments.gpus import LOOK_S, Claims, NoCardsError

        claims = Claims(self.job.gpus, self.job.env, self.job.user, held.run, workspace=self.job.workspace)
        until, said = time.monotonic() + self.job.wait_s, ""
        while True:
            try:
                self._cards = claims.try_now()
            except (NoCardsError, OSError) as error:
                return End(ended=Ended(exit_code=NO_CARDS), why=str(error))
            if self._cards is not None:
                return None
            if (stop := self._wanted(held)) is not None:
                return End(why=f"{stop.why} before it began", how="unbegun")
            if time.monotonic() >= until and not claims.soon:
                return End(ended=Ended(exit_code=NO_CARDS), why=f"too few GPUs are free ({claims.words()})")
            if not said:
                cards = "a free GPU" if self.job.gpus == 1 else f"{self.job.gpus} free GPUs"
                said = f"waiting for {cards} ({claims.words()})"
                self._tell(News(what="warning", run=held.run, text=said))
            time.sleep(LOOK_S)

    def _one(self, held: Held) -> None:
        if (stop := self._wanted(held)) is not None:
            self._ended(held, End(why=f"{stop.why} before it began", how="unbegun"))
            return
        end = self._claim(held)
        if end is not None:
            self._ended(held, end)
            return
        _reserve(held.folder)
        found = self._code(held)
        if self._given:
            self._update(held, lambda run: msgspec.structs.replace(run, gpus=self._given))
        beside = watcher.fork(self.job, self.ledger, held.run, held.lock, (self.report, *self._locks()))
        self._besides.append(beside)
        self._asked = asyncio.Event()
        try:
            asyncio.run(self._live(held, found, beside))
        except Exception as error:  # whatever it is, the run is told to have failed, and why
            if held in self.runs:
                self._ended(held, End(why=f"its supervisor failed: {error!r}"))
        finally:
            self._loop = None
            beside.end()

    async def _live(self, held: Held, found: Code, beside: watcher.Beside) -> None:
        self._loop = asyncio.get_running_loop()
        if self.job.sandbox is not None:
            await self._surroundings(held)
        spent = _cpu()
        ours, theirs = terminal(self.job.size)
        drain = Drain(ours, held.folder / OUTPUT)
        drain.start()
        try:
            started = time.time()
            try:
                running = await self._start(held, theirs)
            except (OSError, ValueError) as error:
                end = End(ended=Ended(exit_code=126), why=_not_started(error))
            else:
                beside.begin(running.tree.identity(), started)
                self._update(
                    held,
                    lambda run: msgspec.structs.replace(
                        run, status="running", started=started, code=found, pid=running.pid
                    ),
                )
                self._tell(News(what="started", run=held.run))
                end = await self._until_end(held, running)
        finally:
            os.close(theirs)
            await asyncio.to_thread(drain.join, _DRAIN_S)
            if self._launcher is not None:
                await self._launcher.close()
                self._launcher = None
        self._ended(held, end, drain, round(_cpu() - spent, 3))

    def _confining(self) -> "ConfinedLauncher":
        """What starts the confined commands of a run; its proxy lives in the run's event loop. OSError, ValueError."""
        if self._launcher is None:
            from workbench.experiments.launch.confined import launcher

            assert self.job.sandbox is not None
            self._launcher = launcher(self.job.sandbox, self.job.env)
        return self._launcher

    async def _surroundings(self, held: Held) -> None:
        """Interpreter and packages of a confined run: its interpreter is the agent's to change, so it runs as that."""
        python = surroundings.interpreter(held.argv(self.job), self.job.env.get("PATH", os.defpath))
        answer = ""
        if python is not None:
            output = held.folder / _ANSWER
            command = f"{self.job.setup}\nexec {shlex.join([python, '-I', '-c', surroundings.ASK])}"
            spec = Spec(command=command, cwd=Path(self.job.cwd), output=output, env=_passed(self.job.env))
            with contextlib.suppress(OSError, ValueError):
                running = await self._confining().start(spec)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(running.wait(), _ANSWER_S)
                await running.end(0)
                answer = output.read_text(errors="replace")[:_ANSWER_SIZE]
            output.unlink(missing_ok=True)
        found = surroundings.told(answer, self.job.env, held.folder)
        self._update(held, lambda run: msgspec.structs.replace(run, environment=found))

    async def _start(self, held: Held, theirs: int) -> Any:
        job = self.job
        env = _passed(job.env) | {"MLWB_RUN": held.run}
        if held.seed is not None:
            env["SEED"] = str(held.seed)
        if job.gpus is not None:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(card.uuid for card in self._given)
        argv, output = held.argv(job), held.folder / OUTPUT
        if job.service is not None:
            from workbench.experiments.launch.service import wrapped

            argv = wrapped(job.service, argv)
        spec = Spec(command="", cwd=Path(job.cwd), output=output, env=env, terminal=theirs)
        if job.sandbox is None:
            # A shell finds the program as it always does, and becomes it.
            script = f'{job.setup}\nexec -- "$0" "$@"'
            return spawn(spec, [bash(), "--noprofile", "--norc", "-c", script, *argv])
        confined = msgspec.structs.replace(
            spec, command=f"{job.setup}\nexec -- {shlex.join(argv)}", reach=job.sandbox.reach
        )
        return await self._confining().start(confined)

    async def _until_end(self, held: Held, running: Running) -> End:
        """Waits until the command has ended, or has to."""
        waiting = asyncio.ensure_future(running.wait())
        deadline = None if self.job.timeout_s is None else time.monotonic() + self.job.timeout_s
        why = ""
        how: How = "itself"
        while not waiting.done():
            if (stop := self._wanted(held)) is not None:
                why, how = stop.why, "stopped"
                break
            if deadline is not None and time.monotonic() >= deadline:
                why, how = f"it ran past its time limit of {span(self.job.timeout_s or 0)}", "late"
                break
            await self._news_or(waiting, deadline)
            self._dismiss(held)
        ending = asyncio.ensure_future(running.end(GRACE_S))
        while not ending.done():
            stop = self._wanted(held)  # before the wait: who asked first may have left no grace, or asked twice by now
            if stop is not None and stop.now:
                await running.end(0)
            await self._news_or(ending, None)
        waiting.cancel()
        return End(ended=ending.result(), why=why, how=how)

    def _dismiss(self, current: Held) -> None:
        """Ends those that wait for their turn and that somebody wants no more."""
        for held in [one for one in self.runs if one is not current]:
            if (stop := held.asked()) is not None:
                self._ended(held, End(why=f"{stop.why} before it began", how="unbegun"))

    async def _news_or(self, task: "asyncio.Future[Any]", deadline: float | None) -> None:
        """Until TASK is done, a signal came, or it is DEADLINE."""
        self._asked.clear()
        asked = asyncio.ensure_future(self._asked.wait())
        rest = None if deadline is None else max(0.0, deadline - time.monotonic())
        await asyncio.wait({task, asked}, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()

    # --- its end ---

    def _ended(self, held: Held, end: End, drain: Drain | None = None, cpu_s: float | None = None) -> None:
        """Writes down how the run ended, tells it, and lets go of its lock."""
        changes: dict[str, Any] = {
            "status": end.status,
            "ended": time.time(),
            "exit_code": end.ended.exit_code,
            "signal": end.ended.signal,
            "why": end.words,
        }
        alerts: tuple[Alert, ...] = ()
        if drain is not None and drain.lost:
            text = f"{drain.lost:,} bytes of its output could not be kept: {drain.why}"
            self._tell(News(what="warning", run=held.run, text=text))
            changes["lost"], alerts = drain.lost, (Alert(kind="disk", at=time.time(), text=text),)

        def change(run: Run) -> Run:
            usage = msgspec.structs.replace(run.usage, cpu_s=cpu_s)
            return msgspec.structs.replace(run, **changes, usage=usage, alerts=(*run.alerts, *alerts))

        if not self._update(held, change):
            self._tell(News(what="warning", run=held.run, text="how it ended could not be recorded"))
        with contextlib.suppress(OSError):
            (held.folder / _RESERVE).unlink()
        held.let_go()
        self.runs.remove(held)
        self._tell(News(what="ended", run=held.run, text=end.words, code=end.code))


def _passed(env: dict[str, str]) -> dict[str, str]:
    """ENV without what ties a command to the session that it came from: the run outlives that."""
    return {name: value for name, value in env.items() if not name.startswith("MLWB_")}


def _not_started(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"it could not be started: {error.strerror or error}{where}"
    return f"it could not be started: {error}"


def _reserve(folder: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / _RESERVE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, bytes(_RESERVED))
        finally:
            os.close(descriptor)


def _cpu() -> float:
    """Seconds that ended children took, user and system."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
