"""What the journal says of the workspace's files beside calls: see `events.py`."""

from workbench.protocol.blocks import Todo
from workbench.protocol.events_base import Event


class SnapshotTaken(Event, frozen=True, kw_only=True):
    """The workspace's files as they were before `turn` (or before a rewind). `snapshot` names a git tree of its own."""

    snapshot: str
    turn: int
    reason: str  # prompt, answer, rewind


class Rewound(Event, frozen=True, kw_only=True):
    """The session went back to before the prompt of event `seq`; `before` is the snapshot that undoes it.

    With `undone` this takes back the rewind of event `undone`. `todos` and `context_tokens` are what holds again where
    the talk went back.
    """

    seq: int
    talk: bool
    files: bool
    by: str
    before: str | None = None
    undone: int = 0
    todos: tuple[Todo, ...] = ()
    context_tokens: int = 0


class HunksReverted(Event, frozen=True, kw_only=True):
    """A person took changes of a file back."""

    path: str
    hunks: int
    by: str
