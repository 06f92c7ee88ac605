"""What is done beside a run, in a process that gives way to it: its numbers, its memory, its share of the cards.

Where the run's supervisor is killed, this process ends what it left behind, and says so in the record.
"""

import contextlib
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.experiments import surroundings
from workbench.experiments.launch.types import LOST, Job
from workbench.experiments.ledger import Ledger, LedgerError
from workbench.experiments.types import Alert, Run

if TYPE_CHECKING:
    from workbench.experiments.launch.inputs import Looking
    from workbench.experiments.launch.using import Using

FIRST_S = 0.5  # a command that is over by then is left alone
EVERY_S = 2.0
_TERM_S = 10.0
_ALERTS = 100  # of a run
_FILES = 1 << 16  # that may be open at once


class _Word(msgspec.Struct, omit_defaults=True):
    """From the supervisor: the command's processes, once it runs; the end, once it has ended."""

    tree: tuple[int, int, int, str] | None = None
    started: float = 0.0
    ended: bool = False


class Beside:
    """The supervisor's hold on its watcher."""

    def __init__(self, descriptor: int, pid: int) -> None:
        self._descriptor, self._pid = descriptor, pid

    def begin(self, tree: tuple[int, int, int, str], started: float) -> None:
        """The command runs, with these processes."""
        self._say(_Word(tree=tree, started=started))

    def end(self) -> None:
        """The command has ended: the last look, and no more."""
        self._say(_Word(ended=True))
        os.close(self._descriptor)

    def wait(self) -> None:
        """Until it is over."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _say(self, word: _Word) -> None:
        with contextlib.suppress(OSError):  # it was killed: the run goes on without
            os.write(self._descriptor, msgspec.json.encode(word) + b"\n")


def fork(job: Job, ledger: Ledger, run: str, lock: int, others: Iterable[int]) -> Beside:
    """Begins to watch RUN in a process of its own. LOCK stays held there; the descriptors OTHERS are closed there."""
    reading, writing = os.pipe()
    before = time.time()  # of here: a quick command has written all its files before the watcher is ready
    if pid := os.fork():
        os.close(reading)
        return Beside(writing, pid)
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        os.close(writing)
        for descriptor in others:
            if descriptor != lock:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        with contextlib.suppress(OSError):
            os.nice(19)
        Watcher(job, ledger, run, reading, before).watch()
        status = 0
    finally:
        os._exit(status)


class Watcher:
    """Watches one run until READING says that it has ended, or tells by its end that nobody supervises it any more."""

    def __init__(self, job: Job, ledger: Ledger, run: str, reading: int, before: float) -> None:
        self.job, self.ledger, self.run = job, ledger, run
        self._before = before  # a time when the command had not begun
        self._reading = reading
        self._rest = b""
        self._tree: Any = None
        self._written: dict[str, Any] = {}
        self._failed: dict[str, str] = {}  # parts of a look that failed, and how

    def watch(self) -> None:
        """The life of the process."""
        from workbench.experiments.launch.collecting import Collecting

        _make_room()
        folder = self.ledger.path(self.run)
        collecting = Collecting(self.job, folder, self._before, lambda: self._tree.members() if self._tree else [])
        word = self._next(None)
        if word is None:
            self._gone()
        if word is None or word.tree is None:
            return
        from workbench.experiments.launch.crashing import crash_of
        from workbench.experiments.launch.guarding import Guarding
        from workbench.experiments.launch.inputs import Looking
        from workbench.experiments.launch.using import Using
        from workbench.sandbox.tree import Tree

        self._tree = tree = Tree.identified(*word.tree)
        guarding = Guarding(self.job, folder, self._alert)
        begun = self.ledger.get(self.run)
        using = Using(tree, begun.gpus)
        inputs = Looking(self.job, begun.argv, self._alert)
        pause, last = FIRST_S, self._next(FIRST_S)
        looked_around = False
        while last is not None and not last.ended:
            self._part("its use of the machine", using.look)
            self._part("its numbers", collecting.poll)
            found = self._part("its numbers", collecting.found) or {}
            self._part("its data", inputs.look, found.get("config", {}), tree.members())
            self._found(found, using, inputs)
            self._part("its alerts", lambda: guarding.look(collecting.series, using.busy))
            if not looked_around:
                self._part("its surroundings", self._surroundings)
                looked_around = True
            last, pause = self._next(pause), min(EVERY_S, pause * 2)
        if last is None:
            self._orphaned(tree)
        self._part("its numbers", collecting.finish)
        found = self._part("its numbers", collecting.found) or {}
        self._part("its data", inputs.finish, found.get("config", {}))
        self._found(found, using, inputs)
        with contextlib.suppress(LedgerError):
            ended = self.ledger.get(self.run)
            self._part("its crash", lambda: self._write({"crash": crash_of(ended, folder, using)}))
            self._part("its alerts", lambda: guarding.last(collecting.series, ended))
        if not looked_around:
            self._part("its surroundings", self._surroundings)
        self._found(found, using, inputs)

    def _part(self, what: str, look: Callable[..., Any], *of: Any) -> Any:
        """What LOOK gives; None where it fails of what nobody foresaw: the record says so, and the others go on."""
        try:
            return look(*of)
        except Exception as error:
            self._failed.setdefault(what, f"{what} could not be looked at: {error!r}")
            return None

    def _found(self, found: dict[str, Any], using: "Using", inputs: "Looking") -> None:
        """Writes down what the numbers are by now, FOUND, and what the other parts know."""
        notes = (*found.get("notes", ()), *self._failed.values())
        self._write(found | {"notes": notes, "usage": using.told, "gpus": using.cards, "data": inputs.found})

    def _next(self, timeout_s: float | None) -> _Word | None:
        """The supervisor's next word, an empty one where none came in time; None where it is gone."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            rest = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._reading], [], [], rest)[0]:
                return _Word()
            data = os.read(self._reading, 4096)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return msgspec.json.decode(line, type=_Word)

    def _surroundings(self) -> None:
        """Interpreter and packages. Of a confined run the supervisor has asked, within the confinement."""
        job = self.job
        if job.sandbox is not None:
            return
        python = surroundings.interpreter(job.argv, job.env.get("PATH", os.defpath))
        found = surroundings.taken(python, job.env, self.ledger.path(self.run))
        self._write({"environment": found})

    def _write(self, found: dict[str, Any]) -> None:
        """Writes what is new into the record."""
        changes = {name: value for name, value in found.items() if self._written.get(name) != value}
        if not changes:
            return

        def change(run: Run) -> Run:
            if (usage := changes.get("usage")) is not None:
                return msgspec.structs.replace(
                    run, **{**changes, "usage": msgspec.structs.replace(usage, cpu_s=run.usage.cpu_s)}
                )
            return msgspec.structs.replace(run, **changes)

        with contextlib.suppress(LedgerError):  # a full disk, or a run that was removed: the next look may write
            self.ledger.update(self.run, change)
            self._written |= changes

    def _alert(self, alerts: tuple[Alert, ...]) -> None:
        def change(run: Run) -> Run:
            return msgspec.structs.replace(run, alerts=(*run.alerts, *alerts)[-_ALERTS:])

        with contextlib.suppress(LedgerError):
            self.ledger.update(self.run, change)

    def _orphaned(self, tree: Any) -> None:
        """Nobody supervises the command any more."""
        _end(tree)
        self._gone()

    def _gone(self) -> None:
        """The record of a run whose supervisor was killed."""

        def change(run: Run) -> Run:
            if run.status not in ("queued", "running"):
                return run
            return msgspec.structs.replace(run, status="failed", ended=time.time(), why=LOST)

        with contextlib.suppress(LedgerError):
            self.ledger.update(self.run, change)


def _make_room() -> None:
    """As many open files as may be: a run may write hundreds, each followed, and the record is to be written beside."""
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _end(tree: Any) -> None:
    """Ends all processes of TREE: TERM, then KILL."""
    until = time.monotonic() + _TERM_S
    tree.signal(tree.members(), signal.SIGTERM)
    while left := tree.members():
        if time.monotonic() > until:
            tree.signal(left, signal.SIGKILL)
        time.sleep(0.05)
