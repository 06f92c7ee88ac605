"""The field's words: tools, their other names, and the modes of a session."""

from typing import Literal, get_args

Mode = Literal["plan", "default", "acceptEdits", "bypassPermissions", "dontAsk"]
MODES: tuple[Mode, ...] = get_args(Mode)
# From the narrowest to the widest; dontAsk is default with every ask turned into a deny.
_RANK: dict[Mode, int] = {"plan": 0, "dontAsk": 1, "default": 2, "acceptEdits": 3, "bypassPermissions": 4}

# The classic nine, and what comes with Bash for its background commands.
NINE = ("Read", "Write", "Edit", "MultiEdit", "Grep", "Glob", "LS", "Bash", "TodoWrite")
WITH_BASH = ("BashOutput", "KillShell")
TOOLS = (*NINE, *WITH_BASH)
# Calling one of these ends the session: no sub-agents exist.
ORCHESTRATION = ("Task", "Agent")
# Newer and older names of one tool (design: Claude Code's renames).
ALIASES = {
    "TaskOutput": "BashOutput",
    "AgentOutput": "BashOutput",
    "TaskStop": "KillShell",
    "KillBash": "KillShell",
    "TaskCreate": "TodoWrite",
    "TaskGet": "TodoWrite",
    "TaskList": "TodoWrite",
    "TaskUpdate": "TodoWrite",
    "TodoRead": "TodoWrite",
    "View": "Read",
    "NotebookRead": "Read",
    "GlobTool": "Glob",
    "GrepTool": "Grep",
}


def canonical(name: str) -> str | None:
    """The one name of a tool, or None where no tool here has that name. Case counts."""
    if name in TOOLS or name in ORCHESTRATION:
        return name
    return ALIASES.get(name)


def lower(one: Mode, two: Mode) -> Mode:
    """The narrower of two modes."""
    return min(one, two, key=_RANK.__getitem__)


def tag(name: str) -> str:
    """What a class is called on the wire and in the journal: `RunsTold` -> `runs_told`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
