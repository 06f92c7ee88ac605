"""Files of lines, read as they grow: the common part of the readers of text."""

from pathlib import Path

from workbench.experiments.readers.base import BEGINNING, Batch, Start
from workbench.experiments.readers.follow import Follower, News

_CHUNK = 4 << 20  # bytes of one poll: their lines, held at once, take several times that
LONGEST = 8 << 20  # bytes of a line; what is longer is passed over


class LineReader:
    """Follows a text file and gives each whole line to `line`; a torn one waits for its rest.

    Lines before START are given to `older`.
    """

    kind = "lines"
    own = False  # whether the program wrote the file itself
    endless = True  # whether a last line may lack its end; not where half a line reads as a whole one

    def __init__(self, path: Path, start: Start = BEGINNING) -> None:
        self.path = path
        self._older = start.offset  # bytes of lines still to come that belong to earlier runs
        self._file = Follower(path, self.own)
        self._rest = b""
        self._skipping = False  # within a line that is too long
        self._said: set[str] = set()

    def poll(self, last: bool = False) -> Batch:
        """What is new since the last time; see `readers.base.Reader`."""
        batch = Batch()
        try:
            news = self._file.read(_CHUNK)
        except OSError as error:
            self.say(batch, f"cannot be read: {error.strerror}")
            return batch
        if news.restart:
            self._rest, self._skipping, self._older, batch.restart = b"", False, 0, True
            self.begin()
        if news.rotated:  # what the file before ended with will not go on in this one
            self._rest = self._rest + b"\n" if self.endless and self._rest else b""
            self._skipping = False
        if last and self.endless and not news.data and self._rest:
            news = News(b"\n")
        if not news.data:
            return batch
        batch.more = len(news.data) >= _CHUNK
        whole, newline, self._rest = (self._rest + self.ends(news.data)).rpartition(b"\n")
        lines = self._lines(whole, bool(newline))
        if self._older > 0:
            lines = self._of_now(lines)
        self.lines(lines, batch)
        if len(self._rest) > LONGEST:
            self._rest, self._skipping = b"", True
            self.say(batch, f"a line of more than {LONGEST >> 20} MB is passed over")
        return batch

    def _lines(self, whole: bytes, any_line: bool) -> list[bytes]:
        if not any_line:
            return []
        lines = whole.split(b"\n")
        if self._skipping:
            self._skipping = False
            return lines[1:]
        return lines

    def _of_now(self, lines: list[bytes]) -> list[bytes]:
        for place, line in enumerate(lines):
            if self._older <= 0:
                return lines[place:]
            self._older -= len(line) + 1
            self.older(line)
        return []

    def begin(self) -> None:
        """The file starts anew."""

    def ends(self, data: bytes) -> bytes:
        """DATA with line ends in place of whatever else ends a line, no byte more or less."""
        return data

    def older(self, line: bytes) -> None:
        """Looks at a LINE that an earlier run wrote."""

    def lines(self, lines: list[bytes], batch: Batch) -> None:
        """Takes whole LINES, in order."""
        for line in lines:
            self.line(line, batch)

    def line(self, line: bytes, batch: Batch) -> None:
        """Takes one LINE, without its end. Never raises."""

    def say(self, batch: Batch, text: str) -> None:
        """A note for the person, each once."""
        if text not in self._said:
            self._said.add(text)
            batch.notes.append(f"{self.path.name}: {text}")

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()
