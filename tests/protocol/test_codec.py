"""What crosses a boundary survives it; what is no message is told apart, whatever it is."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.sample_events import call, resumed, session_events, started
from workbench.protocol import blocks, commands, queries
from workbench.protocol import events as e
from workbench.protocol.codec import (
    MalformedError,
    decode_ack,
    decode_command,
    decode_envelope,
    decode_page,
    decode_query,
    encode,
)
from workbench.protocol.fold import apply
from workbench.protocol.state import Item, SessionState
from workbench.protocol.visible import escaped

DECODERS = (decode_envelope, decode_command, decode_query, decode_page, decode_ack)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


def envelope(event, seq=1):
    return e.Envelope(seq=seq, session="s-1", at=5.5, event=event)


EXAMPLES = [
    *session_events(),
    resumed(cut=3),
    e.ModeChanged(mode="plan", by="ada"),
    e.RequestRetried(turn=1, attempt=2, delay_s=0.5, reason="529"),
    e.AnswerDiscarded(turn=1, reason="cut"),
    e.ApprovalRequested(
        request_id="r", call_id="t", tool="Bash", input={"a": [1, None]}, rule=None, reason="", digest="d",
        display=(blocks.Code(path="a", text="x"), blocks.Listing(lines=("a",), total=9), blocks.Todos(todos=())),
    ),
    e.ApprovalResolved(request_id="r", decision="no", by="ada"),
    e.ShellStarted(shell_id="1", call_id="t", command="sleep 1", pid=3, path="/x"),
    e.ShellFinished(shell_id="1", signal=9),
    e.BoundaryCrossed(tool="Task", call_id="t"),
    e.TextDelta(turn=1, index=0, text="a"),
    e.Tick(activity="thinking"),
    *call("t", "ls"),
]  # fmt: skip


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_survives_the_wire(event):
    line = encode(envelope(event))
    assert b"\n" not in line
    assert decode_envelope(line) == envelope(event)
    assert decode_envelope(line.decode()) == envelope(event)


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        (decode_command, commands.SubmitPrompt(id="1", text="go\non", by="ada")),
        (decode_command, commands.Approve(id="2", request_id="r", digest="d", decision="once", by="ada")),
        (decode_ack, commands.Ack(id="1", ok=False, error="no")),
        (decode_query, queries.ItemsBefore(before=640, n=3)),
        (decode_query, queries.ItemText(item=640)),
        (decode_query, queries.BlobPage(blob="0" * 64, offset=1)),
        (decode_query, queries.DiffPage(path="a\nb")),
        (decode_query, queries.SeriesPage(run="r", key="loss")),
        (decode_page, queries.Items(items=(Item(id=64, at=1.0, kind="prompt", text="x"),), more=True)),
        (decode_page, queries.Blob(data=b"\0\xff", total=2)),
        (decode_page, queries.Diff(lines=("+a",), total=1)),
        (decode_page, queries.Series(points=((0.0, None), (1.0, 2.5)))),
    ],
)
def test_commands_queries_and_pages_survive_the_wire(decode, message):
    assert decode(encode(message)) == message


@given(st.binary(max_size=300))
def test_noise_is_malformed_and_nothing_else(noise):
    for decode in DECODERS:
        with pytest.raises(MalformedError):
            decode(noise)


@given(JSON, st.text(max_size=40))
def test_other_json_is_malformed_and_nothing_else(value, words):
    for line in (json.dumps(value), words, json.dumps({"type": words, "event": value, "id": value})):
        for decode in DECODERS:
            try:
                decode(line)
            except MalformedError:
                continue


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_damaged_line_is_malformed_or_a_message(event, data):
    line = bytearray(encode(envelope(event)))
    for _ in range(data.draw(st.integers(1, 3))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_envelope(bytes(line))
    except MalformedError:
        return
    apply(SessionState(), decoded)
    encode(decoded)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000, b'{"event":' * 50_000, b'{"seq":1e999}', b'"\\ud800"', b"\xff\xfe", b"", b"null", b"NaN",
        b'{"seq":1,"session":"s","at":1,"event":null}', b'{"seq":1,"session":"s","at":1,"event":{"type":7}}',
        b'{"seq":"1","session":"s","at":1,"event":{"type":"dreamt"}}', b'{"event":{"type":"dreamt"}}',
        b'{"seq":1,"session":"s","at":1,"event":{"type":"renamed"}}', b'{"seq":1,"session":"s","at":1,"event":[]}',
        b'{"seq":1,"session":"s","at":1,"event":{"type":"call_finished","display":[1]}}',
        b'{"seq":1,"session":"s","at":1,"event":{"type":"call_finished","display":{"a":1}}}',
        b'{"seq":1,"session":"s","at":1,"event":{"type":"call_finished","display":[{"type":[]}]}}',
    ],
)  # fmt: skip
def test_hard_noise(line):
    for decode in DECODERS:
        with pytest.raises(MalformedError):
            decode(line)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), JSON, max_size=4))
def test_an_event_of_a_newer_minor_keeps_its_shape(fields):
    original = {"seq": 3, "session": "s-1", "at": 1.5, "event": {**fields, "type": "dreamt"}}
    decoded = decode_envelope(json.dumps(original))
    assert isinstance(decoded.event, e.Unknown)
    assert json.loads(encode(decoded)) == original
    assert decode_envelope(encode(decoded)) == decoded
    state = SessionState()
    apply(state, decoded)
    assert (state.seq, state.updated, state.items) == (3, 1.5, [])


def test_unknown_is_no_type_that_can_pose_as_another():
    original = {"seq": 1, "session": "s", "at": 1.0, "event": {"type": "unknown", "name": "renamed", "data": {}}}
    decoded = decode_envelope(json.dumps(original))
    assert json.loads(encode(decoded)) == original


def test_unknown_fields_are_ignored():
    line = json.loads(encode(envelope(started())))
    line["event"] |= {"weather": "fine"}
    line["event"]["task"] |= {"mood": [1]}
    assert decode_envelope(json.dumps(line | {"more": 1})) == envelope(started())


def test_a_newer_display_block_is_told_in_words():
    finished = e.CallFinished(call_id="t", tool="Plot", status="ok", display=(blocks.Text(text="a"),))
    line = json.loads(encode(envelope(finished)))
    line["event"]["display"].append({"type": "chart", "points": [1, 2]})
    decoded = decode_envelope(json.dumps(line))
    assert decoded.event.display == (blocks.Text(text="a"), blocks.Text(text="(chart: made by a newer version)"))


def test_names_that_are_no_text_can_be_written():
    name = os.fsdecode(b"caf\xe9")
    event = e.CallDecided(call_id="t", tool="Read", input={name: [name]}, target=name, verdict="allow")
    decoded = decode_envelope(encode(envelope(event)))
    assert decoded.event.target == "caf\\udce9"
    assert decoded.event.input == {"caf\\udce9": ["caf\\udce9"]}


def test_every_event_has_a_tag_of_its_own():
    tags = [kind.__struct_config__.tag for kind in e.AnyEvent.__args__]
    assert len(set(tags)) == len(tags)
    assert all(tag == tag.lower() for tag in tags)
    with pytest.raises(TypeError):
        encode(object())


@pytest.mark.parametrize("at", [1e300, 253_402_300_800, -1])
@pytest.mark.parametrize("kind", ["renamed", "dreamt", "unknown"])
def test_a_time_that_no_calendar_can_tell_is_malformed(at, kind):
    line = json.dumps({"seq": 1, "session": "s", "at": at, "event": {"type": kind, "title": "x"}})
    with pytest.raises(MalformedError, match="no moment"):
        decode_envelope(line)


def test_json_for_a_terminal_says_the_same():
    said = {"a": "\x9b31m\u202e é\n\t😀 \U000e0041", "b": [1]}
    document = json.dumps(said, ensure_ascii=False, indent=1)
    assert json.loads(escaped(document)) == said
    assert set(escaped(document)) - set("é😀\n") <= set(map(chr, range(32, 127)))
