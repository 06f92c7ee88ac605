"""Commands of a session whose process was killed: found by the variable that each was given, and ended."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from workbench.sandbox.tree import alive, handle_of

VARIABLE = "MLWB_SESSION"
_GRACE_S = 2.0
_POLL_S = 0.02


async def end_leftovers(session: str) -> int:
    """Ends every process of this user that a command of SESSION started: TERM, then KILL. Returns how many there were.

    For a resume, while the session's lock is held: nothing else can be running commands of it.
    """
    loop = asyncio.get_running_loop()
    found = left = await asyncio.to_thread(_carriers, session)
    until = loop.time() + _GRACE_S
    while left:
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT) if loop.time() < until else (signal.SIGKILL,):
            _signal(left, number)
        await asyncio.sleep(_POLL_S)
        left = [pid for pid in await asyncio.to_thread(_carriers, session) if alive(pid)]
    return len(found)


def _carriers(session: str) -> list[int]:
    mark = f"{VARIABLE}={session}".encode()
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - names are all that is wanted
    except OSError:  # not Linux
        return []
    return [int(name) for name in names if name.isdigit() and int(name) != os.getpid() and _carries(name, mark)]


def _carries(name: str, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return False


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        handle = handle_of(pid)
        if handle is None:
            continue
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(handle, number)
        os.close(handle)
