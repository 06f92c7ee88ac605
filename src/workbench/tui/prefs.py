"""Where this user put things: kept in one small file, written whole or not at all."""

import contextlib
import os
from pathlib import Path
from typing import Literal

import msgspec

from workbench import places

_LOOKED = 300  # sessions of which it is kept when they were last looked at


class Prefs(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`panes`: pane -> open or closed by the person's own hand. `dock` is the dock's share of the width, `heights`
    the panes' weights. `theme` and `motion` are None until chosen. `notify`: how one who looks elsewhere is called.
    `metrics`: workspace -> the metric by which its runs are looked at."""

    panes: dict[str, bool] = {}
    dock: float = 0.45
    heights: dict[str, float] = {}
    theme: str | None = None
    motion: bool | None = None
    notify: Literal["auto", "bell", "off"] = "auto"
    metrics: dict[str, str] = {}


def _file() -> Path:
    return places.state() / "ui.json"


def load() -> Prefs:
    """What was kept; the defaults where nothing was, or nothing that can be read."""
    try:
        prefs = msgspec.json.decode(_file().read_bytes(), type=Prefs)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        return Prefs()
    prefs.dock = min(0.8, max(0.2, prefs.dock))
    prefs.heights = {pane: min(20.0, max(0.1, weight)) for pane, weight in prefs.heights.items()}
    return prefs


def save(prefs: Prefs) -> None:
    """Keeps PREFS; where that is not possible they hold for this time only."""
    _write(_file(), prefs)


def looked() -> dict[str, float]:
    """Session, or workspace, -> when this user last had it on the screen, in Unix time."""
    try:
        return msgspec.json.decode(_looked().read_bytes(), type=dict[str, float])
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        return {}


def look(what: str, at: float) -> None:
    """A session, or a workspace by its path, was on the screen AT that time."""
    kept = looked() | {what: at}
    newest = sorted(kept, key=kept.__getitem__, reverse=True)[:_LOOKED]
    _write(_looked(), {one: kept[one] for one in newest})


def _looked() -> Path:
    return places.state() / "looked.json"


def _write(path: Path, value: object) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.write_bytes(msgspec.json.encode(value))
        new.replace(path)
