"""A run once more: its code, command and seed rebuilt in a folder of their own, and whether the numbers come again."""

import contextlib
import math
import os
import re
import secrets
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from workbench.experiments import stats
from workbench.experiments.alone import taken
from workbench.experiments.changes import Changes, between, shown
from workbench.experiments.code import REFS, CodeError, Git
from workbench.experiments.compare import Curve, Read, reader, telling, value_of
from workbench.experiments.goals import goal_of
from workbench.experiments.launch.types import Job
from workbench.experiments.ledger import Ledger
from workbench.experiments.types import Code, Run

Verdict = Literal["reproduced", "within_noise", "different", "failed"]
SCRATCH = ".again-"  # folders beside the runs, each for one rerun
_ENTRIES = 2000  # of a folder, looked at to learn whether it was written to
_LINKS = 500
_SLACK_S = 1.0  # of clocks and file systems
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class RerunError(Exception):
    """The run cannot be done again; the message says why."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of both runs: whether each point is the same to the last bit, and the final values."""

    same: bool
    before: float | None
    again: float | None


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """How a run went when it was done again. `spread` says what the noise was measured by."""

    run: str
    again: str
    verdict: Verdict
    sentence: str
    metric: str | None = None
    difference: float | None = None
    noise: float | None = None
    spread: str = ""
    series: dict[str, Series] = {}
    changes: Changes = Changes()
    notes: tuple[str, ...] = ()


Submit = Callable[[Job], str]  # runs a job to its end, and gives the id of its run


def again(ledger: Ledger, run: Run, submit: Submit, user: str = "", place: Path | None = None) -> Rerun:
    """Does RUN again as a run of its own whose parent it is, through SUBMIT, and judges it. PLACE: see `rebuilt`.

    Raises RerunError, CodeError, LedgerError, and what SUBMIT raises.
    """
    if run.status in ("queued", "running"):
        raise RerunError(f"{run.id} still runs; once it has ended, it can be done again")
    with rebuilt(ledger, run, place) as (folder, notes):
        child = submit(job_of(run, folder, ledger, user))
    _same_code(ledger, run, child)
    return judged(ledger, run, ledger.get(child), reader(ledger), notes)


def job_of(run: Run, folder: Path | None, ledger: Ledger, user: str = "") -> Job:
    """What runs RUN again in FOLDER, where its code was rebuilt; None: where it ran before."""
    env = dict(os.environ)
    argv, cwd = run.argv, run.cwd
    if run.seed is not None and "SEED" in run.environment.variables:
        env["SEED"] = str(run.seed)
    if folder is not None:
        top = _top(ledger.workspace)
        before = Path(_home(run.cwd, top))
        cwd = str(folder / before.relative_to(top)) if before.is_relative_to(top) else run.cwd
        argv = tuple(_moved(_home(word, top), top, folder) for word in run.argv)
        argv = (_program(argv[0], before, Path(cwd)), *argv[1:])
    return Job(
        workspace=str(ledger.workspace), argv=argv, cwd=cwd, env=env, name=run.name, tags=run.tags, goal=run.goal,
        note=f"{run.id} again", seeds=() if run.seed is None else (run.seed,), parent=run.id, user=user,
        gpus=len(run.gpus) or None, timeout_s=run.timeout_s, service=run.service,
    )  # fmt: skip


def _home(word: str, top: Path) -> str:
    """WORD with the folder of an earlier rerun, which is gone, named as the one that it stood for."""
    return re.sub(rf"/[^\0=:,]*/{re.escape(SCRATCH)}[^/]+(?=/|$)", lambda _: str(top), word)


def _program(word: str, before: Path, cwd: Path) -> str:
    """A program that was not rebuilt, such as one that the run itself has made, stays where it is."""
    missing = "/" in word and not word.startswith("/") and not (cwd / word).exists()
    return str(before / word) if missing and (before / word).exists() else word


def _moved(word: str, top: Path, folder: Path) -> str:
    """WORD with paths below TOP named below FOLDER: what the first run wrote is not written over."""
    return re.sub(rf"(?<![\w./-]){re.escape(str(top))}(?![\w.-])", lambda _: str(folder), word)


def _top(workspace: Path) -> Path:
    return Path(Git(workspace).must("rev-parse", "--show-toplevel"))


# --- the code, rebuilt -------------------------------------------------------------------------------------


@contextlib.contextmanager
def rebuilt(ledger: Ledger, run: Run, place: Path | None = None) -> Iterator[tuple[Path | None, list[str]]]:
    """The code of RUN in a work tree of its own, for as long as this is held, and what is to be said about it.

    It lies in the folder PLACE (default: beside the runs, where a confined command cannot write). It is made beside
    PLACE, where nobody can put a link in git's way, and comes there whole.

    None where the code was not kept: the run is then done with what is there now. Files that git does not hold and
    that the run did not write (data, say) are linked into the work tree. Raises RerunError where git lacks the code.
    """
    revision = run.code.snapshot or run.code.commit
    git = Git(ledger.workspace)
    if revision is None or not git.there():
        yield None, ["the code was not kept: this is what is there now"]
        return
    if not _REVISION.fullmatch(revision):
        raise RerunError(f"the record of {run.id} names no commit: {revision[:60]!r}")
    _sweep(git, ledger)
    made, lock = _made(place.parent if place else ledger.folder, run)
    folder = (place or ledger.folder) / made.name
    try:
        try:
            git.must("worktree", "add", "--detach", "--force", str(made), revision)
            said = _linked(git, _top(ledger.workspace), made, run)
            _move(git, made, folder)
        except (CodeError, OSError) as error:
            raise RerunError(f"the code of {run.id} ({revision[:12]}) cannot be rebuilt: {error}") from None
        yield folder, said
    finally:
        _remove(git, made, folder)
        os.close(lock)


def _made(above: Path, run: Run) -> tuple[Path, int]:
    """A new folder for RUN in ABOVE, and a descriptor that locks it: nobody sweeps it away. Raises RerunError."""
    try:
        while True:
            folder = above / f"{SCRATCH}{run.id}-{secrets.token_hex(3)}"
            folder.mkdir()
            with contextlib.suppress(FileNotFoundError):
                lock = os.open(folder, _FOLDER)
                if taken(lock) and folder.is_dir():  # else it was swept before it was locked
                    return folder, lock
                os.close(lock)
    except OSError as error:
        raise RerunError(f"no folder for the code of {run.id} can be made: {error}") from None


def _move(git: Git, made: Path, folder: Path) -> None:
    """Moves the work tree MADE to FOLDER, and has git know it there. Raises CodeError, OSError."""
    if made != folder:
        known = Path(git.must("-C", str(made), "rev-parse", "--absolute-git-dir"))
        (known / "gitdir").write_text(f"{folder}/.git\n")
        made.rename(folder)


def _remove(git: Git, *folders: Path) -> None:
    """Not by git: its removal follows what a command that still lives could put there."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    git.said("worktree", "prune")


def _sweep(git: Git, ledger: Ledger) -> None:
    """Removes what reruns that were killed have left: nobody has its lock, and no run goes on there."""
    left = list(ledger.folder.glob(f"{SCRATCH}*"))
    if not left:
        return
    busy = [Path(run.cwd) for run in ledger.runs()[0] if run.status in ("queued", "running")]
    for folder in left:
        if any(cwd.is_relative_to(folder) for cwd in busy):
            continue
        with contextlib.suppress(OSError):
            lock = os.open(folder, _FOLDER)
            if taken(lock):
                _remove(git, folder)
            os.close(lock)


def _linked(git: Git, top: Path, folder: Path, run: Run) -> list[str]:
    """Links what git does not hold and the run did not write into FOLDER; says what was linked."""
    names: list[str] = []
    for ignored in (("--ignored",), ()):
        listed = git.said("-C", str(top), "ls-files", "-z", "--others", *ignored, "--exclude-standard", "--directory")
        names += filter(None, listed.split("\0"))
    span = ((run.started or run.created) - _SLACK_S, (run.ended or run.created) + _SLACK_S)
    linked: list[Path] = []
    for name in sorted(names):
        if ".mlwb" not in Path(name).parts and not _through_a_link(folder, name):
            _link(top / name, folder / name, span, linked)
    since = [str(path.relative_to(top)) for path in linked if _written(path, span[1], math.inf)]
    said = [str(path.relative_to(top)) for path in linked]
    return [
        f"{words}: {shown(', '.join(found[:5]))}{f' and {len(found) - 5} more' if len(found) > 5 else ''}"
        for words, found in (("git does not hold, so as they are now", said), ("changed since the run", since))
        if found
    ]


def _through_a_link(folder: Path, name: str) -> bool:
    """Whether NAME lies, in the code that was rebuilt in FOLDER, behind a link: it would be written elsewhere."""
    return any((folder / above).is_symlink() for above in Path(name).parents)


def _link(source: Path, target: Path, span: tuple[float, float], linked: list[Path]) -> None:
    """Links SOURCE, or, where something of it was written within SPAN, each part of it that was not."""
    if source.name == "__pycache__" or os.path.lexists(target) or len(linked) >= _LINKS:
        return
    with contextlib.suppress(OSError):
        if not _written(source, *span):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
            linked.append(source)
        elif source.is_dir() and not source.is_symlink():
            for part in sorted(source.iterdir()):
                _link(part, target / part.name, span, linked)


def _written(path: Path, first: float, last: float) -> bool:
    """Whether a file that is PATH or lies below it, as far as is looked, was written between FIRST and LAST."""
    if path.is_symlink() or not path.is_dir():
        return first < path.lstat().st_mtime < last
    left = _ENTRIES
    for parent, _, files in os.walk(path):
        for name in files:
            left -= 1
            with contextlib.suppress(OSError):
                if first < Path(parent, name).lstat().st_mtime < last:
                    return True
            if left < 0:
                return False
    return False


def _same_code(ledger: Ledger, run: Run, child: str) -> None:
    """Writes into the record of CHILD that it ran the code of RUN, and keeps that code for it, too."""
    if run.code == Code():
        return
    git = Git(ledger.workspace)
    if run.code.snapshot:
        git.said("update-ref", f"{REFS}/{child}", run.code.snapshot)
    else:
        git.said("update-ref", "-d", f"{REFS}/{child}")
    ledger.update(child, lambda found: msgspec.structs.replace(found, code=run.code))


# --- the verdict -------------------------------------------------------------------------------------------


def judged(ledger: Ledger, run: Run, child: Run, read: Read, notes: Sequence[str] = ()) -> Rerun:
    """Whether CHILD, which is RUN again, shows the same numbers."""
    before, after = read(run), read(child)
    keys = sorted(before.keys() & after.keys(), key=telling)
    series = {key: _series(before[key], after[key]) for key in keys if not telling(key)[0]}
    lost = sorted(key for key in before.keys() - after.keys() if not telling(key)[0])
    said = [*notes, *([f"not logged this time: {', '.join(lost)}"] if lost else [])]
    changes = between([run], [child], ledger)
    base = Rerun(
        run=run.id, again=child.id, verdict="failed", sentence="", series=series, changes=changes, notes=tuple(said)
    )
    if child.status != "finished" and run.status == "finished":
        return msgspec.structs.replace(base, sentence=f"not reproduced: {child.id} {child.status}: {child.why or '?'}")
    if not series:
        return msgspec.structs.replace(base, sentence=f"nothing to judge by: {run.id} and {child.id} share no metric")
    if all(one.same for one in series.values()) and not lost:
        points = sum(len(before[key].values) for key in series)
        of = f"{len(series)} metrics" if len(series) > 1 else next(iter(series))
        words = f"reproduced: {points:,} points of {of} are the same to the last bit"
        return msgspec.structs.replace(base, verdict="reproduced", sentence=words, difference=0.0)
    return _measured(ledger, run, child, read, base)


def _series(before: Curve, again: Curve) -> Series:
    same = _bits(before.steps) == _bits(again.steps) and _bits(before.values) == _bits(again.values)
    return Series(same=same, before=_last(before), again=_last(again))


def _bits(values: Sequence[float]) -> bytes:
    from array import array

    return array("d", values).tobytes()


def _last(curve: Curve) -> float | None:
    return curve.values[-1] if len(curve.values) and abs(curve.values[-1]) < float("inf") else None


def _measured(ledger: Ledger, run: Run, child: Run, read: Read, base: Rerun) -> Rerun:
    """The verdict where bits differ: the difference of the most telling metric against what is known of the noise."""
    metric = next((key for key, one in base.series.items() if not one.same), next(iter(base.series)))
    one = base.series[metric]
    base = msgspec.structs.replace(base, metric=metric, verdict="different")
    if one.before is None or one.again is None:
        return msgspec.structs.replace(base, sentence=f"not reproduced: {metric} ends in a number only once")
    difference = one.again - one.before
    noise, spread = noise_of(ledger, run, child, metric, read)
    moved = f"{metric} {one.before:.6g} → {one.again:.6g}"
    if noise is None:
        words = f"not reproduced: {moved}; nothing tells how large noise is ({spread})"
    elif abs(difference) <= noise:
        words = f"within noise: {moved}, a difference of {difference:+.2g} where {spread} allows ±{noise:.2g}"
    else:
        words = f"not reproduced: {moved}, a difference of {difference:+.2g} where {spread} allows ±{noise:.2g}"
    verdict: Verdict = "within_noise" if noise is not None and abs(difference) <= noise else "different"
    return msgspec.structs.replace(
        base, verdict=verdict, sentence=words, difference=difference, noise=noise, spread=spread
    )


def noise_of(ledger: Ledger, run: Run, child: Run, metric: str, read: Read) -> tuple[float | None, str]:
    """How far two runs of the same may lie apart, and by what that was measured.

    By the earlier repetitions of the run where there are three values of them, else by the seeds of its group, else by
    how much its own curve jitters at its end. A difference of two values is sqrt(2) times as wide as one.
    """
    runs = [one for one in ledger.runs()[0] if one.id != child.id and one.status == "finished"]
    repeats = [one for one in runs if run.id in (one.id, one.parent)]
    seeds = [one for one in runs if run.group is not None and one.group == run.group]
    for found, words in ((repeats, "repetitions"), (seeds, "seeds")):
        values = [value for one in found if (value := _final(one, metric, read)) is not None]
        if len(values) >= 3 and (sd := statistics.stdev(values)) > 0:
            reach = stats.t_quantile(0.5 + stats.LEVEL / 2, len(values) - 1) * sd * 2**0.5
            return reach, f"the spread of {len(values)} {words}"
    tail = list(read(run)[metric].values)[-20:]
    steps = [step for earlier, later in pairwise(tail) if math.isfinite(step := abs(later - earlier))]
    if len(steps) >= 4 and (jitter := statistics.median(steps)) > 0:
        # The median of |differences| of a normal value is 0.954 of its deviation (sqrt(2) * 0.6745).
        return stats.t_quantile(0.5 + stats.LEVEL / 2, len(steps)) * jitter / 0.954 * 2**0.5, "the jitter of its curve"
    return None, "no repetitions, no group of seeds, too few points"


def _final(run: Run, metric: str, read: Read) -> float | None:
    curves: Mapping[str, Curve] = read(run)
    return value_of(run, curves.get(metric), metric, goal_of(metric), "last")[0]
