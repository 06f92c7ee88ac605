"""The fields of a definition: which are known, and their values read with a word about each that is not right."""

import difflib
import re
from typing import Any

from workbench.definitions.types import Problem

# Fields that something in this program acts on.
ACTED_ON = (
    "name",
    "description",
    "tools",
    "disallowedTools",
    "model",
    "permissionMode",
    "initialPrompt",
    "thinking-level",
    "thinking-tokens",
    "effort",
    "maxTurns",
    "color",
    "category",
)
# Fields of the format that nothing acts on yet: said aloud, so that nobody relies on one.
NOT_YET = ("skills", "mcpServers", "hooks", "memory", "background", "isolation")
KNOWN = (*ACTED_ON, *NOT_YET)

LEVELS = ("think", "megathink", "ultrathink")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
# 0 is no thinking; the most is what a model puts out at all.
MAX_THINKING = 128_000
MAX_TURNS = 100_000

# Spelt otherwise, these are the same field to a reader's eye: `allowed-tools`, `Permission_Mode`.
_FOLDED = {re.sub(r"[^a-z]", "", name.lower()): name for name in KNOWN} | {"allowedtools": "tools"}


def meant(key: str) -> str | None:
    """The known field that the unknown KEY looks like, or None."""
    folded = re.sub(r"[^a-z]", "", key.lower())
    if folded in _FOLDED:
        return _FOLDED[folded]
    near = difflib.get_close_matches(folded, [name for name in _FOLDED if len(name) > 5], n=1, cutoff=0.9)
    return _FOLDED[near[0]] if near else None


class Fields:
    """Values of a front matter, read one by one; `problems` gathers what could not be taken."""

    def __init__(self, values: dict[str, Any], lines: dict[str, int]) -> None:
        self.values = values
        self.lines = lines
        self.problems: list[Problem] = []

    def tell(self, field: str, message: str) -> None:
        """Adds a problem with FIELD, at the line where it stands."""
        self.problems.append(Problem(field=field, message=message, line=self.lines.get(field)))

    def text(self, field: str) -> str | None:
        """The field's text; None where it is absent, empty or no text (told)."""
        value = self.values.get(field)
        if value is None:
            return None
        if not isinstance(value, str):
            self.tell(field, f"must be text, not {_kind(value)}: ignored")
            return None
        return value.strip() or None

    def whole(self, field: str, least: int, most: int) -> int | None:
        """The field's whole number between LEAST and MOST; None where it is absent or wrong (told)."""
        value = self.values.get(field)
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch(r"\d{1,3}([,_ ]?\d{3}){0,4}", value.strip()):
            value = int(re.sub(r"\D", "", value))
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.tell(field, f"must be a whole number from {least:,} to {most:,}, not {brief(value)}: ignored")
            return None
        return value

    def choice(self, field: str, choices: tuple[str, ...]) -> str | None:
        """The field's word, one of CHOICES; None where it is absent or another (told)."""
        value = self.values.get(field)
        if value is None or value in choices:
            return value
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        self.tell(field, f"{brief(value)} is none of {', '.join(choices)}{hint}: ignored")
        return None


def _kind(value: Any) -> str:
    names = {bool: "yes or no", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), "this")


def brief(value: Any) -> str:
    """VALUE between backticks for a message, cut where it is long."""
    text = str(value)
    return f"`{text[:79]}…`" if len(text) > 80 else f"`{text}`"
