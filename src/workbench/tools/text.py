"""Text in files: its encoding and line ends, and how lines are shown to the model."""

import codecs

import msgspec

from workbench.tools.output import begun

LONG_LINE = 2000  # characters of a line that are shown
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = frozenset(range(32)) - set(b"\t\n\r\f\b\x1b")
_SNIFFED = 8192


class Text(msgspec.Struct, frozen=True):
    """A file's text with its line ends as they are, without a byte order mark; and what turns it back into bytes."""

    text: str
    encoding: str = "utf-8"
    bom: bytes = b""

    @property
    def crlf(self) -> bool:
        """Whether most lines end in CR LF."""
        return 2 * self.text.count("\r\n") > self.text.count("\n")

    @property
    def shown(self) -> str:
        """The text as the model sees it: every line ends in a newline alone."""
        return self.text.replace("\r\n", "\n")

    def encode(self, text: str) -> bytes:
        """TEXT as bytes of this file. Raises UnicodeEncodeError for a character that the encoding lacks."""
        return self.bom + text.encode(self.encoding)

    @property
    def note(self) -> str:
        """A word on an encoding that is not plain UTF-8; empty else."""
        if self.encoding == "latin-1":
            return "The file is not UTF-8; it is read as Latin-1."
        return f"The file is {self.encoding.upper()}." if self.encoding != "utf-8" else ""


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark at the beginning names."""
    return next((encoding for bom, encoding in _BOMS if head.startswith(bom)), None)


def decode(data: bytes) -> Text | None:
    """DATA as text: by its byte order mark, else UTF-8, else Latin-1. None where it is no text."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            try:
                return Text(data[len(bom) :].decode(encoding), encoding, bom)
            except UnicodeDecodeError:
                break
    if looks_binary(data):
        return None
    try:
        return Text(data.decode())
    except UnicodeDecodeError:
        return Text(data.decode("latin-1"), "latin-1")


def looks_binary(data: bytes) -> bool:
    """Whether the beginning of DATA is no text: a NUL byte, or more than a tenth of control characters."""
    head = data[:_SNIFFED]
    return b"\0" in head or 10 * sum(byte in _CONTROLS for byte in head) > len(head) > 0


def lines_of(shown: str) -> list[str]:
    """The lines of a text; a newline at the very end begins no further line."""
    lines = shown.split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def numbered(lines: list[str], start: int) -> list[str]:
    """LINES as `cat -n` shows them, the first one having number START, long ones cut."""
    return [f"{number:>6}→{shorten(line)}" for number, line in enumerate(lines, start)]


def shorten(line: str, limit: int = LONG_LINE) -> str:
    """LINE, cut after about LIMIT characters with a word on how many were left out. NUL characters are made visible."""
    line = line.replace("\0", "␀")
    kept = begun(line, limit)
    return line if kept == line else f"{kept}… [{len(line) - len(kept)} more characters]"
