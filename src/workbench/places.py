"""The folders of this user, by the XDG base directory rules. Nothing here creates one."""

import os
from pathlib import Path


def _base(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    return Path(value) if value.startswith("/") else Path.home() / default


def named(path: str) -> Path:
    """PATH as a person wrote it, `~` made their home; `~name` stays as it is where there is no such user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib raises for an unknown user


def config() -> Path:
    """The user's settings, definitions and themes."""
    return _base("XDG_CONFIG_HOME", ".config") / "mlwb"


def state() -> Path:
    """What the program remembers: sessions."""
    return _base("XDG_STATE_HOME", ".local/state") / "mlwb"


def sockets() -> Path:
    """Where the sockets of live sessions lie: the same for each login and each job of this user on this machine.

    Not the runtime folder, which is deleted at the last logout, nor TMPDIR, which a job has of its own.
    """
    named = os.environ.get("MLWB_SOCKET_DIR")
    return Path(named) if named else Path("/tmp") / f"mlwb-{os.getuid()}"  # noqa: S108 - it is verified before use


def sessions() -> Path:
    """One folder a session."""
    return state() / "sessions"
