"""What stands in the place of Bash for a call that is one `mlwb exp` command."""

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from workbench.experiments.launch.options import Usage
from workbench.experiments.launch.types import Sandboxed
from workbench.session.core import Session
from workbench.session.identity import user_name
from workbench.tools.base import Context, Tool

T = TypeVar("T")


def decoded(read: Callable[[list[str]], T], words: list[str], nothing: T) -> tuple[T, str]:
    """What READ makes of WORDS; or NOTHING, and why not. `--help` is told in place of the reason.

    argparse would print it: to what holds the answer of a headless run.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            return read(words), ""
    except Usage as error:
        return nothing, str(error)
    except SystemExit:
        return nothing, said.getvalue().strip()


class Carried:
    """The common part of the tools that carry such a call out."""

    def __init__(self, session: Session, tool: Tool) -> None:
        self.name, self.description, self.Input = tool.name, tool.description, tool.Input
        self._session, self._tool = session, tool

    def target(self, given: Any) -> str:
        """The command's first line."""
        return self._tool.target(given)


def surroundings(session: Session, context: Context, call_id: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """What a job has of the session that begins it: the environment of its commands, its confinement, its name."""
    from workbench.sandbox import pythonenv

    setup = str(context.extras.get("shell_setup") or "")
    env = context.launcher.environment()
    if not setup:
        env = pythonenv.activated(env, pythonenv.find(context.workspace, env))
    return {
        "env": {name: value for name, value in {**env, **variables}.items() if _encodes(value)},
        "setup": setup,
        "session": session.id,
        "turn": session.state.turns,
        "call_id": call_id,
        "user": user_name(),
        "sandbox": _sandboxed(context),
    }


def _sandboxed(context: Context) -> Sandboxed | None:
    from workbench.experiments.launch.confined import told
    from workbench.sandbox.confined import ConfinedLauncher

    launcher = context.launcher
    if context.reach == "outside" or not isinstance(launcher, ConfinedLauncher):
        return None
    return told(launcher.layer, launcher.profile, context.reach)


def _encodes(text: str) -> bool:
    return text.isascii() or text.encode(errors="replace").decode() == text
