"""What a change did to a text: a unified diff for people, the changed lines for the model."""

import difflib
from collections.abc import Callable, Iterator

import msgspec

from workbench.protocol.blocks import Diff
from workbench.tools.text import numbered

_CONTEXT = 3
_COMPARED = 2000  # lines on one side; beyond that the changed stretch is shown as replaced whole
_INLINE = 30_000  # characters of a diff that travel with the event
_SNIPPET = 60  # lines

_Op = tuple[str, int, int, int, int]


class Change(msgspec.Struct, frozen=True):
    """The difference between two texts, as groups of difflib's operations on their lines."""

    old: list[str]
    new: list[str]
    groups: list[list[_Op]]

    @property
    def added(self) -> int:
        """Lines that only the new text has."""
        return sum(j2 - j1 for group in self.groups for tag, _, _, j1, j2 in group if tag != "equal")

    @property
    def removed(self) -> int:
        """Lines that only the old text has."""
        return sum(i2 - i1 for group in self.groups for tag, i1, i2, _, _ in group if tag != "equal")


def compare(old: str, new: str) -> Change:
    """What changed from OLD to NEW. Only the stretch between the first and the last difference is compared."""
    before, after = _split(old), _split(new)
    head = _common(before, after)
    tail = min(_common(before[::-1], after[::-1]), min(len(before), len(after)) - head)
    start = head - min(head, _CONTEXT)
    spare = tail - min(tail, _CONTEXT)
    a, b = before[start : len(before) - spare], after[start : len(after) - spare]
    if max(len(a), len(b)) > _COMPARED:
        keep, end = head - start, tail - spare
        found = [[("equal", 0, keep, 0, keep), ("replace", keep, len(a) - end, keep, len(b) - end)]]
        found[0].append(("equal", len(a) - end, len(a), len(b) - end, len(b)))
    else:
        found = list(difflib.SequenceMatcher(None, a, b).get_grouped_opcodes(_CONTEXT))
    return Change(before, after, [[_shifted(op, start) for op in group] for group in found])


def block(path: str, change: Change, put_blob: Callable[[bytes], str], created: bool = False) -> Diff:
    """CHANGE of the file PATH as a display block; a long diff lies whole in a blob."""
    text = "".join(_unified(path, change, created))
    blob = put_blob(text.encode(errors="surrogatepass")) if len(text) > _INLINE else None
    if blob:
        text = text[: text.rfind("\n", 0, _INLINE) + 1]
    return Diff(path=path, text=text, added=change.added, removed=change.removed, created=created, blob=blob)


def snippet(change: Change) -> str:
    """The changed places of the new text with their line numbers, for the model; bounded."""
    shown: list[str] = []
    for at, group in enumerate(change.groups):
        first, last = group[0][3], group[-1][4]
        room = _SNIPPET - len(shown)
        if room < 2 * _CONTEXT:
            return "\n".join([*shown, f"[{len(change.groups) - at} more changed places]"])
        shown += ["…"] * bool(shown)
        shown += numbered([line.removesuffix("\n") for line in change.new[first : min(last, first + room)]], first + 1)
        if last > first + room:
            shown.append(f"[{last - first - room} more lines]")
    return "\n".join(shown)


def _shifted(op: _Op, by: int) -> _Op:
    tag, i1, i2, j1, j2 = op
    return tag, i1 + by, i2 + by, j1 + by, j2 + by


def _split(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _common(one: list[str], two: list[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def _unified(path: str, change: Change, created: bool) -> Iterator[str]:
    if change.groups:
        yield f"--- {'/dev/null' if created else 'a/' + path}\n+++ b/{path}\n"
    for group in change.groups:
        (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
        yield f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@\n"
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                yield from (_line(" ", line) for line in change.old[a1:a2])
            else:
                yield from (_line("-", line) for line in change.old[a1:a2])
                yield from (_line("+", line) for line in change.new[b1:b2])


def _line(sign: str, line: str) -> str:
    return sign + line if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"


def _range(start: int, end: int) -> str:
    count = end - start
    if count == 1:
        return str(start + 1)
    return f"{start + 1 if count else start},{count}"
