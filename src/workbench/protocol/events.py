"""The events of a session. Each is plain data that can be written as one line of JSON.

Journalled events are the one truth of a session; `Ephemeral` ones (deltas, progress, samples) are sent to
whoever watches and are never written: a completed item says everything that its deltas said.
"""

from typing import Any

import msgspec

from workbench.protocol.blocks import DisplayBlock, Todo
from workbench.protocol.events_base import Ephemeral as Ephemeral
from workbench.protocol.events_base import Event as Event
from workbench.protocol.events_files import HunksReverted as HunksReverted
from workbench.protocol.events_files import Rewound as Rewound
from workbench.protocol.events_files import SnapshotTaken as SnapshotTaken
from workbench.protocol.events_live import ClientJoined as ClientJoined
from workbench.protocol.events_live import ClientLeft as ClientLeft
from workbench.protocol.events_live import LiveEvent as LiveEvent
from workbench.protocol.events_live import Person as Person
from workbench.protocol.events_live import Presence as Presence
from workbench.protocol.events_live import Said as Said
from workbench.protocol.events_live import Shared as Shared
from workbench.protocol.events_live import ShareEnded as ShareEnded
from workbench.protocol.events_live import Suggested as Suggested
from workbench.protocol.events_live import SuggestionTaken as SuggestionTaken
from workbench.protocol.events_live import WheelAsked as WheelAsked
from workbench.protocol.events_live import WheelPassed as WheelPassed
from workbench.protocol.events_passing import CallDelta as CallDelta
from workbench.protocol.events_passing import CallProgress as CallProgress
from workbench.protocol.events_passing import TextDelta as TextDelta
from workbench.protocol.events_passing import ThinkingDelta as ThinkingDelta
from workbench.protocol.events_passing import Tick as Tick
from workbench.protocol.events_queue import PromptQueued as PromptQueued
from workbench.protocol.events_queue import PromptWithdrawn as PromptWithdrawn
from workbench.protocol.events_runs import Heard as Heard
from workbench.protocol.events_runs import RunLinked as RunLinked
from workbench.protocol.events_runs import RunsTold as RunsTold
from workbench.protocol.names import Mode
from workbench.protocol.result import CheckResult, Question, Result, Usage
from workbench.protocol.task import Caps, Task

# --- the life of a session ---------------------------------------------------------------------------------


class SessionStarted(Event, frozen=True, kw_only=True):
    """First line of every journal. `prefix` is the blob that holds system prompt and tool list, byte for byte."""

    protocol: str
    version: str
    task: Task
    workspace: str
    roots: tuple[str, ...]
    agent: str
    agent_path: str
    agent_source: str  # workspace, user or shipped
    agent_digest: str
    agent_in_place_of: str = ""  # the user's own or the shipped definition whose name a workspace's has taken
    color: str | None = None
    grants: dict[str, tuple[str, ...]]  # tool -> scopes; no scope: all of it
    model: str
    mode: Mode
    prefix: str
    host: str
    boot_id: str
    user: str
    pid: int
    title: str = ""
    parent: str | None = None  # session this one was forked from
    commit: str | None = None
    branch: str | None = None
    sandbox: str | None = None  # the layer that confines commands; empty: none does; None: not told
    network: str = ""  # what confined commands reach: none, allowlist, full


class SessionResumed(Event, frozen=True, kw_only=True):
    """A host took the session up again. Caps replace the earlier ones; spent amounts go on counting."""

    host: str
    boot_id: str
    user: str
    pid: int
    mode: Mode
    caps: Caps
    cut: int = 0  # bytes of a torn last line that were cut off
    sandbox: str | None = None  # as in `SessionStarted`: another machine, another layer
    network: str = ""


class SessionEnded(Event, frozen=True, kw_only=True):
    """The session stopped, for the reason its result tells. A resume may follow."""

    result: Result


class Renamed(Event, frozen=True, kw_only=True):
    """The session has another title."""

    title: str


class CapsRaised(Event, frozen=True, kw_only=True):
    """The session may use more from now on. These caps replace the earlier ones; spent amounts go on counting."""

    caps: Caps
    by: str


class ModeChanged(Event, frozen=True, kw_only=True):
    """The driver lowered the mode."""

    mode: Mode
    by: str


# --- prompt and answer -------------------------------------------------------------------------------------


class PromptSubmitted(Event, frozen=True, kw_only=True):
    """Words for the model. `content` holds the API's blocks when there is more than text.

    origin: task, person, answer (to a question), definition (its initialPrompt), memory (the workspace's CLAUDE.md
    and AGENTS.md), and what the session hands back by itself: check, schema, limit (an answer cut at its limit),
    resume (a session that ended for a call that was denied goes on)
    """

    text: str
    origin: str
    by: str
    content: tuple[dict[str, Any], ...] = ()
    reminder: str = ""  # what changes from minute to minute; goes to the model with this prompt, not to the screen
    queued: str = ""  # of words that a person sent: the `PromptQueued` that took them


class RequestStarted(Event, frozen=True, kw_only=True):
    """Turn `turn` begins: a request is about to leave. `estimate` is its size in tokens, roughly."""

    turn: int
    model: str
    estimate: int = 0


class RequestRetried(Event, frozen=True, kw_only=True):
    """An attempt failed and another follows after `delay_s`. What it had already used is paid for all the same."""

    turn: int
    attempt: int
    delay_s: float
    reason: str
    usage: Usage | None = None
    cost_usd: float | None = None


class AnswerCompleted(Event, frozen=True, kw_only=True):
    """One whole model answer. `content` are the API's blocks as received; when large they lie in `blob` instead.

    `broken` maps a tool call's id to why its input could not be read; such a call is never run.
    `cost_usd` is None when the model's price is not known. `calls` counts its calls; `text` are its words where the
    content lies in a blob, so that a reader need not open it.
    """

    turn: int
    message_id: str
    model: str
    content: tuple[dict[str, Any], ...] = ()
    blob: str | None = None
    stop_reason: str
    usage: Usage
    cost_usd: float | None = None
    duration_ms: int = 0
    ttft_ms: int | None = None
    broken: dict[str, str] = msgspec.field(default_factory=dict)
    text: str = ""
    calls: int = 0


class AnswerDiscarded(Event, frozen=True, kw_only=True):
    """An answer did not end properly: nothing of it was run.

    `text` is what it had said until then, for people, and for the model at the next prompt; `reason` is empty where a
    person or a signal stopped it. `usage`: what the service had told until then, paid for all the same.
    """

    turn: int
    reason: str
    text: str = ""
    usage: Usage | None = None
    cost_usd: float | None = None


class Compacted(Event, frozen=True, kw_only=True):
    """Earlier messages were replaced by `messages`; the API history starts anew with them."""

    summary: str
    messages: tuple[dict[str, Any], ...]
    tokens_before: int
    usage: Usage
    cost_usd: float | None = None


# --- calls -------------------------------------------------------------------------------------------------


class CallDecided(Event, frozen=True, kw_only=True):
    """The gate's verdict on a call: allow, ask or deny, the deciding rule, the reason, and who approved an ask."""

    call_id: str
    tool: str
    input: dict[str, Any]
    target: str  # what it acts on, in a few words: a path, the command
    verdict: str
    rule: str | None = None
    reason: str = ""
    by: str | None = None
    lifted_by: str | None = None  # the allow rule that would let a denied call pass
    sandbox: str = ""  # of a command that runs: the layer that confines it, or `outside`; empty where none is there


class CallStarted(Event, frozen=True, kw_only=True):
    """The call is about to take effect. On disk before it does."""

    call_id: str
    turn: int


class CallFinished(Event, frozen=True, kw_only=True):
    """What a call gave. `content` goes to the model, `display` to people.

    status: ok, error, denied, cancelled, interrupted
    """

    call_id: str
    tool: str
    status: str
    content: tuple[dict[str, Any], ...] = ()
    blob: str | None = None
    display: tuple[DisplayBlock, ...] = ()
    summary: str = ""
    duration_ms: int = 0
    changed: tuple[str, ...] = ()


class BoundaryCrossed(Event, frozen=True, kw_only=True):
    """The agent called an orchestration tool: nothing of that answer was run."""

    tool: str
    call_id: str


class ApprovalRequested(Event, frozen=True, kw_only=True):
    """A person is asked. `digest` binds the answer to exactly this call."""

    request_id: str
    call_id: str
    tool: str
    input: dict[str, Any]
    rule: str | None
    reason: str
    digest: str
    suggestion: str | None = None  # the rule that "always" would save
    cwd: str = ""  # where it would run
    sandbox: str = ""  # as in `CallDecided`: how it would run if it is approved
    again: bool = False  # it ran confined and failed for that: asked is whether it runs once more, outside
    owners: bool = False  # it reaches what a guest at the wheel may not let it reach: its owner alone allows it
    display: tuple[DisplayBlock, ...] = ()


class ApprovalResolved(Event, frozen=True, kw_only=True):
    """First answer wins. decision: once, session, always, no, gone (the call was cancelled)."""

    request_id: str
    decision: str
    by: str
    rule: str | None = None
    reason: str = ""


class TodosChanged(Event, frozen=True, kw_only=True):
    """The agent's list, whole."""

    todos: tuple[Todo, ...]


class ShellStarted(Event, frozen=True, kw_only=True):
    """A background command runs; its output grows in the file `path`."""

    shell_id: str
    call_id: str
    command: str
    pid: int
    path: str


class ShellFinished(Event, frozen=True, kw_only=True):
    """A background command ended, or was ended."""

    shell_id: str
    exit_code: int | None = None
    signal: int | None = None


# --- checks, questions, words ------------------------------------------------------------------------------


class CheckFinished(Event, frozen=True, kw_only=True):
    """One check ran after the agent said it was done; `attempt` counts from 1."""

    check: CheckResult
    attempt: int


class QuestionsAsked(Event, frozen=True, kw_only=True):
    """The agent ended with decisions that a person must take."""

    questions: tuple[Question, ...]


class Notice(Event, frozen=True, kw_only=True):
    """Something a person should know. level: info, warning, error; `about` groups notices of one kind."""

    level: str
    text: str
    about: str = ""


class ShellRan(Event, frozen=True, kw_only=True):
    """A person's own command ran; `output` is its end, the whole lies in the file `path`."""

    command: str
    output: str
    exit_code: int | None
    by: str
    path: str = ""


class Idle(Event, frozen=True, kw_only=True):
    """An interactive session waits for a person. reason: done, interrupted, or the subtype of what went wrong."""

    reason: str
    message: str = ""


class Unknown(Event, frozen=True, kw_only=True):
    """An event of a newer minor version: kept, passed on, and otherwise ignored."""

    name: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)


JournalEvent = (
    SessionStarted
    | SessionResumed
    | SessionEnded
    | Renamed
    | CapsRaised
    | ModeChanged
    | PromptQueued
    | PromptWithdrawn
    | PromptSubmitted
    | RequestStarted
    | RequestRetried
    | AnswerCompleted
    | AnswerDiscarded
    | Compacted
    | CallDecided
    | CallStarted
    | CallFinished
    | BoundaryCrossed
    | ApprovalRequested
    | ApprovalResolved
    | TodosChanged
    | ShellStarted
    | ShellFinished
    | CheckFinished
    | QuestionsAsked
    | Notice
    | RunLinked
    | RunsTold
    | SnapshotTaken
    | Rewound
    | HunksReverted
    | ShellRan
    | Idle
    | LiveEvent
    | Unknown
)
EphemeralEvent = TextDelta | ThinkingDelta | CallDelta | CallProgress | Tick | Presence
AnyEvent = JournalEvent | EphemeralEvent


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An event in its place: `seq` counts journalled ones from 1 (0: ephemeral), `at` is the session's Unix time."""

    seq: int
    session: str
    at: float
    event: AnyEvent
