"""YAML as front matter may use it: safe types only, no aliases, no repeated keys, bounded depth."""

import datetime
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 40


class NotYamlError(Exception):
    """The text is not YAML of the kind that is taken here. `line` counts from 0 within the text."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class RepeatedKeyError(NotYamlError):
    """A mapping says one key twice: which one is meant cannot be known."""


def parse(text: str) -> dict[str, Any]:
    """The mapping that TEXT holds, as plain JSON values; empty where TEXT is blank.

    Raises RepeatedKeyError or NotYamlError.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        repeated = _inspect(yaml.parse(text, Loader=loader))
        if repeated is not None:
            raise RepeatedKeyError(f"the key {repeated[0]!r} stands there twice", repeated[1])
        value = _plain(yaml.load(text, Loader=loader))  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYamlError(error.problem or str(error), mark.line if mark else None) from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        # The scalar constructors let Python's own errors through: month 13, an unhashable key.
        raise NotYamlError(str(error).split("\n", 1)[0]) from None
    except (LookupError, AttributeError):  # of `!!bool maybe`, `!!int ""`, `!!timestamp x`
        raise NotYamlError("a value is not what its `!!` tag says") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotYamlError("the front matter is no list of `key: value` lines", 0)
    return value


def _inspect(events: Iterable[Any]) -> tuple[str, int] | None:
    """The first repeated key and its line, in any mapping. Raises NotYamlError for an alias or too much depth."""
    import yaml

    repeated: tuple[str, int] | None = None
    # One frame a collection: None for a sequence, else [keys seen, whether a key comes next].
    frames: list[list[Any] | None] = []
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise NotYamlError("aliases (`*name`) are not taken in a definition", _at(event))
        if isinstance(event, yaml.CollectionEndEvent):
            frames.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        if frames and (frame := frames[-1]) is not None:
            if frame[1] and isinstance(event, yaml.ScalarEvent):
                if event.value in frame[0] and repeated is None:
                    repeated = (event.value, _at(event))
                frame[0].add(event.value)
            frame[1] = not frame[1]
        if isinstance(event, yaml.CollectionStartEvent):
            frames.append([set(), True] if isinstance(event, yaml.MappingStartEvent) else None)
            if len(frames) > MAX_DEPTH:
                raise NotYamlError("the values are nested too deeply", _at(event))
    return repeated


def _at(event: Any) -> int:
    line: int = event.start_mark.line
    return line


def _plain(value: Any) -> Any:
    """VALUE as JSON can hold it: dates, sets and bytes become text or lists."""
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(item) for item in value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, int) and value.bit_length() > 64:
        # Python refuses to write very long numbers in decimal.
        return hex(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and not (abs(value) < float("inf")):
        return str(value)
    return value
