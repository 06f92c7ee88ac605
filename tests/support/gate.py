"""Asks the gate as a session would, in a world of real files."""

from pathlib import Path
from typing import Any

from workbench.permissions.decide import decide
from workbench.permissions.types import Call, Need, Policy, Reads, Runs, Verdict, Writes
from workbench.permissions.world import RealWorld
from workbench.protocol.names import TOOLS
from workbench.protocol.task import Rules


class Gate:
    """A policy for one workspace; keywords of each question change it."""

    def __init__(self, workspace: Path, home: Path) -> None:
        self.workspace, self.home = workspace, home
        self.world = RealWorld()

    def policy(self, **changes: Any) -> Policy:
        rules = Rules(**{kind: tuple(changes.pop(kind, ())) for kind in ("allow", "ask", "deny")})
        fields = {"grants": dict.fromkeys(TOOLS, ()), "mode": "acceptEdits", **changes}
        return Policy(rules=rules, workspace=str(self.workspace), home=str(self.home), **fields)

    def call(self, tool: str, *needs: Need, cwd: str = "", **changes: Any) -> Verdict:
        call = Call(tool=tool, needs=needs, cwd=cwd or str(self.workspace))
        return decide(call, self.policy(**changes), self.world)

    def bash(self, command: str, **changes: Any) -> Verdict:
        return self.call("Bash", Runs(command), **changes)

    def read(self, path: str, tool: str = "Read", **changes: Any) -> Verdict:
        return self.call(tool, Reads(path), **changes)

    def write(self, path: str, tool: str = "Write", **changes: Any) -> Verdict:
        return self.call(tool, Writes(path), **changes)
