"""Files of lines, read as they grow: the common part of the readers of text."""

from pathlib import Path

from workbench.experiments.readers.base import Batch
from workbench.experiments.readers.follow import CHUNK, Follower

LONGEST = 8 << 20  # bytes of a line; what is longer is passed over


class LineReader:
    """Follows a text file and gives each whole line to `line`; a torn one waits for its rest."""

    kind = "lines"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = Follower(path)
        self._rest = b""
        self._skipping = False  # within a line that is too long
        self._said: set[str] = set()

    def poll(self) -> Batch:
        """What is new since the last time; see `readers.base.Reader`."""
        batch = Batch()
        try:
            news = self._file.read(CHUNK)
        except OSError as error:
            self.say(batch, f"cannot be read: {error.strerror}")
            return batch
        if news.restart:
            self._rest, self._skipping, batch.restart = b"", False, True
            self.begin()
        if not news.data:
            return batch
        whole, newline, self._rest = (self._rest + news.data).rpartition(b"\n")
        for line in self._lines(whole, bool(newline)):
            self.line(line, batch)
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

    def begin(self) -> None:
        """The file starts anew."""

    def line(self, line: bytes, batch: Batch) -> None:
        """Takes one LINE, without its end. Never raises."""
        raise NotImplementedError

    def say(self, batch: Batch, text: str) -> None:
        """A note for the person, each once."""
        if text not in self._said:
            self._said.add(text)
            batch.notes.append(f"{self.path.name}: {text}")

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()
