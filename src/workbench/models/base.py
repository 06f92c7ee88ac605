"""What the loop asks of a model, whoever answers: the SDK, a recording, a test."""

from collections.abc import AsyncGenerator
from typing import Any, Protocol

import msgspec

from workbench.protocol.result import Usage


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """How much a definition wants the model to think, before it is known which form the model takes."""

    level: str | None = None  # think, megathink, ultrathink
    tokens: int | None = None
    effort: str | None = None  # low, medium, high, xhigh, max


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalogue. Prices are dollars per million tokens, None where not known.

    `known` is False for a model that the catalogue does not have: it gets a plain request.
    """

    id: str
    aliases: tuple[str, ...] = ()
    window: int = 200_000
    max_output: int = 32_000
    input: float | None = None
    output: float | None = None
    long_over: int | None = None  # prompt tokens above which the long prices hold
    long_input: float | None = None
    long_output: float | None = None
    thinking: str = "none"  # none, budget, adaptive
    thinks: str = "asked"  # asked: only on request; default: unless told not to; always
    default_effort: str | None = None
    efforts: tuple[str, ...] = ()  # what `output_config.effort` may be; none: the model takes no effort
    caching: bool = False
    known: bool = True

    def cost(self, usage: Usage) -> float | None:
        """Dollars for one answer; None where the price is not known. A cache write costs 1.25x, a read 0.1x."""
        if self.input is None or self.output is None:
            return None
        into, out = self.input, self.output
        if self.long_over is not None and usage.prompt > self.long_over and self.long_input and self.long_output:
            into, out = self.long_input, self.long_output
        fresh = usage.input_tokens + 1.25 * usage.cache_creation_input_tokens + 0.1 * usage.cache_read_input_tokens
        return (fresh * into + usage.output_tokens * out) / 1e6


class Request(msgspec.Struct, kw_only=True):
    """One request for an answer. Its parts are already encoded as JSON, each message a document of its own:

    what was sent once never changes, so it is encoded once.
    """

    model: ModelInfo
    system: bytes  # JSON: list of text blocks
    tools: bytes  # JSON: list of tool definitions
    messages: list[bytes]
    max_tokens: int
    thinking: Thinking | None = None


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A delta on its way to the screen. kind: text, thinking, call (its start has call_id and name)."""

    kind: str
    index: int
    text: str = ""
    call_id: str = ""
    name: str = ""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt failed and another follows. What was streamed of it is void.

    `usage` is what the failed attempt had used as far as it told: the service counts those tokens all the same.
    """

    attempt: int
    delay_s: float
    reason: str
    usage: Usage | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer that ended properly. `content` are the API's blocks, fit to be sent back as they are.

    The input of a call that is not whole, valid JSON is `{}` there and `broken[call_id]` says what was wrong.
    """

    message_id: str
    model: str
    content: list[dict[str, Any]]
    stop_reason: str
    usage: Usage
    duration_ms: int
    ttft_ms: int | None
    broken: dict[str, str] = {}


class ModelError(Exception):
    """The model gave no answer, and will not by trying again now.

    kind: authentication, unknown_model, invalid_request, too_long (the prompt exceeds the window),
    unavailable (unreachable or overloaded past all retries), refused.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ModelClient(Protocol):
    """Streams one answer. Cancelling the iteration closes the connection."""

    def stream(self, request: Request) -> AsyncGenerator[Piece | Usage | Retry | Answer, None]:
        """Pieces as they come, then one Answer as the last item. Raises ModelError.

        A Usage is what the attempt has used by then: it counts where neither a Retry nor an Answer follows.
        """

    async def close(self) -> None:
        """Lets go of connections."""
