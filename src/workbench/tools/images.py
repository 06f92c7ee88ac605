"""Pictures: recognised by their bytes, and checked before they reach the API.

A picture that the API refuses would make every later request of the session fail, so a torn one is an error here.
Formats: PNG (W3C), JPEG (ITU T.81), GIF89a, RIFF WebP.
"""

import base64
import struct
from typing import Any

from workbench.tools.base import ToolError

MAX_BYTES = 3_750_000  # 5 MB once it is base64, the API's limit for one picture
MAX_SIDE = 8000  # pixels, the API's limit
HEAD = 16  # bytes that `sniff` needs


def sniff(head: bytes) -> str | None:
    """The media type of a picture that begins with HEAD; None for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def content(data: bytes) -> dict[str, Any]:
    """The picture DATA as an API block."""
    source = {"type": "base64", "media_type": sniff(data), "data": base64.b64encode(data).decode()}
    return {"type": "image", "source": source}


def measure(data: bytes, shown: str) -> tuple[int, int]:
    """Width and height of the picture DATA. Raises ToolError where it is torn, or larger than the API takes."""
    try:
        width, height = _SIZES[sniff(data) or ""](data)
    except (KeyError, IndexError, ValueError, struct.error):
        raise ToolError(f"{shown} is a damaged picture: its bytes end early or make no sense.") from None
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ToolError(f"{shown} is {width}x{height} pixels; at most {MAX_SIDE} a side can be shown. {_SHRINK}")
    return width, height


def too_large(shown: str, size: str) -> ToolError:
    """The error for a picture of more than `MAX_BYTES`."""
    return ToolError(f"{shown} is a picture of {size}; at most {MAX_BYTES / 1e6} MB can be shown. {_SHRINK}")


_SHRINK = "Make a smaller copy (Pillow's thumbnail, or `convert -resize`) and read that."


def _png(data: bytes) -> tuple[int, int]:
    at = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if at > len(data):
            raise ValueError
        if kind == b"IEND":
            width, height = struct.unpack_from(">II", data, 16)
            return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    if b"\xff\xd9" not in data[2:]:
        raise ValueError
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _gif(data: bytes) -> tuple[int, int]:
    if not data.rstrip(b"\0").endswith(b";"):
        raise ValueError
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _webp(data: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        raise ValueError
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


_SIZES = {"image/png": _png, "image/jpeg": _jpeg, "image/gif": _gif, "image/webp": _webp}
