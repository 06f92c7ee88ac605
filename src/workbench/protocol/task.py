"""What a session is asked to do, and within which limits: the decoded form of a TASK.md and of the flags."""

import msgspec

from workbench.protocol.names import Mode


class Caps(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Limits of a session. They count across resumes; None means no limit."""

    max_turns: int | None = None
    max_usd: float | None = None
    max_tokens: int | None = None
    timeout_s: float | None = None
    max_gpu_hours: float | None = None


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Permission rules as a person wrote them, in Claude Code's syntax."""

    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Task(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One task. Paths are absolute. `source` is the file it was read from, `-` for standard input."""

    prompt: str
    source: str = ""
    workspace: str = ""
    add_dirs: tuple[str, ...] = ()
    agent: str = "ml-engineer"
    model: str | None = None
    permission_mode: Mode | None = None
    rules: Rules = Rules()
    caps: Caps = Caps()
    checks: tuple[str, ...] = ()
    check_attempts: int = 2
    locked: tuple[str, ...] = ()
    output_schema: dict[str, object] | None = None
    sandbox: str = "auto"
    gpus: str | None = None
    max_gpus: int | None = None
    notify: str | None = None
    interactive: bool = False
    brief: str | None = None
