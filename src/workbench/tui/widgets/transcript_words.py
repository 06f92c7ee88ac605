"""The words of an entry, for the clipboard, the editor and the search."""

from workbench.protocol import blocks as b
from workbench.tui.widgets.transcript_entry import Entry

_SUFFIXES = {
    "python": ".py", "py": ".py", "bash": ".sh", "sh": ".sh", "json": ".json", "yaml": ".yaml", "diff": ".diff",
    "toml": ".toml", "rust": ".rs", "c": ".c", "cpp": ".cpp", "cuda": ".cu", "javascript": ".js", "sql": ".sql",
}  # fmt: skip


def words(entry: Entry, stop: int = 0) -> tuple[str, str]:
    """What is copied of ENTRY's STOP, and what to call it."""
    if stop and (code := [block.code for block in entry.blocks if block.stop == stop and block.code is not None]):
        return "\n".join(code), "the code"
    item = entry.item
    if item.kind != "call":
        name = {"answer": "the answer", "prompt": "the prompt", "thinking": "the thinking"}.get(item.kind, "the line")
        return (item.target + "\n" + entry.text if item.kind == "shell" else entry.text), name
    parts = [item.target, *(part for one in entry.display if (part := _displayed(one, entry)))]
    if len(parts) == 1 and item.text:
        parts.append(item.text)
    return "\n".join(parts), "the call"


def suffix(entry: Entry, info: str = "") -> str:
    """The end of a file's name that an editor knows ENTRY's words by."""
    if info:
        return _SUFFIXES.get(info, ".txt")
    if any(isinstance(one, b.Diff) for one in entry.display):
        return ".diff"
    return ".md" if entry.item.kind in ("answer", "prompt", "thinking", "compaction") else ".txt"


def _displayed(block: b.DisplayBlock, entry: Entry) -> str:
    if isinstance(block, b.Listing):
        return "\n".join(block.lines)
    if isinstance(block, b.Todos):
        return "\n".join(f"[{'x' if todo.status == 'completed' else ' '}] {todo.content}" for todo in block.todos)
    if isinstance(block, b.Image):
        return ""
    return entry.full.get(block.blob, block.text) if block.blob else block.text


def holds(entry: Entry, find: str) -> bool:
    """Whether FIND (in lower case) stands in ENTRY's words."""
    item = entry.item
    if find in entry.text.lower() or find in item.target.lower() or find in item.tool.lower():
        return True
    if find in item.reason.lower():
        return True
    return any(find in _displayed(one, entry).lower() for one in entry.display)
