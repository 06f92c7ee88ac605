"""What is kept of a run that failed, for whoever asks why: see `types.Crash`."""

import contextlib
import pwd
from pathlib import Path

from workbench.experiments.launch.using import Using
from workbench.experiments.ledger import OUTPUT
from workbench.experiments.postmortem import post_mortem
from workbench.experiments.readers import opening
from workbench.experiments.types import Crash, Run
from workbench.telemetry.nvml import Use

_TAIL = 256 << 10  # bytes of the output
_XIDS = 10
_HOLDERS = 10


def crash_of(run: Run, folder: Path, using: Using) -> Crash | None:
    """The card of RUN with FOLDER, as it has ended; None where it ended well, or was ended by somebody."""
    if run.status != "failed" or "time limit" in run.why:
        return None
    found = post_mortem(_tail(folder / OUTPUT))
    return Crash(
        kind=found.kind,
        error=found.error,
        where=found.where,
        traceback=found.traceback,
        last_lines=found.last_lines,
        memory=tuple(using.moments),
        xids=_xids(run, using),
        holders=tuple(_holder(one) for one in using.others[:_HOLDERS]),
    )


def _tail(path: Path) -> bytes:
    try:
        with opening.file(path, own=True) as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            return file.read(_TAIL)
    except OSError:
        return b""


def _xids(run: Run, using: Using) -> tuple[str, ...]:
    """Xid errors of its cards while it ran; of a run without cards none."""
    if not using.cards or run.started is None:
        return ()
    from workbench.telemetry.xid import recent_xids

    mine = {card.uuid for card in using.cards}
    return tuple(xid.words for xid in recent_xids(run.started) if not xid.gpu_uuid or xid.gpu_uuid in mine)[-_XIDS:]


def _holder(one: Use) -> str:
    """A process on one of the cards: whose, what, how much. In a container its number may be the host's."""
    size = "" if one.memory is None else f", {one.memory / 1e9:.1f} GB"
    what, whose = f"process {one.pid}", ""
    with contextlib.suppress(OSError, KeyError):
        whose = f"{pwd.getpwuid(Path(f'/proc/{one.pid}').stat().st_uid).pw_name}: "
        command = Path(f"/proc/{one.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        what = command[:200] or what
    return f"{whose}{what}{size}"
