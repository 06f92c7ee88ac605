"""Which lines are the same: true of both texts, in order, well chosen, and quick on anything."""

import random
import time
from difflib import SequenceMatcher

import pytest

from workbench.session.alignment import blocks
from workbench.session.diffs import count, unified


def edited(chance: random.Random, lines: list[str]) -> list[str]:
    """LINES with a few taken out, put in and moved."""
    lines = list(lines)
    for _ in range(chance.randrange(1, 30)):
        at = chance.randrange(len(lines) + 1)
        what = chance.randrange(3)
        if what == 0:
            del lines[at : at + chance.randrange(5)]
        elif what == 1:
            lines[at:at] = [f"new {chance.randrange(50)}\n"] * chance.randrange(1, 4)
        else:
            moved = lines[at : at + 3]
            del lines[at : at + 3]
            place = chance.randrange(len(lines) + 1)
            lines[place:place] = moved
    return lines


@pytest.mark.parametrize("seed", range(40))
def test_blocks_are_the_same_on_both_sides_and_rise(seed):
    chance = random.Random(seed)
    one = [f"line {chance.randrange(chance.choice((3, 40, 4000)))}\n" for _ in range(chance.randrange(1, 300))]
    two = edited(chance, one)
    found = list(blocks(one, two))
    ends = (0, 0)
    for a, b, n in found:
        assert n > 0 and one[a : a + n] == two[b : b + n]
        assert a >= ends[0] and b >= ends[1] and ((a, b) != ends or ends == (0, 0))
        ends = (a + n, b + n)
    kept = sum(n for _, _, n in found)
    best = sum(n for _, _, n in SequenceMatcher(None, one, two, autojunk=False).get_matching_blocks())
    assert kept >= 0.8 * best


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("", "", 0), ("a", "", 0), ("", "a", 0), ("abc", "abc", 3), ("abc", "xbz", 1), ("aab", "aaab", 3),
        ("abcabc", "bcab", 4), ("aaaa", "aa", 2), ("xyab", "abxy", 2),
    ],
)  # fmt: skip
def test_small_ones(one, two, same):
    assert sum(n for _, _, n in blocks(list(one), list(two))) == same


def test_a_function_put_before_another_is_one_stretch():
    first = ["def one():\n", "    x = 1\n", "    return x\n", "\n"]
    second = ["def two():\n", "    y = 2\n", "    return y\n", "\n"]
    diff = unified(second, first + second, "a", "b")
    assert [line for line in diff[3:] if line.startswith("+")] == ["+" + line[:-1] for line in first]
    assert diff[3:7] == ["+" + line[:-1] for line in first]


HARD = {
    "every second line": ([f"{n}\n" for n in range(40_000)], [f"{n + n % 2 * 10**6}\n" for n in range(40_000)]),
    "shuffled": ([f"{n}\n" for n in range(60_000)], random.Random(1).sample([f"{n}\n" for n in range(60_000)], 60_000)),
    "few lines over and over": (["a\n", "b\n", "c\n"] * 30_000, ["c\n", "a\n", "a\n"] * 30_000),
    "thousands of equal stretches": (["{\n", "x\n", "}\n"] * 5_000, ["{\n", "y\n", "}\n", "z\n"] * 5_000),
    "nothing in common": ([f"{n}\n" for n in range(100_000)], [f"-{n}\n" for n in range(100_000)]),
}


@pytest.mark.parametrize("name", HARD)
def test_no_input_takes_long(name):
    one, two = HARD[name]
    begun = time.process_time()
    added, removed = count(one, two)
    assert time.process_time() - begun < 2
    assert len(one) - removed == len(two) - added


def test_a_changed_line_in_two_is_quick():
    """A changed line in two: what a diff pane of many files meets."""
    one = [f"value_{n} = compute({n}, seed=3)\n" for n in range(400)]
    two = [line.replace("compute", "recompute") if n % 2 else line for n, line in enumerate(one)]
    assert count(one, two) == (200, 200)
    mine = min(_seconds(lambda: count(one, two)) for _ in range(5))
    assert mine < 0.5 * min(_seconds(lambda: SequenceMatcher(None, one, two).get_opcodes()) for _ in range(5))


def _seconds(work) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun
