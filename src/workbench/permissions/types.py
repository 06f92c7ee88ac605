"""The words of the gate: what a tool needs, under which policy, in which world, and the verdict."""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from workbench.protocol.names import Mode
from workbench.protocol.task import Rules


class Reads(msgspec.Struct, frozen=True, tag="reads"):
    """The call reads the file or folder at `path` (as given: maybe relative to the call's cwd)."""

    path: str


class Writes(msgspec.Struct, frozen=True, tag="writes"):
    """The call creates, changes or removes `path`."""

    path: str


class Runs(msgspec.Struct, frozen=True, tag="runs"):
    """The call gives `command` to bash."""

    command: str


Need = Reads | Writes | Runs


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call as the gate sees it. No needs: it touches nothing outside the session (TodoWrite)."""

    tool: str  # canonical name
    needs: tuple[Need, ...] = ()
    cwd: str = ""  # absolute; where relative paths and commands start


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """All that a verdict depends on besides the call and the world.

    `grants`: tool -> scopes. `workspace` and `roots` are absolute; writing within roots is what acceptEdits allows.
    `scratch`: folders of the session's own (temporary files, long outputs) that its file tools may use.
    """

    grants: Mapping[str, tuple[str, ...]]
    mode: Mode
    rules: Rules = Rules()
    workspace: str
    roots: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    home: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """allow, ask or deny, with the deciding rule (None where none decided) and the reason in plain words.

    `part` is what decided in a call of several: a command of a compound, a path, as written.
    `lifted_by` is the allow rule that would let the call pass, where one would.
    `confinable` marks the last kind of ask, that nothing else guards: only this may be replaced by confinement.
    """

    verdict: Literal["allow", "ask", "deny"]
    rule: str | None = None
    reason: str = ""
    part: str = ""
    lifted_by: str | None = None
    confinable: bool = False


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A command of a compound, with the verdict on it alone: by which rule, why, and what rule would let it pass."""

    text: str
    verdict: Literal["allow", "ask", "deny"]
    rule: str | None = None
    reason: str = ""
    lifted_by: str | None = None


class Stat(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate looks at in a file: kind is file, dir, link, fifo, socket, device; `links` counts hard links.

    `enter`: whether a folder may be changed to.
    """

    kind: str
    links: int = 1
    size: int = 0
    enter: bool = True


class World(Protocol):
    """The gate's view of the file system and of git's configuration. Passed in, so that verdicts can be tested."""

    def lstat(self, path: str) -> Stat | None:
        """The file at PATH itself, a link not followed; None where there is none or it cannot be seen."""

    def readlink(self, path: str) -> str | None:
        """Where the link at PATH points, as written."""

    def listdir(self, path: str) -> tuple[str, ...] | None:
        """The names in the folder PATH; None where they cannot be seen or are too many to look at."""

    def git_config(self, folder: str) -> Mapping[str, str]:
        """The repository-local git settings that hold in FOLDER, keys in lower case; empty outside a repository."""
