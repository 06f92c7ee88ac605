"""Which words of a changed line differ from the line it replaced, at a bounded cost."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)
_TOKENS = 160  # of a line; a longer one is compared at its ends only
_ALIKE = 0.4  # share of the shorter line; below it the two have too little in common for marks to help

Ranges = tuple[tuple[int, int], ...]


def changed_words(old: str, new: str) -> tuple[Ranges, Ranges]:
    """(start, end) of what differs in OLD and in NEW; nothing where they are too unlike, or the same."""
    if old == new:
        return (), ()
    one, two = _WORD.findall(old[:2000]), _WORD.findall(new[:2000])
    head = _common(one, two)
    tail = min(_common(one[::-1], two[::-1]), min(len(one), len(two)) - head)
    a, b = one[head : len(one) - tail], two[head : len(two) - tail]
    kept = sum(len(word) for word in (*one[:head], *one[len(one) - tail :]) if not word.isspace())
    codes: Sequence[tuple[str, int, int, int, int]] = [("replace", 0, len(a), 0, len(b))]
    if max(len(a), len(b)) <= _TOKENS and a and b:
        matcher = SequenceMatcher(None, a, b, autojunk=False)
        codes = matcher.get_opcodes()
        kept += sum(len(word) for tag, i, j, _, _ in codes if tag == "equal" for word in a[i:j] if not word.isspace())
    shorter = max(1, min(len(old.strip()), len(new.strip())))
    if kept / shorter < _ALIKE:
        return (), ()
    changes = [code for code in codes if code[0] != "equal"]
    return (
        _ranges(one, [(head + i, head + j) for _, i, j, _, _ in changes]),
        _ranges(two, [(head + i, head + j) for _, _, _, i, j in changes]),
    )


def _common(one: list[str], two: list[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))


def _ranges(words: list[str], places: list[tuple[int, int]]) -> Ranges:
    """Places of words as places of characters; those with only a blank between them are one."""
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word))
    found: list[tuple[int, int]] = []
    for first, end in places:
        if first == end:
            continue
        if found and "".join(words)[found[-1][1] : starts[first]].isspace():
            found[-1] = (found[-1][0], starts[end])
        else:
            found.append((starts[first], starts[end]))
    return tuple(found)
