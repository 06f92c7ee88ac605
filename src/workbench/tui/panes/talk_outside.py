"""What leaves the program: text to the clipboard of the terminal, text to the person's editor."""

import base64
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported


def to_clipboard(app: App[Any], text: str, most: int) -> int:
    """Sends TEXT, MOST characters of it at most, to the terminal's clipboard (OSC 52); returns how many went.

    tmux drops OSC 52 of programs in it unless told otherwise, and lets through what is wrapped for the terminal
    outside if that is allowed: there both are sent, as the same text twice does no harm.
    """
    kept = text[:most]
    app.copy_to_clipboard(kept)
    if os.environ.get("TMUX") and app._driver is not None:
        data = base64.b64encode(kept.encode("utf-8", "replace")).decode()
        app._driver.write(f"\x1bPtmux;\x1b\x1b]52;c;{data}\x07\x1b\\")
    return len(kept)


def edit(app: App[Any], text: str, suffix: str, env: Mapping[str, str]) -> str:
    """Shows TEXT in $VISUAL or $EDITOR as a file of its own; returns what went wrong, in words."""
    command = shlex.split(env.get("VISUAL") or env.get("EDITOR") or _any_editor())
    if not command or shutil.which(command[0]) is None:
        return "no editor: set $EDITOR"
    with tempfile.TemporaryDirectory(prefix="mlwb-") as folder:
        path = Path(folder) / f"talk{suffix}"
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            with app.suspend():
                subprocess.run([*command, str(path)], check=False)
        except SuspendNotSupported:
            return "this terminal cannot be handed to an editor"
        except OSError as error:
            return f"{command[0]} could not be started: {error}"
    return ""


def _any_editor() -> str:
    return next((name for name in ("vim", "vi", "nano") if shutil.which(name)), "")
