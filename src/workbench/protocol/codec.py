"""Envelopes, commands and queries as lines of JSON, and back."""

import contextlib
from typing import Any, TypeVar, get_args

import msgspec

from workbench.protocol.blocks import DisplayBlock
from workbench.protocol.commands import Ack, AnyCommand
from workbench.protocol.events import AnyEvent, Envelope, Unknown
from workbench.protocol.queries import AnyPage, AnyQuery
from workbench.protocol.state import SessionState

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_envelopes: msgspec.json.Decoder[Envelope] = msgspec.json.Decoder(Envelope)
_commands: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)
_queries: msgspec.json.Decoder[AnyQuery] = msgspec.json.Decoder(AnyQuery)
_pages: msgspec.json.Decoder[AnyPage] = msgspec.json.Decoder(AnyPage)
_acks: msgspec.json.Decoder[Ack] = msgspec.json.Decoder(Ack)
_states: msgspec.json.Decoder[SessionState] = msgspec.json.Decoder(SessionState)

# Nesting that exhausts the stack and numbers that no float holds are malformed like any other noise.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)


_LATEST = 253_402_300_800.0  # Unix time at the end of the year 9999


class MalformedError(ValueError):
    """Bytes that are no message of this protocol."""


def encode(message: Any) -> bytes:
    """A message as one line of JSON, without the newline. An `Unknown` event gets the shape it came in.

    Half surrogate pairs (file names that are not UTF-8) are written as `\\udcXX`. Raises TypeError for what is not
    data.
    """
    if isinstance(message, Envelope) and isinstance(message.event, Unknown):
        message = _original(message, message.event)
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:
        return _encoder.encode(_without_surrogates(msgspec.to_builtins(message)))


def _original(envelope: Envelope, event: Unknown) -> dict[str, Any]:
    return {
        "seq": envelope.seq,
        "session": envelope.session,
        "at": envelope.at,
        "event": {"type": event.name, **event.data},
    }


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(entry) for entry in value]
    return value


def decode_envelope(line: bytes | str) -> Envelope:
    """The envelope in LINE. Unknown fields are ignored, an event of an unknown type becomes `Unknown`.

    Raises MalformedError for anything else that is not an envelope.
    """
    try:
        envelope = _envelopes.decode(line)
    except _UNREADABLE as error:
        envelope = _of_newer_minor(line, str(error))
    else:
        if isinstance(envelope.event, Unknown):
            # This is the tag of a class here and no type of the wire's: a line that says so is passed on as it came.
            envelope = _of_newer_minor(line, "")
    if not is_moment(envelope.at):
        raise MalformedError(f"{envelope.at:g} is no moment")
    return envelope


def is_moment(at: float) -> bool:
    """Whether AT, in Unix seconds, is a moment of 1970 to 9999: others no calendar here can tell."""
    return 0 <= at < _LATEST


def _of_newer_minor(line: bytes | str, problem: str) -> Envelope:
    try:
        raw = msgspec.json.decode(line)
        event = dict(raw["event"])
        name = event.pop("type")
        if not isinstance(name, str):
            raise MalformedError(problem)
        if name in _event_types() and name != "unknown":
            return msgspec.convert({**raw, "event": {"type": name, **_with_known_blocks(event)}}, Envelope)
        return msgspec.convert({**raw, "event": {"type": "unknown", "name": name, "data": event}}, Envelope)
    except (*_UNREADABLE, KeyError, TypeError, ValueError) as cause:
        raise MalformedError(problem or str(cause)) from cause


def _event_types() -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in get_args(AnyEvent)}


def _with_known_blocks(value: Any) -> Any:
    """VALUE with display blocks of a newer minor version, wherever they stand in it, told in words."""
    if isinstance(value, list):
        return [_with_known_blocks(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _known(one) if key == "display" else _with_known_blocks(one) for key, one in value.items()}


def _known(display: Any) -> Any:
    if not isinstance(display, list):
        return display
    known = {kind.__struct_config__.tag for kind in get_args(DisplayBlock)}
    kinds = [block.get("type") if isinstance(block, dict) else None for block in display]
    return [
        {"type": "text", "text": f"({kind}: made by a newer version)"} if kind and kind not in known else block
        for kind, block in zip(kinds, display, strict=True)
    ]


def decode_command(line: bytes | str) -> AnyCommand:
    """The command in LINE; raises MalformedError."""
    return _strict(_commands, line)


def decode_query(line: bytes | str) -> AnyQuery:
    """The query in LINE; raises MalformedError."""
    return _strict(_queries, line)


def decode_page(line: bytes | str) -> AnyPage:
    """The page in LINE; display blocks as `decode_envelope` has them. Raises MalformedError."""
    return _lenient(_pages, line)


def decode_state(line: bytes | str) -> SessionState:
    """The state in LINE; display blocks as `decode_envelope` has them. Raises MalformedError."""
    return _lenient(_states, line)


def decode_ack(line: bytes | str) -> Ack:
    """The acknowledgement in LINE; raises MalformedError."""
    return _strict(_acks, line)


def _strict(decoder: msgspec.json.Decoder[T], line: bytes | str) -> T:
    try:
        return decoder.decode(line)
    except _UNREADABLE as error:
        raise MalformedError(str(error)) from error


def _lenient(decoder: msgspec.json.Decoder[T], line: bytes | str) -> T:
    with contextlib.suppress(*_UNREADABLE):
        return decoder.decode(line)
    try:
        known: T = msgspec.convert(_with_known_blocks(msgspec.json.decode(line)), decoder.type)
    except (*_UNREADABLE, TypeError) as error:
        raise MalformedError(str(error)) from error
    return known
