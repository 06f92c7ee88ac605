"""A model card drafted from the record of a run: Hugging Face's fields, and `unknown` for what nobody recorded.

The sections are those of https://github.com/huggingface/huggingface_hub (templates/modelcard_template.md).
"""

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from workbench.experiments.changes import flat, packages, shown
from workbench.experiments.code import Git
from workbench.experiments.compare import reader, telling, value_of
from workbench.experiments.compare_words import about
from workbench.experiments.config_files import kept
from workbench.experiments.data import overlaps
from workbench.experiments.goals import goal_of, known
from workbench.experiments.ledger import Ledger
from workbench.experiments.types import Data, Run
from workbench.protocol.visible import visible
from workbench.protocol.words import counted

UNKNOWN = "unknown"
_METRICS, _KEYS, _PACKAGES = 20, 60, 20
_BASE = (
    "base_model",
    "model_name_or_path",
    "base_model_name_or_path",
    "_name_or_path",
    "pretrained_model_name_or_path",
)
_SOFTWARE = (
    "torch transformers lightning pytorch-lightning jax flax tensorflow keras numpy scikit-learn xgboost lightgbm "
    "accelerate deepspeed peft trl datasets tokenizers"
)


def drafted(ledger: Ledger, run: Run) -> str:
    """The card of RUN in Markdown; numbers over all finished seeds of its group, where it has one."""
    seeds = _seeds(ledger, run)
    sections = [
        _front(run), f"# {_text(run.name)}\n", _draft(run),
        _section("Model Details", _details(run)),
        _section("Uses", [("Direct use", UNKNOWN), ("Downstream use", UNKNOWN), ("Out-of-scope use", UNKNOWN)]),
        _section("Bias, Risks and Limitations", _risks(run)),
        "## Training Details\n", _data(run, "train", "Training Data"), _procedure(ledger, run),
        "## Evaluation\n", _data(run, "test", "Testing Data"), _data(run, "validation", "Validation Data"),
        _results(ledger, run, seeds),
        _section("Environmental Impact", _impact(run, seeds)),
        _section("Technical Specifications", _technical(ledger, run)),
        "## Citation\n\nunknown\n",
        _section("Provenance", _provenance(run, seeds)),
    ]  # fmt: skip
    return "\n".join(sections)


def _seeds(ledger: Ledger, run: Run) -> list[Run]:
    if run.group is None:
        return [run]
    return [one for one in ledger.runs()[0] if one.group == run.group]


def _text(value: object) -> str:
    """VALUE on one line, with nothing that Markdown or a terminal would obey."""
    text = visible(" ".join(str(value).split()))
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return text or UNKNOWN


def _code(value: object) -> str:
    return f"`{visible(' '.join(str(value).split())).replace('`', chr(39)).replace('|', chr(0xA6))}`"


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    return f"## {title}\n\n" + "".join(f"- **{name}:** {value}\n" for name, value in rows)


def _front(run: Run) -> str:
    base = _base(run)
    lines = ["license: unknown", *([f"base_model: {_quoted(base)}"] if base else [])]
    lines += ["metrics:", *(f"- {_quoted(key)}" for key in _judged(run)[:5])] if _judged(run) else []
    lines += ["tags:", *(f"- {_quoted(tag)}" for tag in run.tags)] if run.tags else []
    return "---\n" + "\n".join(lines) + "\n---\n"


def _quoted(value: str) -> str:
    """VALUE in quotes, for YAML: that knows JSON's escapes, but not two of them for one sign."""
    return visible(json.dumps(value, ensure_ascii=False))


def _draft(run: Run) -> str:
    return (
        f"Drafted from the record of run {run.id}. What the record does not know says *unknown*: "
        "only a person can fill that in.\n"
    )


def _base(run: Run) -> str:
    config = flat(run.config)
    return next((str(value) for key, value in config.items() if key.rpartition(".")[2] in _BASE and value), "")


def _judged(run: Run) -> list[str]:
    """The metrics that say how good the model is, the most telling first."""
    return sorted((key for key in run.metrics if known(key) and not telling(key)[0]), key=telling)


# --- the sections ------------------------------------------------------------------------------------------


def _details(run: Run) -> list[tuple[str, str]]:
    config = flat(run.config)
    kind = next(
        (config[key] for key in config if key.rpartition(".")[2] in ("model_type", "architectures", "arch")), None
    )
    base = _base(run)
    return [
        ("Developed by", UNKNOWN),
        ("Trained by", _text(run.user)),
        ("Model type", _text(kind) if kind else UNKNOWN),
        ("Language(s)", UNKNOWN),
        ("License", UNKNOWN),
        ("Finetuned from", _text(base) if base else UNKNOWN),
    ]


def _risks(run: Run) -> list[tuple[str, str]]:
    rows = [("Risks and limitations", UNKNOWN)]
    if run.status != "finished":
        rows.insert(0, ("The run did not finish", f"{run.status}{f', {_text(run.why)}' if run.why else ''}"))
    shared = overlaps(run.data, Path(run.cwd))
    told = dict.fromkeys([*(alert.text for alert in run.alerts), *(overlap.text for overlap in shared)])
    return [*rows, *(("Seen during training", _text(text)) for text in list(told)[:12])]


def _data(run: Run, role: str, title: str) -> str:
    files = [one for one in run.data if one.role == role]
    rows = "".join(f"| {_code(one.path)} | {_size(one)} | {_hash(one)} |\n" for one in files[:30])
    more = f"\nand {len(files) - 30} more files\n" if len(files) > 30 else ""
    return f"### {title}\n\n" + (f"| file | size | sha256 |\n|---|---|---|\n{rows}{more}" if rows else f"{UNKNOWN}\n")


def _size(one: Data) -> str:
    return f"{one.size:,} bytes"


def _hash(one: Data) -> str:
    return _code(one.digest) if one.digest else "too large to be hashed"


def _procedure(ledger: Ledger, run: Run) -> str:
    told, files = list(flat(run.config).items()), _files(ledger, run)
    settings = [*told, *files]
    rows = "".join(f"| {_code(key)} | {_code(_short(value))} |\n" for key, value in settings[:_KEYS])
    more = f"\nand {len(settings) - _KEYS} more\n" if len(settings) > _KEYS else ""
    of_files = files[: max(0, _KEYS - len(told))]
    note = "\n`file: key` stands so in the code that ran; whether the program read that file is not recorded.\n"
    table = f"| setting | value |\n|---|---|\n{rows}{more}{note if of_files else ''}" if rows else f"{UNKNOWN}\n"
    return (
        "### Training Procedure\n\n"
        f"- **Command:** {_code(' '.join(run.argv))}\n- **Seed:** {UNKNOWN if run.seed is None else run.seed}\n"
        f"- **Duration:** {_duration(run)}\n\n#### Training Hyperparameters\n\n{table}"
    )


def _files(ledger: Ledger, run: Run) -> list[tuple[str, Any]]:
    """What the files of configuration say that lie with the code of RUN."""
    if not (revision := run.code.snapshot or run.code.commit):
        return []
    return [(shown(key), value) for key, value in kept(Git(ledger.workspace), revision, run.argv).items()]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 200 else f"{text[:199]}…"


def _duration(run: Run) -> str:
    if run.started is None or run.ended is None:
        return UNKNOWN
    seconds = run.ended - run.started
    return f"{seconds / 3600:.3g} h" if seconds >= 600 else f"{seconds:.3g} s"


def _results(ledger: Ledger, run: Run, seeds: Sequence[Run]) -> str:
    """A row for each metric: the run's own last and best, and over the seeds mean, deviation and number."""
    keys = _judged(run)[:_METRICS]
    if not keys:
        return "### Results\n\nunknown\n"
    read = reader(ledger)
    rows = []
    for key in keys:
        goal, short = run.goal or goal_of(key), run.metrics[key]
        found = [value_of(one, read(one).get(key), key, goal, "last")[0] for one in seeds]
        values = [value for value in found if value is not None]
        if len(values) > 1:
            mean, sd = about(statistics.fmean(values), statistics.stdev(values))
            spread = f"{mean} ± {sd} (n = {len(values)})"
        else:
            spread = f"{UNKNOWN} (one seed)"
        last, best = ("NaN" if value is None else f"{value:.6g}" for value in (short.last, short.best))
        rows.append(f"| {_code(key)} | {'less' if goal == 'min' else 'more'} | {last} | {best} | {spread} |\n")
    lost = sum(one.status != "finished" for one in seeds)
    note = f"\n{lost} of {len(seeds)} seeds did not finish; the means are of those that did.\n" if lost else ""
    head = "| metric | better is | last | best | mean ± sd over seeds |\n|---|---|---|---|---|\n"
    return f"### Results\n\n{head}{''.join(rows)}{note}"


def _impact(run: Run, seeds: Sequence[Run]) -> list[tuple[str, str]]:
    """What was spent, over all seeds. CO2 needs the grid's intensity, which no record has."""
    hours, joules = ([getattr(one.usage, name) for one in seeds] for name in ("gpu_hours", "energy_j"))
    names = sorted({card.name or card.uuid for one in seeds for card in one.gpus})
    over = f" over {len(seeds)} runs" if len(seeds) > 1 else ""
    kwh = None if any(value is None for value in joules) else sum(joules) / 3.6e6
    told = [
        ("Hardware Type", ", ".join(map(_text, names)) if names else "no GPU was seen"),
        ("GPU-hours", UNKNOWN if any(value is None for value in hours) else f"{sum(hours):.4g}{over}"),
        ("Energy of the GPUs", UNKNOWN if kwh is None else f"{kwh:.4g} kWh{over}"),
        ("Cloud Provider", UNKNOWN),
        ("Compute Region", UNKNOWN),
    ]
    if kwh is None:
        return [*told, ("Carbon Emitted", UNKNOWN)]
    return [*told, ("Carbon Emitted", f"{UNKNOWN}: {kwh:.4g} kWh times what the grid there emits for each kWh")]


def _technical(ledger: Ledger, run: Run) -> list[tuple[str, str]]:
    peak = run.usage.peak_gpu_memory
    return [
        ("Architecture and objective", UNKNOWN),
        ("Hardware", _text(f"{run.host or UNKNOWN}, {len(run.gpus)} GPU" + ("s" if len(run.gpus) != 1 else ""))),
        ("Peak GPU memory", UNKNOWN if peak is None else f"{peak / 2**30:.1f} GiB"),
        ("Python", _text(run.environment.python)),
        ("Software installed", _software(ledger, run)),
    ]


def _software(ledger: Ledger, run: Run) -> str:
    """The packages that tell most, or the first of all; where their list is gone, that it is."""
    installed = packages(ledger, run)
    if installed is None:
        return f"{UNKNOWN}: of the list of packages only its hash was kept" if run.environment.packages else UNKNOWN
    names = [name for name in _SOFTWARE.split() if name in installed] or list(installed)[:_PACKAGES]
    told = ", ".join(f"{name} {installed[name]}" for name in names) or "no packages"
    rest = len(installed) - len(names)
    return _text(told) + (f", and {counted(rest, 'other package')}" if rest else "")


def _provenance(run: Run, seeds: Sequence[Run]) -> list[tuple[str, str]]:
    commit = run.code.commit or UNKNOWN
    dirty = f", with changes that are kept as {_code(run.code.snapshot)}" if run.code.snapshot else ""
    return [
        ("Runs", ", ".join(f"{one.id} (seed {UNKNOWN if one.seed is None else one.seed})" for one in seeds)),
        ("Code", f"{_code(commit) if run.code.commit else UNKNOWN}{dirty}"),
        ("Packages", _code(run.environment.packages) if run.environment.packages else UNKNOWN),
        ("Session", _text(run.session) if run.session else UNKNOWN),
    ]
