"""Write: a whole new text for a file."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from workbench.permissions.types import Need, Writes
from workbench.protocol.words import counted
from workbench.tools import changing
from workbench.tools.base import Context, Outcome, absolute
from workbench.tools.text import Text
from workbench.tools.threads import finish


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to write, and where."""

    file_path: Annotated[str, msgspec.Meta(min_length=1, description="Absolute, or relative to the working directory")]
    content: Annotated[str, msgspec.Meta(description="The whole text")]


class Write:
    """Creates a file or replaces its text."""

    name = "Write"
    description = (
        "Creates a file (missing folders too) or replaces its whole text. A file that exists must have been read "
        "before. To change a part, use Edit."
    )
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Writes the file."""
        return (Writes(absolute(given.file_path, cwd)),)

    def target(self, given: Any) -> str:
        """The path."""
        return str(given.file_path)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Writes the file."""
        return await finish(_write, given, context)


def _write(given: Any, context: Context) -> Outcome:
    target = changing.target(context, given.file_path)
    if target.text.encoding == "latin-1" and any(character > "\xff" for character in given.content):
        target = msgspec.structs.replace(target, text=Text(target.text.text))  # nothing old stays: be UTF-8 then
    text = given.content.replace("\r\n", "\n").replace("\n", "\r\n") if target.text.crlf else given.content
    if target.source is not None:
        return changing.store(
            context, target, text, lambda change: f"{target.shown} has its new text now; what changed:"
        )
    return changing.store(
        context, target, text, lambda change: f"Created {target.shown} ({counted(change.added, 'line')})."
    )
