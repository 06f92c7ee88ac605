"""A fault of the program's own: a line about it for the person, the rest in a file."""

import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from workbench.protocol.visible import visible


def kept(error: BaseException, log: Path, about: str = "", redacted: Callable[[str], str] = str) -> str:
    """Writes the traceback of ERROR, REDACTED, with a word ABOUT it to the end of LOG; says where it can be read."""
    lines = visible(redacted("".join(traceback.format_exception(error))), newlines=True)
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {about or f'process {os.getpid()}'}\n{lines}\n")
    except OSError as failed:
        return f"details could not be written to {log} ({failed.strerror})"
    return f"details: {log}"
