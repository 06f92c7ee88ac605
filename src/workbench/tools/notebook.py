"""Jupyter notebooks, cell by cell (nbformat 3 and 4)."""

import base64
import binascii
import re
from typing import Any

import msgspec

from workbench.tools import images
from workbench.tools.base import ToolError
from workbench.tools.output import begun

_OUTPUT = 10_000  # characters of one output
_WHOLE = 100_000  # characters of the notebook
_PICTURES = 10
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def render(data: bytes, shown: str) -> list[dict[str, Any]] | None:
    """The notebook DATA as API content: its cells and their outputs, pictures as pictures. None where it is none."""
    try:
        book = msgspec.json.decode(data)
        cells = book["cells"] if "cells" in book else [cell for sheet in book["worksheets"] for cell in sheet["cells"]]
        page = _Page()
        for number, cell in enumerate(cells, 1):
            _cell(page, number, cell)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError, ValueError):
        return None
    page.say(
        f"({len(cells)} cells. To change this notebook, read its JSON with offset and limit and edit that, "
        f"or change it with a Python program.)"
    )
    page.flush()
    return page.content


class _Page:
    """Content under construction: text is gathered until a picture interrupts it."""

    def __init__(self) -> None:
        self.content: list[dict[str, Any]] = []
        self._lines: list[str] = []
        self._room = _WHOLE
        self._pictures = _PICTURES

    def say(self, text: str) -> None:
        if self._room <= 0:
            return
        self._room -= len(text)
        self._lines.append(text if self._room > 0 else text[: self._room] + "\n[the rest of the notebook is left out]")

    def show(self, encoded: str, kind: str) -> None:
        try:
            picture = base64.b64decode(encoded)
            images.measure(picture, kind)
        except (ToolError, binascii.Error, ValueError):
            return self.say(f"[{kind}: cannot be shown]")
        if len(picture) > images.MAX_BYTES or self._pictures == 0 or self._room <= 0:
            return self.say(f"[{kind}: left out]")
        self._pictures -= 1
        self.flush()
        self.content.append(images.content(picture))
        return None

    def flush(self) -> None:
        if self._lines:
            self.content.append({"type": "text", "text": "\n".join(self._lines)})
            self._lines = []


def _cell(page: _Page, number: int, cell: dict[str, Any]) -> None:
    kind = cell["cell_type"]
    ran = f", ran as {count}" if (count := cell.get("execution_count", cell.get("prompt_number"))) else ""
    page.say(f"[cell {number}: {kind}{ran}]\n{_text(cell.get('source', cell.get('input', '')))}\n")
    for output in cell.get("outputs", ()):
        _output(page, output)


def _output(page: _Page, output: dict[str, Any]) -> None:
    kind = output["output_type"]
    if kind in ("error", "pyerr"):
        return page.say(f"[error]\n{_cut(_ANSI.sub('', chr(10).join(output.get('traceback', ()))))}\n")
    if kind == "stream":
        return page.say(f"[{output.get('name', 'output')}]\n{_cut(_text(output.get('text', '')))}\n")
    data = output.get("data", output)
    for key in ("image/png", "image/jpeg", "png", "jpeg"):
        if key in data:
            page.show(_text(data[key]), key)
    for key in ("text/markdown", "text/plain", "text", "text/html"):
        if key in data:
            return page.say(f"[result]\n{_cut(_text(data[key]))}\n")
    return None


def _text(source: Any) -> str:
    return "".join(source) if isinstance(source, list) else str(source)


def _cut(text: str) -> str:
    text = text.rstrip("\n")
    kept = begun(text, _OUTPUT)
    return text if kept == text else f"{kept}… [{len(text) - len(kept)} more characters]"
