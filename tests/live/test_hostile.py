"""Who and what a session's socket refuses; and that whoever sits at the session notices nothing of it."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.endpoint import Endpoint, Turn, say, turn, use
from support.hosts import Hosts, Seat, number, resting, rss
from support.mlwb import Place
from support.visitors import LI, STRANGER, connected_as, needs_root
from support.wires import Raw
from workbench.host import sockets
from workbench.host.remote import NotAttachedError, attach
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol import wire
from workbench.protocol.codec import decode_envelope
from workbench.protocol.commands import Approve, Interrupt, Share, SubmitPrompt
from workbench.protocol.state import SessionState
from workbench.session.journal import Reader

MB = 1 << 20


@pytest.fixture
def seat(place: Place) -> Iterator[Seat]:
    """A session whose owner is here."""
    with Endpoint(after=say("Here I am.")) as endpoint, Hosts(place, endpoint.url) as hosts, Seat(hosts) as made:
        yield made


# --- noise -------------------------------------------------------------------------------------------------


NOISE = {
    "nothing at all": b"",
    "half a hello": b'{"type":"hello","protocol":"1.0","tok',
    "no JSON": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bytes": bytes(range(256)) * 8 + b"\n",
    "deep": b"[" * 16_000 + b"\n",
    "no hello": b'{"type":"beat"}\n',
    "an unknown frame": b'{"type":"xyz"}\n',
    "a hello of numbers": b'{"type":"hello","protocol":1,"token":7}\n',
    "a long hello": b'{"type":"hello","token":"' + b"x" * 20_000 + b'"}\n',
}


def test_noise_in_place_of_a_hello_is_refused_in_words(seat: Seat) -> None:
    for name, noise in NOISE.items():
        with Raw(seat.socket) as raw:
            raw.say(noise)
            raw.socket.shutdown(socket.SHUT_WR)
            answer = raw.hear()
            assert isinstance(answer, wire.Refused) and answer.code == "malformed" and answer.why, name
            assert raw.hear() is None, name
    seat.works()


def test_a_line_of_100_mb_is_hung_up_on_and_its_memory_given_back(seat: Seat) -> None:
    seat.works()
    for most_sent, most_held, hello in ((5, 4, False), (40, 96, True)):
        before = rss(seat.pid)
        with Raw(seat.socket) as raw:
            if hello:
                assert isinstance(raw.hello(seat.folder), wire.Welcome)
            sent = 0
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(100):
                    raw.socket.sendall(b"x" * MB)
                    sent += 1
            assert sent < most_sent, "it listened to all of it"
            seat.works()
        assert rss(seat.pid) - before < most_held * MB
    print("held after a frame of the owner's", (rss(seat.pid) - before) >> 20, "MB")


def test_garbage_after_the_hello_ends_that_client_with_a_word(seat: Seat) -> None:
    for said in (b"nonsense\n", b'{"type":"do","command":7}\n', b'{"type":"ask"}\n', b"\xff\xfe\n"):
        with Raw(seat.socket) as raw:
            raw.hello(seat.folder)
            raw.say(said)
            bye = raw.hear(wire.Bye)
            assert bye.code == "malformed" and bye.why, said
            assert raw.hear(wire.Done) is None, said
    seat.works()


def test_half_a_command_is_none(seat: Seat) -> None:
    with Raw(seat.socket) as raw:
        raw.hello(seat.folder)
        raw.say(wire.line(wire.Do(command=wire.raw(SubmitPrompt(id="half", text="half said", by="x"))))[:-9])
    seat.works()
    with Reader(seat.folder) as reader:
        assert not [
            one for one in reader.read() if isinstance(one.event, e.PromptQueued) and one.event.text != "still there?"
        ]


@pytest.mark.slow
def test_200_that_say_nothing_keep_nobody_out_for_long(seat: Seat) -> None:
    before = rss(seat.pid)
    silent: list[Raw] = []
    try:
        while len(silent) < 200:
            with contextlib.suppress(BlockingIOError):  # more come at once than the kernel lets wait
                silent.append(Raw(seat.socket))
        with pytest.raises(NotAttachedError, match="more than 128 connections at once") as refused:
            asyncio.run(attach(seat.folder))
        assert refused.value.code == "full"
        seat.works()
        until = time.monotonic() + 60  # a hello is waited for 10 s
        while True:
            with Raw(seat.socket) as raw, contextlib.suppress(OSError):
                if isinstance(raw.hello(seat.folder), wire.Welcome):
                    break
            assert time.monotonic() < until, "the silent ones keep everybody out"
            time.sleep(0.2)
    finally:
        for one in silent:
            one.close()
    assert rss(seat.pid) - before < 32 * MB
    seat.works()


def test_a_flood_of_questions_whose_answers_nobody_reads_is_not_held(seat: Seat) -> None:
    seat.works()
    with Raw(seat.socket) as raw:
        raw.hello(seat.folder)
        raw.socket.settimeout(3.0)
        line = wire.line(wire.Ask(id=1, query=wire.raw(q.ItemsBefore(n=1_000)))) * 1_000
        before = rss(seat.pid)
        with pytest.raises(TimeoutError):  # the host stops to listen, so that sending stands still
            for _ in range(10_000):
                raw.socket.sendall(line)
        assert rss(seat.pid) - before < 16 * MB
        seat.works()


# --- who ---------------------------------------------------------------------------------------------------


def test_a_wrong_token_lets_nobody_in(seat: Seat) -> None:
    right = sockets.token_of(seat.folder)
    for token in ("", "x" * 43, "\x00", "ü" * 43, "x" * 10_000, right[:-1], right + "x", right.swapcase()):
        with Raw(seat.socket) as raw:
            answer = raw.hello(seat.folder, token=token)
            assert isinstance(answer, wire.Refused) and answer.code == "identity", token
            assert right not in answer.why
            with contextlib.suppress(OSError):
                raw.say(wire.Do(command=wire.raw(SubmitPrompt(id="late", text="let me", by="x"))))
            assert raw.hear() is None, token


@needs_root
def test_a_stranger_is_refused_though_every_door_stands_open(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mlwb-t-") as folder:
        monkeypatch.setenv("MLWB_SOCKET_DIR", f"{folder}/s")
        Path(folder).chmod(0o755)
        with Endpoint(after=say("Here.")) as endpoint, Hosts(place, endpoint.url) as hosts, Seat(hosts) as seat:
            with pytest.raises(PermissionError):
                connected_as(65534, str(seat.socket))
            seat.socket.parent.chmod(0o777)
            seat.socket.chmod(0o777)
            with Raw(connected_as(65534, str(seat.socket))) as raw:
                answer = raw.hello(seat.folder)
            assert isinstance(answer, wire.Refused) and answer.code == "identity"
            assert "another user" in answer.why
            seat.works()


@needs_root
def test_guests_who_say_nothing_keep_the_owner_not_out(seat: Seat) -> None:
    ack = seat.send(Share(id=number(), who=(str(LI),), role="viewer", by="x"))
    assert ack.ok, ack.error
    door = json.loads(ack.value)["socket"]
    silent = [connected_as(LI, door) for _ in range(150)]
    silent += [connected_as(STRANGER, door) for _ in range(50)]
    try:
        for _ in range(3):
            began = time.monotonic()
            with Raw(seat.socket) as raw:
                assert isinstance(raw.hello(seat.folder), wire.Welcome)
            assert time.monotonic() - began < 8.0, "it waited for the hello of the others"
        seat.works()
    finally:
        for one in silent:
            one.close()


# --- other versions ----------------------------------------------------------------------------------------


def test_another_major_version_is_told_so(seat: Seat) -> None:
    for protocol in ("2.0", "0.9", "", "one", "10.0"):
        with Raw(seat.socket) as raw:
            answer = raw.hello(seat.folder, protocol=protocol, program="9.9")
            assert isinstance(answer, wire.Refused) and answer.code == "version", protocol
            assert "1." in answer.why and "both sides" in answer.why and "9.9" in answer.why


def test_a_newer_minor_version_is_understood_as_far_as_may_be(seat: Seat) -> None:
    token = sockets.token_of(seat.folder)
    with Raw(seat.socket) as raw:
        hello = {"type": "hello", "protocol": "1.99", "token": token, "role": "driver", "smell": ["new", {"a": 1}]}
        raw.say(json.dumps(hello).encode() + b"\n")
        welcome = raw.hear()
        assert isinstance(welcome, wire.Welcome) and welcome.protocol.startswith("1.")
        raw.say(b'{"type":"sing","song":[1,2]}\n')  # a frame that is not known is passed over
        refused = raw.do(b'{"type":"teleport","id":"n1","by":"x","to":"mars"}')  # a command is answered
        assert refused.id == "n1" and not refused.ok and "does not know" in refused.error
        raw.say(b'{"type":"ask","id":5,"query":{"type":"horoscope"},"soon":true}\n')  # a query, too
        page = raw.hear(wire.Page)
        assert page.id == 5 and not page.page and page.why
        taken = raw.do(b'{"type":"submit_prompt","id":"n2","text":"hello","by":"x","mood":"good"}')
        assert taken.ok
        seat.until(lambda state: any(item.text == "hello" for item in state.items))


def test_a_client_of_an_older_minor_version_sees_what_it_does_not_know_as_it_came() -> None:
    line = b'{"seq":7,"session":"s-1","at":1.0,"event":{"type":"danced","with":"ana"}}'
    assert wire.from_host(b'{"type":"told","new":1,"envelope":%b}' % line) is not None
    envelope = decode_envelope(line)
    assert isinstance(envelope.event, e.Unknown) and envelope.event.data == {"with": "ana"}
    assert wire.from_host(b'{"type":"firework"}') is None


# --- approvals ---------------------------------------------------------------------------------------------

ASKED = "permissions: {ask: ['Bash(touch *)']}\n"


def asks(body: dict[str, Any]) -> Turn:
    """A model that wants to touch a file, once a prompt."""
    last = body["messages"][-1]["content"]
    if isinstance(last, str) or last[-1]["type"] == "text":
        return turn(use("Bash", call_id=f"toolu_{len(body['messages'])}", command=f"touch t{len(body['messages'])}"))
    return say("So be it.")


@pytest.fixture
def asking(place: Place) -> Iterator[Seat]:
    """A session in which an approval is waited for."""
    config = place.home / ".config/mlwb/config.yaml"
    config.write_text(config.read_text().partition("permissions:")[0] + ASKED)
    with Endpoint(after=asks) as endpoint, Hosts(place, endpoint.url) as hosts, Seat(hosts) as made:
        begin(made)
        yield made


def begin(seat: Seat) -> None:
    """Has the agent ask."""
    assert seat.send(SubmitPrompt(id=number(), text="touch it", by="x")).ok
    seat.until(lambda state: state.approvals)


def answer_to(state: SessionState, decision: str = "once", **more: Any) -> Approve:
    """An answer to what is asked."""
    (one,) = state.approvals.values()
    return Approve(
        **{"id": number(), "request_id": one.request_id, "digest": one.digest, "decision": decision, "by": "x", **more}
    )


def resolved(seat: Seat) -> list[Any]:
    """The answers in the journal."""
    with Reader(seat.folder) as reader:
        return [one.event for one in reader.read() if isinstance(one.event, e.ApprovalResolved)]


def test_of_two_drivers_who_race_one_is_told_that_it_came_too_late(asking: Seat) -> None:
    with Raw(asking.socket) as one, Raw(asking.socket) as two:
        states = [msgspec.json.decode(raw.hello(asking.folder).state, type=SessionState) for raw in (one, two)]
        yes, no = answer_to(states[0]), answer_to(states[1], "no")
        for raw, command in ((one, yes), (two, no)):
            raw.say(wire.Do(command=wire.raw(command)))
        acks = [msgspec.json.decode(raw.hear(wire.Done).ack, type=dict) for raw in (one, two)]
    assert sorted(ack["ok"] for ack in acks) == [False, True]
    assert "answered already" in next(ack["error"] for ack in acks if not ack["ok"])
    asking.until(resting)
    (only,) = resolved(asking)
    assert only.decision == ("once" if acks[0]["ok"] else "no")


def test_an_approval_that_is_replayed_approves_nothing_else(asking: Seat) -> None:
    old = answer_to(asking.client.state)
    assert asking.send(old).ok
    asking.until(resting)
    begin(asking)
    with Raw(asking.socket) as raw:
        raw.hello(asking.folder)
        assert not raw.do(wire.raw(old)).ok
        new = answer_to(asking.client.state)
        for wrong in ({"digest": old.digest}, {"digest": ""}, {"request_id": old.request_id}, {"decision": "yes"}):
            assert not raw.do(wire.raw(msgspec.structs.replace(new, id=number(), **wrong))).ok, wrong
        assert asking.client.state.approvals and len(resolved(asking)) == 1
        assert raw.do(wire.raw(new)).ok
        assert raw.do(wire.raw(new)).ok  # the same command, asked again: the same answer, and nothing is done
    asking.until(resting)
    assert len(resolved(asking)) == 2


def test_an_approval_after_a_cancel_comes_too_late(asking: Seat) -> None:
    late = answer_to(asking.client.state)
    assert asking.send(Interrupt(id=number(), by="x")).ok
    asking.until(resting)
    ack = asking.send(late)
    assert not ack.ok and "gone" in ack.error
    assert [one.decision for one in resolved(asking)] == ["gone"]
    assert not list(Path.cwd().glob("t[0-9]*"))
