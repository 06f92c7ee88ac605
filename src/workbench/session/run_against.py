"""Which run a run is compared with unless another is named. The rule is told in `docs/experiments.md`."""

import os
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePath

from workbench.experiments.types import Run

_SCRIPT = re.compile(r".+\.(?:py|sh|bash|ipynb|jl|lua|R|r|rb|pl|m|js|ts)")
_PYTHON = re.compile(r"(?:python|pypy|torchrun|accelerate|deepspeed)[\d.]*")
# Modules that run another program, which is told behind them.
_LAUNCHERS = re.compile(
    r"(?:torch\.distributed|accelerate|deepspeed|coverage|cProfile|i?pdb|debugpy|viztracer)(?:\..*)?"
)
_AGAIN = re.compile(r"^.*?\.mlwb/runs/\.again-[^/]+/")  # where a rerun works
_LOOKS = 20  # earlier experiments that are looked at for one with a metric in common


def program_of(run: Run) -> tuple[str, ...]:
    """What RUN runs, without its options: the script or module, else the program and its first plain word."""
    return _program(run.argv, run.cwd, run.workspace)


def _program(argv: Sequence[str], cwd: str, workspace: str) -> tuple[str, ...]:
    rest = list(argv)
    for at, word in enumerate(rest):
        if _SCRIPT.fullmatch(word) and not word.startswith("-") and "=" not in word:
            return (_place(word, cwd, workspace),)
        if _is_module(rest, at):
            return ("-m", rest[at + 1])
        if at and re.fullmatch(r"-[a-z]*c", word) and at + 1 < len(rest):
            with suppress(ValueError):
                inner = shlex.split(rest[at + 1])
                if any(_SCRIPT.fullmatch(one) for one in inner) or len(inner) > 1:
                    return ("-c", *_program(inner, cwd, workspace))
            return ("-c", rest[at + 1])
    plain = [word for word in rest[1:2] if not word.startswith("-") and "=" not in word]
    return (PurePath(rest[0]).name, *plain) if rest else ()


def _is_module(words: Sequence[str], at: int) -> bool:
    """Whether the word behind the one at AT is the module that Python runs."""
    if words[at] != "-m" or at + 1 >= len(words) or _LAUNCHERS.fullmatch(words[at + 1]):
        return False
    return any(_PYTHON.fullmatch(PurePath(word).name) for word in words[:at])


def _place(word: str, cwd: str, workspace: str) -> str:
    """The script by its place in the workspace, however it was called."""
    whole = os.path.normpath(os.path.join(cwd, word))  # noqa: PTH118 - a path that need not exist
    inside = f"{workspace.rstrip('/')}/"
    return _AGAIN.sub("", whole.removeprefix(inside))


def defaults(runs: Sequence[Run]) -> dict[str, str]:
    """For each of RUNS, the oldest first, the id of the run that it is compared with; those without one left out."""
    found: dict[str, str] = {}
    by_id = {run.id: run for run in runs}
    earlier: dict[tuple[str, ...], list[list[Run]]] = {}  # program -> its experiments: runs of one group, or one run
    groups: dict[str, list[Run]] = {}
    for run in runs:
        program = program_of(run)
        before = earlier.setdefault(program, [])
        if run.parent in by_id:
            found[run.id] = run.parent or ""
            continue  # a repetition is no experiment of its own
        if (against := _newest(run, before)) is not None:
            found[run.id] = against.id
        if run.group is not None and run.group in groups:
            groups[run.group].append(run)
        else:
            before.append(members := [run])
            if run.group is not None:
                groups[run.group] = members
    return found


def _newest(run: Run, before: Sequence[Sequence[Run]]) -> Run | None:
    """Of the newest experiment of BEFORE that came to an end, the run with the same seed, else its first.

    One that logged a metric of RUN's goes before one that did not, one that ended in numbers before one that ended in
    NaN, one that finished before one that was stopped.
    """
    best: tuple[tuple[bool, bool, bool], Run] | None = None
    looks = 0
    for members in reversed(before):
        if run.group is not None and members[0].group == run.group:
            continue
        ended = [one for one in members if one.status == "finished"]
        ended = ended or [one for one in members if one.status == "stopped" and one.metrics]
        if not ended:
            continue
        sound = [one for one in ended if not _ruined(one)]
        ended = sound or ended
        shared = not run.metrics or any(not one.metrics.keys().isdisjoint(run.metrics) for one in ended)
        rank = shared, bool(sound), ended[0].status == "finished"
        chosen = next((one for one in ended if run.seed is not None and one.seed == run.seed), ended[0])
        if best is None or rank > best[0]:
            best = rank, chosen
        looks += 1
        if all(rank) or looks == _LOOKS:
            break
    return best[1] if best else None


def _ruined(run: Run) -> bool:
    """Whether RUN went NaN and ended so: it has no value to be compared with."""
    return any(one.kind == "nan" for one in run.alerts) and any(one.last is None for one in run.metrics.values())
