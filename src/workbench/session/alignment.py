"""Which lines of two texts are the same ones: patience diff, after Bram Cohen's description of 2010.

Lines that occur once on each side hold the two together; what lies between them is aligned in the same way, and at
last by `difflib`. So a long file costs little more than a look at each line, and the result reads well. The work is
bounded: where too much would have to be compared, nothing is taken to be the same.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

_WORK = 4_000_000  # lines that are looked at, and pairs that are compared, for two texts

Block = tuple[int, int, int]  # place in the one, place in the other, lines that are the same
_Span = tuple[int, int, int, int]  # from, to in the one; from, to in the other


def blocks(one: Sequence[str], two: Sequence[str]) -> Iterator[Block]:
    """The stretches of lines that ONE and TWO share, in order; neighbours are one stretch."""
    at, to, lines = 0, 0, 0
    for a, b, n in _found(one, two):
        if lines and (a, b) == (at + lines, to + lines):
            lines += n
            continue
        if lines:
            yield at, to, lines
        at, to, lines = a, b, n
    if lines:
        yield at, to, lines


def _found(one: Sequence[str], two: Sequence[str]) -> Iterator[Block]:
    """Blocks in order. A span with a fifth member, 1, on the stack is a block that was found before its turn."""
    left = _WORK
    stack: list[tuple[int, int, int, int, int]] = [(0, len(one), 0, len(two), 0)]
    while stack:
        a, a_end, b, b_end, same = stack.pop()
        if same:
            yield a, b, a_end - a
            continue
        head = _common(one, two, a, a_end, b, b_end)
        if head:
            yield a, b, head
        a, b = a + head, b + head
        tail = _common_tail(one, two, a, a_end, b, b_end)
        if tail:
            stack.append((a_end - tail, a_end, b_end - tail, b_end, 1))
        a_end, b_end = a_end - tail, b_end - tail
        left -= (a_end - a) + (b_end - b)
        if a == a_end or b == b_end or left < 0:
            continue
        span = (a, a_end, b, b_end)
        if anchors := _anchors(one, two, span):
            ends = [*anchors[1:], (a_end, b_end)]
            inner = [(i, j, k, m, 0) for (i, k), (j, m) in zip(anchors, ends, strict=True)]
            stack += [*reversed(inner), (a, anchors[0][0], b, anchors[0][1], 0)]
        elif (a_end - a) * (b_end - b) <= left and not set(one[a:a_end]).isdisjoint(two[b:b_end]):
            left -= (a_end - a) * (b_end - b)
            stack += [(a + i, a + i + n, b + j, b + j + n, 1) for i, j, n in _compared(one, two, span)]


def _common(one: Sequence[str], two: Sequence[str], a: int, a_end: int, b: int, b_end: int) -> int:
    most = min(a_end - a, b_end - b)
    return next((n for n in range(most) if one[a + n] != two[b + n]), most)


def _common_tail(one: Sequence[str], two: Sequence[str], a: int, a_end: int, b: int, b_end: int) -> int:
    most = min(a_end - a, b_end - b)
    return next((n for n in range(most) if one[a_end - 1 - n] != two[b_end - 1 - n]), most)


def _anchors(one: Sequence[str], two: Sequence[str], span: _Span) -> list[tuple[int, int]]:
    """Places of lines that occur once on either side, the longest run of them that rises on both."""
    a, a_end, b, b_end = span
    other = _once(two, b, b_end)
    pairs = [(at, other[line]) for line, at in _once(one, a, a_end).items() if at >= 0 and other.get(line, -1) >= 0]
    piles: list[int] = []  # the lowest place at which a run of each length ends
    tops: list[int] = []  # the pair that ends it
    below: list[int] = []  # for each pair, the one before it in its run
    for number, (_, place) in enumerate(pairs):
        pile = bisect_left(piles, place)
        below.append(tops[pile - 1] if pile else -1)
        piles[pile : pile + 1] = [place]
        tops[pile : pile + 1] = [number]
    run = []
    number = tops[-1] if tops else -1
    while number >= 0:
        run.append(pairs[number])
        number = below[number]
    return run[::-1]


def _once(lines: Sequence[str], start: int, end: int) -> dict[str, int]:
    """Where each of LINES from START to END stands, in their order; -1 where it occurs again."""
    places: dict[str, int] = {}
    for at in range(start, end):
        places[lines[at]] = -1 if lines[at] in places else at
    return places


def _compared(one: Sequence[str], two: Sequence[str], span: _Span) -> list[Block]:
    """Blocks of SPAN by `difflib`, the last one first, counted from where it begins."""
    a, a_end, b, b_end = span
    matcher = SequenceMatcher(None, one[a:a_end], two[b:b_end])
    return [(i, j, n) for i, j, n in reversed(matcher.get_matching_blocks()) if n]
