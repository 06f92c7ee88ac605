"""`mlwb exp tail`: the output of a run, as it comes with -f."""

import os
import re
import sys
import time
from pathlib import Path

from workbench.experiments.launch.alive import alive
from workbench.experiments.ledger import OUTPUT, Ledger
from workbench.verbs.exp_list import opened
from workbench.verbs.options import Parser

_LOOK_S = 0.1
_CHUNK = 1 << 18
# On a terminal only colours pass: what a run prints shall not set a title, a clipboard or a mode, nor turn words.
_OBEYED = re.compile(
    rb"\x1b\[[\d;:]*m|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])"
    rb"|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f\x1b]|\xc2[\x80-\x9f]"
    rb"|\xe2\x80[\x8b\x8e\x8f\xaa-\xae]|\xe2\x81[\xa0\xa6-\xa9]|\xef\xbb\xbf"  # bidi, and what is not seen
)
# The beginning of such a sequence, of which the rest may be in what is read next.
_BEGUN = re.compile(rb"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)|\xc2|\xe2[\x80\x81]?|\xef\xbb?)\Z")
_LONGEST = 4096  # bytes of a sequence that are waited for


def tail(args: list[str]) -> int:
    """Runs `mlwb exp tail ARGS`."""
    parser = Parser(prog="mlwb exp tail", description="The output of a run.")
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("-n", "--lines", type=int, default=50, metavar="N", help="the last N lines; 0 is all of it")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run has ended")
    options = parser.parse_args(args)
    ledger = opened()
    ledger.get(options.run)
    out = _Terminal() if sys.stdout.isatty() else _Plain()
    path = ledger.path(options.run) / OUTPUT
    try:
        with path.open("rb") as file:
            file.seek(_start(path, options.lines))
            while True:
                ended = not _goes_on(ledger, options.run)  # looked at first: what is read then is all
                while data := file.read(_CHUNK):
                    out.write(data)
                if ended or not options.follow:
                    out.end()
                    return 0
                time.sleep(_LOOK_S)
    except FileNotFoundError:
        print(f"mlwb: {options.run} has no output", file=sys.stderr)
        return 1


def _goes_on(ledger: Ledger, run: str) -> bool:
    return ledger.get(run).status in ("queued", "running") and alive(ledger.path(run))


def _start(path: Path, lines: int) -> int:
    """Where the last LINES lines of the file at PATH begin."""
    if lines <= 0:
        return 0
    at = size = path.stat().st_size
    found = 0
    with path.open("rb") as file:
        while at > 0:
            step = min(_CHUNK, at)
            at -= step
            file.seek(at)
            data = file.read(step)
            end = len(data) - (at + step == size and data.endswith(b"\n"))  # the last newline ends the last line
            while (end := data.rfind(b"\n", 0, end)) >= 0:
                found += 1
                if found == lines:
                    return at + end + 1
    return 0


class _Plain:
    """Standard output as it is."""

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(1, rest) :]

    def end(self) -> None:
        """Nothing more is written."""


class _Terminal(_Plain):
    """Standard output that obeys: what it would obey is left out, also where it comes in two pieces."""

    def __init__(self) -> None:
        self._begun = b""

    def write(self, data: bytes) -> None:
        data = self._begun + data
        found = _BEGUN.search(data, max(0, len(data) - _LONGEST))
        at = found.start() if found else len(data)
        self._begun = data[at:]
        super().write(_OBEYED.sub(_colour, data[:at]))

    def end(self) -> None:
        super().write(_OBEYED.sub(_colour, self._begun))


def _colour(found: "re.Match[bytes]") -> bytes:
    return found[0] if found[0].startswith(b"\x1b[") and found[0].endswith(b"m") else b""
