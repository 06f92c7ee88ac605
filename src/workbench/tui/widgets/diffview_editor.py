"""A file opened at a line, in the editor that the person uses."""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from textual.app import App, SuspendNotSupported

_PLUS = {"vi", "vim", "nvim", "view", "nano", "emacs", "emacsclient", "kak", "micro", "joe", "ne", "mg", "pico"}
_GOTO = {"code", "code-insiders", "codium", "cursor", "windsurf"}
_COLON = {"hx", "helix", "subl", "zed"}


def command(env: Mapping[str, str], path: Path, line: int) -> list[str]:
    """What opens PATH at LINE: $VISUAL, else $EDITOR, else vi. Raises ValueError where that cannot be read."""
    words = shlex.split(env.get("VISUAL") or env.get("EDITOR") or "vi") or ["vi"]
    name = Path(words[0]).name
    if name in _PLUS:
        return [*words, f"+{line}", str(path)]
    if name in _GOTO:
        return [*words, "-g", f"{path}:{line}"]
    if name in _COLON:
        return [*words, f"{path}:{line}"]
    return [*words, str(path)]


def open_at(app: App[object], env: Mapping[str, str], path: Path, line: int) -> str:
    """Gives the terminal to the editor until it ends. Returns what went wrong, in words; empty if nothing did."""
    if not path.is_file():
        return f"{path.name} is not there to be opened"
    try:
        words = command(env, path, line)
    except ValueError as error:
        return f"$EDITOR cannot be read: {error}"
    try:
        with app.suspend():
            done = subprocess.run(words, check=False)
    except SuspendNotSupported:
        return "an editor cannot be opened from this terminal"
    except OSError as error:
        return f"{words[0]} cannot be started: {error.strerror or error}. Set $EDITOR to an editor that is installed."
    return f"{words[0]} ended with exit code {done.returncode}" if done.returncode else ""
