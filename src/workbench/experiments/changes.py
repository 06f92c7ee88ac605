"""What differs between two groups of runs: configuration, command, environment, code, hardware; and what does not."""

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from workbench.experiments.code import Git
from workbench.experiments.config_files import differing
from workbench.experiments.ledger import Ledger
from workbench.experiments.surroundings import PACKAGES
from workbench.experiments.types import Run

VARIES = "varies"
PATCH = 2_000_000  # characters of a patch that are given at most
# Where a run puts things and what it is called: told, but no difference between two experiments.
_BOOKKEEPING = re.compile(
    r"(?:^|[._/-])(?:(?:out|output|log|logs|logging|save|result|results|run|runs|work|ckpt|checkpoint|tensorboard|tb|wandb|"
    r"exp|experiment|mlflow|trackio|default[_-]root|local|hydra)[_-]?(?:dir|path|root|folder|name|id|file|to)|logdir|outdir|"
    r"out|output|seed[_-]?dir|timestamp|date|datetime|start[_-]?time|hostname|pid|port|master[_-]?port|version[_-]?dir)$",
    re.IGNORECASE,
)
_SEED = re.compile(r"(?:^|[._/-])(?:\w*_)?(?:seed|random_state|manual_seed|rng)$", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_OPTION = re.compile(r"--?[A-Za-z][\w.-]*")
_ASSIGNED = re.compile(r"([+~]{0,2}[A-Za-z_][\w./@-]*)=(.*)", re.DOTALL)
# Where caches lie (a confined command has its own), and which cards: no difference between two experiments.
_PLACES = re.compile(r"CUDA_VISIBLE_DEVICES|\w+_CACHE(?:_DIR|_PATH)?|TORCH_EXTENSIONS_DIR")
_TELLING = re.compile(
    r"^(?:CUDA|NCCL|TORCH|PYTORCH|OMP|MKL|HF|XLA|JAX|CUBLAS|ACCELERATE|DEEPSPEED|TOKENIZERS)_|^PYTHONHASHSEED$|"
    r"^TF_(?:XLA|ENABLE|CUDNN|FORCE|DETERMINISTIC)_"
)
_REBUILT = re.compile(r"^.*?\.mlwb/runs/\.again-[^/]+/")  # the folder of a rerun
_SOURCES = frozenset(
    {".py", ".sh", ".ipynb", ".yaml", ".yml", ".json", ".toml", ".jl", ".lua", ".cu", ".c", ".cpp", ".rs"}
)


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose content differs; lines are None for a binary one."""

    path: str
    added: int | None = None
    removed: int | None = None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that differs between groups A and B, each as `key -> (A's, B's)`.

    A side whose own runs differ is `{"varies": [...]}`; a key that a side lacks is None there. `config`, `command`,
    `environment` and `hardware` count as differences between experiments, `bookkeeping` (folders, names) and `seeds`
    do not. `revisions` are the trees of both codes, for `patch`. `unknown` says what could not be compared, `within`
    what differs among the runs of one side.
    """

    config: dict[str, tuple[Any, Any]] = {}
    command: dict[str, tuple[Any, Any]] = {}
    environment: dict[str, tuple[Any, Any]] = {}
    hardware: dict[str, tuple[Any, Any]] = {}
    bookkeeping: dict[str, tuple[Any, Any]] = {}
    seeds: tuple[tuple[int | None, ...], tuple[int | None, ...]] = ((), ())
    code: tuple[File, ...] = ()
    revisions: tuple[str | None, str | None] = (None, None)
    unknown: tuple[str, ...] = ()
    within: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing that counts differs, the seeds apart."""
        counted = (self.config, self.command, self.environment, self.hardware, self.code, self.within)
        return not any(counted) and self.revisions[0] == self.revisions[1]


def between(a: Sequence[Run], b: Sequence[Run], ledger: Ledger) -> Changes:
    """What differs between the runs of A and those of B, both of LEDGER; neither is empty."""
    within: list[str] = []
    config, kept = _split(_differing(a, b, _configured, within))
    command, kept_too = _split(_commands(a, b, within))
    environment, unseen = _known(a, b, _environment, "environment", within)
    packages, unlisted = _packages(a, b, ledger, within)
    hardware, nowhere = _known(a, b, _hardware, "hardware", within)
    files, revisions, dim = _code(a, b, ledger.workspace, within)
    config |= _not_twice(_of_files(a, b, ledger.workspace, files, revisions), config)
    return Changes(
        config=config, command=_not_twice(command, config), environment=environment | packages, hardware=hardware,
        bookkeeping=kept | _not_twice(kept_too, kept), seeds=(_seeds(a), _seeds(b)), code=files, revisions=revisions,
        unknown=(*unseen, *unlisted, *nowhere, *dim), within=tuple(dict.fromkeys(within)),
    )  # fmt: skip


def _seeds(runs: Sequence[Run]) -> tuple[int | None, ...]:
    return tuple(run.seed for run in runs)


# --- values ------------------------------------------------------------------------------------------------


def _configured(run: Run) -> dict[str, Any]:
    """The configuration of RUN, and how it served."""
    served = {} if run.service is None else {"service": msgspec.structs.asdict(run.service)}
    return flat(run.config | served)


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """CONFIG with nested keys joined by points; lists stay values."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def same(one: Any, other: Any) -> bool:
    """Whether two values of a configuration mean the same: numbers by value however they are written, NaN as itself."""
    one, other = _plain(one), _plain(other)
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


_WORDS = {"true": True, "false": False, "none": None, "null": None}


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) and abs(value) > 2**53 else float(value)
    if isinstance(value, str):
        if _NUMBER.fullmatch(value):
            return float(value)
        return _WORDS.get(value.lower(), value)
    return list(value) if isinstance(value, tuple) else value


def _differing(
    a: Sequence[Run], b: Sequence[Run], of: Callable[[Run], Mapping[str, Any]], within: list[str]
) -> dict[str, tuple[Any, Any]]:
    """The keys whose values differ between A and B; what differs among the runs of one side goes into WITHIN too."""
    side_a, side_b = [of(run) for run in a], [of(run) for run in b]
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys(key for side in (*side_a, *side_b) for key in side):
        ours, theirs = _distinct(side.get(key) for side in side_a), _distinct(side.get(key) for side in side_b)
        if len(ours) == len(theirs) and all(any(same(x, y) for y in theirs) for x in ours):
            different = len(ours) > 1
        else:
            different = True
            found[key] = (_one(ours), _one(theirs))
        if different and not (_BOOKKEEPING.search(key) or _SEED.search(key)):
            within += [f"{key} differs among {_ids(runs)}" for runs, v in ((a, ours), (b, theirs)) if len(v) > 1]
    return found


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not any(same(value, other) for other in found):
            found.append(value)
    return found


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else {VARIES: values}


def _ids(runs: Sequence[Run]) -> str:
    return ", ".join(run.id for run in runs)


def _split(found: dict[str, tuple[Any, Any]]) -> tuple[dict[str, tuple[Any, Any]], dict[str, tuple[Any, Any]]]:
    """What counts and what is bookkeeping; seeds are neither, they are told by themselves."""
    counted = {key: value for key, value in found.items() if not _BOOKKEEPING.search(key) and not _SEED.search(key)}
    return counted, {key: value for key, value in found.items() if _BOOKKEEPING.search(key)}


def _not_twice(
    command: dict[str, tuple[Any, Any]], config: Mapping[str, tuple[Any, Any]]
) -> dict[str, tuple[Any, Any]]:
    """COMMAND without the options that CONFIG tells already, by the same name and with the same values."""
    told = {_bare(key): value for key, value in config.items()}
    return {
        key: value
        for key, value in command.items()
        if _bare(key) not in told or not all(map(same, value, told[_bare(key)]))
    }


def _bare(key: str) -> str:
    return key.rpartition(": ")[2].lstrip("-+~").replace("-", "_").rpartition(".")[2]


# --- the command -------------------------------------------------------------------------------------------


def _commands(a: Sequence[Run], b: Sequence[Run], within: list[str]) -> dict[str, tuple[Any, Any]]:
    """The words that differ, and still do once each run's seed is taken out of its own."""
    alike = len({run.group for run in (*a, *b)}) == 1 and a[0].group is not None
    told: tuple[list[str], list[str]] = [], []
    found = _differing(a, b, words, told[0])
    neutral = _differing(
        a, b, lambda run: words(run, lambda word, named: _neutral(word, run.seed, named, alike)), told[1]
    )
    within += [text for text in told[0] if text in told[1]]
    return {key: value for key, value in found.items() if key in neutral}


def words(run: Run, change: Callable[[str, bool], str] = lambda word, named: word) -> dict[str, Any]:
    """The command of RUN as `option -> value`, so that their order does not matter; `words` holds the others in order.

    CHANGE is applied to each, and told whether it is the value of an option.
    """
    found: dict[str, Any] = {}
    loose: list[str] = []
    rest = [_relative(word, run) for word in run.argv]
    while rest:
        word = rest.pop(0)
        bare = word.lstrip("-")
        if assigned := _ASSIGNED.fullmatch(bare):
            _put(found, word[: len(word) - len(bare)] + assigned[1], change(assigned[2], True))
        elif _OPTION.fullmatch(word):
            _put(found, word, change(rest.pop(0), True) if rest and not _OPTION.match(rest[0]) else True)
        else:
            loose.append(change(word, False))
    return found | {"words": loose} if loose else found


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    """An option that is given again has a list."""
    if name not in found:
        found[name] = value
    elif isinstance(found[name], list):
        found[name] = [*found[name], value]
    else:
        found[name] = [found[name], value]


def _neutral(word: str, seed: int | None, named: bool, alike: bool) -> str:
    """WORD with the seed taken out of it, where it surely is the seed: `out/seed3`, or `3` that is no option's value.

    ALIKE says that the runs were started as one command over seeds: then it may stand anywhere.
    """
    if seed is None or (named and not alike and word == str(seed)):
        return word
    if word == str(seed):
        return "{seed}"
    before = r"(?<!\d)" if alike else r"(?i:(?<=seed)|(?<=seed[-_=]))"
    return re.sub(rf"{before}{seed}(?!\d)", "{seed}", word)


def _relative(word: str, run: Run) -> str:
    for root in (run.cwd, run.workspace):
        if len(root) > 1 and word.startswith(f"{root}/"):
            return _REBUILT.sub("", word[len(root) + 1 :])
    return word


# --- surroundings ------------------------------------------------------------------------------------------


def _known(
    a: Sequence[Run], b: Sequence[Run], of: Callable[[Run], dict[str, Any]], what: str, within: list[str]
) -> tuple[dict[str, tuple[Any, Any]], list[str]]:
    """As `_differing`, among the runs of which something is known; what is not known is no difference."""
    dark = [run.id for run in (*a, *b) if not of(run)]
    seen_a, seen_b = ([run for run in side if run.id not in dark] for side in (a, b))
    told = [f"{what}: not known of {', '.join(dark)}"] if dark else []
    return _differing(seen_a, seen_b, of, within) if seen_a and seen_b else {}, told


def _environment(run: Run) -> dict[str, Any]:
    if not run.environment.python:
        return {}
    telling = [name for name in run.environment.variables if _TELLING.match(name) and not _PLACES.fullmatch(name)]
    return {"python": run.environment.python} | dict.fromkeys(telling, "set")


def _hardware(run: Run) -> dict[str, Any]:
    return {"host": run.host, "gpus": sorted(card.name or card.uuid for card in run.gpus)} if run.host else {}


def packages(ledger: Ledger, run: Run) -> dict[str, str] | None:
    """The packages that RUN had, name to version; None where no list was kept."""
    try:
        text = (ledger.path(run.id) / PACKAGES).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return {name: version for name, _, version in (line.partition("==") for line in text.splitlines()) if name}


def _packages(
    a: Sequence[Run], b: Sequence[Run], ledger: Ledger, within: list[str]
) -> tuple[dict[str, tuple[Any, Any]], list[str]]:
    if len({run.environment.packages for run in (*a, *b)} - {""}) < 2:  # the same, as far as is known
        return {}, []
    lists = {run.id: packages(ledger, run) or {} for run in (*a, *b)}
    found, dark = _known(a, b, lambda run: lists[run.id], "packages", within)
    return found, dark if any(run.environment.packages and not lists[run.id] for run in (*a, *b)) else []


# --- code --------------------------------------------------------------------------------------------------


def _code(
    a: Sequence[Run], b: Sequence[Run], workspace: Path, within: list[str]
) -> tuple[tuple[File, ...], tuple[str | None, str | None], list[str]]:
    """The files that differ, the tree of each side, and what is not known of it."""
    git = Git(workspace)
    trees = {run.id: _tree(git, run) for run in (*a, *b)}
    several = [side for side in (a, b) if len({trees[run.id] for run in side}) > 1]
    within += [f"the code differs among {_ids(side)}: that of {side[0].id} is shown" for side in several]
    one, other = trees[a[0].id], trees[b[0].id]
    if one and other:
        return (numstat(git, one, other) if one != other else ()), (one, other), []
    touched = _touched(a, b)
    words = (
        f"code: {', '.join(touched)} changed since, and nothing keeps how it was"
        if touched
        else "code: it was not kept"
    )
    if touched:
        return tuple(File(path=path) for path in touched), (None, None), [words]
    return (), (one, other) if one != other else (None, None), [words]


def _tree(git: Git, run: Run) -> str | None:
    revision = run.code.snapshot or run.code.commit
    return git.said("rev-parse", "--verify", "-q", f"{revision}^{{tree}}") or None if revision else None


def _touched(a: Sequence[Run], b: Sequence[Run]) -> list[str]:
    """Files that the commands name, and Python files beside them, that were written after the first run began."""
    began = min(run.started or run.created for run in (*a, *b))
    found: dict[str, None] = {}
    for run in (*a, *b):
        with suppress(OSError, ValueError):
            for path in (*(Path(run.cwd, word) for word in run.argv), *Path(run.cwd).glob("*.py")):
                if path.suffix in _SOURCES and path.is_file() and path.stat().st_mtime > began:
                    found[_relative(str(path), run)] = None
    return list(found)


def _of_files(
    a: Sequence[Run], b: Sequence[Run], workspace: Path, files: Sequence[File], trees: tuple[str | None, str | None]
) -> dict[str, tuple[Any, Any]]:
    """What differs in files of configuration that the code has; see `config_files`."""
    words = {word for run in (*a, *b) for word in run.argv}
    return differing(Git(workspace), trees, [file.path for file in files], words, same) if files else {}


def numstat(git: Git, one: str, other: str) -> tuple[File, ...]:
    """The files in which two revisions differ, with lines added and removed. Empty where git fails."""
    parts = git.said("diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", one, other).split(
        "\0"
    )
    return tuple(_file(*rest) for part in parts if len(rest := part.split("\t", 2)) == 3)


def shown(text: str) -> str:
    """TEXT of git or the file system with a sign in place of bytes that are no characters: JSON cannot hold them."""
    return os.fsencode(text).decode(errors="replace")


def _file(added: str, removed: str, path: str) -> File:
    binary = added == "-"
    return File(path=shown(path), added=None if binary else int(added), removed=None if binary else int(removed))


def patch(workspace: Path, revisions: tuple[str | None, str | None]) -> str:
    """The unified diff between two revisions that `Changes` names; empty where there is none. Raises CodeError."""
    one, other = revisions
    if not one or not other or one == other:
        return ""
    text = shown(Git(workspace).must("diff", "--no-color", "--no-ext-diff", "--no-textconv", one, other))
    cut = f"\n… {len(text) - PATCH:,} more characters: git diff {one[:12]} {other[:12]}"
    return text if len(text) <= PATCH else text[:PATCH] + cut
