"""Envelopes, commands and queries as lines of JSON, and back."""

from typing import Any, TypeVar, get_args

import msgspec

from workbench.protocol.commands import Ack, AnyCommand
from workbench.protocol.events import AnyEvent, Envelope
from workbench.protocol.queries import AnyPage, AnyQuery

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_envelopes: msgspec.json.Decoder[Envelope] = msgspec.json.Decoder(Envelope)
_commands: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)
_queries: msgspec.json.Decoder[AnyQuery] = msgspec.json.Decoder(AnyQuery)
_pages: msgspec.json.Decoder[AnyPage] = msgspec.json.Decoder(AnyPage)
_acks: msgspec.json.Decoder[Ack] = msgspec.json.Decoder(Ack)


class MalformedError(ValueError):
    """Bytes that are no message of this protocol."""


def encode(message: Any) -> bytes:
    """A message as one line of JSON, without the newline."""
    return _encoder.encode(message)


def decode_envelope(line: bytes | str) -> Envelope:
    """The envelope in LINE. An event of an unknown type becomes `Unknown`.

    Raises MalformedError for anything else that is not an envelope.
    """
    try:
        return _envelopes.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _of_newer_minor(line, error)


def _of_newer_minor(line: bytes | str, error: Exception) -> Envelope:
    try:
        raw = msgspec.json.decode(line)
        event = dict(raw["event"])
        name = event.pop("type")
        known = any(name == kind.__struct_config__.tag for kind in _event_types())
        if known or not isinstance(name, str):
            raise MalformedError(str(error))
        return msgspec.convert({**raw, "event": {"type": "unknown", "name": name, "data": event}}, Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as cause:
        raise MalformedError(str(error)) from cause


def _event_types() -> tuple[Any, ...]:
    return get_args(AnyEvent)


def decode_command(line: bytes | str) -> AnyCommand:
    """The command in LINE; raises MalformedError."""
    return _strict(_commands, line)


def decode_query(line: bytes | str) -> AnyQuery:
    """The query in LINE; raises MalformedError."""
    return _strict(_queries, line)


def decode_page(line: bytes | str) -> AnyPage:
    """The page in LINE; raises MalformedError."""
    return _strict(_pages, line)


def decode_ack(line: bytes | str) -> Ack:
    """The acknowledgement in LINE; raises MalformedError."""
    return _strict(_acks, line)


def _strict(decoder: msgspec.json.Decoder[T], line: bytes | str) -> T:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError(str(error)) from error
