"""Unified diffs of one file: read into hunks, named by digest, applied to the old text or taken back from the new.

Pure functions for both sides of a session: the client shows and names hunks, the host carries out what was named.
Only a line feed ends a line, as for git; a carriage return belongs to its line.
Format: https://www.gnu.org/software/diffutils/manual/html_node/Detailed-Unified.html
"""

import hashlib
import re
from collections.abc import Iterable, Iterator

import msgspec

NO_NEWLINE = "\\ No newline at end of file"
_HEAD = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)", re.DOTALL)
_Change = tuple[int, list[str], list[str]]  # a line's number, the lines that are there, those to put instead
_UNREADABLE = re.compile("[\ud800-\udfff\ufffd]+")


class HunkError(ValueError):
    """A diff that cannot be read, or that does not fit the text. The words are for a person."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """One line of a hunk. sign: blank, `-` or `+`; the numbers count from 1 and are 0 on the side without the line."""

    sign: str
    text: str
    old: int
    new: int
    newline: bool = True  # False: the last line of its file, without a line feed


class Hunk(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a change. `old` and `new` are the numbers of its first lines, as in its head.

    `lines` are as in the diff: sign first, without line feed. `nth` counts the hunks before it that read the same.
    `cut` says that the diff ended before the hunk did.
    """

    old: int
    old_count: int
    new: int
    new_count: int
    lines: tuple[str, ...]
    section: str = ""
    nth: int = 0
    cut: bool = False

    @property
    def added(self) -> int:
        """How many lines only the new text has."""
        return sum(line[:1] == "+" for line in self.lines)

    @property
    def removed(self) -> int:
        """How many lines only the old text has."""
        return sum(line[:1] == "-" for line in self.lines)

    def rows(self) -> Iterator[Row]:
        """Its lines with their numbers."""
        old, new = self.old, self.new
        last = len(self.lines) - 1
        for at, line in enumerate(self.lines):
            sign, text = line[:1] or " ", line[1:]
            if sign == "\\":
                continue
            newline = at == last or not self.lines[at + 1].startswith("\\")
            if sign == " ":
                yield Row(sign, text, old, new, newline)
            else:
                yield Row(sign, text, old if sign == "-" else 0, new if sign == "+" else 0, newline)
            old, new = old + (sign != "+"), new + (sign != "-")


class FileDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The diff of one file: what stands before the first hunk, and the hunks."""

    head: tuple[str, ...]
    hunks: tuple[Hunk, ...]


def parse(lines: Iterable[str]) -> FileDiff:
    """Reads a unified diff of one file from its LINES, with or without line feeds. A last hunk may be cut.

    Raises HunkError.
    """
    head: list[str] = []
    hunks: list[Hunk] = []
    seen: dict[tuple[str, ...], int] = {}
    rest = iter(lines)
    line = next(rest, None)
    while line is not None:
        line = line.removesuffix("\n")
        if found := _HEAD.fullmatch(line):
            hunk, line = _hunk(found, rest)
            key = _reading(hunk)
            seen[key] = nth = seen.get(key, -1) + 1
            hunks.append(msgspec.structs.replace(hunk, nth=nth) if nth else hunk)
            continue
        if not hunks:
            head.append(line)
        elif line:
            raise HunkError(f"the diff cannot be read: {line[:80]!r} stands where a hunk should begin")
        line = next(rest, None)
    return FileDiff(head=tuple(head), hunks=tuple(hunks))


def hunk_digest(path: str, hunk: Hunk) -> str:
    """The name of HUNK of the file PATH, in hex: the same wherever in the file it moves, another once it changes.

    Bytes that are no UTF-8 read the same whether they came as replacement characters or as surrogates.
    """
    parts = (_clean(path), str(hunk.nth), *_reading(hunk))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def apply(text: str, hunks: Iterable[Hunk]) -> str:
    """The old TEXT with HUNKS done; any choice of one diff's hunks. Raises HunkError where one does not fit."""
    return _patched(text, [_forwards(hunk) for hunk in _whole(hunks)])


def revert(text: str, hunks: Iterable[Hunk]) -> str:
    """The new TEXT with HUNKS undone; any choice of one diff's hunks. Raises HunkError where one does not fit."""
    return _patched(text, [_backwards(hunk) for hunk in _whole(hunks)])


def _hunk(found: re.Match[str], rest: Iterator[str]) -> tuple[Hunk, str | None]:
    """The hunk whose head was FOUND, and the line that follows it. Its counts say where it ends, not its lines."""
    old, new = int(found[1]), int(found[3])
    old_count, new_count = int(found[2] or 1), int(found[4] or 1)
    lines: list[str] = []
    old_left, new_left = old_count, new_count
    line = next(rest, None)
    while line is not None and (old_left > 0 or new_left > 0 or line.startswith("\\")):
        line = line.removesuffix("\n") or " "  # some programs drop the blank of an empty line of context
        sign = line[0]
        if sign not in " +-\\":
            raise HunkError(f"the diff cannot be read: {line[:80]!r} stands in the middle of a hunk")
        old_left, new_left = old_left - (sign in " -"), new_left - (sign in " +")
        lines.append(line)
        line = next(rest, None)
    if old_left < 0 or new_left < 0:
        raise HunkError(f"the diff cannot be read: the hunk at line {new} has more lines than its head says")
    hunk = Hunk(
        old=old,
        old_count=old_count,
        new=new,
        new_count=new_count,
        lines=tuple(lines),
        section=found[5],
        cut=old_left > 0 or new_left > 0,
    )
    return hunk, line


def _reading(hunk: Hunk) -> tuple[str, ...]:
    return tuple(_clean(line) for line in hunk.lines)


def _clean(text: str) -> str:
    return text if text.isascii() else _UNREADABLE.sub("\ufffd", text)


def _whole(hunks: Iterable[Hunk]) -> Iterator[Hunk]:
    for hunk in hunks:
        if hunk.cut:
            raise HunkError(f"the hunk at line {hunk.new} is not all there")
        yield hunk


def _forwards(hunk: Hunk) -> _Change:
    old, new = _sides(hunk)
    return hunk.old, old, new


def _backwards(hunk: Hunk) -> _Change:
    old, new = _sides(hunk)
    return hunk.new, new, old


def _sides(hunk: Hunk) -> tuple[list[str], list[str]]:
    """The old and the new lines of HUNK, with their line feeds."""
    old: list[str] = []
    new: list[str] = []
    for row in hunk.rows():
        line = row.text + "\n" if row.newline else row.text
        if row.sign != "+":
            old.append(line)
        if row.sign != "-":
            new.append(line)
    return old, new


def _patched(text: str, changes: list[_Change]) -> str:
    """TEXT with each change's lines, found at its number, put in the place of those that are there."""
    lines = _lines(text)
    done: list[str] = []
    at = 0
    # A head names the line before where its side has none.
    places = [(number - 1 if there else number, number, there, instead) for number, there, instead in changes]
    for start, number, there, instead in sorted(places, key=lambda place: place[:2]):
        if start < at or lines[start : start + len(there)] != there:
            raise HunkError(f"the text at line {number} is not what the hunk says; it changed meanwhile")
        done += lines[at:start]
        done += instead
        at = start + len(there)
    return "".join(done + lines[at:])


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines
