"""What goes over a session's socket: one frame a line, JSON. `docs/protocol.md` is made from these types.

A client begins with `Hello`, the host answers `Welcome` or `Refused`. Commands, queries and envelopes travel inside
frames as they are everywhere else (`codec.py` reads them), so that a newer minor version may add to each of them.
"""

from typing import Any, TypeVar, get_args

import msgspec

from workbench.protocol.codec import MalformedError, encode
from workbench.protocol.names import tag
from workbench.protocol.version import PROTOCOL

# Bytes of one frame. A stranger may not send more than a `Hello`; a prompt may hold pictures, a state is bounded.
MOST_HELLO = 16_384
MOST_FROM_CLIENT = 32 << 20
MOST_FROM_HOST = 64 << 20

NOTHING = msgspec.Raw()  # in place of what a frame does not hold; false

BEAT_S = 20.0  # between two beats of either side; one that was silent for three of them is gone
SILENT_S = 3 * BEAT_S


def _own() -> str:
    return PROTOCOL


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
    """Base of every frame. One of a type that is not known comes from a newer minor version, and is passed over."""


# --- from a client -----------------------------------------------------------------------------------------


class Hello(Frame, frozen=True, kw_only=True):
    """Who comes, with which proof, as what, and from where it goes on.

    `after`: the seq of the last envelope that the client holds; -1: it holds nothing, and is sent the state.
    `token`: the owner's, or an invitation's. `role`: viewer, suggester or driver; less may be granted. `place`: where
    the person sits, in words (a terminal, a host). `again`: the client's id before it lost its connection; where the
    host still knows it, commands that were not answered are sent again, and none is done twice. `session`: which one,
    where `Which` asked. `pace`: seconds in which pieces of a text may be gathered before they are sent; each frame
    costs on a slow line.
    """

    protocol: str = msgspec.field(default_factory=_own)  # never left out, as a default would be
    token: str = ""
    role: str = "driver"
    after: int = -1
    program: str = ""
    place: str = ""
    again: str = ""
    session: str = ""
    pace: float = 0.0


class Do(Frame, frozen=True, kw_only=True):
    """A command; it is answered by `Done` with its id."""

    command: msgspec.Raw


class Ask(Frame, frozen=True, kw_only=True):
    """A query; it is answered by `Page` with this id."""

    id: int
    query: msgspec.Raw


class Beat(Frame, frozen=True, kw_only=True):
    """Still there. Sent by both sides when they have sent nothing else for `BEAT_S` seconds."""


class Bye(Frame, frozen=True, kw_only=True):
    """Leaves, or is let go. code: left, ended (the session has), behind (too much was missed: come anew), stopped."""

    code: str = "left"
    why: str = ""


# --- from the host -----------------------------------------------------------------------------------------


class Welcome(Frame, frozen=True, kw_only=True):
    """The client is in. With `state` it begins from there; envelopes from after `seq` follow.

    With a state, envelopes that it holds already may come first: the ones that its items were made from. `attended`: a
    person steers the session; else it is a headless run, which is watched, and stopped.
    """

    session: str
    client: str
    user: str
    role: str
    owner: bool
    seq: int
    protocol: str = msgspec.field(default_factory=_own)  # never left out, as a default would be
    program: str = ""
    attended: bool = True
    state: msgspec.Raw = NOTHING


class Refused(Frame, frozen=True, kw_only=True):
    """The client is not let in. code: version, identity, invitation, full, malformed, gone (no such session)."""

    code: str
    why: str


class Live(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A live session, as a list has it. `updated`: when something happened in it last, in Unix seconds."""

    id: str
    title: str = ""
    workspace: str = ""
    agent: str = ""
    turns: int = 0
    updated: float = 0.0


class Which(Frame, frozen=True, kw_only=True):
    """Several sessions are live: the client says hello once more, with the one it means.

    No host says so: it comes from `mlwb attach --stdio`, which stands before all sessions of a user.
    """

    sessions: tuple[Live, ...]


class Told(Frame, frozen=True, kw_only=True):
    """A journalled envelope."""

    envelope: msgspec.Raw


class Passing(Frame, frozen=True, kw_only=True):
    """An event that is not journalled; the client's clock says when."""

    event: msgspec.Raw


class More(Frame, frozen=True, kw_only=True):
    """The last `Passing` goes on: its event once more, with this text in place of its own, and not `whole`."""

    text: str


class Done(Frame, frozen=True, kw_only=True):
    """What became of a command."""

    ack: msgspec.Raw


class Page(Frame, frozen=True, kw_only=True):
    """The answer to a query; without a page it is not one that this host can answer, and `why` says so."""

    id: int
    page: msgspec.Raw = NOTHING
    why: str = ""


T = TypeVar("T")
FromClient = Hello | Do | Ask | Beat | Bye
FromHost = Welcome | Refused | Which | Told | Passing | More | Done | Page | Beat | Bye

_from_client: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)
_from_host: msgspec.json.Decoder[FromHost] = msgspec.json.Decoder(FromHost)


class _Any(msgspec.Struct):
    type: str


_any: msgspec.json.Decoder[_Any] = msgspec.json.Decoder(_Any)
_KNOWN = {str(kind.__struct_config__.tag) for kind in (*get_args(FromClient), *get_args(FromHost))}


def raw(message: Any) -> msgspec.Raw:
    """MESSAGE as it goes inside a frame."""
    return msgspec.Raw(encode(message))


def line(frame: Frame) -> bytes:
    """FRAME as it goes over the wire, with its newline."""
    return encode(frame) + b"\n"


def from_client(data: bytes) -> FromClient | None:
    """The frame in DATA, None where it is of a newer minor version. Raises MalformedError."""
    return _read(_from_client, data)


def from_host(data: bytes) -> FromHost | None:
    """The frame in DATA, None where it is of a newer minor version. Raises MalformedError."""
    return _read(_from_host, data)


def _read(decoder: msgspec.json.Decoder[T], data: bytes) -> T | None:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        try:
            kind = _any.decode(data).type
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
            raise MalformedError(str(error)) from error
        if kind in _KNOWN:
            raise MalformedError(str(error)) from error
        return None
