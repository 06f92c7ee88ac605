"""What a new host is asked to do, and what it answers: one line each, over a pair of sockets."""

from pathlib import Path

import msgspec

from workbench.protocol.names import Mode
from workbench.protocol.task import Caps, Task


class Asked(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A session to begin (`task`) or to take up (`resume`). The environment is the host process's own."""

    task: Task | None = None
    resume: str = ""
    caps: Caps = Caps()
    mode: Mode | None = None
    allow_bypass: bool = False
    trust_workspace: bool = False
    record: Path | None = None
    replay: Path | None = None
    pace: float | None = None
    placeholders: dict[str, str] = {}


class Begun(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The session that is hosted now; or why there is none, in the contract's word and in a person's."""

    session: str = ""
    subtype: str = ""
    message: str = ""
