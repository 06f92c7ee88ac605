"""Pastes of many megabytes, read whole: Textual's own reader takes a second for each.

A terminal in bracketed paste mode puts what is pasted between two sequences (xterm, "Bracketed Paste Mode"). What
else it sends that is no key (a late answer to the program before this one) is left out, not typed into the prompt.
"""

import codecs
import os
import re
import select
import sys
from collections.abc import Iterable, Iterator

from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.events import Key, Paste
from textual.keys import Keys
from textual.message import Message

BEGIN, END = "\x1b[200~", "\x1b[201~"
_READ = 65_536  # bytes
# ECMA-48, 5.4 and 5.6: a whole control string (OSC, DCS, APC…), and a whole control sequence but that of an old mouse.
_STRING = re.compile(r"\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)")
_SEQUENCE = re.compile(r"\x1b\[(?!M|<|\?\d+;\d\$y)[0-?]*[ -/]*[@-Z\\-~]")
# An escape that nothing follows so soon is the key: as long as a terminal takes between the bytes of one sequence, and
# short enough to stop the agent at once. ESCDELAY, in milliseconds, says otherwise.
_ESCAPE_S = 0.04
_POLL_S = 0.1  # how long the reader waits before it looks whether the app has left


class PasteParser(XTermParser):
    """Takes pastes out of what the terminal sends; everything else is Textual's to read."""

    def __init__(self, debug: bool = False) -> None:
        self._pasted: list[str] | None = None
        self._rest = ""  # the last characters, which may be part of one of the two
        super().__init__(debug)

    def feed(self, data: str) -> Iterable[Message]:
        """Messages that DATA completes; no data is the end of all."""
        if not data:
            yield from self._keys(data)
        while data:
            if self._pasted is not None:
                text, end, data = (self._rest + data).partition(END)
                yield from self._take(text, bool(end))
                continue
            before, begin, data = (self._rest + data).partition(BEGIN)
            self._rest = ""
            if begin:
                self._pasted = []
            else:
                before, self._rest = _but_a_beginning(before)
            if before:
                yield from self._keys(before)

    def _keys(self, data: str) -> Iterator[Message]:
        known = _STRING.sub("", data)
        if known or not data:
            yield from super().feed(known)
        if self._timeout_time is not None and "ESCDELAY" not in os.environ:
            self._timeout_time = min(self._timeout_time, get_time() + _ESCAPE_S)

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[Key]:
        """The keys of SEQUENCE; for one that is whole and no key, one that Textual passes over."""
        found = list(super()._sequence_to_key_events(sequence, alt))
        return found or [Key(Keys.Ignore, sequence)] if _SEQUENCE.fullmatch(sequence) else found

    @property
    def patience(self) -> float:
        """Seconds until `tick` may have something to say, `_POLL_S` at most."""
        return _POLL_S if self._timeout_time is None else min(_POLL_S, max(0.0, self._timeout_time - get_time()))

    def _take(self, text: str, whole: bool) -> Iterator[Message]:
        assert self._pasted is not None
        if whole:
            pasted, self._pasted, self._rest = "".join([*self._pasted, text]), None, ""
            yield Paste(pasted.replace("\x00", "") if "\x00" in pasted else pasted)
        else:
            sure = max(0, len(text) - len(END) + 1)
            self._pasted.append(text[:sure])
            self._rest = text[sure:]


def _but_a_beginning(text: str) -> tuple[str, str]:
    """TEXT without what may be the first part of BEGIN, and that part; the first two characters are too common."""
    for length in range(len(BEGIN) - 1, 2, -1):
        if text.endswith(BEGIN[:length]):
            return text[:-length], BEGIN[:length]
    return text, ""


def driver() -> type[Driver] | None:
    """The driver that reads like this; None where Textual's own choice stands (Windows, TEXTUAL_DRIVER)."""
    if sys.platform == "win32" or os.environ.get("TEXTUAL_DRIVER"):
        return None
    from textual.drivers.linux_driver import LinuxDriver

    class PastingDriver(LinuxDriver):
        """A terminal on Linux or macOS. Bytes that are no UTF-8 are shown as such and end nothing."""

        written = 0  # characters that were sent so far
        gone = False  # the terminal was closed: writing to it would block as soon as a queue is full

        def write(self, data: str) -> None:
            """Sends DATA to the terminal, while there is one."""
            if not self.gone:
                self.written += len(data)
                super().write(data)

        def run_input_thread(self) -> None:
            """Reads until the app leaves the terminal."""
            parser = PasteParser(self._debug)
            decode = codecs.getincrementaldecoder("utf-8")("replace").decode
            while not self.exit_event.is_set():
                if select.select([self.fileno], [], [], parser.patience)[0]:
                    data = os.read(self.fileno, _READ)
                    if not data:  # the terminal is gone; the app is told by a signal
                        self.exit_event.wait(0.1)
                    elif text := decode(data):
                        for message in parser.feed(text):
                            self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)

    return PastingDriver
