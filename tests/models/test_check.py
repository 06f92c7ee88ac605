"""A look at the endpoint that spends no token."""

import asyncio
import socket

from support.asking import CATALOGUE, client_of
from support.endpoint import Endpoint, fault
from workbench.models.anthropic import Check


def check(endpoint: Endpoint | str, model: str = "sonnet", **options: object) -> Check:
    async def run() -> Check:
        client = client_of(endpoint, **options)
        try:
            return await client.check(CATALOGUE.find(model))
        finally:
            await client.close()

    return asyncio.run(run())


def test_a_good_key_and_a_known_model() -> None:
    with Endpoint(models=["claude-sonnet-5-5"]) as endpoint:
        assert check(endpoint).ok is True
        assert endpoint.requests == []


def test_a_model_that_the_endpoint_does_not_have() -> None:
    with Endpoint(models=["llama-3.3"]) as endpoint:
        found = check(endpoint)
    assert found.ok is False
    assert "does not know the model claude-sonnet-5-5" in found.detail


def test_an_endpoint_without_a_listing_cannot_tell() -> None:
    with Endpoint() as endpoint:
        found = check(endpoint)
    assert found.ok is None
    assert "does not tell" in found.detail


def test_a_key_that_is_refused() -> None:
    with Endpoint(key="other", models=["claude-sonnet-5-5"]) as endpoint:
        found = check(endpoint)
    assert found.ok is False
    assert "401" in found.detail
    assert "ANTHROPIC_API_KEY" in found.fix


def test_nobody_at_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = check(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert found.ok is False
    assert "cannot be reached" in found.detail


def test_no_key_at_all() -> None:
    found = check("", env={})
    assert found.ok is False
    assert "set ANTHROPIC_API_KEY" in found.detail


def test_a_check_asks_once() -> None:
    with Endpoint([fault(500)], key="other") as endpoint:
        check(endpoint)
        assert len(endpoint.received) == 1
