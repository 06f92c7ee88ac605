"""The keys of a task, declared once: front matter, flags, help and messages are made from this table."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from workbench import places
from workbench.protocol.names import MODES

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:d|h|min|m|s)\s*)+")
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)")
_RULE = re.compile(r"[\w-]+(\(.*\))?", re.DOTALL)
_GPUS = re.compile(r"all|ask|auto|none|(\d+|GPU-[\w-]+|MIG-[\w-]+)(,(\d+|GPU-[\w-]+|MIG-[\w-]+))*")


class NotTakenError(ValueError):
    """A value that a key does not take. Its message, where there is one, replaces the key's own words."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a task may say: its name in front matter, what it takes, and how that is read.

    `read` gets a YAML value or the text of a flag (a list of texts where `many`) and raises NotTakenError.
    """

    name: str
    read: Callable[[Any], Any]
    takes: str
    help: str
    many: bool = False
    metavar: str = "X"

    @property
    def flag(self) -> str:
        """`maxTurns` -> `--max-turns`."""
        return "--" + re.sub(r"[A-Z]", lambda found: f"-{found[0].lower()}", self.name)

    def value(self, given: Any, called: str) -> Any:
        """What GIVEN means. CALLED is how the person wrote the key; raises NotTakenError with a whole sentence."""
        try:
            return self.read(given)
        except NotTakenError as error:
            why = str(error) or f"it takes {self.takes}, not {_shown(given)}"
            raise NotTakenError(f"{called}: {why}") from None


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true or yes" if value else "false or no"
    try:
        text = "nothing" if value is None else repr(value)
    except ValueError:  # a hexadecimal number of more digits than Python writes out
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:59] + "…"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise NotTakenError
    return value.strip()


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise NotTakenError
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise NotTakenError from None
    if not math.isfinite(number):
        raise NotTakenError
    return number


def _amount(value: Any) -> float:
    number = _number(value)
    if number <= 0:
        raise NotTakenError
    return number


def _whole(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = _number(value)
        if number < least or number != int(number):
            raise NotTakenError
        return int(number)

    return read


def _duration(value: Any) -> float:
    if not isinstance(value, str) or not _DURATION.fullmatch(value.strip()):
        return _amount(value)
    total = sum(float(amount) * _UNITS[unit] for amount, unit in _AMOUNT.findall(value))
    if total <= 0:
        raise NotTakenError
    return total


def _mode(value: Any) -> str:
    if value not in MODES:
        raise NotTakenError
    return str(value)


def _texts(value: Any) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise NotTakenError
    return tuple(_text(item) for item in items)


def _rules(value: Any) -> tuple[str, ...]:
    """A list, or one string where `Read, Bash(make:*)` are two rules: a comma in parentheses is the rule's own."""
    if not isinstance(value, str):
        return _texts(value)
    parts = [part.strip() for part in _outer_commas(value)]
    return tuple(parts) if all(_RULE.fullmatch(part) for part in parts) else (_text(value),)


def _outer_commas(text: str) -> list[str]:
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _globs(value: Any) -> tuple[str, ...]:
    globs = _texts(value)
    for each in globs:
        if each.startswith(("/", "~")) or ".." in each.split("/"):
            raise NotTakenError(f"{each!r} leaves the workspace; a locked file is named from the workspace on")
    return globs


def _switch(value: Any) -> str:
    # YAML 1.1 reads a bare `off` as false.
    if value is False or value in ("off", "auto"):
        return "auto" if value == "auto" else "off"
    raise NotTakenError


def _gpus(value: Any) -> str:
    items = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(item, bool) or not isinstance(item, int | str) for item in items):
        raise NotTakenError
    try:
        text = ",".join(str(item).replace(" ", "") for item in items)
    except ValueError:  # as `_shown` meets it
        raise NotTakenError from None
    if not _GPUS.fullmatch(text):
        raise NotTakenError
    return text


def _schema(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = _schema_text(value.strip())
    if not isinstance(value, dict):
        raise NotTakenError
    from workbench.headless.schema import problem

    if (why := problem(value)) is not None:
        raise NotTakenError(why)
    return value


def _schema_text(text: str) -> Any:
    where = "it"
    if not text.startswith("{"):
        where = text
        try:
            text = places.named(text).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise NotTakenError(f"the schema file {where} cannot be read: {_reason(error)}") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotTakenError(f"{where} is not JSON: {error}") from None


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"


_A_RULE = "permission rules such as `Bash(make test)`, one or a list"
KEYS = (
    Key(name="agent", read=_text, takes="the name of an agent", help="the agent (default ml-engineer)", metavar="NAME"),
    Key(name="model", read=_text, takes="the name of a model", help="the model, by alias or id", metavar="NAME"),
    Key(
        name="permissionMode", read=_mode, takes=f"one of {', '.join(MODES)}", metavar="MODE",
        help=f"what passes without a rule: {', '.join(MODES)}; bypassPermissions only as a flag",
    ),
    Key(name="allow", read=_rules, takes=_A_RULE, help="a call that may run", many=True, metavar="RULE"),
    Key(name="ask", read=_rules, takes=_A_RULE, help="a call that a person decides: here it is denied", many=True,
        metavar="RULE"),
    Key(name="deny", read=_rules, takes=_A_RULE, help="a call that may not run", many=True, metavar="RULE"),
    Key(name="maxTurns", read=_whole(1), takes="a whole number, 1 or more", help="model answers at most", metavar="N"),
    Key(name="maxUsd", read=_amount, takes="dollars, more than 0", help="dollars at most", metavar="USD"),
    Key(name="maxTokens", read=_whole(1), takes="a whole number, 1 or more", metavar="N",
        help="input, cache and output tokens at most"),
    Key(name="timeout", read=_duration, takes="a duration such as 90s, 2h or 1h30m", metavar="DURATION",
        help="wall time at most: 90s, 2h, 1h30m; a bare number is seconds"),
    Key(name="maxGpuHours", read=_amount, takes="hours, more than 0", help="GPU-hours at most", metavar="HOURS"),
    Key(name="checks", read=_texts, takes="a command or a list of commands", many=True, metavar="CMD",
        help="a command that must exit 0 for the task to count as done"),
    Key(name="checkAttempts", read=_whole(0), takes="a whole number, 0 or more", metavar="N",
        help="how often a failed check is handed back to the agent (default 2)"),
    Key(name="locked", read=_globs, takes="a glob or a list of globs", many=True, metavar="GLOB",
        help="files that must be the same at the end"),
    Key(name="outputSchema", read=_schema, takes="a JSON schema, or the name of a file with one", metavar="FILE|JSON",
        help="JSON schema of the final answer"),
    Key(name="sandbox", read=_switch, takes="auto or off", help="auto or off; off only as a flag", metavar="auto|off"),
    Key(name="gpus", read=_gpus, takes="auto, ask, all, none, or GPUs such as 0,1", metavar="LIST",
        help="the GPUs that commands see: auto (default), ask, all, none, or indices such as 0,1"),
    Key(name="maxGpus", read=_whole(0), takes="a whole number, 0 or more", metavar="N",
        help="GPUs at a time (default 1, or as many as `gpus` lists)"),
    Key(name="notify", read=_text, takes="a command", help="a command run at the end", metavar="CMD"),
)  # fmt: skip
BY_NAME = {key.name: key for key in KEYS}
