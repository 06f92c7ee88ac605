"""The wire as others meet it: the page that tells it is current, and clients of other versions are served or told."""

import asyncio
from pathlib import Path

import pytest

from support.endpoint import say
from support.hosted import begin, hosted, raw
from workbench.host import sockets
from workbench.host.remote import NotAttachedError, RemoteClient
from workbench.protocol import describe, wire
from workbench.protocol.codec import MalformedError
from workbench.protocol.version import MAJOR, PROTOCOL

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_on_the_protocol_is_made_from_the_types() -> None:
    told = (ROOT / "docs/protocol.md").read_text()
    assert told == describe.page(), "python -m workbench.protocol.describe > docs/protocol.md"


def test_each_side_says_its_version() -> None:
    assert f'"protocol":"{PROTOCOL}"' in wire.line(wire.Hello()).decode()
    welcome = wire.Welcome(session="s-1", client="c-1", user="li", role="driver", owner=True, seq=0)
    assert f'"protocol":"{PROTOCOL}"' in wire.line(welcome).decode()


def test_frames_and_fields_of_a_newer_minor_version_are_passed_over() -> None:
    assert wire.from_host(b'{"type":"weather","is":"fine"}') is None
    assert wire.from_client(b'{"type":"beat","mood":"good"}') == wire.Beat()
    for broken in (b"", b"[]", b'{"type":7}', b'{"type":"do"}', b"\xff", b"[" * 100_000):
        with pytest.raises(MalformedError):
            wire.from_client(broken)


def test_a_file_name_that_is_no_text_goes_over_the_wire() -> None:
    frame = wire.Bye(why="a\udcffb")
    assert wire.from_host(wire.line(frame).strip()) is not None


def test_a_client_of_a_newer_minor_version_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        client = await begin(place)
        token = sockets.token_of(place.session(client.session))
        async with raw(client.session) as other:
            other.say(type="hello", protocol=f"{MAJOR}.99", token=token, role="driver", colour="blue")
            assert (await other.hears("welcome"))["state"]["session"] == client.session
            other.say(type="applause", loud=True)
            other.say(type="do", command={"type": "dance", "id": "d-1", "by": "li"})
            ack = (await other.hears("done"))["ack"]
            assert ack["id"] == "d-1" and not ack["ok"] and "does not know" in ack["error"]
            other.say(type="ask", id=3, query={"type": "fortune"})
            page = await other.hears("page")
            assert page["id"] == 3 and "page" not in page and "fortune" in page["why"]
            other.say(type="do", command={"type": "rename", "id": "r-1", "by": "x", "title": "Named", "font": "big"})
            assert (await other.hears("done"))["ack"] == {"id": "r-1", "ok": True}
        await client.close()

    with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:
        asyncio.run(run())


def test_a_client_of_another_major_version_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        client = await begin(place)
        folder = place.session(client.session)

        async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_unix_connection(str(sockets.path_of(folder.name)))

        def hello() -> wire.Hello:
            return wire.Hello(protocol=f"{MAJOR + 1}.0", token=sockets.token_of(folder), program="9.9")

        with pytest.raises(NotAttachedError, match="same major version of mlwb on both sides") as told:
            await RemoteClient(dial, hello, 1.0).begin()
        assert told.value.code == "version" and f"{MAJOR + 1}.0" in str(told.value)
        await client.close()

    with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:
        asyncio.run(run())


def test_what_is_no_session_is_told_from_one(tmp_path: Path) -> None:
    async def run() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example.org ESMTP\n")
            await reader.read()  # closed before it is read, what was told would end the connection first
            writer.close()

        path = str(tmp_path / "other.sock")
        async with await asyncio.start_unix_server(greet, path):
            client = RemoteClient(lambda: asyncio.open_unix_connection(path), wire.Hello, 1.0)
            with pytest.raises(NotAttachedError, match="no session of mlwb"):
                await client.begin()

    asyncio.run(run())
