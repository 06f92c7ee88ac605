"""The bounded state of a session: what every view draws. `fold.py` makes it from events.

Its size does not grow with the session: the newest items, open calls and approvals, counters. What is older or
larger is asked for by page (`queries.py`).
"""

import hashlib
from typing import Any

import msgspec

from workbench.protocol.blocks import DisplayBlock, Todo
from workbench.protocol.names import Mode
from workbench.protocol.result import Question, Usage
from workbench.protocol.task import Caps

KEPT_ITEMS = 200
KEPT_TEXT = 16_384  # characters of an item's text, and of all that its display blocks show
KEPT_REASON = 2_000
KEPT_WORD = 500  # ids, names, titles, rules
KEPT_PATH = 4_096
KEPT_FILES = 500
KEPT_CALLS = 1_000  # open calls of one answer
KEPT_APPROVALS = 64
KEPT_SHELLS = 100
KEPT_TODOS = 200
KEPT_QUESTIONS = 20
KEPT_RUNS = 1_000
KEPT_REWINDS = 500
KEPT_SUGGESTIONS = 50
KEPT_QUEUED = 50  # prompts that may wait: no more are taken
KEPT_PEOPLE = 64


class Item(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing in the transcript. `id` is 64 times the seq of the event that made it, plus its place among the
    items of that event: the same whether the item came with the state or with a page.

    `cut`: the text or the display shown is not all there is. `rewound`: a rewind took it back; the model knows no more
    of it.
    kind: prompt, answer, thinking, call, check, notice, question, compaction, runs, rewind, shell, said, suggestion,
    end
    """

    id: int
    at: float
    kind: str
    turn: int = 0
    text: str = ""
    blob: str | None = None  # where the whole text lies when `text` was cut
    by: str = ""
    origin: str = ""
    level: str = ""
    call_id: str = ""
    tool: str = ""
    target: str = ""
    status: str = ""  # of a call: waiting, asking, running, ok, error, denied, cancelled, interrupted
    rule: str | None = None
    reason: str = ""
    duration_ms: int = 0
    run: str = ""  # of a call: the run that it began, the first of several
    display: tuple[DisplayBlock, ...] = ()
    exit_code: int | None = None
    cut: bool = False
    rewound: bool = False


class PendingApproval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call that waits for a person."""

    request_id: str
    call_id: str
    tool: str
    input: dict[str, Any]
    digest: str
    rule: str | None = None
    reason: str = ""
    suggestion: str | None = None
    cwd: str = ""
    sandbox: str = ""
    again: bool = False
    owners: bool = False
    display: tuple[DisplayBlock, ...] = ()


class Suggestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Words that wait for the driver."""

    id: str
    by: str
    text: str
    at: float
    path: str = ""


class QueuedPrompt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Words that wait for the agent's next request. `seq` is the event that took them, which holds them whole.

    `command`: the id of the command that they came by. `pictures`: how many pictures go with them.
    """

    id: str
    by: str
    text: str
    at: float
    seq: int
    command: str = ""
    pictures: int = 0


class OpenShare(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An invitation that holds."""

    id: str
    who: tuple[str, ...]
    role: str
    by: str
    until: float = 0.0
    max_usd: float | None = None


class SessionState(msgspec.Struct, kw_only=True):
    """All that a view needs to draw a session as it is now."""

    session: str = ""
    seq: int = 0
    title: str = ""
    workspace: str = ""
    agent: str = ""
    agent_in_place_of: str = ""  # the definition whose name the workspace's has taken
    color: str | None = None
    model: str = ""
    mode: Mode = "default"
    sandbox: str | None = None  # the layer that confines commands; empty: none does; None: not told
    network: str = ""
    branch: str | None = None
    user: str = ""
    host: str = ""
    pid: int = 0
    started: float = 0.0
    updated: float = 0.0
    phase: str = "idle"  # idle, thinking, calling, asking, checking, ended
    waiting: str = ""  # why it waits for a person, as `Idle` says it; empty while it does not
    caps: Caps = Caps()
    turns: int = 0
    usage: Usage = msgspec.field(default_factory=Usage)
    cost_usd: float | None = 0.0  # None once an answer without a known price was counted
    context_tokens: int = 0
    duration_api_ms: int = 0
    ttft_ms: int | None = None
    active_s: float = 0.0  # time at work before `resumed_at`
    resumed_at: float = 0.0  # since when it works: its start or resume, the first request after a wait
    todos: tuple[Todo, ...] = ()
    items: list[Item] = []
    items_total: int = 0
    calls: dict[str, int] = {}  # calls of the current answer: call id -> item id
    approvals: dict[str, PendingApproval] = {}
    files: dict[str, int] = {}  # path -> seq of its last change by a call
    shells: dict[str, str] = {}  # running background commands: id -> command
    denials: int = 0
    runs: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    rewound: tuple[tuple[int, int], ...] = ()  # what rewinds took back: from a prompt's seq up to the rewind's own
    undoable: int = 0  # the event of the rewind that `UndoRewind` would take back; 0: none
    driver: str | None = None  # who drives; empty: nobody; None: it was never passed, so the owner does
    wheel_asked: tuple[str, ...] = ()  # who would like to drive
    queued: dict[str, QueuedPrompt] = {}  # prompts that the agent has not got yet, oldest first
    suggestions: dict[str, Suggestion] = {}
    shares: dict[str, OpenShare] = {}
    end: str | None = None  # subtype of the last end
    exit_code: int | None = None


def state_digest(state: SessionState) -> str:
    """SHA-256 of STATE in hex: equal for two folds of the same journal, on any machine."""
    return hashlib.sha256(msgspec.json.encode(state)).hexdigest()
