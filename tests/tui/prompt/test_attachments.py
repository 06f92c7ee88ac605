"""Pastes and pictures: chips at the prompt, whole in what is sent."""

import asyncio
import base64
import time
from pathlib import Path

import pytest
from textual.events import Key, Paste

from support.prompt_bench import NotingClient, bench, press, say, until
from support.screens import text_of
from workbench.tui.widgets.attachments import PICTURE_BYTES, Attachments, is_long, picture_paths
from workbench.tui.widgets.prompt_paste import PasteParser

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_what_is_long():
    assert not is_long("a" * 2_000)
    assert is_long("a" * 2_001)
    assert not is_long("\n" * 19 + "x")
    assert is_long("\n" * 20 + "x")


def test_a_paste_becomes_a_chip_and_is_sent_whole():
    async def body():
        client = NotingClient()
        text = "line\n" * 312
        async with bench(client) as (app, pilot):
            await press(pilot, *"why ")
            await say(pilot, text)
            assert app.prompt.text == "why [paste 1: 312 lines]"
            await say(pilot, "x" * 5_000)
            assert app.prompt.text == "why [paste 1: 312 lines][paste 2: 1 line, 5 k characters]"
            await press(pilot, "backspace")
            assert app.prompt.text == "why [paste 1: 312 lines]", "a chip goes as one"
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].text == "why " + text.strip()
            assert client.sent[0].content == ()
            await press(pilot, "up")
            assert app.prompt.text == "why [paste 1: 312 lines]"
            await press(pilot, "enter")
            await until(pilot, lambda: len(client.sent) == 2)
            assert client.sent[1].text == client.sent[0].text

    asyncio.run(body())


def test_ten_megabytes_stall_nothing():
    async def body():
        client = NotingClient()
        text = "0123456789abcdef\n" * 650_000
        async with bench(client) as (app, pilot):
            began = time.process_time()  # its own: how long it takes is also the machine's affair
            await say(pilot, text)
            await press(pilot, "a")
            assert time.process_time() - began < 5.0
            assert app.prompt.text == "[paste 1: 650,000 lines, 11.1 M characters]a"
            await press(pilot, "enter")
            await until(pilot, lambda: "about 2.8 M tokens; enter again sends it" in text_of(app))
            assert client.sent == []
            await press(pilot, "enter")
            await until(pilot, lambda: client.sent)
            assert client.sent[0].text == text + "a"
            await press(pilot, "up")
            assert app.prompt.text == "a", "the history keeps no megabytes, and promises none"

    asyncio.run(body())


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_line_ends_are_made_one_wherever_a_long_paste_is_parted(shift: int):
    text = "x" * shift + "abc\r\nd\re\n" * 120_000

    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await say(pilot, text)
            await until(pilot, lambda: app.prompt.text)
            assert app.prompt.editor.sendable() == "x" * shift + "abc\nd\ne\n" * 120_000

    asyncio.run(body())


def test_a_text_that_comes_back_from_a_rewind_is_a_chip_when_it_is_huge():
    async def body():
        async with bench(NotingClient()) as (app, pilot):
            app.prompt.put("short\nwords")
            assert app.prompt.text == "short\nwords"
            app.prompt.put("line\n" * 100_000)
            await pilot.pause()
            assert app.prompt.text.startswith("[paste 1: 100,000 lines")

    asyncio.run(body())


def test_a_pasted_text_that_looks_like_a_chip_stays_text():
    chips = Attachments()
    first = chips.add_paste("say [paste 2: 30 lines]\n" * 30)
    second = chips.add_paste("second\n" * 30)
    assert second == "[paste 2: 30 lines]"
    assert chips.expand(f"{first} {second}") == "say [paste 2: 30 lines]\n" * 30 + " " + "second\n" * 30


def test_a_pasted_path_of_a_picture_becomes_a_picture(tmp_path: Path):
    (tmp_path / "loss curve.png").write_bytes(PNG)

    async def body():
        for pasted in (f"{tmp_path}/loss curve.png", f"'{tmp_path}/loss curve.png' ", f"{tmp_path}/loss\\ curve.png",
                       f"file://{tmp_path}/loss%20curve.png"):  # fmt: skip
            client = NotingClient()
            async with bench(client) as (app, pilot):
                await press(pilot, *"see ")
                await say(pilot, pasted)
                await until(pilot, lambda app=app: app.prompt.text == "see [image 1: loss curve.png] ")
                await press(pilot, *"ok?", "enter")
                await until(pilot, lambda client=client: client.sent)
                (prompt,) = client.sent
                assert prompt.text == "see [image 1: loss curve.png] ok?"
                before, image, after = prompt.content
                assert before == {"type": "text", "text": "see [image 1: loss curve.png]"}
                assert image["source"]["media_type"] == "image/png"
                assert base64.b64decode(image["source"]["data"]) == PNG
                assert after == {"type": "text", "text": " ok?"}

    asyncio.run(body())


def test_several_pictures_dropped_at_once_and_one_relative_to_the_workspace(tmp_path: Path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(PNG)
    assert picture_paths(f"{tmp_path}/a.png {tmp_path}/b.png", "/") == [tmp_path / "a.png", tmp_path / "b.png"]
    assert picture_paths("a.png", str(tmp_path)) == [tmp_path / "a.png"]
    assert picture_paths("look at a.png", str(tmp_path)) == []
    assert picture_paths("it's a.png", str(tmp_path)) == []
    assert picture_paths("missing.png", str(tmp_path)) == []
    assert picture_paths("\x00.png", str(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("fake.png", b"no picture at all", "holds no PNG, JPEG, GIF or WebP picture"),
        ("huge.png", PNG + bytes(PICTURE_BYTES), "at most 3.75 MB can be sent"),
        ("wide.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x23\x28\0\0\0\x01", "has 9,000 × 1 pixels"),
        ("wide.gif", b"GIF89a\x41\x1f\x01\0", "has 8,001 × 1 pixels"),
        ("high.jpg", b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\x23\x28\0\x01\x03", "has 1 × 9,000 pixels"),
        ("wide.webp", b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x40\x1f\0\0\0\0", "has 8,001 × 1 pixels"),
    ],
)
def test_a_picture_that_cannot_be_sent_stays_a_path_and_says_why(tmp_path: Path, name: str, data: bytes, why: str):
    (tmp_path / name).write_bytes(data)

    async def body():
        async with bench(NotingClient()) as (app, pilot):
            await say(pilot, f"{tmp_path}/{name}")
            await until(pilot, lambda: why in text_of(app))
            assert app.prompt.text == f"{tmp_path}/{name}"

    asyncio.run(body())


def test_a_paste_is_read_whole_wherever_it_is_cut():
    text = "é\x1b[20x\x1b[31m\n" * 3
    data = f"a\x1b[200~{text}\x1b[201~b\x1b[A\x1b[20~\x1b[200~\x1b[201~c"
    for cut in range(1, len(data)):
        if any(data[begin : begin + 6] == "\x1b[200~" for begin in (cut - 1, cut - 2)):
            continue  # an escape alone is a key that is not kept waiting
        parser = PasteParser()
        messages = [*parser.feed(data[:cut]), *parser.feed(data[cut:])]
        assert [one.text for one in messages if isinstance(one, Paste)] == [text, ""], cut
        assert [one.key for one in messages if isinstance(one, Key)] == ["a", "b", "up", "f9", "c"], cut


def test_an_escape_alone_is_told_long_before_a_person_would_notice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ESCDELAY", raising=False)
    parser = PasteParser()
    assert list(parser.feed("\x1b")) == []
    keys: list[Key] = []
    waited = 0.0  # as long as it asked for: a busy machine lets one sleep longer
    while not keys:
        time.sleep(patience := parser.patience)
        waited += patience
        keys = [one for one in parser.tick() if isinstance(one, Key)]
    assert [one.key for one in keys] == ["escape"]
    assert waited < 0.09


def test_ten_megabytes_are_read_in_a_moment():
    data = "\x1b[200~" + "0123456789abcde\n" * 650_000 + "\x1b[201~"
    parser = PasteParser()
    began = time.process_time()
    (paste,) = [message for at in range(0, len(data), 4096) for message in parser.feed(data[at : at + 4096])]
    assert time.process_time() - began < 5.0
    assert isinstance(paste, Paste)
    assert len(paste.text) == 16 * 650_000
