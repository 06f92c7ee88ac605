"""The agent's to-do list, the files that it has in hand, and those that it changed."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.content import Content

from workbench.protocol.blocks import Todo
from workbench.protocol.events import Envelope
from workbench.protocol.state import Item, SessionState
from workbench.tui.panes.rows import Rows, cut, row, wrapped
from workbench.tui.safe import content
from workbench.tui.view import Pane

SIGNS = {"pending": ("○", "$muted-2"), "in_progress": ("▸", "$agent"), "completed": ("✓", "$muted")}
TEACHES = "no list yet: the agent makes one for work of several steps; its files show here too"
TEXTS = {"pending": "$muted", "in_progress": "$foreground bold", "completed": "$muted-2"}
FILE_TOOLS = {
    "Read": "reading",
    "Edit": "editing",
    "MultiEdit": "editing",
    "Write": "writing",
    "NotebookEdit": "editing",
}
OPEN = ("waiting", "asking", "running")


class TodoPane(Pane, Rows):
    """What is to be done and what was touched. It opens by itself with the first list."""

    pane_id: ClassVar[str] = "todo"
    title: ClassVar[str] = "to-do"
    empty: ClassVar[str] = "the agent's list"

    def __init__(self) -> None:
        super().__init__()
        self._todos: tuple[Todo, ...] = ()
        self._in_hand: tuple[tuple[str, str], ...] = ()  # path, what is done to it
        self._changed: tuple[str, ...] = ()  # the newest first

    def show_session(self, state: SessionState, news: Sequence[Envelope]) -> None:
        """Draws the list and the files; nothing where they are as they were."""
        in_hand = tuple(_in_hand(state))
        held = {path for path, _ in in_hand}
        newest = sorted(state.files, key=lambda path: -state.files[path])
        changed = tuple(shown for path in newest if (shown := _relative(path, state.workspace)) not in held)
        if (state.todos, in_hand, changed) == (self._todos, self._in_hand, self._changed):
            return
        self._todos, self._in_hand, self._changed = state.todos, in_hand, changed
        self.border_subtitle = _progress(self._todos)
        self.redraw()

    def strip(self, state: SessionState) -> Content:
        """How far the list is, and what is being done."""
        if not state.todos:
            count = len(state.files)
            return row(f"{count} file{'s' * (count > 1)} changed" if count else self.empty)
        now = next((todo for todo in state.todos if todo.status == "in_progress"), None)
        doing = (now.active_form or now.content) if now else ""
        return row(f"{_progress(state.todos)} · {doing}" if doing else _progress(state.todos))

    def filled(self, state: SessionState) -> bool:
        """Once there is a list."""
        return bool(state.todos)

    def build(self, width: int) -> Iterator[Content]:
        """The list, then the files."""
        if not (self._todos or self._in_hand or self._changed):
            yield from wrapped(TEACHES, width)
            return
        for todo in self._todos:
            yield from _todo(todo, width)
        if self._todos and (self._in_hand or self._changed):
            yield row("")
        for path, doing in self._in_hand:
            yield row(("▸ ", "$agent"), (cut(path, width - 2 - len(doing) - 2, left=True), "$foreground"),
                      (f"  {doing}", "$muted"))  # fmt: skip
        for path in self._changed:
            yield row(("✎ ", "$muted-2"), (cut(path, width - 2, left=True), "$muted"))


def _progress(todos: Sequence[Todo]) -> str:
    return f"{sum(todo.status == 'completed' for todo in todos)}/{len(todos)}" if todos else ""


def _todo(todo: Todo, width: int) -> Iterator[Content]:
    sign, colour = SIGNS.get(todo.status, ("○", "$muted-2"))
    text = todo.active_form if todo.status == "in_progress" and todo.active_form else todo.content
    style = TEXTS.get(todo.status, "$muted")
    lines = content(" ".join(text.split())).wrap(max(1, width - 2)) or [Content("")]
    for at, line in enumerate(lines):
        yield row((f"{sign} " if at == 0 else "  ", colour), (line.plain.rstrip(), style))


def _in_hand(state: SessionState) -> Iterator[tuple[str, str]]:
    """The files of calls that are not done, each once, with what is done to them."""
    seen: set[str] = set()
    for item in state.items:
        if _touches(item) and (path := _relative(item.target, state.workspace)) not in seen:
            seen.add(path)
            yield path, FILE_TOOLS[item.tool]


def _touches(item: Item) -> bool:
    return item.kind == "call" and item.status in OPEN and item.tool in FILE_TOOLS and bool(item.target)


def _relative(path: str, workspace: str) -> str:
    return path.removeprefix(workspace.rstrip("/") + "/") if workspace else path
