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
import socket
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import msgspec

from workbench.experiments import code
from workbench.experiments.launch import watcher
from workbench.experiments.launch.alive import STOP, Stop, hold, sign
from workbench.experiments.launch.drain import Drain, terminal
from workbench.experiments.launch.types import Job, News, shell_status
from workbench.experiments.ledger import OUTPUT, Ledger, LedgerError
from workbench.experiments.surroundings import seed as seed_of
from workbench.experiments.types import Alert, Code, Run, Status
from workbench.sandbox import status
from workbench.sandbox.launcher import bash, spawn
from workbench.sandbox.types import Ended, Running, Spec

GRACE_S = 10.0  # between TERM and KILL: time to write a checkpoint
TIMED_OUT = 124  # as timeout(1) has it
_RLIMIT_LOCKS = 10
_RESERVE = ".reserve"
_RESERVED = 64 << 10  # bytes kept free for the last record, where the disk fills up
_DRAIN_S = 5.0  # for what is still in the terminal once all processes are gone


How = Literal["itself", "stopped", "late", "unbegun"]


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, why in words, and whether somebody stopped it, its time was over, or it never began."""

    ended: Ended = Ended()
    why: str = ""
    how: How = "itself"

    @property
    def status(self) -> Status:
        """The word of the ledger for it."""
        if self.how in ("stopped", "unbegun"):
            return "stopped"
        return "finished" if self.ended.exit_code == 0 and not self.why else "failed"

    @property
    def code(self) -> int:
        """What a shell would give for it."""
        return TIMED_OUT if self.how == "late" else shell_status(self.ended.exit_code, self.ended.signal)

    @property
    def words(self) -> str:
        """Why, and what else is worth telling."""
        fine = self.status == "finished"
        told = [self.why or ("" if fine else status.words(self.ended)), *_left(self.ended)]
        return "; ".join(filter(None, [*told, *(() if fine else self.ended.refused)]))


class Held:
    """A run of the job that has not ended: its id, its seed, and the lock that says so."""

    def __init__(self, run: str, seed: int | None, folder: Path) -> None:
        self.run, self.seed, self.folder = run, seed, folder
        self.lock = hold(folder)
        sign(self.lock)

    def let_go(self) -> None:
        """Gives up the lock; the watcher may hold it still."""
        os.close(self.lock)

    def asked(self) -> Stop | None:
        """What somebody left who wants it to end."""
        try:
            return msgspec.json.decode((self.folder / STOP).read_bytes(), type=Stop)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError):
            return Stop(why="stopped")


def supervise(job: Job, report: int) -> None:
    """Runs JOB to its end; news of it go to the descriptor REPORT. The life of a process that was forked for it."""
    _leave(report)
    Supervisor(job, report).all()


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
        for held in list(self.runs):
            self._one(held)

    def _tell(self, news: News) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            os.write(self.report, msgspec.json.encode(news) + b"\n")

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self._stop = Stop(why="ended by SIGTERM", now=bool(self._stop.why))
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._asked.set)

    def _wanted(self, held: Held) -> Stop | None:
        """Who wants this run to end, if anybody does."""
        return self._stop if self._stop.why else held.asked()

    # --- the record ---

    def _begin(self, seed: int | None) -> None:
        job = self.job

        def make(run: str) -> Run:
            held = Held(run, seed, self.ledger.path(run))
            argv = self._argv(held)
            self.runs.append(held)
            return Run(
                id=run,
                name=_readable(job.name or name_of(job.argv)),
                status="queued",
                argv=tuple(map(_readable, argv)),
                cwd=_readable(job.cwd),
                workspace=_readable(job.workspace),
                created=time.time(),
                session=job.session,
                turn=job.turn,
                call_id=job.call_id,
                parent=job.parent,
                group=self.runs[0].run if len(job.seeds) > 1 else None,
                seed=seed if seed is not None else seed_of(argv, job.env),
                tags=tuple(map(_readable, job.tags)),
                note=_readable(job.note),
                host=socket.gethostname(),
                boot_id=_boot_id(),
                user=job.user,
                goal=job.goal,
                timeout_s=job.timeout_s,
            )

        self.ledger.begin(make)

    def _argv(self, held: Held) -> list[str]:
        words = list(self.job.argv)
        return words if held.seed is None else [word.replace("{seed}", str(held.seed)) for word in words]

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
        return False

    def _code(self, held: Held) -> Code:
        try:
            return code.taken(Path(self.job.workspace), held.run)
        except code.CodeError as error:
            self._tell(News(what="warning", run=held.run, text=f"the code was not recorded: {error}"))
            return Code()

    # --- one run ---

    def _one(self, held: Held) -> None:
        if (stop := self._wanted(held)) is not None:
            self._ended(held, End(why=f"{stop.why} before it began", how="unbegun"))
            return
        _reserve(held.folder)
        found = self._code(held)
        beside = watcher.fork(self.job, self.ledger, held.run, held.lock, (self.report, *(h.lock for h in self.runs)))
        self._asked = asyncio.Event()
        try:
            asyncio.run(self._live(held, found, beside))
        except Exception as error:  # whatever it is, the run is told to have failed, and why
            self._ended(held, End(why=f"its supervisor failed: {error!r}"))
        finally:
            self._loop = None
            beside.end()

    async def _live(self, held: Held, found: Code, beside: watcher.Beside) -> None:
        self._loop = asyncio.get_running_loop()
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
        self._ended(held, end, drain, round(_cpu() - spent, 3))

    async def _start(self, held: Held, theirs: int) -> Any:
        job = self.job
        env = {name: value for name, value in job.env.items() if not name.startswith("MLWB_")}
        env["MLWB_RUN"] = held.run
        if held.seed is not None:
            env["SEED"] = str(held.seed)
        argv, output = self._argv(held), held.folder / OUTPUT
        spec = Spec(command="", cwd=Path(job.cwd), output=output, env=env, terminal=theirs)
        if job.sandbox is None:
            # A shell finds the program as it always does, and becomes it.
            script = f'{job.setup}\nexec -- "$0" "$@"'
            return spawn(spec, [bash(), "--noprofile", "--norc", "-c", script, *argv])
        from workbench.experiments.launch.confined import launcher

        confined = msgspec.structs.replace(
            spec, command=f"{job.setup}\nexec -- {shlex.join(argv)}", reach=job.sandbox.reach
        )
        return await launcher(job.sandbox, job.env).start(confined)

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
        ending = asyncio.ensure_future(running.end(GRACE_S))
        while not ending.done():
            await self._news_or(ending, None)
            stop = self._wanted(held)
            if stop is not None and stop.now and not ending.done():
                await running.end(0)
        waiting.cancel()
        return End(ended=ending.result(), why=why, how=how)

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


def _left(ended: Ended) -> list[str]:
    words = []
    if ended.swept:
        words.append(f"{ended.swept} processes that it left behind were ended")
    if ended.stuck:
        words.append(f"these processes could not be ended: {', '.join(map(str, ended.stuck))}")
    return words


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


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _readable(text: str) -> str:
    """TEXT as JSON can hold it: bytes that are no UTF-8 are replaced."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def name_of(argv: tuple[str, ...]) -> str:
    """A name for a run of ARGV: its script or module, else its program."""
    for word, following in pairwise((*argv[1:], "")):
        if word == "-m" and following:
            return following
        if word.endswith((".py", ".sh", ".ipynb")):
            return Path(word).stem
    return Path(argv[0]).name or argv[0]


def span(seconds: float) -> str:
    """SECONDS as people say it: `90s`, `2h`."""
    for unit, size in (("h", 3600.0), ("m", 60.0)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
