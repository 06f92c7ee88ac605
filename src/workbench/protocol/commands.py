"""What a client may ask of a session. Each command has an id of the client's choosing and gets one `Ack`."""

from typing import Any

import msgspec

from workbench.protocol.names import Mode, tag


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
    """Base of every command."""

    id: str


class SubmitPrompt(Command, frozen=True, kw_only=True):
    """Words for the agent; queued while it works. `content` holds API blocks when there is more than text (images)."""

    text: str
    by: str
    content: tuple[dict[str, Any], ...] = ()


class Withdraw(Command, frozen=True, kw_only=True):
    """Take back a prompt while it is queued. Refused once it was delivered; `Ack.value` is its whole text.

    `prompt` is its name in the queue, or the id of one's own command. Others' are taken back by whoever drives.
    """

    prompt: str
    by: str


class Interrupt(Command, frozen=True, kw_only=True):
    """End what runs now: the stream, the call, commands of a person, and everything they started.

    The session stays; a headless run ends, and can be taken up again.
    """

    by: str


class Stop(Command, frozen=True, kw_only=True):
    """End the session. reason: signal (resumable at once), person, or budget."""

    reason: str
    by: str


class Approve(Command, frozen=True, kw_only=True):
    """An answer to `ApprovalRequested`, bound to the digest that was shown.

    With `input` a `once` is for the call as the person changed it; the gate judges it anew. `outside`: the command is
    not confined.
    """

    request_id: str
    digest: str
    decision: str  # once, session, always, no
    by: str
    rule: str | None = None
    reason: str = ""
    input: dict[str, Any] | None = None
    outside: bool = False


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


class Rewind(Command, frozen=True, kw_only=True):
    """Go back to before the prompt whose event is `seq`: the talk, the files, or both."""

    seq: int
    talk: bool = True
    files: bool = True
    by: str


class UndoRewind(Command, frozen=True, kw_only=True):
    """Take the last rewind back, as long as nothing was asked since."""

    by: str


class RevertHunks(Command, frozen=True, kw_only=True):
    """Undo changes of one file: the hunks named by their digest, all of the file where none is named."""

    path: str
    since: str = "start"
    hunks: tuple[str, ...] = ()
    by: str


class StageHunks(Command, frozen=True, kw_only=True):
    """Put changes of one file into git's index: the hunks named by their digest, all of the file where none is."""

    path: str
    hunks: tuple[str, ...] = ()
    by: str


class RunShell(Command, frozen=True, kw_only=True):
    """A command of the person, in the person's own shell, without the gate. Its output is shown, not sent on."""

    command: str
    by: str


class Fork(Command, frozen=True, kw_only=True):
    """A new session that begins with this one's talk up to before the prompt `seq` (0: all of it).

    With `agent` another agent takes over, with `brief` as its first words instead of the talk; with `model` another
    model, which needs a brief as well. `Ack.value` is its id.
    """

    seq: int = 0
    agent: str | None = None
    model: str | None = None
    brief: str | None = None
    by: str


class AskWheel(Command, frozen=True, kw_only=True):
    """Whoever drives is asked for the wheel."""

    by: str


class GrantWheel(Command, frozen=True, kw_only=True):
    """Hand the wheel to the user `to`, who is here."""

    to: str
    by: str


class TakeWheel(Command, frozen=True, kw_only=True):
    """Drive from now on: the owner at any time, others where nobody drives."""

    by: str


class LeaveWheel(Command, frozen=True, kw_only=True):
    """Drive no more; nobody does then."""

    by: str


class Say(Command, frozen=True, kw_only=True):
    """Words for the other people here. The agent does not see them."""

    text: str
    by: str


class Suggest(Command, frozen=True, kw_only=True):
    """Words that the driver may hand on to the agent. `path`: the file that they are about."""

    text: str
    path: str = ""
    by: str


class TakeSuggestion(Command, frozen=True, kw_only=True):
    """Hand a suggestion on to the agent, with `words` of one's own behind it; with `drop` put it aside."""

    suggestion: str
    words: str = ""
    drop: bool = False
    by: str


class Share(Command, frozen=True, kw_only=True):
    """Invite others: users, and groups as `@name`. `until` is Unix time, 0: for as long as an invitation may hold.

    `max_usd`: what the session may cost while they drive. `Ack.value` is an `Invited`, as JSON.
    """

    who: tuple[str, ...]
    role: str = "viewer"
    until: float = 0.0
    max_usd: float | None = None
    by: str


class EndShare(Command, frozen=True, kw_only=True):
    """Show out whoever came by the invitation `share`; by any, where it is empty."""

    share: str = ""
    by: str


class At(Command, frozen=True, kw_only=True):
    """Where this client looks, and whether its person types. Told to the others and kept nowhere."""

    looks: str = ""
    typing: bool = False
    by: str


class StopRuns(Command, frozen=True, kw_only=True):
    """End runs of the workspace, with all that they started. It is asked for: they end within seconds."""

    runs: tuple[str, ...]
    by: str


class AnnotateRun(Command, frozen=True, kw_only=True):
    """Another note, and other tags, for a run; None leaves what there is."""

    run: str
    note: str | None = None
    tags: tuple[str, ...] | None = None
    by: str


class RaiseGpuHours(Command, frozen=True, kw_only=True):
    """The session may use so many GPU-hours from now on, those it has used among them (`maxGpuHours`)."""

    hours: float
    by: str


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the invited needs: `who` is their user or group. The token is told once, and kept nowhere."""

    who: str
    token: str


class Invited(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `Share`. `warning`: what whoever shares should know of."""

    share: str
    socket: str
    until: float
    invitations: tuple[Invitation, ...]
    warning: str = ""


class Ack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a command. `error` says why it was refused."""

    id: str
    ok: bool
    error: str = ""
    value: str = ""


AnyCommand = (
    SubmitPrompt
    | Withdraw
    | Interrupt
    | Stop
    | Approve
    | SetMode
    | Compact
    | Rename
    | Rewind
    | UndoRewind
    | RevertHunks
    | StageHunks
    | RunShell
    | Fork
    | AskWheel
    | GrantWheel
    | TakeWheel
    | LeaveWheel
    | Say
    | Suggest
    | TakeSuggestion
    | Share
    | EndShare
    | At
    | StopRuns
    | AnnotateRun
    | RaiseGpuHours
)
