"""What an open card shows: arguments, output, diff, list, the deciding rule."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from workbench.protocol import blocks as b
from workbench.protocol.words import counted
from workbench.tui.widgets.blocks import Block, Line, fit, moved, paragraph, shown, wrap
from workbench.tui.widgets.markdown import Piece
from workbench.tui.widgets.markdown_draw import block as code_block
from workbench.tui.widgets.transcript_entry import PREVIEW, Entry, Scene

ALL = 5_000  # rows of a block that is shown whole
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)")
# Arguments that a display block says better.
_SAID: dict[type, set[str]] = {b.Diff: {"old_string", "new_string", "content", "edits"}, b.Todos: {"todos"}}
_LANGUAGES = {
    "py": "python", "sh": "bash", "yml": "yaml", "yaml": "yaml", "md": "markdown", "rs": "rust", "js": "javascript",
    "ts": "typescript", "cu": "cuda", "toml": "toml", "json": "json", "c": "c", "cpp": "cpp", "go": "go", "sql": "sql",
}  # fmt: skip


def details(entry: Entry, scene: Scene) -> list[Block]:
    """The blocks under the line of an open card."""
    item = entry.item
    made: list[Block] = []
    if "\n" in item.target or len(item.target) > 60:
        made.append(Block(lambda width: paragraph(item.target, "", width, most=ALL)))
    if arguments := {key: value for key, value in (entry.input or {}).items() if key not in _said(entry)}:
        most = ALL if entry.opened > 1 else PREVIEW
        made.append(Block(lambda width: _arguments(arguments, width, most)))
    if entry.progress and item.status == "running":
        made.append(Block(lambda width: _output("\n".join(entry.progress), width, PREVIEW)))
    for shown_block in entry.display:
        made += _display(shown_block, entry, scene)
    made.append(Block(lambda width: wrap([(_decided(entry), "muted")], width)))
    if item.cut and entry.opened < 2:
        made.append(
            Block(lambda width: [[(fit("… there is more: enter shows it, e opens it in $EDITOR", width), "muted")]])
        )
    return [moved(one, 4) for one in made]


def _decided(entry: Entry) -> str:
    item = entry.item
    words = {"denied": "denied", "asking": "asks", "cancelled": "cancelled"}.get(item.status, "allowed")
    by = f" by {item.by}" if item.by else ""
    rule = f" · rule {item.rule}" if item.rule else ""
    reason = f" · {item.reason}" if item.reason else ""
    return shown(" ".join(f"{words}{by}{rule}{reason}".split()))


def _said(entry: Entry) -> set[str]:
    """Arguments that the card's own line, or what stands under it, says already."""
    said = {"command", "file_path", "path", "pattern"}
    for block in entry.display:
        said |= _SAID.get(type(block), set())
    return said


def _arguments(arguments: dict[str, Any], width: int, most: int) -> list[Line]:
    rows: list[Line] = []
    for key, value in arguments.items():
        name = shown(str(key))
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rows += paragraph(words.rstrip("\n"), "", width, first=[(f"{fit(name, 20)}  ", "muted")], most=most)
    return rows


def _display(block: b.DisplayBlock, entry: Entry, scene: Scene) -> list[Block]:
    draw = _DRAWN.get(type(block))
    return draw(block, entry, scene) if draw else []


def _whole(block: Any, entry: Entry) -> str:
    return str(entry.full.get(block.blob, block.text) if block.blob else block.text)


def _output_block(block: b.Output, entry: Entry, scene: Scene) -> list[Block]:
    text = _whole(block, entry).rstrip("\n")
    if not text:
        return []
    most = ALL if entry.opened > 1 else PREVIEW
    return [Block(lambda width: _output(text, width, most))]


def _output(text: str, width: int, most: int) -> list[Line]:
    """The last MOST rows of TEXT, and how many lines come before them."""
    lines = text.split("\n")
    rows: list[Line] = []
    for line in lines[-most:]:
        rows += wrap([(shown(line.rsplit("\r", 1)[-1][:20_000]), "")], width)
    left = len(lines) - most
    return ([[(f"… {counted(left, 'line')} before", "muted")]] if left > 0 else []) + rows[-most:]


def _head(rows: Iterable[Line], total: int, most: int) -> list[Line]:
    kept = list(rows)[:most]
    return [*kept, [(f"… {total - most:,} more", "muted")]] if total > most else kept


def _text_block(block: b.Text, entry: Entry, scene: Scene) -> list[Block]:
    most = ALL if entry.opened > 1 else PREVIEW
    return [Block(lambda width: paragraph(_whole(block, entry).rstrip("\n"), "", width, most=most))]


def _code_block(block: b.Code, entry: Entry, scene: Scene) -> list[Block]:
    lines = _whole(block, entry).rstrip("\n").split("\n")
    most = ALL if entry.opened > 1 else PREVIEW
    info = _LANGUAGES.get(block.path.rpartition(".")[2].lower(), "")
    made = [
        code_block(
            Piece("code", "\n".join(lines[at : min(at + 50, most)]), gap=0, info=info, first=at == 0), scene.highlighter
        )
        for at in range(0, min(len(lines), most), 50)
    ]
    if len(lines) > most:
        made.append(Block(lambda width: [[(f"… {len(lines) - most:,} more lines", "muted")]]))
    return made


def _diff_block(block: b.Diff, entry: Entry, scene: Scene) -> list[Block]:
    text = _whole(block, entry)
    lines = text.rstrip("\n").split("\n") if text else []
    most = ALL if entry.opened > 1 else 4 * PREVIEW
    return [
        Block(lambda width: [[(fit(shown(block.path), width, left=True), "muted")]]),
        Block(lambda width: _head(diff_lines(lines[:most], width), len(lines), most)),
    ]


def diff_lines(lines: Iterable[str], width: int) -> list[Line]:
    """A unified diff with line numbers; the sign says what the colour says."""
    old = new = 0
    rows: list[Line] = []
    for line in lines:
        if found := _HUNK.match(line):
            old, new = int(found[1]), int(found[2])
            if rows:
                rows.append([("      ⋯ " + fit(shown(found[3].strip()), max(0, width - 8)), "muted-2")])
            continue
        if line.startswith(("--- ", "+++ ", "diff ", "index ")) and not (old or new):
            continue
        sign, text = line[:1], shown(line[1:])
        style = {"+": "added", "-": "removed"}.get(sign, "muted")
        number = old if sign == "-" else new
        for at, row in enumerate(wrap([(text, style)], max(1, width - 7)) or [[]]):
            margin = f"{number:>4} " if at == 0 and sign != "\\" else "     "
            rows.append([(margin, "muted-2"), (f"{sign if at == 0 and sign in '+-' else ' '} ", style), *row])
        old, new = old + (sign in "- "), new + (sign in "+ ")
    return rows


def _listing_block(block: b.Listing, entry: Entry, scene: Scene) -> list[Block]:
    most = ALL if entry.opened > 1 else PREVIEW
    return [Block(lambda width: _head(([(fit(shown(line), width), "")] for line in block.lines), block.total, most))]


def _image_block(block: b.Image, entry: Entry, scene: Scene) -> list[Block]:
    return picture(block, entry)


def picture(block: b.Image, entry: Entry) -> list[Block]:
    """A picture of ENTRY: a line of words, and its preview where that is here and asked for."""
    seen = entry.previews.get(block.blob)
    kind = shown(block.media_type.removeprefix("image/")) or "picture"
    how = "" if seen and (entry.opened or not seen.pixels) else " · enter shows it"
    words = f"▣ {kind}{f' {seen.words}' if seen else ''}{how if not entry.opened else '' if seen else ' …'}"
    made = [Block(lambda width: [[(fit(words, width), "muted")]])]
    if seen and seen.pixels and entry.opened:
        made.append(Block(seen.lines))
    return made


def todo_lines(todos: Iterable[b.Todo], width: int, most: int = ALL) -> list[Line]:
    """A to-do list. What is done is only named; MOST rows, around what is in progress."""
    every = list(todos)
    start = 0
    if len(every) > most:
        now = next((at for at, todo in enumerate(every) if todo.status != "completed"), len(every))
        start = max(0, min(now - 1, len(every) - most))
    rows: list[Line] = []
    for todo in every[start : start + most]:
        sign, style, text = {
            "completed": ("✓ ", "ok", "muted"),
            "in_progress": ("▸ ", "agent", "strong"),
        }.get(todo.status, ("○ ", "muted", ""))
        words = todo.active_form if todo.status == "in_progress" and todo.active_form else todo.content
        rows.append([(sign, style), (fit(shown(" ".join(words.split())), width - 2), text)])
    if len(every) > most:
        rows.append([(f"  … {len(every)} in all", "muted")])
    return rows


def _todos_block(block: b.Todos, entry: Entry, scene: Scene) -> list[Block]:
    return [Block(lambda width: todo_lines(block.todos, width))]


_DRAWN: dict[type, Callable[[Any, Entry, Scene], list[Block]]] = {
    b.Output: _output_block,
    b.Text: _text_block,
    b.Code: _code_block,
    b.Diff: _diff_block,
    b.Listing: _listing_block,
    b.Image: _image_block,
    b.Todos: _todos_block,
}
