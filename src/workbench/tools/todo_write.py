"""TodoWrite: the agent's to-do list, kept by the session and shown to people."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from workbench.permissions.types import Need
from workbench.protocol.blocks import Todo, Todos
from workbench.tools.base import Context, Outcome, text_content


class Item(msgspec.Struct, frozen=True):
    """One line of the list, as the model gives it. Fields of older lists (id, priority) are passed over."""

    content: Annotated[str, msgspec.Meta(min_length=1, description="What to do: 'Run the baseline'")]
    status: Literal["pending", "in_progress", "completed"]
    activeForm: Annotated[str, msgspec.Meta(description="While it is done: 'Running the baseline'")] = ""  # noqa: N815


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole list, replacing the one before."""

    todos: list[Item]


class TodoWrite:
    """Replaces the to-do list."""

    name = "TodoWrite"
    description = (
        "Replaces your to-do list, which the user sees. Use it for work of three steps or more: keep one item "
        "in_progress, mark items completed as soon as they are done (never before their check passed)."
    )
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Nothing outside the session."""
        return ()

    def target(self, given: Any) -> str:
        """What is worked on now, else how many items there are."""
        current = next((item for item in given.todos if item.status == "in_progress"), None)
        if current:
            return str(current.activeForm or current.content)
        return f"{len(given.todos)} item{'s' * (len(given.todos) != 1)}"

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Keeps the list in the session."""
        todos = tuple(Todo(content=i.content, status=i.status, active_form=i.activeForm) for i in given.todos)
        context.todos = todos
        count = Counter(todo.status for todo in todos)
        summary = f"{count['completed']} done, {count['in_progress']} in progress, {count['pending']} open"
        text = f"The list is saved: {summary}." if todos else "The list is empty now."
        return Outcome(content=text_content(text), display=[Todos(todos=todos)], summary=summary, todos=todos)
