"""KillShell: ends a background command."""

from collections.abc import Callable
from typing import Any

import msgspec

from workbench.permissions.types import Need
from workbench.tools.base import Context, Outcome, text_content
from workbench.tools.bash_output import words
from workbench.tools.shells import Shells


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which command."""

    shell_id: str


class KillShell:
    """Ends a background command with all that it started."""

    name = "KillShell"
    description = "Ends a background command and everything that it started."
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Nothing: it ends only what this session started."""
        return ()

    def target(self, given: Any) -> str:
        """The command's id."""
        return str(given.shell_id)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Ends it, and waits until it is gone."""
        shells = Shells.of(context)
        shell = shells.get(given.shell_id)
        if shell.ended is not None:
            text = f"{shell.id} had ended already: {words(shell, context.now())}."
        else:
            await shells.kill(shell, "KillShell")
            text = f"{shell.id} was ended."
        return Outcome(content=text_content(text), summary=text)
