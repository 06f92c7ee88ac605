"""An answer through the wire: what is sent, what streams, what comes back whole."""

import asyncio
import json
from typing import Any

import pytest

from support.asking import ask, client_of, collect, request
from support.endpoint import Endpoint, say, turn, use
from workbench.models.base import Thinking

THINKING = {"type": "thinking", "thinking": "First the loss, then the learning rate. 考える"}


def test_text_thinking_and_a_call_stream_in_pieces_and_come_whole() -> None:
    call = use("Read", "toolu_1", file_path="/tmp/ü.py", limit=3)
    usage = {"input_tokens": 11, "output_tokens": 7, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 3}
    with Endpoint([turn(THINKING, {"type": "text", "text": "I look."}, call, usage=usage, chunk=5)]) as endpoint:
        asked = ask(endpoint)
    answer = asked.whole
    assert asked.text("thinking") == THINKING["thinking"]
    assert asked.text() == "I look."
    start, *rest = [piece for piece in asked.pieces if piece.kind == "call"]
    assert (start.call_id, start.name, start.text) == ("toolu_1", "Read", "")
    assert json.loads("".join(piece.text for piece in rest)) == call["input"]
    assert [block["type"] for block in answer.content] == ["thinking", "text", "tool_use"]
    assert answer.content[2] == call
    assert answer.broken == {}
    assert (answer.stop_reason, answer.model, answer.message_id) == ("tool_use", "claude-sonnet-5-5", "msg_0001")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 7)
    assert (answer.usage.cache_creation_input_tokens, answer.usage.cache_read_input_tokens) == (5, 3)
    assert answer.ttft_ms is not None
    assert answer.duration_ms >= answer.ttft_ms


def test_messages_are_sent_byte_for_byte() -> None:
    odd = b'{"role": "user",  "content":[{"type":"text","text":"caf\xc3\xa9 \\u00e9 1.0 1e2"}]}'
    asked = request()
    asked.messages = [odd]
    with Endpoint() as endpoint:
        ask(endpoint, asked)
        assert odd in endpoint.requests[0].raw


def test_a_signed_thought_is_taken_back_over_many_turns() -> None:
    """The endpoint refuses a thinking block that changed, or whose prefix did."""
    with Endpoint([turn(THINKING, use("LS", f"toolu_{n}", path=".")) for n in range(3)]) as endpoint:

        async def run() -> None:
            client = client_of(endpoint)
            messages = [{"role": "user", "content": [{"type": "text", "text": "go"}]}]
            for n in range(3):
                asked = await collect(client, request(messages))
                messages.append({"role": "assistant", "content": asked.whole.content})
                result = {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": "a.py"}
                messages.append({"role": "user", "content": [result]})
            assert (await collect(client, request(messages))).whole.stop_reason == "end_turn"
            await client.close()

        asyncio.run(run())
        assert [one.status for one in endpoint.requests] == [200] * 4


def test_redacted_thinking_and_blocks_of_unknown_kinds_are_kept_as_they_are() -> None:
    redacted = {"type": "redacted_thinking", "data": "b3BhcXVl"}
    future = {"type": "hologram", "beam": {"x": [1, 2]}, "note": None}
    with Endpoint([turn(redacted, future, {"type": "text", "text": "Done."})]) as endpoint:
        content = ask(endpoint).whole.content
    assert content[:2] == [redacted, future]


def test_unknown_events_and_deltas_do_no_harm() -> None:
    block = {"type": "text", "text": ""}
    events = [
        {"type": "message_start", "message": {"id": "m", "model": "x", "role": "assistant", "usage": {}}},
        {"type": "weather_report", "index": 9, "delta": {"type": "rain"}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "yes"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "glow_delta", "glow": 3}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"cited": "a"}}},
        b": a comment\n\n",
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
        b"data: [DONE]\n\n",
    ]
    with Endpoint([{"events": events}]) as endpoint:
        answer = ask(endpoint).whole
    assert answer.content == [{"type": "text", "text": "yes", "glow": 3, "citations": [{"cited": "a"}]}]
    assert (answer.stop_reason, answer.usage.output_tokens) == ("pause_turn", 2)


def block_alone(block: dict[str, Any]) -> dict[str, Any]:
    """A turn of BLOCK, sent just as it is."""
    return {
        "events": [
            {"type": "message_start", "message": {"id": "m", "model": "x", "role": "assistant", "usage": {}}},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ]
    }


@pytest.mark.parametrize("odd", [{"name": "LS"}, {"id": 7, "name": "LS"}, {"id": "", "name": "LS"}, {"id": "a"}])
def test_a_call_that_nobody_could_answer_is_no_answer(odd: dict[str, Any]) -> None:
    with Endpoint([block_alone({"type": "tool_use", "input": {}, **odd}), say("better")]) as endpoint:
        asked = ask(endpoint)
    assert asked.text() == "better" and len(endpoint.requests) == 2


def test_a_block_that_a_server_made_oddly_is_read_for_what_it_is() -> None:
    with Endpoint([block_alone({"type": "text", "text": None})]) as endpoint:
        assert ask(endpoint).whole.content == []
    odd = {"type": "tool_use", "id": "a", "name": "LS", "input": ["path"]}
    with Endpoint([block_alone(odd)]) as endpoint:
        answer = ask(endpoint).whole
    assert answer.content == [{**odd, "input": {}}] and "not a JSON object" in answer.broken["a"]


def test_calls_that_have_one_id_get_one_each() -> None:
    with Endpoint([turn(use("LS", "call_0", path="a"), use("LS", "call_0", path="b"))]) as endpoint:
        asked = ask(endpoint)
    ids = [block["id"] for block in asked.whole.content]
    assert ids[0] == "call_0" and len(set(ids)) == 2
    assert [piece.call_id for piece in asked.pieces if piece.kind == "call" and piece.call_id] == ids


def test_stop_reasons_are_passed_on() -> None:
    for reason in ("refusal", "model_context_window_exceeded", "pause_turn", "stop_sequence", "brand_new"):
        with Endpoint([say("text", stop_reason=reason)]) as endpoint:
            assert ask(endpoint).whole.stop_reason == reason


def test_empty_text_is_left_out_because_the_service_does_not_take_it_back() -> None:
    with Endpoint([turn({"type": "text", "text": ""}, use("LS", "toolu_1", path="."))]) as endpoint:
        assert [block["type"] for block in ask(endpoint).whole.content] == ["tool_use"]


def test_a_catalogue_model_gets_caching_and_thinking_and_an_unknown_one_a_plain_request() -> None:
    tools = ({"name": "Read", "description": "d", "input_schema": {"type": "object"}},)
    wish = Thinking(level="megathink", tokens=10_000)
    with Endpoint() as endpoint:
        ask(endpoint, request(thinking=wish, tools=tools))
        ask(endpoint, request(thinking=wish, tools=tools, model="llama-3.3"))
        known, unknown = (one.body for one in endpoint.requests)
    assert known["cache_control"] == {"type": "ephemeral"}
    assert known["system"] == [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    assert known["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert known["output_config"] == {"effort": "high"}
    assert set(unknown) == {"model", "max_tokens", "stream", "system", "tools", "messages"}
    assert unknown["system"] == [{"type": "text", "text": "Be brief."}]
    assert unknown["tools"] == list(tools)
    assert unknown["stream"] is True


def test_a_45_model_gets_a_budget_below_its_max_tokens() -> None:
    """The endpoint answers 400 to a budget that is not."""
    with Endpoint() as endpoint:
        for max_tokens in (1_500, 4_000, 11_000, 16_000):
            wish = Thinking(level="ultrathink")
            ask(endpoint, request(model="claude-sonnet-4-5", thinking=wish, max_tokens=max_tokens))
        assert [one.status for one in endpoint.requests] == [200] * 4
        budgets = [one.body.get("thinking", {}).get("budget_tokens") for one in endpoint.requests]
    assert budgets == [None, 2_976, 9_976, 14_976]


def test_one_connection_serves_all_turns() -> None:
    with Endpoint() as endpoint:

        async def run() -> None:
            client = client_of(endpoint)
            for _ in range(3):
                await collect(client, request())
            await client.close()

        asyncio.run(run())
        assert endpoint.connections == 1


def test_cancelling_closes_the_connection_at_once() -> None:
    with Endpoint([say("never heard", fault={"stall_after": 3, "stall": 60})]) as endpoint:

        async def run() -> None:
            client = client_of(endpoint)
            task = asyncio.create_task(collect(client, request()))
            await asyncio.to_thread(endpoint.wait_for, 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await asyncio.to_thread(endpoint.requests[0].gone.wait, 30)
            await client.close()

        asyncio.run(run())


def test_leaving_the_iteration_closes_the_connection_too() -> None:
    with Endpoint([say("one two three", chunk=4, fault={"stall_after": 4, "stall": 60})]) as endpoint:

        async def run() -> None:
            client = client_of(endpoint)
            answers = client.stream(request())
            assert await anext(answers)
            await answers.aclose()
            assert await asyncio.to_thread(endpoint.requests[0].gone.wait, 30)
            await client.close()

        asyncio.run(run())


def test_a_long_answer_in_small_pieces_is_the_same_answer() -> None:
    text = " ".join(f"word{n}" for n in range(3_000))
    with Endpoint([say(text, chunk=3)]) as endpoint:
        asked = ask(endpoint)
    assert asked.text() == text
    assert asked.whole.content == [{"type": "text", "text": text}]
