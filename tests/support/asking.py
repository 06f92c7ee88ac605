"""Asks a model client for one answer and keeps all that it gives, waits between attempts included."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from support.endpoint import Endpoint
from workbench.models.anthropic import AnthropicClient
from workbench.models.base import Answer, ModelClient, ModelError, Piece, Request, Retry, Thinking
from workbench.models.catalogue import Catalogue

CATALOGUE = Catalogue.load()
HELLO = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]


@dataclass
class Asked:
    """What came of one question. `delays` are the seconds waited between attempts, none of them really."""

    pieces: list[Piece] = field(default_factory=list)
    retries: list[Retry] = field(default_factory=list)
    answer: Answer | None = None
    error: ModelError | None = None
    delays: list[float] = field(default_factory=list)

    @property
    def whole(self) -> Answer:
        """The answer, which must be there."""
        assert self.error is None, str(self.error)
        assert self.answer is not None
        return self.answer

    @property
    def failed(self) -> ModelError:
        """The error, which must be there."""
        assert self.error is not None
        return self.error

    def text(self, kind: str = "text") -> str:
        """The pieces of one kind, put together."""
        return "".join(piece.text for piece in self.pieces if piece.kind == kind)


def request(
    messages: list[dict[str, Any]] | None = None,
    *,
    model: str = "sonnet",
    max_tokens: int = 16_000,
    thinking: Thinking | None = None,
    system: str = "Be brief.",
    tools: tuple[dict[str, Any], ...] = (),
) -> Request:
    """A request as a session makes it: its parts encoded once."""
    return Request(
        model=CATALOGUE.find(model),
        system=msgspec.json.encode([{"type": "text", "text": system}]),
        tools=msgspec.json.encode(tools),
        messages=[msgspec.json.encode(message) for message in messages or HELLO],
        max_tokens=max_tokens,
        thinking=thinking,
    )


def client_of(endpoint: Endpoint | str, delays: list[float] | None = None, **options: Any) -> AnthropicClient:
    """A client for ENDPOINT whose waits between attempts are noted in DELAYS and take no time."""

    async def sleep(seconds: float) -> None:
        if delays is not None:
            delays.append(seconds)

    url = endpoint if isinstance(endpoint, str) else endpoint.url
    env = options.pop("env", {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "sk-test"})
    return AnthropicClient(env, **{"sleep": sleep, "random": lambda: 0.0, **options})


async def collect(client: ModelClient, asked: Request) -> Asked:
    """All that CLIENT gives for one request."""
    found = Asked()
    try:
        async for item in client.stream(asked):
            match item:
                case Piece():
                    found.pieces.append(item)
                case Retry():
                    found.retries.append(item)
                    found.pieces.clear()
                case Answer():
                    found.answer = item
    except ModelError as error:
        found.error = error
    return found


def ask(endpoint: Endpoint | str, asked: Request | None = None, **options: Any) -> Asked:
    """One question to ENDPOINT, through a client that lives as long as it takes."""

    async def run() -> Asked:
        delays: list[float] = []
        client = client_of(endpoint, delays, **options)
        try:
            async with asyncio.timeout(30):
                found = await collect(client, asked or request())
        finally:
            await client.close()
        found.delays = delays
        return found

    return asyncio.run(run())
