"""What a brief holds: see `brief.py`."""

import msgspec

from workbench.protocol.blocks import Todo
from workbench.protocol.result import CheckResult, Question, Usage


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An approval that nobody has given yet. `again`: it failed confined, and would run once more outside."""

    at: float
    tool: str
    target: str
    reason: str = ""
    again: bool = False


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """Words for the driver that were neither taken nor put aside."""

    at: float
    by: str
    text: str
    path: str = ""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, by whom; `origin` as in the journal."""

    at: float
    by: str
    origin: str
    text: str


class Changed(msgspec.Struct, kw_only=True):
    """A file that changed. Its line counts are those of its edits, added up; None where a command changed it.

    Without `edits` no call told of it: the end of the session did, and the counts are those since it began.
    """

    path: str
    edits: int = 0
    added: int | None = 0
    removed: int | None = 0


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command of note: it failed, took long, ran unconfined, or a person ran it (`own`). `by` gave it leave."""

    at: float
    command: str
    status: str = "ok"
    exit_code: int | None = None
    signal: int | None = None
    duration_ms: int = 0
    outside: bool = False
    by: str = ""
    own: bool = False


class RunTold(msgspec.Struct, kw_only=True):
    """A run of the session. `status` is empty while no end was told; `verdict` and `words` are those of the journal.

    `linked`: it was begun since. `ledger` is what the ledger of the workspace says of it now, not the journal.
    """

    run: str
    linked: bool = False
    status: str = ""
    exit_code: int | None = None
    alerts: tuple[str, ...] = ()
    verdict: str = ""
    words: str = ""
    ledger: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to an approval. decision: once, session, always, no, gone."""

    at: float
    by: str
    decision: str
    tool: str
    target: str
    reason: str = ""
    rule: str | None = None


class Denied(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was not run, and why; `by` where a person said no."""

    at: float
    tool: str
    target: str
    reason: str = ""
    by: str = ""


class Brief(msgspec.Struct, kw_only=True):
    """All that happened after `since` up to `until`, in Unix seconds. The first block holds as of `until`.

    `end` is the subtype of the end, None where it goes on; `idle` is why it waits for a person, as `Idle` says it.
    `cost_usd` is None where a price is not known.
    """

    session: str
    workspace: str = ""
    since: float
    until: float = 0.0
    events: int = 0
    approvals: list[Waiting] = []
    questions: tuple[Question, ...] = ()
    asked_at: float = 0.0  # when the questions came
    suggestions: list[Suggestion] = []
    phase: str = ""
    idle: str = ""
    end: str | None = None
    verified: bool = False
    errors: list[str] = []
    todos: tuple[Todo, ...] = ()

    prompts: list[Prompt] = []
    said: str = ""  # the last words of the agent
    files: list[Changed] = []
    reverted: list[str] = []
    commands: list[Command] = []
    shells: dict[str, str] = {}  # background commands that ended: id -> how
    runs: list[RunTold] = []
    decisions: list[Decision] = []
    denied: list[Denied] = []
    checks: list[CheckResult] = []  # each command once, as it came out last
    warnings: list[str] = []
    people: list[str] = []
    turns: int = 0
    usage: Usage = msgspec.field(default_factory=Usage)
    cost_usd: float | None = 0.0
    cut: bool = False  # more happened than is listed
