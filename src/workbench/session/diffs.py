"""Line diffs of two contents, quick on any input: what is too different to compare is one block out, one block in."""

from collections.abc import Iterator
from typing import NamedTuple

from workbench.session.alignment import blocks

TEXT_LIMIT = 1 << 20  # bytes; a larger file is not compared line by line
_CONTEXT = 3

Opcode = tuple[str, int, int, int, int]  # "equal" or "replace", from, to before; from, to after


class Version(NamedTuple):
    """A file at one moment: its mode as the system has it, its bytes; None where they are not known or too many."""

    mode: int
    content: bytes | None


class Versions(NamedTuple):
    """A file then and now, None where there is none; PATH is where it lies, NAME how it is told."""

    path: bytes
    name: str
    before: Version | None
    after: Version | None


def file_diff(file: Versions) -> list[str]:
    """The change of FILE as a unified diff, its lines without their ends; a change of mode in git's words before it."""
    quoted = file.name if file.name.isprintable() else file.name.encode("unicode_escape").decode("ascii")
    old, new = (f"a/{quoted}" if file.before else "/dev/null"), (f"b/{quoted}" if file.after else "/dev/null")
    before = lines_of(file.before.content) if file.before else []
    after = lines_of(file.after.content) if file.after else []
    lines = []
    if file.before and file.after and file.before.mode != file.after.mode:
        lines = [f"old mode {file.before.mode:o}", f"new mode {file.after.mode:o}"]
    if before is None or after is None:
        return [*lines, f"{old} and {new} differ; no text, or too large to compare"]
    return [*lines, *unified(before, after, old, new)]


def lines_of(data: bytes | None) -> list[str] | None:
    """The lines of a text, line ends kept; None for what is no text (a NUL in it), too large or not known."""
    if data is None or len(data) > TEXT_LIMIT or b"\0" in data:
        return None
    return data.decode("utf-8", "replace").splitlines(keepends=True) if _plain(data) else _split(data)


def _plain(data: bytes) -> bool:
    return data.isascii() and not any(mark in data for mark in (b"\r", b"\v", b"\f", b"\x1c", b"\x1d", b"\x1e"))


def _split(data: bytes) -> list[str]:
    # Only a line feed ends a line, as for git; `str.splitlines` knows many more.
    text = data.decode("utf-8", "replace")
    lines = [line + "\n" for line in text.split("\n")]
    return [*lines[:-1], lines[-1][:-1]] if lines[-1] != "\n" else lines[:-1]


def count(before: list[str], after: list[str]) -> tuple[int, int]:
    """Lines added and removed."""
    added = removed = 0
    for tag, a, a_end, b, b_end in _opcodes(before, after):
        if tag != "equal":
            added, removed = added + b_end - b, removed + a_end - a
    return added, removed


def unified(before: list[str], after: list[str], old: str, new: str) -> list[str]:
    """A unified diff, its lines without their ends; empty where nothing differs. OLD and NEW are the two names."""
    diff: list[str] = []
    for group in _groups(_opcodes(before, after)):
        if not diff:
            diff += [f"--- {old}", f"+++ {new}"]
        first, last = group[0], group[-1]
        diff.append(f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@")
        for tag, a, a_end, b, b_end in group:
            if tag == "equal":
                diff += _marked(" ", before[a:a_end])
            else:
                diff += _marked("-", before[a:a_end])
                diff += _marked("+", after[b:b_end])
    return diff


def _marked(mark: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        if line.endswith("\n"):
            yield mark + line[:-1]
        else:
            yield mark + line
            yield "\\ No newline at end of file"


def _range(start: int, end: int) -> str:
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _opcodes(before: list[str], after: list[str]) -> list[Opcode]:
    codes: list[Opcode] = []
    a = b = 0
    for i, j, n in (*blocks(before, after), (len(before), len(after), 0)):
        if a < i or b < j:
            codes.append(("replace", a, i, b, j))
        if n:
            codes.append(("equal", i, i + n, j, j + n))
        a, b = i + n, j + n
    return codes


def _groups(codes: list[Opcode]) -> Iterator[list[Opcode]]:
    """Changes that lie near each other, with their lines of context."""
    group: list[Opcode] = []
    for place, (tag, a, a_end, b, b_end) in enumerate(codes):
        if tag != "equal":
            group.append((tag, a, a_end, b, b_end))
            continue
        last = place == len(codes) - 1
        if group and not last and a_end - a <= 2 * _CONTEXT:
            group.append((tag, a, a_end, b, b_end))
            continue
        if group:
            shown = min(_CONTEXT, a_end - a)
            yield [*group, (tag, a, a + shown, b, b + shown)]
        shown = min(_CONTEXT, a_end - a)
        group = [] if last else [(tag, a_end - shown, a_end, b_end - shown, b_end)]
    if any(code[0] != "equal" for code in group):
        yield group
