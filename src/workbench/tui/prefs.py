"""Where this user put things: kept in one small file, written whole or not at all."""

import contextlib
import os
from pathlib import Path

import msgspec

from workbench import places


class Prefs(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`panes`: pane -> open or closed by the person's own hand. `dock` is the dock's share of the width, `heights`
    the panes' weights. `theme` and `motion` are None until chosen."""

    panes: dict[str, bool] = {}
    dock: float = 0.45
    heights: dict[str, float] = {}
    theme: str | None = None
    motion: bool | None = None


def _file() -> Path:
    return places.state() / "ui.json"


def load() -> Prefs:
    """What was kept; the defaults where nothing was, or nothing that can be read."""
    try:
        prefs = msgspec.json.decode(_file().read_bytes(), type=Prefs)
    except (OSError, msgspec.DecodeError):
        return Prefs()
    prefs.dock = min(0.8, max(0.2, prefs.dock))
    prefs.heights = {pane: min(20.0, max(0.1, weight)) for pane, weight in prefs.heights.items()}
    return prefs


def save(prefs: Prefs) -> None:
    """Keeps PREFS; where that is not possible they hold for this time only."""
    path = _file()
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.write_bytes(msgspec.json.encode(prefs))
        new.replace(path)
