"""Ends a live session of this user, so that it can be taken up again: through its socket, else by a signal."""

import asyncio
import contextlib
import os
import signal
import socket
import time
import uuid
from pathlib import Path

from workbench.host.remote import NotAttachedError, RemoteClient, attach
from workbench.protocol.commands import Stop
from workbench.session.identity import user_name
from workbench.session.journal import LOCK, is_live

ANSWER_S = 10.0  # for the host to let us in and to take what it is asked
END_S = 25.0  # for the session's end: its commands are given time to end
_LOOK_S = 0.05


class NotStoppedError(Exception):
    """A session that is still live; the message says why, and what can be done."""


async def stop(folder: Path, answer_s: float = ANSWER_S, end_s: float = END_S) -> bool:
    """Ends the session in FOLDER; whether it was live. Raises NotStoppedError."""
    if not is_live(folder):
        return False
    from workbench.session.whereabouts import elsewhere

    if there := elsewhere(folder):
        raise NotStoppedError(f"{folder.name} lives on {there}: `ssh {there} mlwb sessions stop {folder.name}`")
    if await _asked(folder, answer_s) and await _over(folder, end_s):
        return True
    pid = holder(folder)
    if pid is None:
        if await _over(folder, _LOOK_S):
            return True
        raise NotStoppedError(f"{folder.name} does not answer, and which process hosts it cannot be told")
    if not await _signalled(folder, pid, end_s):
        raise NotStoppedError(
            f"{folder.name} does not answer, nor does its host, process {pid}, heed SIGTERM; `kill -9 {pid}` ends it, "
            "and all that it has done is kept"
        )
    return True


async def _asked(folder: Path, within_s: float) -> bool:
    """Whether the host has taken it over its socket."""
    try:
        async with asyncio.timeout(within_s):
            client = await attach(folder, place="mlwb sessions stop", retry_s=0)
            reading = asyncio.create_task(_read(client))
            try:
                # What starts a headless run again after a signal (a job script) lets one rest that a person ended.
                reason = "signal" if client.attended else "person"
                ack = await client.send(Stop(id=f"stop-{uuid.uuid4().hex[:8]}", reason=reason, by=user_name()))
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                await client.close()
    except (NotAttachedError, TimeoutError, OSError):
        return False
    return ack.ok


async def _read(client: RemoteClient) -> None:
    async for _ in client.events():
        pass


async def _over(folder: Path, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while is_live(folder):
        if time.monotonic() > end:
            return False
        await asyncio.sleep(_LOOK_S)
    return True


def holder(folder: Path) -> int | None:
    """The process of this machine that holds the lock of the session in FOLDER; None where none can be shown to."""
    try:
        pid, _, host = (folder / LOCK).read_text().strip().partition(" ")
        lock = (folder / LOCK).stat()
    except (OSError, UnicodeDecodeError):
        return None
    if not pid.isdigit() or host != socket.gethostname():
        return None
    with contextlib.suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found = fd.stat()
                if (found.st_dev, found.st_ino) == (lock.st_dev, lock.st_ino):
                    return int(pid)
        return None
    return _holder_by_psutil(int(pid), str(folder / LOCK)) if not Path("/proc/self").exists() else None


def _holder_by_psutil(pid: int, lock: str) -> int | None:
    import psutil

    try:
        return pid if any(file.path == os.path.realpath(lock) for file in psutil.Process(pid).open_files()) else None
    except psutil.Error:
        return None


async def _signalled(folder: Path, pid: int, within_s: float) -> bool:
    """Whether the session was over in time after SIGTERM to PID, which is shown to be its host once more before."""
    process = -1
    with contextlib.suppress(AttributeError, OSError):  # macOS, an old kernel, a container that forbids it
        process = os.pidfd_open(pid)  # from here on no other process can have this number
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if holder(folder) == pid:
            signal.pidfd_send_signal(process, signal.SIGTERM) if process >= 0 else os.kill(pid, signal.SIGTERM)
    if process >= 0:
        os.close(process)
    return await _over(folder, within_s)
