"""How requests fail: what is tried again, what is not, and what the person is told."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from support.asking import ask, client_of, collect, request
from support.endpoint import Endpoint, fault, say, turn, use

TEXT = "The loss went down a little, and then it stayed there."


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_may_pass_is_tried_again_and_each_retry_is_told(status: int) -> None:
    with Endpoint([fault(status, 2), say("at last")]) as endpoint:
        asked = ask(endpoint)
        assert [one.status for one in endpoint.requests] == [status, status, 200]
    assert asked.text() == "at last"
    assert [retry.attempt for retry in asked.retries] == [1, 2]
    assert asked.delays == [retry.delay_s for retry in asked.retries] == [0.5, 1.0]
    assert f"answers {status}: scripted" in asked.retries[0].reason


def test_six_requests_are_the_end() -> None:
    with Endpoint(after=fault(529)) as endpoint:
        asked = ask(endpoint)
        assert len(endpoint.requests) == 6
    assert asked.failed.kind == "unavailable"
    assert "529" in str(asked.failed)
    assert "gave up after 6 requests" in str(asked.failed)
    assert asked.delays == [0.5, 1, 2, 4, 8]


def test_jitter_only_shortens_a_wait() -> None:
    with Endpoint(after=fault(500)) as endpoint:
        assert ask(endpoint, random=lambda: 1.0).delays == [0.375, 0.75, 1.5, 3, 6]


def test_so_many_seconds_are_the_end() -> None:
    """Time passes by the waits alone: a clock that is moved by the sleep."""
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    with Endpoint(after=fault(500)) as endpoint:
        asked = ask(endpoint, max_requests=100, max_seconds=60, clock=lambda: now[0], sleep=sleep)
        assert len(endpoint.requests) == 11  # after waits of 0.5, 1, 2, 4 and six times 8 s
    assert now[0] <= 60
    assert "60 s" in str(asked.failed)


@pytest.mark.parametrize(
    ("headers", "delay"),
    [({"retry-after": "7"}, 7.0), ({"retry-after-ms": "1500"}, 1.5), ({"retry-after": "soon"}, 0.5)],
)
def test_the_service_is_waited_for_as_long_as_it_asks(headers: dict[str, str], delay: float) -> None:
    with Endpoint([fault(429, headers=headers), say("ok")]) as endpoint:
        assert ask(endpoint).delays == [delay]


def test_a_date_to_retry_after_is_understood() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    with Endpoint([fault(503, headers={"retry-after": date}), say("ok")]) as endpoint:
        (delay,) = ask(endpoint).delays
    assert 5 < delay <= 30


def test_a_wait_beyond_the_limit_is_not_begun() -> None:
    with Endpoint([fault(429, headers={"retry-after": "3600"})]) as endpoint:
        asked = ask(endpoint)
        assert len(endpoint.requests) == 1
    assert asked.delays == []
    assert asked.failed.kind == "unavailable"
    assert "asks to wait 3600 s" in str(asked.failed)


@pytest.mark.parametrize(
    ("status", "message", "kind", "words"),
    [
        (400, "messages.0: bad thing", "invalid_request", "bad thing"),
        (400, "prompt is too long: 213000 tokens > 200000 maximum", "too_long", "213000"),
        (400, "This model's maximum context length is 4096 tokens", "too_long", "4096"),
        (401, "invalid x-api-key", "authentication", "ANTHROPIC_API_KEY"),
        (402, "no credit", "refused", "no credit"),
        (403, "not for you", "authentication", "not for you"),
        (404, "model: claude-sonnet-5-5", "unknown_model", "does not know the model claude-sonnet-5-5"),
        (413, "request too large", "too_long", "too large"),
        (422, "unprocessable", "invalid_request", "unprocessable"),
    ],
)
def test_what_will_not_pass_is_told_at_once(status: int, message: str, kind: str, words: str) -> None:
    with Endpoint([fault(status, message=message)]) as endpoint:
        asked = ask(endpoint)
        assert len(endpoint.requests) == 1
        assert endpoint.url.removeprefix("http://") in str(asked.failed)
    assert (asked.failed.kind, asked.retries) == (kind, [])
    assert words in str(asked.failed)


def test_an_address_with_a_path_too_many_is_told() -> None:
    with Endpoint() as endpoint:
        asked = ask(endpoint.url + "/v1")
    assert asked.retries == []
    assert "Check ANTHROPIC_BASE_URL" in str(asked.failed)


@pytest.mark.parametrize(
    "broken",
    [
        {"cut_after": 5},
        {"end_after": 5},
        {"end_after": 0},
        {"error_after": 5},
        {"garbage_after": 5},
        {"stall_after": 5, "stall": 30},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_an_answer_that_breaks_off_is_asked_for_again(broken: dict[str, float]) -> None:
    block = use("Bash", "toolu_1", command="rm -rf build")
    with Endpoint([turn({"type": "text", "text": TEXT}, block, fault=broken), say("whole")]) as endpoint:
        asked = ask(endpoint, read_s=2.0)
        assert len(endpoint.requests) == 2
        assert endpoint.requests[0].raw == endpoint.requests[1].raw
    assert asked.whole.content == [{"type": "text", "text": "whole"}]
    assert asked.text() == "whole"
    assert len(asked.retries) == 1
    assert asked.retries[0].reason


def test_what_a_broken_attempt_used_is_told() -> None:
    with Endpoint([say(TEXT, fault={"cut_after": 5}, usage={"input_tokens": 99}), say("whole")]) as endpoint:
        (retry,) = ask(endpoint).retries
    assert retry.usage is not None
    assert retry.usage.input_tokens == 99


def test_answers_that_break_off_count_in_the_same_budget() -> None:
    with Endpoint(after=say(TEXT, fault={"cut_after": 4})) as endpoint:
        asked = ask(endpoint)
        assert len(endpoint.requests) == 6
    assert asked.failed.kind == "unavailable"
    assert asked.answer is None


def test_an_error_event_that_will_not_pass_is_not_tried_again() -> None:
    broken = {"error_after": 3, "kind": "invalid_request_error", "message": "prompt is too long"}
    with Endpoint([say(TEXT, fault=broken)]) as endpoint:
        asked = ask(endpoint)
        assert len(endpoint.requests) == 1
    assert asked.failed.kind == "too_long"


def test_a_port_where_nobody_listens_is_told_with_its_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        asked = ask(f"http://{address}")
    assert asked.failed.kind == "unavailable"
    assert address in str(asked.failed)
    assert "Connection refused" in str(asked.failed)
    assert len(asked.retries) == 5
    assert "sk-test" not in str(asked.failed) + "".join(retry.reason for retry in asked.retries)


def test_a_service_that_says_nothing_is_told_with_the_time() -> None:
    with Endpoint(after=say(TEXT, delay=30)) as endpoint:
        asked = ask(endpoint, read_s=0.2, max_requests=2)
    assert "has been silent for 0.2 s" in str(asked.failed)


def test_a_web_page_is_not_taken_for_an_answer() -> None:
    with Endpoint([{"page": "<html>Please log in</html>"}]) as endpoint:
        asked = ask(endpoint)
        assert len(endpoint.requests) == 1
    assert asked.failed.kind == "invalid_request"
    assert "text/html" in str(asked.failed)


def test_a_wait_between_attempts_can_be_cancelled() -> None:
    with Endpoint(after=fault(529, headers={"retry-after": "50"})) as endpoint:

        async def run() -> None:
            client = client_of(endpoint, sleep=asyncio.sleep)
            task = asyncio.create_task(collect(client, request()))
            await asyncio.to_thread(endpoint.wait_for, 1)
            task.cancel()
            async with asyncio.timeout(30):
                await asyncio.gather(task, return_exceptions=True)
            await client.close()

        asyncio.run(run())


# --- keys and addresses ------------------------------------------------------------------------------------


def test_without_key_and_address_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = ask("", env={})
    assert asked.failed.kind == "authentication"
    assert "set ANTHROPIC_API_KEY" in str(asked.failed)
    assert asked.retries == []


def test_a_profile_that_is_not_there_is_a_matter_of_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_PROFILE", "no-such-profile")
    asked = ask("", env={})
    assert asked.failed.kind == "authentication"
    assert "no-such-profile" in str(asked.failed)


def test_an_address_of_its_own_needs_no_key() -> None:
    with Endpoint() as endpoint:
        ask(endpoint, env={"ANTHROPIC_BASE_URL": endpoint.url})
        assert endpoint.requests[0].headers["authorization"] == "Bearer no-key"


def test_a_token_serves_as_a_key() -> None:
    with Endpoint(key="tok") as endpoint:
        assert ask(endpoint, env={"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_AUTH_TOKEN": "tok"}).whole


def test_a_key_with_a_line_end_around_it_works_and_one_with_a_gap_is_refused() -> None:
    with Endpoint(key="sk-1") as endpoint:
        assert ask(endpoint, env={"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "sk-1\n"}).whole
        failed = ask(endpoint, env={"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "sk 1"}).failed
        assert len(endpoint.requests) == 1
    assert failed.kind == "authentication"
    assert "sk 1" not in str(failed)


@pytest.mark.parametrize("address", ["localhost:8000", "http://", "http://127.0.0.1:99999", "ftp://host", "//host"])
def test_what_is_no_address_is_told(address: str) -> None:
    asked = ask(address)
    assert asked.failed.kind == "invalid_request"
    assert "ANTHROPIC_BASE_URL" in str(asked.failed)
    assert asked.retries == []


def test_a_name_and_password_in_the_address_are_not_shown() -> None:
    failed = ask("http://me:secret@127.0.0.1:1", max_requests=1).failed
    assert "127.0.0.1:1" in str(failed)
    assert "secret" not in str(failed)
