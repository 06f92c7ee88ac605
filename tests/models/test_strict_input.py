"""What a model writes as a tool's input is whole, valid JSON, or it is never run."""

import pytest

from support.asking import ask
from support.endpoint import Endpoint, turn, use
from workbench.models.assembly import strict_object

BROKEN = {
    "cut in a string": '{"command":"rm -rf build',
    "cut after a key": '{"file_path": "a", "cont',
    "cut before the end": '{"command":"ls"',
    "text after the object": '{"command":"ls"} and then some',
    "two objects": '{"command":"ls"}{"command":"rm -rf /"}',
    "text before": 'json\n{"command":"ls"}',
    "a key twice": '{"command":"ls","command":"rm -rf /"}',
    "a key twice further in": '{"edits":[{"old_string":"a","old_string":"b"}]}',
    "not a number": '{"timeout":NaN}',
    "infinite": '{"timeout":-Infinity}',
    "too large": '{"timeout":1e999}',
    "a list": '["ls"]',
    "a string": '"ls"',
    "null": "null",
    "half a character": '{"command":"\\ud83d"}',
    "a bare line end": '{"command":"a\nb"}',
    "single quotes": "{'command':'ls'}",
    "a comma too many": '{"command":"ls",}',
    "a comment": '{"command":"ls" /* really */}',
    "very deep": '{"a":' * 50_000 + "1" + "}" * 50_000,
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_input_that_is_not_whole_and_valid_is_broken(raw: str) -> None:
    value, why = strict_object(raw)
    assert value == {}
    assert why


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("{}", {}),
        ('  {"a": [1, 2.5, true, null, {"b": "ü\\u00fc\\n"}]}\n', {"a": [1, 2.5, True, None, {"b": "üü\n"}]}),
        ('{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        ('{"n":123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
    ],
)
def test_input_that_is_valid_is_read_as_it_is(raw: str, value: object) -> None:
    assert strict_object(raw) == (value, "")


@pytest.mark.parametrize("raw", ['{"command":"rm -rf build', '{"command":"ls","command":"rm"}', '{"command":"ls"} x'])
def test_a_broken_call_has_no_input_and_says_why(raw: str) -> None:
    good = use("LS", "toolu_2", path=".")
    with Endpoint([turn({**use("Bash", "toolu_1"), "input_raw": raw, "chunk": 5}, good)]) as endpoint:
        answer = ask(endpoint).whole
    assert list(answer.broken) == ["toolu_1"]
    assert "not valid JSON" in answer.broken["toolu_1"]
    assert [block["input"] for block in answer.content] == [{}, {"path": "."}]


def test_no_input_at_all_is_an_empty_one() -> None:
    with Endpoint([turn({**use("BashOutput", "toolu_1"), "input_raw": ""})]) as endpoint:
        answer = ask(endpoint).whole
    assert answer.broken == {}
    assert answer.content[0]["input"] == {}


@pytest.mark.parametrize("raw", ["", '{"command":"rm -rf bu'])
@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
def test_a_call_that_the_limit_cut_short_is_broken(raw: str, reason: str) -> None:
    whole = use("LS", "toolu_1", path=".")
    cut = {**use("Bash", "toolu_2"), "input_raw": raw}
    with Endpoint([turn(whole, cut, stop_reason=reason)]) as endpoint:
        answer = ask(endpoint).whole
    assert list(answer.broken) == ["toolu_2"]
    assert "cut off" in answer.broken["toolu_2"]
    assert answer.stop_reason == reason


def test_a_call_whose_block_never_ends_is_broken() -> None:
    start = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    events = [
        {"type": "message_start", "message": {"id": "m", "model": "x", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}},
        {"type": "message_stop"},
    ]
    with Endpoint([{"events": events}]) as endpoint:
        assert list(ask(endpoint).whole.broken) == ["toolu_1"]


def test_a_server_that_gives_the_input_at_once_is_understood() -> None:
    start = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
    events = [
        {"type": "message_start", "message": {"id": "m", "model": "x", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}},
        {"type": "message_stop"},
    ]
    with Endpoint([{"events": events}]) as endpoint:
        answer = ask(endpoint).whole
    assert (answer.content[0]["input"], answer.broken) == ({"command": "ls"}, {})
