"""What every event is made of: see `events.py`."""

import msgspec

from workbench.protocol.names import tag


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
    """Base of every journalled event."""


class Ephemeral(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
    """Base of the events that are sent and not journalled. A slow client may miss any of them."""
