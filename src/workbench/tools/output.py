"""A command's output: kept whole in a file, made fit to read, and cut in the middle for the model."""

import codecs
import os
import re
from pathlib import Path

import msgspec

INLINE = 30_000  # characters that the model gets of one output
SHOWN = 8_000  # characters that a display block carries
_WINDOW = 1 << 20  # bytes that are read at either end of a long file
_PROGRESS = 16_000  # characters of one piece of progress
_HEAD_SHARE = 0.4  # errors stand at the end: more is kept of it
_SNIFFED = 8_192
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings
    r"|\x1b[ -/]*[0-~]"
)
_FIRST_WORD, _LAST_WORD = re.compile(r"\A[\w.+/=-]{1,300}"), re.compile(r"[\w.+/=-]{1,300}\Z")
_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Part of an output file as text: whole where `left_out` is 0, else its two ends.

    `size` is in bytes. `left_out` counts characters; where the file is so long that its middle was not read, bytes.
    """

    head: str
    tail: str = ""
    size: int = 0
    left_out: int = 0
    binary: bool = False

    def text(self, path: Path) -> str:
        """What is shown of it, with a line in the middle that says what was left out and where the file lies."""
        if self.binary:
            return f"[binary output, {self.size:,} bytes, kept in {path}]"
        if not self.left_out:
            return self.head
        return f"{self.head}\n[… {self.left_out:,} characters left out; the whole output is in {path} …]\n{self.tail}"

    @property
    def last_line(self) -> str:
        """The last line that is not blank."""
        lines = (self.tail or self.head).rstrip().rsplit("\n", 1)
        return "" if self.binary else lines[-1].strip()


def view(path: Path, limit: int = INLINE, start: int = 0, end: int | None = None) -> View:
    """What the bytes of PATH from START to END (default: as it is now) say, in about LIMIT characters.

    Memory and time do not grow with the file. Raises OSError.
    """
    with path.open("rb") as file:
        stop = os.fstat(file.fileno()).st_size if end is None else end
        size = max(0, stop - start)
        file.seek(start)
        if size <= 2 * _WINDOW:
            return _whole(file.read(size), limit)
        head = file.read(_WINDOW)
        file.seek(stop - _WINDOW)
        tail = file.read(_WINDOW)
    if _is_binary(head):
        return View(head="", size=size, binary=True)
    begin, finish = _ends(clean(head), clean(tail), limit)
    left_out = size - len(begin.encode()) - len(finish.encode())
    return View(head=begin, tail=finish, size=size, left_out=left_out)


def _whole(data: bytes, limit: int) -> View:
    if _is_binary(data):
        return View(head="", size=len(data), binary=True)
    text = clean(data)
    if len(text) <= limit:
        return View(head=text, size=len(data))
    head, tail = _ends(text, text, limit)
    return View(head=head, tail=tail, size=len(data), left_out=len(text) - len(head) - len(tail))


def shorten(text: str, limit: int = SHOWN) -> str:
    """TEXT in about LIMIT characters, its middle left out."""
    if len(text) <= limit:
        return text
    head, tail = _ends(text, text, limit)
    return f"{head}\n[… {len(text) - len(head) - len(tail):,} characters left out …]\n{tail}"


def _ends(first: str, last: str, limit: int) -> tuple[str, str]:
    """The beginning of FIRST and the end of LAST, about LIMIT characters together, at line ends where these are near.

    Elsewhere the words at the cut go too: half of a secret would not be known as one.
    """
    kept = int(limit * _HEAD_SHARE)
    head, tail = first[:kept], last[-(limit - kept) :]
    cut = head.rfind("\n")
    head = head[:cut] if cut > kept * 3 // 4 else _LAST_WORD.sub("", head)
    cut = tail.find("\n")
    tail = tail[cut + 1 :] if 0 <= cut < len(tail) // 4 else whole_words(tail)
    return head, tail


def whole_words(tail: str) -> str:
    """TAIL, the end of a longer text, without the half of a word that it begins with."""
    return _FIRST_WORD.sub("", tail)


def begun(text: str, limit: int) -> str:
    """The first LIMIT characters of TEXT, where it is longer without the half of a word that they end with.

    Half of a secret would not be known as one.
    """
    return text if len(text) <= limit else _LAST_WORD.sub("", text[:limit])


def clean(data: bytes) -> str:
    """DATA as text fit to read: escape sequences gone, progress bars at their last state, no control characters."""
    text = data.decode("utf-8", "replace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\r" in text or "\b" in text:
        text = "\n".join(map(_settled, text.replace("\r\n", "\n").split("\n")))
    return text.translate(_CONTROLS)


def _settled(line: str) -> str:
    """LINE as a terminal would leave it after its carriage returns and backspaces."""
    if "\r" in line:
        line = next((part for part in reversed(line.split("\r")) if part.strip()), "")
    if "\b" not in line:
        return line
    cells: list[str] = []
    at = 0
    for piece in re.split(r"(\x08+)", line):
        if piece.startswith("\b"):
            at = max(0, at - len(piece))
        else:
            cells[at : at + len(piece)] = piece
            at += len(piece)
    return "".join(cells).rstrip()


def _is_binary(data: bytes) -> bool:
    """Whether the beginning of DATA is no text: more than a third cannot be shown."""
    text = data[:_SNIFFED].decode("utf-8", "ignore")
    shown = sum(char.isprintable() or char in "\t\n\r\b\x1b" for char in text)
    return 3 * shown < 2 * len(data[:_SNIFFED].decode("utf-8", "replace"))


class Follower:
    """Reads what a growing file has gained since last time. Close it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at = 0

    def gained(self) -> str:
        """New text, as it is (escape sequences and all), its beginning left out where there is very much of it."""
        size = self.size()
        if left_out := size - self._at > 4 * _PROGRESS:
            self._at = size - 4 * _PROGRESS
            self._decoder.reset()
        data = os.pread(self._file.fileno(), size - self._at, self._at) if size > self._at else b""
        self._at += len(data)
        text = self._decoder.decode(data)
        return whole_words(text[-_PROGRESS:]) if left_out or len(text) > _PROGRESS else text

    def size(self) -> int:
        """Bytes in the file by now."""
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Gives the descriptor back."""
        self._file.close()
