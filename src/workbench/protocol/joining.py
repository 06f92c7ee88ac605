"""Pieces of one text that follow each other, put together: less to draw, and less to send."""

import msgspec

from workbench.protocol.events import CallDelta, CallProgress, Envelope, TextDelta, ThinkingDelta

JOINED = 4096  # characters of a joined delta, beyond which the next one begins anew

Delta = TextDelta | ThinkingDelta | CallDelta | CallProgress
_SAME = {TextDelta: ("turn", "index"), ThinkingDelta: ("turn", "index"), CallDelta: ("call_id",),
         CallProgress: ("call_id",)}  # fmt: skip


def goes_on(first: object, second: object) -> bool:
    """Whether SECOND is the next piece of the text that FIRST is a piece of."""
    if not isinstance(first, Delta) or not isinstance(second, Delta) or type(first) is not type(second):
        return False
    if second.whole:
        return False
    return all(getattr(first, name) == getattr(second, name) for name in _SAME[type(second)])


def joined(one: Envelope, two: Envelope) -> Envelope | None:
    """Two deltas of one text as one; None where they are not, or where they would be too long."""
    first, second = one.event, two.event
    if not goes_on(first, second) or len(first.text) > JOINED:  # type: ignore[union-attr]
        return None
    text = first.text + second.text  # type: ignore[union-attr]
    return msgspec.structs.replace(two, event=msgspec.structs.replace(first, text=text))
