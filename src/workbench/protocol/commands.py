"""What a client may ask of a session. Each command has an id of the client's choosing and gets one `Ack`."""

import msgspec

from workbench.protocol.names import Mode


def _tag(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=_tag):
    """Base of every command."""

    id: str


class SubmitPrompt(Command, frozen=True, kw_only=True):
    """Words for the agent; queued while it works."""

    text: str
    by: str


class Interrupt(Command, frozen=True, kw_only=True):
    """End what runs now: the stream, the call and everything it started. The session stays."""

    by: str


class Stop(Command, frozen=True, kw_only=True):
    """End the session. reason: signal (resumable at once), person, or budget."""

    reason: str
    by: str


class Approve(Command, frozen=True, kw_only=True):
    """An answer to `ApprovalRequested`, bound to the digest that was shown."""

    request_id: str
    digest: str
    decision: str  # once, session, always, no
    by: str
    rule: str | None = None
    reason: str = ""


class SetMode(Command, frozen=True, kw_only=True):
    """Lower the mode of the running session."""

    mode: Mode
    by: str


class Compact(Command, frozen=True, kw_only=True):
    """Make the history shorter now."""

    by: str


class Rename(Command, frozen=True, kw_only=True):
    """Give the session another title."""

    title: str
    by: str


class Ack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a command. `error` says why it was refused."""

    id: str
    ok: bool
    error: str = ""


AnyCommand = SubmitPrompt | Interrupt | Stop | Approve | SetMode | Compact | Rename
