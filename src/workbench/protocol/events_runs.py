"""What the journal says of experiment runs: see `events.py`."""

import msgspec

from workbench.protocol.events_base import Event


class RunLinked(Event, frozen=True, kw_only=True):
    """An experiment run belongs to this session.

    `awaited`: a session that nobody watches does not end before the run has (a service that stays: before it is
    ready); one that was detached goes on without it.
    """

    run: str
    call_id: str | None = None
    awaited: bool = False


class Heard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was told of one run: `status` and `exit_code` where it has ended, the kinds of alerts that were new.

    `seen`: how many of its alerts are told by now. `ready`: it is a service that answers, and stays.
    """

    run: str
    status: str = ""
    exit_code: int | None = None
    alerts: tuple[str, ...] = ()
    seen: int = 0
    ready: bool = False


class RunsTold(Event, frozen=True, kw_only=True):
    """The agent hears that runs of the session ended, or that something was seen in them.

    `text` goes to the model, as words of the session's own; it is empty where the result of the call `call_id` says it.
    """

    runs: tuple[Heard, ...]
    text: str = ""
    call_id: str | None = None
