"""References that are written, clicked and copied: `s-4f:t12` is a session at a turn, `r-14@812` a run at a step."""

import re
from typing import NamedTuple

_SESSION = re.compile(r"(s-[0-9a-z]{2,12})(?::t(\d{1,9}))?")
_RUN = re.compile(r"(r-\d{1,9})(?:@(\d{1,12}))?")


class Reference(NamedTuple):
    """`name` is a session's id or the beginning of one, or a run's; `at` a turn or a step, None for all of it."""

    name: str
    at: int | None = None

    @property
    def run(self) -> bool:
        """Whether it names a run."""
        return self.name.startswith("r-")


def parse(text: str) -> Reference | None:
    """The reference that TEXT is, and nothing else; None for any other text."""
    found = _SESSION.fullmatch(text.strip()) or _RUN.fullmatch(text.strip())
    return Reference(found[1], int(found[2]) if found[2] else None) if found else None


def typed(text: str) -> bool:
    """Whether TEXT, sent at the prompt, is meant to be opened: a reference with its place, or a whole id."""
    found = parse(text)
    return found is not None and (found.at is not None or found.run or len(found.name) == 10)
