"""A fault of the workbench's own: one line for the person, the rest in a file."""

import time
import traceback

from workbench import places
from workbench.protocol.visible import visible


def told(error: BaseException, session: str) -> str:
    """One line on ERROR; its traceback goes to a file that the line names."""
    path = places.state() / "workbench.log"
    lines = "".join(traceback.format_exception(error))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} session {session or 'none'}\n{lines}\n")
        where = f"details: {path}"
    except OSError as failed:
        where = f"details could not be written to {path} ({failed.strerror})"
    what = visible(f"{type(error).__name__}: {error}")[:300]
    resume = f"; `mlwb --resume {session}` goes on" if session else ""
    return f"mlwb: the workbench failed: {what}; {where}{resume}"
