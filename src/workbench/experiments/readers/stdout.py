"""What a program prints: named trainers' lines, progress bars, and pairs of a name and a number.

A pair counts where its line names a step, or where its name is one that metrics have; prose with numbers in it is
passed over. Trainers known by their lines: HF Trainer (dictionaries, numbers or texts), nanoGPT, llm.c, Megatron,
torchtune, DeepSpeed, Lightning's bars, the PyTorch examples, tqdm, torchrun's and Hydra's prefixes.
"""

import math
import re
from pathlib import Path

from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.lines import LineReader
from workbench.experiments.readers.rows import number

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|NaN|NAN|inf|Inf|INF|Infinity)"
_NAME = r"[A-Za-z_][\w./@-]*"
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_ENDS = re.compile(r"[\r\x0b\x0c]+")
# `[default0]:` of torchrun, `[time][logger][INFO] - ` of Hydra, and what the logging module puts before a message.
_PREFIX = re.compile(
    r"^\s*(?:\[\w+\d+\]:\s*)?(?:\[\d{4}-\d\d-\d\d[^\]]*\](?:\[[^\]]*\])*\s*-?\s*"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S*\s*(?:[-|:\[\]\w.]*\s*(?:DEBUG|INFO|WARNING|ERROR)\S*\s*[-|:]*\s*)?)?"
)
_STEP = re.compile(
    r"(?<![\w/])(?:global[_ ]?step|micro_step|steps?|iter(?:ation)?s?|it|batch|update)\b['\"]?\s*[:=#]?\s*['\"\[(]*"
    r"(\d+)(?:\s*/\s*(\d+))?",
    re.IGNORECASE,
)
_GLOBAL = re.compile(r"global[_ ]?step\s*[:=]?\s*(\d+)", re.IGNORECASE)
_EPOCH = re.compile(r"(?<![\w/])epochs?\b['\"]?\s*[:=#]?\s*['\"\[(]*(\d+(?:\.\d+)?)(?:\s*/\s*(\d+))?", re.IGNORECASE)
_SAMPLES = re.compile(r"\[\s*(\d+)/(\d+)(?:\s*\(\d+(?:\.\d+)?%\))?\s*\]")
_BAR = re.compile(r"(\d+)%\|[^|]*\|\s*(\d+)/(\d+)\s*\[[\d:]+<([\d:?]+)(?:,\s*([^\]]*))?\]?")
_PAIR = re.compile(rf"['\"]?({_NAME}(?:\([\w/%. ]+\))?)['\"]?\s*[=:]\s*['\"]?({_NUMBER})(?![\d:/.-])")
_WHOLE = re.compile(
    rf"^[\s\W]*((?:{_NAME}\s+){{0,3}}{_NAME})(?:\s*\([\w/%. ]+\))?['\"]?\s*[:=]?\s*['\"]?({_NUMBER})"
    r"['\"]?\s*(?:%|[a-zA-Zµ]+(?:/[a-zA-Z]+)?)?\s*(?:\([^)]*\))?[\s\W]*$"
)
_SPLIT = re.compile(r"[|,;\t\[\]]|\s{2,}")
_GAP = re.compile(r"([:=])\s+")
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d,])")
_MARKERS = re.compile(r"(?:global[_ ]?step|micro_step|steps?|iter(?:ation)?s?|it|batch|update|epochs?)$", re.IGNORECASE)
_KNOWN = re.compile(
    r"(?:^|[_/. -])(?:loss|nll|perplexity|ppl|acc|accuracy|f1|auc|auroc|precision|recall|mse|mae|rmse|r2|bleu|rouge\w*|"
    r"wer|cer|iou|dice|psnr|ssim|fid|bpb|bpc|reward|return|score|kl|entropy|lr|learning_rate|grad_norm|gnorm|"
    r"throughput|mfu|tokens_per_sec\w*|samples_per_sec\w*|top[15]|map)(?:$|[_/. \d-])",
    re.IGNORECASE,
)
_LONGEST = 4000  # characters of a line that are looked at


class StdoutReader(LineReader):
    """Reads the output of a run, kept in a file."""

    kind = "stdout"

    def __init__(self, path: Path, start: Start = BEGINNING) -> None:
        super().__init__(path, start)
        self._first_epoch: float | None = None

    def line(self, line: bytes, batch: Batch) -> None:
        """Takes one LINE; what a carriage return wrote over counts as well."""
        text = line.decode(errors="replace")
        if "\x1b" in text:
            text = _ESCAPES.sub("\n", text).replace("\n", "\r") if "\x1b[A" in text else _ESCAPES.sub("", text)
        for part in _ENDS.split(text) if "\r" in text else (text,):
            if any(map(str.isdigit, part)) or "nan" in part.lower():
                self._part(part[:_LONGEST], batch)

    def _part(self, text: str, batch: Batch) -> None:
        text = _PREFIX.sub("", text, count=1)
        known = text.startswith("METRIC ")
        text = text.removeprefix("METRIC ")
        if bar := _BAR.search(text):
            self._bar(text, bar, batch)
            return
        step = self._step(text, batch)
        for name, value in _pairs(_bare(text)):
            if known or not math.isnan(step) or _KNOWN.search(name):
                batch.column(name).add(value, step)

    def _bar(self, text: str, bar: "re.Match[str]", batch: Batch) -> None:
        done, total = float(bar[2]), float(bar[3])
        batch.progress = (done, total)
        batch.eta_s = _seconds(bar[4])
        step = self._within(text[: bar.start()], done, total)
        for name, value in _pairs(bar[5] or ""):
            if _KNOWN.search(name):
                batch.column(name).add(value, step)

    def _step(self, text: str, batch: Batch) -> float:
        """The step that a line names, NaN where it names none; within an epoch it is counted on from those before."""
        if found := _GLOBAL.search(text):
            return float(found[1])
        found = _STEP.search(text)
        if found is None:
            if (epoch := _EPOCH.search(text)) is None:
                return math.nan
            samples = _SAMPLES.search(text, epoch.end())
            return self._within(text, float(samples[1]), float(samples[2])) if samples else float(epoch[1])
        if not found[2]:
            return float(found[1])
        batch.progress = (float(found[1]), float(found[2]))
        return self._within(text, *batch.progress)

    def _within(self, text: str, done: float, total: float) -> float:
        epoch = _EPOCH.search(text)
        if epoch is None or not total or "." in epoch[1]:
            return done
        if self._first_epoch is None:
            self._first_epoch = float(epoch[1])
        return max(float(epoch[1]) - self._first_epoch, 0.0) * total + done


def _bare(text: str) -> str:
    """TEXT without what names its step: the rest is pairs."""
    for pattern in (_STEP, _EPOCH, _SAMPLES):
        text = pattern.sub("|", text)
    text = _GAP.sub(r"\1 ", text)
    return _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text) if "," in text else text


def _pairs(text: str) -> list[tuple[str, float]]:
    """The pairs of a name and a number in TEXT, blanks of a name as `_`; steps and epochs are none."""
    found: list[tuple[str, float]] = []
    for segment in _SPLIT.split(text):
        if not segment or segment.isspace():
            continue
        pairs = _PAIR.findall(segment)
        if len(pairs) <= 1 and (whole := _WHOLE.match(segment)):
            pairs = [(whole[1], whole[2])]
        for name, value in pairs:
            real = number(value)
            if real is not None and not _MARKERS.fullmatch(name):
                found.append(("_".join(name.split()), real))
    return found


def _seconds(clock: str) -> float | None:
    """`1:02:03` as seconds; None for `?`."""
    if "?" in clock or not clock:
        return None
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part or 0)
    return seconds
