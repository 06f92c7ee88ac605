"""Runs that nobody announced: a plain command that turns out to train, found by what it writes, prints and uses.

The command is not touched: it is looked at from outside, and its output is the file that its shell's caller keeps.
"""

import contextlib
import math
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from workbench.experiments import code
from workbench.experiments.launch.alive import alive, asked, hold
from workbench.experiments.launch.begin import name_of, record
from workbench.experiments.launch.ends import End
from workbench.experiments.launch.types import Job, Sandboxed
from workbench.experiments.ledger import OUTPUT, Ledger, ledger_for
from workbench.experiments.numbers import kind_of
from workbench.experiments.readers.base import Batch, Column
from workbench.experiments.readers.stdout import StdoutReader
from workbench.experiments.sources import matching, written_by
from workbench.experiments.surroundings import interpreter
from workbench.experiments.surroundings import seed as seed_of
from workbench.experiments.types import Card, Code, Run
from workbench.sandbox.tree import program
from workbench.sandbox.types import Ended
from workbench.telemetry.nvml import Nvml

KEPT_OUTPUT = 64 << 20  # bytes of the output that a run keeps once its command has ended: the last ones
_PIECE = 1 << 18  # bytes of new output that one look reads: the last ones
_STEPS = 2  # different steps that print-outs must name
_ROWS = frozenset(("jsonl", "csv", "hydra"))  # formats that data and settings have as well: their numbers decide
# Programs that show, wait or hold others, and train nothing.
_BYSTANDERS = re.compile(
    r"bash|sh|dash|zsh|fish|bwrap|sleep|tail|head|cat|less|more|grep|rg|sed|[gm]?awk|tee|watch|timeout|nice|nohup|env|"
    r"sort|uniq|wc|cut|tr|find|xargs|ls|ps|top|htop|nvidia-smi|nvtop|git|setsid|stdbuf|script"
)
# What any loop prints of its steps, and no training has to.
_PACE = re.compile(
    r"(?:.*[/_ ])?(?:times?|seconds|elapsed|eta|dt|ms|duration|speed|throughput)(?:[/_ ].*)?", re.IGNORECASE
)
_ON_A_CARD = "it uses a GPU"
_TICKS = os.sysconf("SC_CLK_TCK")
_CUDA = "/dev/nvidia-uvm"  # what computes on a card holds it; what only looks at one does not


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A command that goes on: what was started, where its processes and its output are found.

    `tree` is the identity of its processes (`Tree.identity`). `started`: Unix time before its first process was there.
    """

    command: str
    cwd: str
    workspace: str
    env: Mapping[str, str]
    output: Path
    tree: tuple[int, int, int, str]
    started: float
    session: str | None = None
    turn: int | None = None
    call_id: str | None = None
    user: str = ""
    confined: bool = False
    cards: tuple[Card, ...] = ()  # that it sees, where the driver's process numbers are not those of here

    @property
    def argv(self) -> tuple[str, ...]:
        """The words that were started; its own words are the shell's."""
        return ("bash", "-c", self.command)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the command, as far as they can be told without running it."""
        return words_of(self.command)


def words_of(command: str) -> tuple[str, ...]:
    """The words of COMMAND, as far as they can be told without running it; at least one."""
    try:
        return tuple(shlex.split(command)) or ("bash",)
    except ValueError:
        return tuple(command.split()) or ("bash",)


def python_of(words: Iterable[str], cwd: str, path: str) -> str | None:
    """The Python that a command of WORDS, in CWD, runs, or that PATH finds; None where there is none."""
    named = next((word for word in words if Path(word).name.startswith("python")), "")
    return interpreter([str(Path(cwd) / named)] if "/" in named else [named], path)


class Look:
    """Looks at one command until it counts as a run. `counts` is asked with its processes; all of it blocks.

    NVML is shared by all looks of this process.
    """

    def __init__(self, seen: Seen, nvml: Nvml) -> None:
        self._seen, self._nvml = seen, nvml
        self._reader = StdoutReader(seen.output)
        self._offset = 0
        self._steps: dict[str, set[float]] = {}
        self._works = False  # something of it may train
        self._walk_at = 0.0
        self._no_metrics: dict[Path, float] = {}  # file that was looked into, and its time then

    def counts(self, pids: Iterable[int], last: bool = False) -> str:
        """Why the command is a run, in words; empty while nothing says so. LAST: it has ended, look at everything."""
        pids = list(pids)
        self._works = self._works or any(_works(pid) for pid in pids)
        if not self._works:
            return ""
        return self._on_a_card(pids) or self._prints(last) or self._writes(pids, last)

    def _on_a_card(self, pids: list[int]) -> str:
        if not pids:
            return ""
        if any(_holds(pid) for pid in pids):
            return _ON_A_CARD
        own = set(pids)
        if self._nvml.open() and any(use.pid in own for use in self._nvml.read()[1]):
            return _ON_A_CARD
        return ""

    def _prints(self, last: bool) -> str:
        batch = Batch()
        with contextlib.suppress(OSError), self._seen.output.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            begin = max(self._offset, size - _PIECE)
            file.seek(begin)
            whole, newline, rest = self._reader.ends(file.read(size - begin)).rpartition(b"\n")
            if last and rest:
                whole, newline, rest = whole + newline + rest, b"\n", b""
            self._offset = size - len(rest)
            self._reader.lines(whole.split(b"\n") if newline else [], batch)
        for key, column in batch.columns.items():
            if _PACE.fullmatch(key):
                continue
            found = self._steps.setdefault(key, set())
            found.update(step for step in column.steps[-_STEPS:] if math.isfinite(step))
            found.update(step for step in column.steps[:1] if math.isfinite(step))
            if len(found) >= _STEPS:
                return f"it prints {key} by step"
        return ""

    def _writes(self, pids: list[int], last: bool) -> str:
        held = {path for pid in pids for path in written_by(pid)}
        for path in held:
            if self._has_metrics(path):
                return f"it writes {path.name}"
        if not last and time.monotonic() < self._walk_at:
            return ""
        begun = time.monotonic()
        found = [one for root in self._roots() for one, _ in matching(root) if self._has_metrics(one)]
        self._walk_at = time.monotonic() + max(3.0, 20 * (time.monotonic() - begun))
        ours = _unheld(found, set(pids)) if found and not self._another_lives() else None
        return f"{ours.name} was written beside it" if ours is not None else ""

    def _roots(self) -> tuple[Path, ...]:
        cwd, workspace = Path(self._seen.cwd), Path(self._seen.workspace)
        return (workspace,) if cwd.is_relative_to(workspace) else (cwd, workspace)

    def _has_metrics(self, path: Path) -> bool:
        """Whether PATH was written since the command began, and reads as metrics."""
        with contextlib.suppress(OSError):
            changed = path.stat().st_mtime
            if changed < self._seen.started or self._no_metrics.get(path) == changed:
                return False
            kind = kind_of(path)
            if kind is not None and (kind.name not in _ROWS or _has_steps(kind.open(path).poll(last=True).columns)):
                return True
            self._no_metrics[path] = changed
        return False

    def _another_lives(self) -> bool:
        """Whether a run of the same ledger goes on, whose files they may be."""
        ledger = ledger_for(Path(self._seen.workspace))
        return any(alive(ledger.path(run)) for run in ledger.ids()[-50:])


def _works(pid: int) -> bool:
    path = program(pid)
    return bool(path) and _BYSTANDERS.fullmatch(path.rpartition("/")[2]) is None


def spent(pids: Iterable[int]) -> float:
    """CPU seconds that those of PIDS have used by now which may train."""
    return sum(cpu_s(pid) for pid in pids if _works(pid))


def cpu_s(pid: int) -> float:
    """CPU seconds that process PID has used; 0 where it is gone."""
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        fields = stat[stat.rfind(b")") + 2 :].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS  # proc(5): fields 14 and 15
    return 0.0


def _holds(pid: int) -> bool:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for number in os.listdir(folder)[:1024]:  # noqa: PTH208 - names only
            with contextlib.suppress(OSError):
                if os.readlink(f"{folder}/{number}") == _CUDA:  # noqa: PTH115
                    return True
    return False


def _has_steps(columns: Mapping[str, Column]) -> bool:
    return any(map(math.isfinite, (step for column in columns.values() for step in column.steps)))


def _unheld(paths: list[Path], own: set[int]) -> Path | None:
    """The first of PATHS that no process outside of OWN holds open for writing."""
    others = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in own]  # noqa: PTH208
    held = {path for pid in others for path in written_by(pid)}
    return next((path for path in paths if path not in held), None)


# --- the run -----------------------------------------------------------------------------------------------


def begin(seen: Seen, why: str, found: Code | None = None) -> "Begun":
    """The command becomes a run of its workspace's ledger, because of WHY. FOUND: its code, where that is known.

    Blocks. Raises LedgerError, OSError.
    """
    ledger, cards = ledger_for(Path(seen.workspace)), seen.cards if why == _ON_A_CARD else ()
    locks: list[int] = []
    job = Job(
        workspace=str(ledger.workspace),
        argv=seen.argv,
        cwd=seen.cwd,
        env={name: text for name, text in seen.env.items() if text.encode(errors="replace").decode() == text},
        name=name_of(("bash", *seen.words)) if len(seen.words) > 1 else Path(seen.words[0]).name,
        session=seen.session,
        turn=seen.turn,
        call_id=seen.call_id,
        user=seen.user,
        sandbox=Sandboxed(layer={}, profile={}) if seen.confined else None,  # nothing of it is run unconfined
    )

    def make(run: str) -> Run:
        locks.append(hold(ledger.path(run)))
        made = record(job, run, seed_of(seen.words, seen.env), list(seen.argv), None)
        started = {"created": seen.started, "started": seen.started, "pid": seen.tree[0]}
        return msgspec.structs.replace(made, origin="bash", status="running", gpus=cards, **started)

    try:
        run = ledger.begin(make).id
        folder = ledger.path(run)
        _linked(seen.output, folder / OUTPUT)
        begun = Begun(ledger, run, locks[0], seen, _watcher(job, run, seen, locks[0]))
    except BaseException:
        for lock in locks:
            os.close(lock)
        raise
    with contextlib.suppress(code.CodeError):
        taken = code.kept(Path(seen.workspace), run, found) if found else code.taken(Path(seen.workspace), run)
        ledger.update(run, lambda old: msgspec.structs.replace(old, code=taken))
    return begun


def _linked(output: Path, at: Path) -> None:
    """The output as the run's own: the same file where the file system lets it be, else a link to it."""
    try:
        at.hardlink_to(output)
    except OSError:
        at.symlink_to(output)


def _watcher(job: Job, run: str, seen: Seen, lock: int) -> "subprocess.Popen[bytes]":
    """What keeps the run's numbers: a process that gives way, so that no output, however long, slows this one down."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLWB_")}
    process = subprocess.Popen(
        [sys.executable, "-E", "-P", "-m", "workbench.experiments.found_watch", run, str(lock), repr(seen.started)],
        env=env | {name: value for name, value in os.environ.items() if name.startswith("MLWB_GPU")},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock,),
        start_new_session=True,
    )
    assert process.stdin is not None
    words = {"tree": seen.tree, "started": seen.started}
    process.stdin.write(msgspec.json.encode(job) + b"\n" + msgspec.json.encode(words) + b"\n")
    process.stdin.flush()
    return process


class Begun:
    """A run of a plain command that goes on. `end` is called once, when the command has ended."""

    def __init__(self, ledger: Ledger, run: str, lock: int, seen: Seen, watcher: "subprocess.Popen[bytes]") -> None:
        self.run = run
        self._ledger, self._lock, self._seen, self._watcher = ledger, lock, seen, watcher

    @property
    def folder(self) -> Path:
        """The run's own."""
        return self._ledger.path(self.run)

    def change(self, change: Callable[[Run], Run]) -> None:
        """Changes the record. Raises LedgerError."""
        self._ledger.update(self.run, change)

    def end(self, ended: Ended, at: float, by_itself: bool, why: str = "") -> None:
        """Writes down how it ended, at the Unix time AT; BY_ITSELF, or ended by its caller, and WHY. Blocks.

        Raises LedgerError.
        """
        stop = asked(self.folder)
        if stop is not None:
            end = End(ended=ended, why=stop.why, how="stopped")
        elif by_itself:
            end = End(ended=ended)
        else:
            end = End(ended=ended, why=why or "it was ended with its call", how="stopped")
        changes = {"status": end.status, "ended": at, "exit_code": ended.exit_code, "signal": ended.signal}
        try:
            lost = _kept(self._seen.output, self.folder / OUTPUT)
            self._ledger.update(self.run, lambda run: msgspec.structs.replace(run, **changes, why=end.words, lost=lost))
        finally:
            self._let_go()

    def _let_go(self) -> None:
        assert self._watcher.stdin is not None
        with contextlib.suppress(OSError):  # it was killed: the record stands without its last numbers
            self._watcher.stdin.write(msgspec.json.encode({"ended": True}) + b"\n")
            self._watcher.stdin.close()
        os.close(self._lock)

    def settled(self, timeout_s: float) -> bool:
        """Whether the last numbers are in, waiting for them at most so long. Blocks."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._watcher.wait(timeout_s)
            return True
        return False


def _kept(output: Path, at: Path) -> int:
    """Makes the output at AT the run's own file, its end only where it is long; the bytes that are not kept."""
    size = 0
    with contextlib.suppress(OSError):
        size = at.stat().st_size
        if not at.is_symlink() and size <= KEPT_OUTPUT:
            return 0
        temporary = at.with_name(f".{at.name}.kept")
        with output.open("rb") as source, temporary.open("wb") as target:
            source.seek(max(0, size - KEPT_OUTPUT))
            while piece := source.read(1 << 20):
                target.write(piece)
        temporary.replace(at)
    return max(0, size - KEPT_OUTPUT)
