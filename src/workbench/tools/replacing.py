"""Exact replacement in a text, and help where the piece to replace is not found."""

import difflib
import re
from bisect import bisect_left
from collections.abc import Callable

from workbench.tools.base import ToolError
from workbench.tools.text import Text, lines_of, numbered

_NUMBERS = re.compile(r"\s*\d+→")
_SEARCHED = 20_000  # lines looked through for a near match
_LOOKALIKES = str.maketrans("‘’“”–—\u00a0\u202f\u2212", "''\"\"--  -")


def substitute(source: Text, text: str, old: str, new: str, everywhere: bool, shown: str) -> str:
    """TEXT (of the file SOURCE, line ends as they are) with OLD replaced by NEW.

    OLD and NEW come from the model, which knows newlines alone: they match CR LF too, and what is put in ends its
    lines as most of the file does. All that is not replaced keeps its bytes. Raises ToolError, with help, where OLD is
    absent, or occurs more than once without EVERYWHERE.
    """
    old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    if old == new:
        raise ToolError(f"old_string and new_string are the same: nothing would change in {shown}.")
    seen = text.replace("\r\n", "\n")
    places = _places(seen, old)
    if not places:
        raise ToolError(f"old_string does not occur in {shown}. {_help(seen, old)}")
    if len(places) > 1 and not everywhere:
        raise ToolError(
            f"old_string occurs {len(places)} times in {shown} (lines {_lines(seen, places)}). Add surrounding lines "
            "until it is unique, or set replace_all to change every one."
        )
    if source.crlf:
        new = new.replace("\n", "\r\n")
    returns = [found.start() - at for at, found in enumerate(re.finditer("\r\n", text))]
    parts, end = [], 0
    for place in places:
        start = place + bisect_left(returns, place)
        parts += [text[end:start], new]
        end = place + len(old) + bisect_left(returns, place + len(old))
    return "".join([*parts, text[end:]])


def _places(text: str, piece: str) -> list[int]:
    places, at = [], text.find(piece)
    while at >= 0:
        places.append(at)
        at = text.find(piece, at + len(piece))
    return places


def _lines(text: str, places: list[int]) -> str:
    numbers = [str(text.count("\n", 0, place) + 1) for place in places[:8]]
    return ", ".join(numbers) + (", …" if len(places) > 8 else "")


def _help(text: str, old: str) -> str:
    """Why OLD may be absent from TEXT: the nearest lines, and in what they differ."""
    lines, wanted = lines_of(text), lines_of(old)
    if wanted and all(_NUMBERS.match(line) for line in wanted):
        return "It begins with the line numbers that Read shows; leave them out."
    if (at := _find_lines(lines, wanted, str.strip)) is not None:
        found = lines[at : at + len(wanted)]
        return f"These lines differ from it in {_spaces(found, wanted)} alone:\n{_excerpt(lines, at, len(wanted))}"
    if (at := _find_lines(lines, wanted, _plain)) is not None:
        return f"These lines differ from it in quotes, dashes or special spaces:\n{_excerpt(lines, at, len(wanted))}"
    near = _nearest(lines, wanted)
    if near is None:
        return "No line is like it. Read the file again."
    return f"The nearest lines are:\n{_excerpt(lines, near, len(wanted))}"


def _find_lines(lines: list[str], wanted: list[str], fold: Callable[[str], str]) -> int | None:
    want = [fold(line) for line in wanted]
    if not any(want):
        return None
    have = [fold(line) for line in lines]
    starts = (at for at, line in enumerate(have) if line == want[0])
    return next((at for at in starts if have[at : at + len(want)] == want), None)


def _plain(line: str) -> str:
    return line.translate(_LOOKALIKES).strip()


def _spaces(found: list[str], wanted: list[str]) -> str:
    def indent(line: str) -> str:
        return line[: len(line) - len(line.lstrip())]

    if any("\t" in indent(line) for line in found) and not any("\t" in indent(line) for line in wanted):
        return "indentation (the file has tabs, old_string has spaces)"
    if any("\t" in indent(line) for line in wanted) and not any("\t" in indent(line) for line in found):
        return "indentation (the file has spaces, old_string has tabs)"
    if [indent(line) for line in found] != [indent(line) for line in wanted]:
        return "indentation"
    return "spaces at the end of lines"


def _nearest(lines: list[str], wanted: list[str]) -> int | None:
    """Where the line most like the longest of WANTED stands, less what comes before it there."""
    key = max(wanted, key=lambda line: len(line.strip()), default="").strip()
    if not key:
        return None
    alike = {line.strip(): at for at, line in reversed(list(enumerate(lines[:_SEARCHED]))) if _of_size(line, key)}
    close = difflib.get_close_matches(key, alike, n=1, cutoff=0.6)
    if not close:
        return None
    return max(0, alike[close[0]] - [line.strip() for line in wanted].index(key))


def _of_size(line: str, key: str) -> bool:
    return len(key) / 2 <= len(line.strip()) <= 2 * len(key)


def _excerpt(lines: list[str], at: int, count: int) -> str:
    return "\n".join(numbered(lines[at : at + min(max(count, 1), 12)], at + 1))
