"""The tests' own endpoint refuses what the real service refuses."""

import json
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest

from support.endpoint import Endpoint, fault, say, turn, use

USER = {"role": "user", "content": "hi"}
CALL = {"role": "assistant", "content": [use("LS", "toolu_1", path=".")]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "a"}]}


def post(endpoint: Endpoint, **body: Any) -> tuple[int, dict[str, Any]]:
    data = {"model": "claude-sonnet-5-5", "max_tokens": 4_000, "messages": [USER], **body}
    request = urllib.request.Request(endpoint.url + "/v1/messages", json.dumps(data).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [CALL, RESULT]}, "first message"),
        ({"messages": [USER, CALL]}, "tool_result"),
        ({"messages": [USER, CALL, USER]}, "tool_result"),
        ({"messages": [USER, RESULT]}, "unexpected"),
        ({"messages": [USER, CALL, RESULT, RESULT]}, "unexpected"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "non-whitespace"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, "adaptive"),
        ({"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 4_000}}, "max_tokens"),
        ({"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 9}}, "1024"),
        ({"model": "claude-haiku-4-5", "thinking": {"type": "adaptive"}}, "adaptive"),
        ({"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}] * 5}, "maximum of 4"),
    ],
)
def test_refusals(body: dict[str, Any], words: str) -> None:
    with Endpoint() as endpoint:
        status, answer = post(endpoint, **body)
    assert status == 400
    assert words in answer["error"]["message"]


def test_a_thought_is_bound_to_what_stood_before_it() -> None:
    with Endpoint([turn({"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"})]) as endpoint:
        _, answer = post(endpoint)
        reply = {"role": "assistant", "content": answer["content"]}
        assert post(endpoint, messages=[USER, reply, USER])[0] == 200
        assert post(endpoint, messages=[{"role": "user", "content": "ho"}, reply, USER])[0] == 400
        assert post(endpoint, messages=[USER, reply, USER], system="other")[0] == 400
        changed = {"role": "assistant", "content": [{**answer["content"][0], "thinking": "hmm"}]}
        assert post(endpoint, messages=[USER, changed, USER])[0] == 400


def test_turns_come_in_order_and_faults_last_as_long_as_they_are_told() -> None:
    with Endpoint([fault(503, 2), say("one"), lambda body: say(body["model"])]) as endpoint:
        assert [post(endpoint)[0] for _ in range(2)] == [503, 503]
        texts = [post(endpoint)[1]["content"][0]["text"] for _ in range(3)]
    assert texts == ["one", "claude-sonnet-5-5", "Done."]


def test_a_client_that_leaves_with_something_unread_is_seen_to_leave() -> None:
    """Its connection is then reset, not ended."""
    data = json.dumps({"model": "claude-sonnet-5-5", "max_tokens": 4_000, "messages": [USER], "stream": True}).encode()
    with Endpoint([say("never heard", fault={"stall_after": 0, "stall": 60})]) as endpoint:
        with socket.create_connection(("127.0.0.1", int(endpoint.url.rpartition(":")[2])), 10) as client:
            client.sendall(b"POST /v1/messages HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data))
            client.recv(1, socket.MSG_PEEK)
        assert endpoint.wait_for(1).gone.wait(30)
