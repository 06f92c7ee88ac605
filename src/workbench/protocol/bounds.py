"""Cutting what events carry down to what a bounded state may hold."""

from typing import Any, TypeVar

import msgspec

from workbench.protocol import blocks
from workbench.protocol.state import KEPT_TEXT

T = TypeVar("T")

_MANY = 500  # entries of one list or mapping
_DEEP = 12


def keep_last(mapping: dict[str, T], most: int) -> None:
    """Drops the oldest entries of MAPPING beyond MOST."""
    while len(mapping) > most:
        del mapping[next(iter(mapping))]


def clip(text: str, most: int) -> str:
    """TEXT, or its first MOST characters with a word on how many are missing."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def clip_value(value: Any, most: int = KEPT_TEXT) -> Any:
    """JSON VALUE of about MOST characters: long texts, lists and mappings cut, each with a word that says so."""
    return _Clipper(most).value(value, 0)


def clip_display(display: tuple[blocks.DisplayBlock, ...]) -> tuple[tuple[blocks.DisplayBlock, ...], bool]:
    """DISPLAY within KEPT_TEXT characters, and whether something was cut."""
    if sum(map(_size, display)) <= KEPT_TEXT and len(display) <= _MANY:
        return display, False
    left, kept = KEPT_TEXT, []
    for block in display[:_MANY]:
        if left <= 0:
            break
        kept.append(_shorter(block, left))
        left -= _size(block)
    return tuple(kept), True


def _size(block: blocks.DisplayBlock) -> int:
    if isinstance(block, blocks.Listing):
        return sum(map(len, block.lines)) + len(block.lines)
    if isinstance(block, blocks.Todos):
        return sum(len(todo.content) + len(todo.active_form) for todo in block.todos)
    if isinstance(block, blocks.Image):
        return 0
    return len(block.text)


def _shorter(block: blocks.DisplayBlock, most: int) -> blocks.DisplayBlock:
    if _size(block) <= most or isinstance(block, blocks.Image):
        return block
    if isinstance(block, blocks.Listing):
        return msgspec.structs.replace(block, lines=_lines(block.lines, most))
    if isinstance(block, blocks.Todos):
        return msgspec.structs.replace(block, todos=clip_todos(block.todos, most))
    return msgspec.structs.replace(block, text=block.text[:most])


def _lines(lines: tuple[str, ...], most: int) -> tuple[str, ...]:
    kept: list[str] = []
    for line in lines:
        most -= len(line) + 1
        if most < 0:
            break
        kept.append(line)
    return tuple(kept)


def clip_todos(todos: tuple[blocks.Todo, ...], most: int = KEPT_TEXT) -> tuple[blocks.Todo, ...]:
    """TODOS of about MOST characters together."""
    each = max(20, most // max(1, len(todos)))
    if all(len(todo.content) <= each and len(todo.active_form) <= each for todo in todos):
        return todos
    return tuple(
        blocks.Todo(content=todo.content[:each], status=todo.status[:20], active_form=todo.active_form[:each])
        for todo in todos
    )


class _Clipper:
    def __init__(self, most: int) -> None:
        self._left = most

    def value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple):
            return self._list(list(value), depth)
        self._left -= 8
        return value

    def _text(self, text: str) -> str:
        kept = clip(text, max(0, self._left))
        self._left -= len(kept)
        return kept

    def _over(self, depth: int) -> bool:
        return depth >= _DEEP or self._left <= 0

    def _mapping(self, value: dict[str, Any], depth: int) -> Any:
        if self._over(depth):
            return f"… ({len(value)} entries)"
        kept: dict[str, Any] = {}
        for key, entry in value.items():
            if len(kept) >= _MANY or self._left <= 0:
                kept["…"] = f"({len(value) - len(kept)} more entries)"
                break
            name = self._text(key)
            kept[name] = self.value(entry, depth + 1)
        return kept

    def _list(self, value: list[Any], depth: int) -> Any:
        if self._over(depth):
            return f"… ({len(value)} entries)"
        kept: list[Any] = []
        for entry in value:
            if len(kept) >= _MANY or self._left <= 0:
                kept.append(f"… ({len(value) - len(kept)} more entries)")
                break
            kept.append(self.value(entry, depth + 1))
        return kept
