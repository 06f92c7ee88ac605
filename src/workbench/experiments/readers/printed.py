"""Where the numbers of a printed line are: what a trainer's line says, and at which places.

Lines of one shape (the same but for the digits of their numbers) say the same at the same places, so a line is looked
at once for each shape; what was found is a Template.
"""

import re
from typing import NamedTuple

from workbench.experiments.readers.rows import number

Span = tuple[int, int]

_NUMBER = (
    r"[-+]?(?:\d[\d\x1f]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
    r"|[-+]?\b(?:nan|NaN|NAN|inf|Inf|INF|Infinity)\b"
)
_NAME = r"[A-Za-z_][\w./@-]{0,99}"
# `[default0]:` of torchrun, `[time][logger][INFO] - ` of Hydra, and what the logging module puts before a message.
_PREFIX = re.compile(
    r"\s*(?:\[\w+\d+\]:\s*)?(?:\[(?:[A-Z]+\|)?\d{4}-\d\d-\d\d[^\]]*\](?:\s*\[[^\]]*\])*\s*-?\s*"
    r"|(?:\[\w+\] )?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S*\s*"
    r"(?:[-|:\[\]\w.\s]{0,60}?(?:DEBUG|INFO|WARNING|ERROR)\S*\s*[-|:]*\s*)?)?"
)
_METRIC = re.compile(r"METRIC\s+")
_STEP = re.compile(
    r"(?<![\w/])(?:global[_ ]?step|micro_step|steps?|num_updates|iter(?:ation)?s?|it(?=\s*[:=])|batch|update)\b['\"]?"
    r"\s*[:=#]?\s*"
    r"['\"\[(]*(\d+)(?![\d.])(?:\s*/\s*(\d+))?",
    re.IGNORECASE,
)
_GLOBAL = re.compile(r"(?:global[_ ]?step|num_updates)['\"]?\s*[:=]?\s*['\"]?(\d+)", re.IGNORECASE)
# `[10]<TAB>` of XGBoost and LightGBM, `10:<TAB>` of CatBoost.
_LEADING = re.compile(r"(?:\[(\d+)\]|(\d+):)\t")
_EPOCH = re.compile(
    r"(?<![\w/])(?:epoch\b(?:\(\w+\))?|Train(?=:\s*\d+\s+\[))['\"]?\s*[:=#]?\s*['\"\[(]*(\d+(?:\.\d+)?)"
    r"(?:\s*/\s*(\d+))?",
    re.IGNORECASE,
)
_SAMPLES = re.compile(r"\[\s*(\d+)/(\d+)(?:\s*\(\s*\d+(?:\.\d+)?%\))?\s*\]|(?<=:)\s+(\d+) / (\d+)(?= )")
_KERAS = re.compile(r"\s*(\d+)/(\d+)\s+(?=\[|-|━|\d+s )")
_BAR = re.compile(r"(\d+)%\|[^|]*\|\s*(\d+)/(\d+)\s*\[[\d:]+<([\d:?]+)(?:,\s*([^\]]*))?\]?")
# Bars of what is done beside training: their progress is not the run's.
_ASIDE = re.compile(
    r"download|load|fetch|upload|import|extract|map|filter|tokeniz|process|sanity|valid|eval|test|predict|generat|sampl|"
    r"sav|check|resolv|comput|flatten|pack|creat",
    re.IGNORECASE,
)
_ARGUMENTS = re.compile(r"(?:Namespace|TrainingArguments)\(\w+=")
_PAIR = re.compile(
    rf"(?<![\w./@])['\"]?({_NAME}(?:'s {_NAME})?(?:\([\w/%. ]+\))?)(?:\s\([\w/%. ]+\)(?=['\"]))?['\"]?\s*[=:]\s*"
    rf"\[?['\"]?({_NUMBER})(?![\d:/.-]\d|:|\w*://)"
)
_WHOLE = re.compile(
    rf"[\s\W]*((?:{_NAME}\s+){{0,3}}{_NAME})(?:\s*\([\w/%. ]+\))?['\"]?\s*[:=]?\s*['\"]?(?<![A-Za-z])({_NUMBER})"
    r"['\"]?\s*(?:%|[a-zA-Zµ]+(?:/[a-zA-Z]+)?)?\s*(?:\([^)]*\))?[\s\W]*"
)
_SPLIT = re.compile(r"[|,;\t\]]|(?<![:=])\[|(?<![:=\s])\s{2,}(?![-+.\d\s]|nan|inf)")
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d,])")
# Another program's half line, in the middle of a number, before a whole one.
_TORN = re.compile(r".*[\d.=](?=(?:global[_ ]?)?(?:step|iter(?:ation)?)[ :=]+\d)", re.IGNORECASE)
_MARKERS = re.compile(
    r"(?:global[_ ]?step|micro_step|steps?|num_updates|iter(?:ation)?s?|it|batch|update|epochs?|rank|local_rank|v_num)",
    re.IGNORECASE,
)
_KNOWN = re.compile(
    r"(?:^|[_/. -])(?:loss|nll|perplexity|ppl|acc|accuracy|f1|auc|auroc|precision|recall|mse|mae|rmse|r2|bleu|rouge\w*|"
    r"wer|cer|iou|dice|psnr|ssim|fid|bpb|bpc|reward|return|score|kl|entropy|lr|learning_rate|grad_norm|gnorm|"
    r"throughput|mfu|tokens_per_sec\w*|samples_per_sec\w*|top[15]|map\d*|"
    r"ttft|tpot|itl|e2el|latency|qps|rps)(?:$|[_/. \d-])",
    re.IGNORECASE,
)
_MAYBE = re.compile(
    rb"namespace|trainingarg|step|num_updates|iter|\bit\b|batch|update|epoch|train:|metric|%\||[0]/0+ |[0][\]:]\t|"
    rb"loss|nll|perplexity|ppl|acc|f0|au|precision|recall|mse|mae|r0|bleu|rouge|wer|cer|iou|dice|psnr|ssim|fid|bp|reward|"
    rb"return|score|kl|entropy|lr|learning_rate|norm|throughput|mfu|tokens_per|samples_per|top0|map|ttft|tpot|itl|e0el|latency|qps|rps"
)
_WORDS = re.compile(r"\S+(?: \S+)*")
_CELL = re.compile(r"\S+")
_ROW_CELL = re.compile(rf"({_NUMBER})(?:%|s|[GMK]i?B?)?:?|(\d+)/(\d+):?|\d+:[\d:]+|-+")
_ROW_STEPS = frozenset(("epoch", "e", "#", "iter", "iteration", "step", "steps", "it", "round"))


class Template(NamedTuple):
    """What lines of a shape say, and where. A span is of bytes.

    `values`: name, begin, end of each number. The step is `step`, or `done` of `total` within `epoch` (of the line, or,
    if `within`, of the last line that told one), or `epoch` itself, or not told. `header` names the columns of a table
    that begins here; from `arguments` on stands a call with the program's arguments.
    """

    values: tuple[tuple[str, int, int], ...] = ()
    step: Span | None = None
    done: Span | None = None
    total: Span | None = None
    epoch: Span | None = None
    epochs: Span | None = None
    within: bool = False
    progress: bool = False
    eta: Span | None = None
    header: tuple[str, ...] | None = None
    arguments: int | None = None

    @property
    def spans(self) -> list[Span]:
        """All places that are read as numbers."""
        places = (self.step, self.done, self.total, self.epoch, self.epochs, self.eta)
        return [*((begin, end) for _, begin, end in self.values), *filter(None, places)]

    @property
    def empty(self) -> bool:
        """Whether lines of the shape say nothing at all."""
        said = self.values or self.progress or self.header or (self.epoch and self.epochs)
        return not said and self.arguments is None


def may_say(shape: bytes) -> bool:
    """Whether a line of SHAPE, whose digits are zeros, can say something without a table above it; quick to tell."""
    return _MAYBE.search(shape.lower()) is not None


def template(text: str, header: tuple[str, ...]) -> Template:
    """What TEXT says; HEADER names the columns of the table that it may be a row of. Spans are of characters."""
    start = found.end() if (found := _PREFIX.match(text)) else 0
    if torn := _TORN.match(text, start):
        start = torn.end()
        text = text[start:].rjust(len(text))
    known = _METRIC.match(text, start)
    if known:
        start = known.end()
    if arguments := _ARGUMENTS.match(text, start):
        return Template(arguments=arguments.start())
    if bar := _BAR.search(text, start):
        return _bar(text, start, bar, header)
    if (row := _row(text, start, header)) is not None:
        return row
    place = _place(text, start)
    told = place.step or place.done or place.epoch
    masked = _masked(text, start)
    values = tuple(
        (name, begin, end)
        for name, begin, end in _pairs(masked, start)
        if known or (told and not place.within) or _KNOWN.search(name)
    )
    if not values and not told and (names := _header(text, start)):
        return Template(header=names)
    return place._replace(values=values)


def _place(text: str, start: int) -> Template:
    """The step that TEXT names, and the progress."""
    epoch = _EPOCH.search(text, start)
    place = _of_epoch(Template(), epoch)
    if found := _GLOBAL.search(text, start):
        return place._replace(step=found.span(1))
    if found := _LEADING.match(text, start):
        return Template(step=found.span(found.lastindex or 1))
    if found := _STEP.search(text, start):
        if not found[2]:
            return place._replace(step=found.span(1))
        return place._replace(done=found.span(1), total=found.span(2), progress=True)
    if epoch is not None:
        if found := _SAMPLES.search(text, epoch.end()):
            first = 1 if found[1] else 3
            return place._replace(done=found.span(first), total=found.span(first + 1), progress=True)
        return place
    if found := _KERAS.match(text, start):
        return Template(done=found.span(1), total=found.span(2), within=True)
    return place


def _of_epoch(place: Template, epoch: "re.Match[str] | None") -> Template:
    if epoch is None:
        return place
    return place._replace(epoch=epoch.span(1), epochs=epoch.span(2) if epoch[2] else None)


def _bar(text: str, start: int, bar: "re.Match[str]", header: tuple[str, ...]) -> Template:
    """A bar of tqdm's, with what stands behind it, or before it as Ultralytics does."""
    epoch = _EPOCH.search(text, start, bar.start())
    found = Template(
        done=bar.span(2), total=bar.span(3), progress=True, eta=None if "?" in bar[4] else bar.span(4)
    )  # fmt: skip
    if _ASIDE.search(text, start, bar.start()):
        found = found._replace(progress=False, eta=None)
    row = _row(text[: bar.start()].rstrip(), start, header)
    if row is not None:
        return row._replace(progress=True, eta=found.eta)
    found = _of_epoch(found, epoch)
    if not bar[5]:
        return found
    pairs = _pairs(text[: bar.end(5)], bar.start(5))
    return found._replace(values=tuple(pair for pair in pairs if _KNOWN.search(pair[0])))


def _masked(text: str, start: int) -> str:
    """TEXT as long as it is, without what names its step; commas within numbers as a sign of their own."""
    for pattern in (_STEP, _EPOCH, _SAMPLES):
        text = text[:start] + pattern.sub(lambda found: "|".ljust(len(found[0])), text[start:])
    for pattern in (_LEADING, _KERAS):
        if found := pattern.match(text, start):
            text = text[:start] + "|".ljust(found.end() - start) + text[found.end() :]
    if "," in text:
        text = _THOUSANDS.sub(lambda found: found[0].replace(",", "\x1f"), text)
    return text


def _pairs(text: str, start: int) -> list[tuple[str, int, int]]:
    """The pairs of a name and a number in TEXT, blanks of a name as `_`; steps and epochs are none."""
    found: list[tuple[str, int, int]] = []
    for begin, end in _segments(text, start):
        pairs = [(match[1], *match.span(2)) for match in _PAIR.finditer(text, begin, end)]
        if len(pairs) <= 1 and (whole := _WHOLE.fullmatch(text, begin, end)):
            pairs = [(whole[1], *whole.span(2))]
        for name, first, last in pairs:
            if not _MARKERS.fullmatch(name):
                found.append(("_".join(name.replace("'s ", " ").split()), first, last))
    return found


def _segments(text: str, start: int) -> list[Span]:
    found = []
    for split in _SPLIT.finditer(text, start):
        if split.start() > start:
            found.append((start, split.start()))
        start = split.end()
    return [*found, (start, len(text))] if start < len(text) else found


# --- tables: a row of names, then rows of numbers (fastai, spaCy, skorch, scikit-learn, Ultralytics) ---


def _header(text: str, start: int) -> tuple[str, ...] | None:
    """The names of columns, where TEXT is a row of at least three of them, a step or a metric among them."""
    names = [name.strip("│|┃ ") for name in _WORDS.findall(text[start:])]
    if len(names) < 3 or any(number(name) is not None for name in names) or len(text) - start > 400:
        return None
    if not any(name.lower() in _ROW_STEPS for name in names[:2]):
        return None
    return tuple("_".join(name.split()) for name in names)


def _row(text: str, start: int, header: tuple[str, ...]) -> Template | None:
    """TEXT as a row below HEADER; None where it is none. A cell that is a clock, blank or text gives no number."""
    if not header:
        return None
    cells = list(_CELL.finditer(text, start))
    if len(cells) != len(header):
        return None
    values: list[tuple[str, int, int]] = []
    step: Span | None = None
    for name, cell in zip(header, cells, strict=True):
        if (match := _ROW_CELL.fullmatch(cell[0])) is None:
            return None
        group = 1 if match[1] else 2 if match[2] else 0
        if not group:
            continue
        span = cell.start() + match.start(group), cell.start() + match.end(group)
        if name.lower() in _ROW_STEPS:
            step = span  # of an epoch and a step, the step
        elif group == 1:
            values.append((name, *span))
    return Template(step=step, values=tuple(values)) if step and values else None
