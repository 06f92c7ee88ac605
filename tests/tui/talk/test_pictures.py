"""Pictures in the talk: decoded without help, drawn by half blocks, named where they cannot be."""

import asyncio
import base64
import struct
import zlib

import pytest

from support.sample_events import answer, started, text, write_journal
from support.screens import rows_of, text_of
from support.talking import Talking, until
from workbench.protocol import blocks as b
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.session.blobs import Blobs
from workbench.session.journal import Reader
from workbench.session.pages import Pages
from workbench.tui.widgets.card_picture import preview


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, pixel, *, kind: int = 2, depth: int = 8, filters=(0,), extra: bytes = b"", laced=0):
    """A PNG whose rows of bytes are PIXEL(x, y) each, filtered in turn."""
    step = max(1, len(pixel(0, 0)))
    raw, above = b"", bytes(step * width)
    for y in range(height):
        row = b"".join(pixel(x, y) for x in range(width))
        how = filters[y % len(filters)]
        raw += bytes([how]) + bytes(
            (row[at] - _guess(how, row[at - step] if at >= step else 0, above[at],
                              above[at - step] if at >= step else 0)) & 255
            for at in range(len(row))
        )  # fmt: skip
        above = row
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, laced)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )


def _guess(how: int, left: int, up: int, corner: int) -> int:
    near = sorted((left, up, corner), key=lambda one: abs(left + up - corner - one))  # ties: left, up, corner
    return (0, left, up, (left + up) // 2, near[0])[how]


def colour(x: int, y: int) -> bytes:
    return bytes([(x * 40) % 256, (y * 60) % 256, (x * y * 7) % 256])


@pytest.mark.parametrize("filters", [(0,), (1,), (2,), (3,), (4,), (0, 1, 2, 3, 4)])
def test_every_filter_is_undone(filters):
    seen = preview(png(6, 5, colour, filters=filters))
    assert (seen.width, seen.height, seen.wide, seen.high) == (6, 5, 6, 5)
    assert seen.pixels == b"".join(colour(x, y) for y in range(5) for x in range(6))


@pytest.mark.parametrize(
    ("kind", "depth", "pixel", "extra", "wanted"),
    [
        (0, 8, b"\x50", b"", b"\x50\x50\x50"),
        (4, 8, b"\x00\x00", b"", b"\xff\xff\xff"),  # what is clear is seen on white
        (6, 8, b"\x10\x20\x30\xff", b"", b"\x10\x20\x30"),
        (3, 8, b"\x01", chunk(b"PLTE", b"\0\0\0\x0a\x0b\x0c"), b"\x0a\x0b\x0c"),
        (2, 16, b"\x10\x99\x20\x99\x30\x99", b"", b"\x10\x20\x30"),
    ],
)
def test_kinds_of_colour(kind, depth, pixel, extra, wanted):
    assert preview(png(2, 2, lambda x, y: pixel, kind=kind, depth=depth, extra=extra)).pixels == wanted * 4


def test_bits_are_colours_too():
    one_bit = png(1, 2, lambda x, y: b"\xa0", kind=0, depth=1)  # a byte a row
    wide = one_bit.replace(struct.pack(">II", 1, 2), struct.pack(">II", 3, 2))
    assert preview(wide).pixels == (b"\xff\xff\xff" + b"\0\0\0" + b"\xff\xff\xff") * 2


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8\xff\xe0JFIF", png(2, 2, colour)[:40], png(2, 2, colour, laced=1), png(1, 1, colour, kind=5),
     png(1, 1, colour).replace(struct.pack(">II", 1, 1), struct.pack(">II", 1 << 30, 1 << 30))],
)  # fmt: skip
def test_what_cannot_be_drawn_has_a_size_at_least(data):
    seen = preview(data)
    assert (seen.pixels, seen.size) == (b"", len(data))


def test_a_large_picture_is_made_small():
    seen = preview(png(200, 100, lambda x, y: b"\xff\0\0" if x < 100 else b"\0\0\xff", filters=(4,)))
    assert (seen.width, seen.height) == (200, 100)
    assert seen.wide <= 72 and seen.high <= 40
    assert seen.pixels[:3] == b"\xff\0\0" and seen.pixels[-3:] == b"\0\0\xff"


def showing(picture: bytes, *events):
    async def run():
        app = Talking()
        async with app.run_test(size=(80, 30)) as pilot:
            app.give(started(), *events)
            await pilot.pause()
            app.client.pictures = {one.blob: picture for item in app.state.items for one in item.display}
            assert "▣" in text_of(app) or events[-1].__class__ is e.CallFinished
            await pilot.press("k", "enter")
            await until(pilot, lambda: all(entry.previews for entry in app.talk.window.entries if entry.display))
            await pilot.pause()
            return rows_of(app), text_of(app)

    return asyncio.run(run())


def prompt(picture: bytes, name: str = "plot.png") -> e.PromptSubmitted:
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(picture).decode()}
    words = f"see [image 1: {name}]"
    content = ({"type": "text", "text": words}, {"type": "image", "source": source})
    return e.PromptSubmitted(text=words, origin="person", by="ada", content=content)


def test_a_picture_of_a_prompt_opens_in_its_colours():
    picture = png(4, 4, lambda x, y: b"\xff\0\0" if y < 2 else b"\0\0\xff")
    rows, shown = showing(picture, prompt(picture))
    assert "▣ png 4 × 4" in shown
    blocks = [part for row in rows for part in row if "▀" in part.text]
    assert [part.text for part in blocks] == ["▀▀▀▀"] * 2
    assert [part.style.color.triplet.hex for part in blocks] == ["#ff0000", "#0000ff"]


def test_a_picture_that_the_agent_read_opens_too():
    picture = png(4, 4, colour)
    decided = e.CallDecided(call_id="c1", tool="Read", input={"file_path": "p.png"}, target="p.png", verdict="allow")
    shown = b.Image(media_type="image/png", blob="0" * 64)
    done = e.CallFinished(call_id="c1", tool="Read", status="ok", summary="4x4 png", display=(shown,))
    _, screen = showing(picture, e.RequestStarted(turn=1, model="m"), answer(1, text("I look")), decided, done)
    assert "▀▀" in screen and "▣ png 4 × 4" in screen


def test_one_that_cannot_be_drawn_is_a_line():
    _, screen = showing(b"\xff\xd8\xff" + b"x" * 4000, prompt(b"\xff\xd8\xff"))
    assert "▣ png 4 KB" in screen and "▀" not in screen


def test_the_pictures_of_a_prompt_are_pages(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    write_journal(folder, [started(), prompt(b"PICTURE")])
    with Reader(folder) as reader:
        pages = Pages(reader, Blobs(folder / "blobs"))

        def ask(blob, **part):
            page = asyncio.run(pages.answer(q.BlobPage(blob=blob, **part)))
            return page.data, page.total

        [item] = pages.items(0, 9).items
        assert [one.blob for one in item.display] == ["e2.1"]
        assert ask("e2.1") == (b"PICTURE", 7)
        assert ask("e2.1", offset=2, size=3) == (b"CTU", 7)
        for missing in ("e2.0", "e2.9", "e1.0", "e0.0", "e99.0"):
            assert ask(missing) == (b"", -1)
