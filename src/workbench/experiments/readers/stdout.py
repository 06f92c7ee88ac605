"""What a program prints: named trainers' lines, progress bars, tables, and pairs of a name and a number.

A pair counts where its line names a step, or where its name is one that metrics have; prose with numbers in it is
passed over. Trainers known by their lines: HF Trainer (dictionaries, numbers or texts), nanoGPT, llm.c, Megatron, NeMo,
torchtune, torchtitan, DeepSpeed, verl, Lightning's bars, Keras, fastai, spaCy, Ultralytics, timm, MMEngine, Detectron2,
fairseq, XGBoost, LightGBM, CatBoost, scikit-learn, the PyTorch examples, tqdm, torchrun's and Hydra's prefixes.
"""

import contextlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.lines import LineReader
from workbench.experiments.readers.printed import Span, Template, may_say, template

_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*([@-~])|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_MOVES = frozenset(b"ABCDEFGHJf")  # escapes after which what follows stands elsewhere
_ENDS = bytes.maketrans(b"\r\b\x0b\x0c\x1f", b"\n\n\n\n\n")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_NOT_A_NUMBER = re.compile(rb"\b(?:nan|inf)", re.IGNORECASE)
# Digits within a name belong to it.
_NAMED = re.compile(rb"[A-Za-z_\x80-\xff][\w./@\x80-\xff-]*(?:\([\w/%. \x80-\xff]+\))?")
_LONGEST = 4000  # bytes of a line that are looked at
_SHAPES, _VARIANTS, _KEPT = 4096, 64, 600  # shapes that are held, names of one shape, bytes of a shape that is held

_Adder = tuple[Callable[[float], None], Callable[[float], None]]


class _Shape:
    """Lines that are equal but for the digits of their numbers: the template of each set of digits in their names."""

    __slots__ = ("named", "templates")

    def __init__(self, shape: bytes) -> None:
        self.named = tuple(
            place for name in _NAMED.finditer(shape) for place in range(*name.span()) if shape[place] == 0x30
        )
        self.templates: dict[bytes, Template | None] = {}


class StdoutReader(LineReader):
    """Reads the output of a run, kept in a file."""

    kind = "stdout"
    own = True

    def __init__(self, path: Path, start: Start = BEGINNING) -> None:
        super().__init__(path, start)
        self._shapes: dict[bytes, Template | _Shape | None] = {}
        self.begin()

    def begin(self) -> None:
        """The file starts anew."""
        self._first_epoch: float | None = None
        self._epoch: tuple[float, float] | None = None  # the one that the last line told, and how many there are
        self._header: tuple[str, ...] = ()

    def ends(self, data: bytes) -> bytes:
        """DATA with what ends a line on a terminal as line ends: what a carriage return wrote over counts as well."""
        return data.translate(_ENDS)

    def lines(self, lines: list[bytes], batch: Batch) -> None:
        """Takes whole LINES, in order."""
        if not lines:
            return
        text = b"\n".join(lines)
        if b"\x1b" in text:
            text = _ESCAPES.sub(_moved, text)
            lines = text.split(b"\n")
        adders: dict[str, _Adder] = {}
        shapes = self._shapes
        for line, shape in zip(lines, text.translate(_DIGITS).split(b"\n"), strict=True):
            try:
                found = shapes[shape]
            except KeyError:
                found = self._look(line, shape)
            if found.__class__ is _Shape:
                found = self._variant(line, found)
            if found is not None:
                self._take(found, line, batch, adders)  # type: ignore[arg-type]
        for column in batch.columns.values():
            column.times.extend([math.nan] * (len(column.values) - len(column.times)))

    def _look(self, line: bytes, shape: bytes) -> Template | _Shape | None:
        """What lines of SHAPE say, LINE the first of them; held for the next one."""
        if b"0" in shape or _NOT_A_NUMBER.search(shape):
            if not self._header and not may_say(shape):
                return None
        elif len(shape) > _KEPT or shape.count(b"  ") < 2:
            return None  # no number, and no header of a table
        held = _Shape(shape)
        found: Template | _Shape | None = held if held.named else self._parse(line)
        if len(shape) <= _KEPT:
            if len(self._shapes) >= _SHAPES:
                self._shapes.clear()
            self._shapes[shape] = found
        return found

    def _variant(self, line: bytes, held: _Shape) -> Template | None:
        key = bytes([line[place] for place in held.named])
        if key in held.templates:
            return held.templates[key]
        found = self._parse(line)
        if len(held.templates) < _VARIANTS:
            held.templates[key] = found
        return found

    def _parse(self, line: bytes) -> Template | None:
        text = line[:_LONGEST].decode(errors="surrogateescape")
        found = template(text, self._header)
        if found.empty:
            return None
        if text.isascii():
            return found
        return _in_bytes(found, text) if all(text[begin:end].isascii() for begin, end in found.spans) else None

    def _take(self, found: Template, line: bytes, batch: Batch, adders: dict[str, _Adder]) -> None:
        values, plain, done, _, epoch, _, _, _, _, header, arguments = found
        if plain is not None:
            step = float(line[plain[0] : plain[1]])
        elif done is None and epoch is None:
            step = math.nan
        else:
            step = self._step(found, line, batch)
        if arguments is not None:
            batch.config.update(_arguments(line[arguments:_LONGEST].decode(errors="replace")))
        if header is not None and header != self._header:
            self._header = header
            self._shapes.clear()  # what is a row of numbers depends on it
        if found.eta is not None:
            batch.eta_s = _seconds(line[found.eta[0] : found.eta[1]])
        for name, begin, end in values:
            text = line[begin:end]
            try:
                value = float(text)
            except ValueError:
                value = float(text.replace(b",", b""))
            adder = adders.get(name)
            if adder is None:
                column = batch.column(name)
                adder = adders[name] = column.steps.append, column.values.append
            adder[0](step)
            adder[1](value)

    def _step(self, found: Template, line: bytes, batch: Batch) -> float:
        """The step that a line names; within an epoch it is counted on from those before."""
        epoch = _real(line, found.epoch)
        if epoch is not None and epoch.is_integer():
            self._epoch = epoch, _real(line, found.epochs) or 0.0
        done, total = _real(line, found.done), _real(line, found.total)
        if done is None:
            return math.nan if epoch is None else epoch
        whole = found.within or (epoch is not None and b"." not in line[slice(*found.epoch or (0, 0))])
        if not whole or not total or self._epoch is None:
            if found.progress and total:
                batch.progress = done, total
            return math.nan if found.within else done
        current, epochs = self._epoch
        if self._first_epoch is None:
            self._first_epoch = current
        base = min(self._first_epoch, 1.0)  # epochs are counted from 0 or from 1
        batch.progress = ((current - base) * total + done, epochs * total) if epochs else (done, total)
        return max(current - self._first_epoch, 0.0) * total + done


def _arguments(call: str) -> dict[str, Any]:
    """The arguments of a CALL that are plain values, as `print(args)` shows them."""
    import ast
    import warnings

    found: dict[str, Any] = {}
    wrong = (SyntaxError, ValueError, RecursionError, MemoryError, TypeError)
    with contextlib.suppress(*wrong), warnings.catch_warnings(action="ignore"):
        parsed = ast.parse(call.strip(), mode="eval").body
        for keyword in parsed.keywords if isinstance(parsed, ast.Call) else ():
            with contextlib.suppress(ValueError):
                found[str(keyword.arg)] = ast.literal_eval(keyword.value)
    return {key: value for key, value in found.items() if isinstance(value, str | int | float | list | tuple | None)}


def _moved(found: "re.Match[bytes]") -> bytes:
    return b"\n" if found[1] and found[1][0] in _MOVES else b""


def _in_bytes(found: Template, text: str) -> Template:
    """FOUND with places in bytes in place of those in characters."""

    def span(of: Span | None) -> Span | None:
        return None if of is None else (place(of[0]), place(of[1]))

    def place(at: int) -> int:
        return len(text[:at].encode(errors="surrogateescape"))

    return found._replace(
        values=tuple((name, place(begin), place(end)) for name, begin, end in found.values),
        step=span(found.step),
        done=span(found.done),
        total=span(found.total),
        epoch=span(found.epoch),
        epochs=span(found.epochs),
        eta=span(found.eta),
    )


def _real(line: bytes, span: Span | None) -> float | None:
    return None if span is None else float(line[span[0] : span[1]])


def _seconds(clock: bytes) -> float:
    """`1:02:03` as seconds."""
    seconds = 0.0
    for part in clock.split(b":"):
        seconds = seconds * 60 + float(part or 0)
    return seconds
