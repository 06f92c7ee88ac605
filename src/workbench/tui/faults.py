"""A fault of the workbench's own: one line for the person, the rest in a file."""

from workbench import faults, places
from workbench.protocol.visible import visible


def told(error: BaseException, session: str) -> str:
    """One line on ERROR; its traceback goes to a file that the line names."""
    where = faults.kept(error, places.state() / "workbench.log", f"session {session or 'none'}")
    what = visible(f"{type(error).__name__}: {error}")[:300]
    resume = f"; `mlwb --resume {session}` goes on" if session else ""
    return f"mlwb: the workbench failed: {what}; {where}{resume}"
