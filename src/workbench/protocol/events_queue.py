"""Words for the agent that wait for its next request: see `events.py`."""

from typing import Any

from workbench.protocol.events_base import Event


class PromptQueued(Event, frozen=True, kw_only=True):
    """A person's words were taken. They are delivered by the `PromptSubmitted` that names `queued`.

    `command`: the id of their `SubmitPrompt`, by which the client that sent them knows them.
    """

    queued: str
    command: str = ""
    text: str
    by: str
    content: tuple[dict[str, Any], ...] = ()


class PromptWithdrawn(Event, frozen=True, kw_only=True):
    """Queued words were taken back before they were delivered."""

    queued: str
    by: str
