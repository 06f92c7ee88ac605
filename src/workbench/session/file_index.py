"""Finding a file by a few letters of its path: the letters in their order, the likeliest first."""

import asyncio
import heapq
import os
import re
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from workbench.protocol.queries import Paths
from workbench.session.scan import names

MAX_INDEXED = 300_000
MOST_FOUND = 1_000
_FRESH_S = 3.0  # an older list is read anew, behind the answer that it still gives
_SCORED = 1_500  # how many matches are looked at closely
_BREAKS = frozenset("/_-. ")
_START, _BOUNDARY, _NEXT, _NAME, _CASE = 12, 8, 6, 3, 1


class _Listing:
    """The paths of one look, and the same in lower case."""

    def __init__(self, root: bytes, at: float) -> None:
        self.at = at
        self.paths = sorted(map(os.fsdecode, islice(names(root), MAX_INDEXED)), key=lambda path: (len(path), path))
        self.lower = [_lower(path) for path in self.paths]


def _lower(path: str) -> str:
    """PATH in lower case, letter by letter where it lies: a few letters would become two."""
    lower = path.lower()
    return lower if len(lower) == len(path) else path


class FileIndex:
    """The files of WORKSPACE that no ignore rule leaves out. CLOCK gives seconds, never going back."""

    def __init__(self, workspace: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._clock = os.fsencode(workspace), clock
        self._listing: _Listing | None = None
        self._reading: asyncio.Task[None] | None = None

    async def find(self, pattern: str, n: int) -> Paths:
        """The N best of the files whose path has the letters of PATTERN in order; the shortest for an empty one.

        Words between blanks are looked for one by one. The first answer waits for the files to be listed; later ones
        come from the last listing, and a new one is begun where that is older than a few seconds.
        """
        listing = self._listing
        if listing is None:
            await self._read()
            listing = self._listing
            assert listing
        elif self._clock() - listing.at > _FRESH_S:
            self._read()
        return await asyncio.to_thread(_find, listing, pattern, max(0, min(n, MOST_FOUND)))

    def _read(self) -> "asyncio.Task[None]":
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._list())
        return self._reading

    async def _list(self) -> None:
        self._listing = await asyncio.to_thread(_Listing, self._root, self._clock())


def _find(listing: _Listing, pattern: str, n: int) -> Paths:
    words = pattern.strip().removeprefix("./").split()
    if not words:
        return Paths(paths=tuple(listing.paths[:n]), total=len(listing.paths))
    lower = listing.lower
    matches: Sequence[int] = range(len(lower))
    for word in words:
        # Each class leaves out the letter that follows it, so there is nothing to go back for.
        wanted = "".join(f"[^{re.escape(letter)}]*+{re.escape(letter)}" for letter in _lower(word))
        match = re.compile(wanted, re.DOTALL).match
        matches = [at for at in matches if match(lower[at])]
    total = len(matches)
    near = matches if total <= _SCORED else _likely(lower, matches, _lower(words[-1]))
    best = heapq.nsmallest(n, near, key=lambda at: (-_score(listing.paths[at], lower[at], words), at))
    return Paths(paths=tuple(listing.paths[at] for at in best), total=total)


def _likely(lower: list[str], matches: Sequence[int], word: str) -> list[int]:
    """The matches worth a closer look: with WORD in one piece in the name, then in the path, then the shortest."""

    def rank(at: int) -> tuple[bool, bool, int]:
        path = lower[at]
        return word not in path[path.rfind("/") + 1 :], word not in path, at

    return heapq.nsmallest(_SCORED, matches, key=rank)


def _score(path: str, lower: str, words: list[str]) -> float:
    """How well WORDS fit PATH: letters that begin a part, that follow one another, that lie in the name."""
    name = lower.rfind("/") + 1
    score = 0.0
    for word in words:
        letters = _lower(word)
        found = lower.find(letters, name)
        if found < 0:
            found = lower.find(letters)
        if found >= 0:
            places = list(range(found, found + len(letters)))
            score = score + max(_worth(path, places, name, word), _worth(path, _backwards(lower, letters), name, word))
        else:
            ways = (_forwards(lower, letters, name), _forwards(lower, letters, 0), _backwards(lower, letters))
            score += max(_worth(path, way, name, word) for way in ways if way)
    return score - len(path) / 50


def _forwards(lower: str, letters: str, at: int) -> list[int]:
    places = []
    for letter in letters:
        at = lower.find(letter, at)
        if at < 0:
            return []
        places.append(at)
        at += 1
    return places


def _backwards(lower: str, letters: str) -> list[int]:
    places, at = [], len(lower)
    for letter in reversed(letters):
        at = lower.rfind(letter, 0, at)
        places.append(at)
    return places[::-1]


def _worth(path: str, places: list[int], name: int, word: str) -> float:
    score, before = 0.0, -2
    for at, letter in zip(places, word, strict=True):
        if at == name:
            score += _START
        elif at == 0 or path[at - 1] in _BREAKS or (path[at].isupper() and not path[at - 1].isupper()):
            score += _BOUNDARY
        if at == before + 1:
            score += _NEXT
        if at >= name:
            score += _NAME
        score += _CASE * (path[at] == letter)
        before = at
    return score
