"""How a session ended: the result object of `mlwb run`, and the exit codes that scripts rely on."""

from typing import Any

import msgspec

# subtype -> exit code; 130 and 143 are the shell's own for SIGINT and a second SIGTERM.
EXIT_CODES = {
    "success": 0,
    "error_during_execution": 1,
    "error_usage": 2,
    "error_agent_definition": 3,
    "error_authentication": 4,
    "error_permission_blocked": 5,
    "error_max_turns": 6,
    "error_max_budget": 7,
    "error_checks_failed": 8,
    "error_output_schema": 9,
    "error_system_boundary": 10,
    "error_needs_decision": 11,
    "error_retryable": 75,
    "error_interrupted": 130,
    "error_terminated": 143,
}


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was not run, and why. `allowed_by` is the rule that would let it pass, where one would."""

    tool_name: str
    tool_use_id: str
    tool_input: dict[str, Any]
    reason: str
    allowed_by: str | None = None


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """A check's command, its exit code (124: it ran out of time) and the end of its output."""

    command: str
    exit_code: int
    output: str


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One way to decide a question, and what it costs."""

    label: str
    cost: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that belongs to a person."""

    question: str
    options: tuple[Option, ...] = ()
    recommendation: str = ""


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file that differs from what it was when the session began. `path` is relative to the workspace if inside.

    `change` is created, modified or deleted; line counts are None for binary or very large files.
    """

    path: str
    change: str
    added: int | None = None
    removed: int | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the session, or one that its final answer names, as it stood at the end.

    `status` as in the ledger; `unknown`: the answer names it, and the ledger has none of that name. `named`: the final
    answer names it. `own`: the session began it.
    """

    run: str
    status: str
    exit_code: int | None = None
    named: bool = False
    own: bool = True


class Usage(msgspec.Struct, kw_only=True):
    """Tokens of one answer, or of many added up."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    @property
    def total(self) -> int:
        """All tokens: input, both cache kinds, output."""
        return self.prompt + self.output_tokens

    @property
    def prompt(self) -> int:
        """Tokens that the model read: fresh, written to and read from the cache."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    def add(self, other: "Usage") -> None:
        """Adds OTHER's tokens to this count."""
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.cache_creation_input_tokens += other.cache_creation_input_tokens
        self.cache_read_input_tokens += other.cache_read_input_tokens


class SessionUsage(Usage, kw_only=True):
    """What a session used: tokens, and GPU-hours of its runs (None where it had none)."""

    gpu_hours: float | None = None


class Result(msgspec.Struct, kw_only=True, tag_field="type", tag="result"):
    """The result object, as printed by `--output-format json` and written to `result.json`."""

    subtype: str
    is_error: bool
    session_id: str
    result: str = ""
    structured_output: Any = None
    num_turns: int = 0
    duration_ms: int = 0
    duration_api_ms: int = 0
    ttft_ms: int | None = None
    total_cost_usd: float | None = None
    usage: SessionUsage = msgspec.field(default_factory=SessionUsage)
    verified: bool = False
    permission_denials: list[Denial] = []
    checks: list[CheckResult] = []
    files_changed: list[FileChange] = []
    runs: list[str] = []
    evidence: list[Evidence] = []
    questions: list[Question] = []
    errors: list[str] = []
    exit_code: int = 0
