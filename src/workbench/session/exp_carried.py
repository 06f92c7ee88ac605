"""What stands in the place of Bash for a call that is one `mlwb exp` command."""

from typing import Any

from workbench.session.core import Session
from workbench.tools.base import Tool


class Carried:
    """The common part of the tools that carry such a call out."""

    def __init__(self, session: Session, tool: Tool) -> None:
        self.name, self.description, self.Input = tool.name, tool.description, tool.Input
        self._session, self._tool = session, tool

    def target(self, given: Any) -> str:
        """The command's first line."""
        return self._tool.target(given)
