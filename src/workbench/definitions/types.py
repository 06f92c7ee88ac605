"""What a definition file says, decoded. Read `loader.py` for how, `discovery.py` for where."""

from typing import Any

import msgspec

from workbench.protocol.names import Mode


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a file that its author should know. `line` counts from 1, None where it is not known."""

    field: str
    message: str
    line: int | None = None


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """One agent definition. `tools` holds the entries as written: None where absent or all, empty where none.

    `grants` is what they come to: canonical tool name -> scopes (no scope: all of the tool). Orchestration tools
    are never in it. `status`: ok, recovered, rejected (then only path, source and problems count).
    """

    path: str
    source: str  # workspace, user, shipped
    status: str = "ok"
    name: str = ""
    description: str = ""
    tools: tuple[str, ...] | None = None
    disallowed_tools: tuple[str, ...] = ()
    grants: dict[str, tuple[str, ...]] = {}
    model: str | None = None
    permission_mode: Mode | None = None
    thinking_level: str | None = None
    thinking_tokens: int | None = None
    effort: str | None = None
    max_turns: int | None = None
    color: str | None = None
    category: str | None = None
    initial_prompt: str | None = None
    extra: dict[str, Any] = {}  # every other field, kept as read
    prompt: str = ""  # the body
    digest: str = ""  # sha256 of the file's bytes
    problems: tuple[Problem, ...] = ()
