"""What is told of the people at a session: who is here, who drives, what they say to each other. See `events.py`."""

import msgspec

from workbench.protocol.events_base import Ephemeral, Event


class ClientJoined(Event, frozen=True, kw_only=True):
    """Somebody looks at the session from now on. `user` is the name that the kernel has for them.

    `role`: viewer, suggester or driver. `owner`: the session is theirs. `place`: where they sit, in their own words.
    """

    client: str
    user: str
    role: str
    owner: bool = False
    place: str = ""


class ClientLeft(Event, frozen=True, kw_only=True):
    """A client left, or was not heard of for a while."""

    client: str
    user: str
    why: str = ""


class WheelAsked(Event, frozen=True, kw_only=True):
    """Somebody who does not drive would like to."""

    by: str


class WheelPassed(Event, frozen=True, kw_only=True):
    """Another user drives from now on, none where `to` is empty. `by` passed it; empty: the host itself."""

    to: str
    by: str = ""
    why: str = ""


class Shared(Event, frozen=True, kw_only=True):
    """Others were invited: users, and groups as `@name`. `until` is Unix time; `max_usd` is what they may spend."""

    share: str
    who: tuple[str, ...]
    role: str
    by: str
    until: float = 0.0
    max_usd: float | None = None


class ShareEnded(Event, frozen=True, kw_only=True):
    """An invitation holds no more; whoever came by it was shown out."""

    share: str
    why: str
    by: str = ""


class Suggested(Event, frozen=True, kw_only=True):
    """Words for the driver, who may hand them on to the agent. `path`: the file that they are about."""

    suggestion: str
    text: str
    by: str
    path: str = ""


class SuggestionTaken(Event, frozen=True, kw_only=True):
    """The driver handed a suggestion on to the agent; the prompt follows. `dropped`: it was put aside instead."""

    suggestion: str
    by: str
    dropped: bool = False


class Said(Event, frozen=True, kw_only=True):
    """Words among the people. The agent does not see them."""

    text: str
    by: str


LiveEvent = (
    ClientJoined | ClientLeft | WheelAsked | WheelPassed | Shared | ShareEnded | Suggested | SuggestionTaken | Said
)


class Person(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One client, as the others see it. `looks`: a pane, and what is open there: `diff train.py`, `runs r-14`, `talk`.

    `away`: its connection was lost, and may come back.
    """

    client: str
    user: str
    role: str
    owner: bool = False
    place: str = ""
    looks: str = ""
    typing: bool = False
    away: bool = False


class Presence(Ephemeral, frozen=True, kw_only=True):
    """Who is here and who drives, whole. Sent when something of it changes, four times a second at most."""

    people: tuple[Person, ...] = ()
    driver: str = ""
