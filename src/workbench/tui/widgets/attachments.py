"""What is too long or no text to stand in the prompt: pastes and pictures, each shown as a chip until it is sent."""

import base64
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from workbench.tui.safe import safe

LONG_CHARACTERS = 2_000
LONG_LINES = 20
PICTURE_BYTES = 3_750_000  # 5 MB once it is base64, the API's limit for one picture
PICTURE_PIXELS = 8_000  # a side, the API's limit
_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))  # of JPEG, with its size
_MOST_PICTURES = 20  # of one paste
_CHIP = re.compile(r"\[(?:paste|image) \d+: [^\]\n]*\]")


class PictureError(Exception):
    """A file that cannot be sent as a picture; the message says why."""


@dataclass(frozen=True)
class Picture:
    """A picture's name, media type and bytes."""

    name: str
    media_type: str
    data: bytes


@dataclass
class Attachments:
    """The chips of one prompt. A chip that was deleted from the text is not sent."""

    pastes: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)

    def add_paste(self, text: str) -> str:
        """Keeps TEXT, and gives the chip that stands for it."""
        chip = f"[paste {len(self.pastes) + 1}: {_measure(text)}]"
        self.pastes[chip] = text
        return chip

    def add_picture(self, picture: Picture) -> str:
        """Keeps PICTURE, and gives the chip that stands for it."""
        name = safe(picture.name).replace("]", ")")[-80:]
        chip = f"[image {len(self.pictures) + 1}: {name}]"
        self.pictures[chip] = picture
        return chip

    def spans(self, line: str) -> Iterator[tuple[int, int]]:
        """Where chips stand in LINE: columns from and to."""
        if "[" in line:
            for found in _CHIP.finditer(line):
                if found[0] in self.pastes or found[0] in self.pictures:
                    yield found.span()

    def expand(self, text: str) -> str:
        """TEXT with its pastes in place of their chips."""
        return _CHIP.sub(lambda found: self.pastes.get(found[0], found[0]), text) if self.pastes else text

    def content(self, text: str) -> tuple[dict[str, Any], ...]:
        """TEXT as API blocks, each picture right after its chip; none where there is no picture."""
        blocks: list[dict[str, Any]] = []
        begin = 0
        for found in _CHIP.finditer(text):
            if picture := self.pictures.get(found[0]):
                blocks += _text(self.expand(text[begin : found.end()]))
                blocks.append(_image(picture))
                begin = found.end()
        return (*blocks, *_text(self.expand(text[begin:]))) if blocks else ()


def without_unknown(text: str, known: Attachments) -> str:
    """TEXT without chips that KNOWN does not hold: they would promise what is not sent."""
    return _CHIP.sub(lambda found: found[0] if found[0] in known.pastes else "", text)


def is_long(text: str) -> bool:
    """Whether a pasted TEXT becomes a chip."""
    return len(text) > LONG_CHARACTERS or text.count("\n") >= LONG_LINES


def picture_paths(text: str, folder: str) -> list[Path]:
    """The pictures that a pasted or dropped TEXT names, if it names nothing else; relative paths start at FOLDER."""
    if not text.strip() or len(text) > 65_536 or not any(suffix in text.lower() for suffix in _SUFFIXES):
        return []
    names = [text.strip()] if "\n" not in text.strip() else text.strip().splitlines()
    whole = [_path(name, folder) for name in names]
    if not all(_is_picture(path) for path in whole):
        try:
            whole = [_path(name, folder) for name in shlex.split(text)]  # as terminals quote what is dropped
        except ValueError:
            return []
    named = bool(whole) and len(whole) <= _MOST_PICTURES and all(_is_picture(path) for path in whole)
    return whole if named else []


def load_picture(path: Path) -> Picture:
    """The picture in the file PATH. Raises PictureError."""
    try:
        with path.open("rb") as file:
            data = file.read(PICTURE_BYTES + 1)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise PictureError(f"{path.name} cannot be read: {error.strerror or error}") from None
    if size > PICTURE_BYTES:
        raise PictureError(
            f"{path.name} has {size / 1e6:.1f} MB; at most {PICTURE_BYTES / 1e6:.2f} MB can be sent: shrink it first"
        )
    if not (media_type := _media_type(data[:16])):
        raise PictureError(f"{path.name} holds no PNG, JPEG, GIF or WebP picture")
    if max(sides := pixels(data)) > PICTURE_PIXELS:
        raise PictureError(
            f"{path.name} has {sides[0]:,} × {sides[1]:,} pixels; at most {PICTURE_PIXELS:,} a side can be sent: "
            "shrink it first"
        )
    return Picture(path.name, media_type, data)


def _measure(text: str) -> str:
    lines = text.count("\n") + (not text.endswith("\n"))
    size = f"{len(text) / 1e6:.1f} M" if len(text) >= 1e6 else f"{len(text) / 1e3:.0f} k"
    count = f"{lines:,} line" + "s" * (lines != 1)
    return count if lines > 1 and len(text) < 100_000 else f"{count}, {size} characters"


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _image(picture: Picture) -> dict[str, Any]:
    data = base64.b64encode(picture.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": picture.media_type, "data": data}}


def _path(name: str, folder: str) -> Path:
    if name.startswith("file://"):
        name = unquote(urlsplit(name).path)
    if name.startswith("~/"):
        return Path.home() / name[2:]
    return Path(folder) / name


def _is_picture(path: Path) -> bool:
    try:
        return path.suffix.lower() in _SUFFIXES and path.is_file()
    except (OSError, ValueError):  # a name that is too long, or with a NUL
        return False


def _media_type(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def pixels(data: bytes) -> tuple[int, int]:
    """Width and height of the picture DATA (PNG, GIF, WebP or JPEG), as its head says; zeros where it does not."""
    if data.startswith(b"\x89PNG"):
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    if data.startswith(b"GIF8"):
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if data[8:12] == b"WEBP":
        return _webp(data)
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:  # JPEG: segment after segment, up to the one that says
        if data[at + 1] in _FRAMES:
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return 0, 0


def _webp(data: bytes) -> tuple[int, int]:
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        both = int.from_bytes(data[21:25], "little")
        return (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
