"""What a tool is: its input type, what it needs of the gate, and how it runs."""

import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from workbench.permissions.types import Need
from workbench.protocol.blocks import DisplayBlock, Todo
from workbench.sandbox.types import Launcher, Reach
from workbench.tools.ledger import FileLedger


class ToolError(Exception):
    """The call cannot be done; the message is for the model: what happened, and what to do instead."""

    def __init__(self, message: str) -> None:
        super().__init__(encodable(message))


class Outcome(msgspec.Struct, kw_only=True):
    """What a call gave: API content blocks for the model, display blocks and one line for people.

    `changed` are absolute paths that the call wrote. `todos` is set by TodoWrite. `refused` says, a line each, what the
    confinement kept from a command.
    """

    content: list[dict[str, Any]]
    display: list[DisplayBlock] = []
    summary: str = ""
    is_error: bool = False
    changed: list[str] = []
    todos: tuple[Todo, ...] | None = None
    refused: tuple[str, ...] = ()


def text_content(text: str) -> list[dict[str, Any]]:
    """TEXT as API content."""
    return [{"type": "text", "text": encodable(text)}]


def encodable(text: str) -> str:
    """TEXT as it can be written to JSON: bytes of file names that are no UTF-8 become visible escapes."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def absolute(path: str, cwd: str) -> str:
    """PATH as a model gave it, against CWD; `~` is the home. Links and `..` stay: the gate and the tool see one path.

    Raises ToolError for a path that no file can have.
    """
    if not path:
        raise ToolError("The path is empty.")
    if "\0" in path or any("\ud800" <= character <= "\udfff" for character in path):
        raise ToolError("The path holds a NUL or a lone surrogate; no file has such a name.")
    return os.path.join(cwd, os.path.expanduser(path))  # noqa: PTH111, PTH118 - pathlib would raise on ~unknown


class Context:
    """The session's side of a tool: one object for all calls of a session. Paths are absolute."""

    def __init__(
        self,
        *,
        workspace: Path,
        roots: tuple[Path, ...],
        outputs: Path,
        launcher: Launcher,
        put_blob: Callable[[bytes], str],
        emit: Callable[[Any], None],
        now: Callable[[], float],
    ) -> None:
        self.workspace = workspace
        self.roots = roots  # the workspace and added folders
        self.cwd = workspace  # Bash's working directory; `cd` moves it
        self.judged: dict[str, str] = {}  # of the call at hand: a path as it was given -> where the gate saw it lead
        self.reach: Reach = "confined"  # of the call at hand: how far its command may reach
        self.outputs = outputs  # folder for outputs too long to show; Read may open it
        self.launcher = launcher
        self.files = FileLedger()
        self.put_blob = put_blob  # bytes -> blob id
        self.emit = emit  # journalled event (ShellStarted, Notice, …) -> the session
        self.now = now
        self.todos: tuple[Todo, ...] = ()
        # Whether a file may be named, and what it holds be shown, when its folder is looked through; None: always.
        self.readable: Callable[[str], bool] | None = None
        self.searchable: Callable[[str], bool] | None = None
        self.extras: dict[str, Any] = {}  # per-tool state of the session (background shells)
        self.closers: list[Callable[[], Awaitable[None]]] = []

    def absolute(self, path: str) -> Path:
        """PATH as the model gave it, made absolute against the working directory; `~` is the home. Links stay."""
        return Path(absolute(path, str(self.cwd)))

    def reached(self, path: Path) -> Path:
        """Where the absolute PATH leads: what the gate judged, so that a link changed since then leads nowhere."""
        judged = self.judged.get(str(path))
        return Path(os.path.realpath(path) if judged is None else judged)

    def shown(self, path: Path) -> str:
        """PATH as the model may give it back: relative to the working directory where inside, else absolute."""
        try:
            return str(path.relative_to(self.cwd))
        except ValueError:
            return str(path)

    def prefix(self, folder: Path) -> str:
        """What to put before a path relative to FOLDER, to show it as `shown` would."""
        return "" if folder == self.cwd else f"{self.shown(folder)}/".replace("//", "/")

    async def close(self) -> None:
        """Ends what calls left running. Safe to call twice."""
        closers, self.closers = self.closers, []
        for close in reversed(closers):  # what was opened last stands on what was there before
            with contextlib.suppress(Exception):
                await close()


class Tool(Protocol):
    """One tool. `Input` is a msgspec Struct; its fields are the parameters, its docstring is not sent.

    `description` is the text that the model reads; keep it as short as is clear.
    """

    name: str
    description: str
    Input: type[msgspec.Struct]

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """What the call would touch. Pure; never looks at the file system."""

    def target(self, given: Any) -> str:
        """What the call acts on, in a few words, for a card: a path, a pattern, the command."""

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Carries the call out. Raises ToolError. Cancelling ends everything it started before it returns."""
