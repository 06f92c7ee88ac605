"""Settings: the user's, and what a workspace may add to them. Read once, when a session starts.

A workspace narrows and never widens: its deny and ask rules count; its allow rules, its mode above acceptEdits and
anything that names a program or an address do not.
"""

from typing import Any

import msgspec

from workbench.protocol.names import Mode
from workbench.protocol.task import Rules


class SettingsError(Exception):
    """A settings file that cannot be used; the message names the file, the place and what to do."""


class Shell(msgspec.Struct, frozen=True, kw_only=True):
    """`shell:` of the settings. `setup` precedes each command; `env` names variables that may pass though they look secret."""

    setup: str = ""
    env: tuple[str, ...] = ()


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """`retries:` of the settings: how long a failing endpoint is tried."""

    max_requests: int = 6
    max_s: float = 60.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a session in one workspace. `notes` are words for the person (ignored keys, ignored allow rules)."""

    permission_mode: Mode | None = None
    rules: Rules = Rules()
    model: str | None = None
    shell: Shell = Shell()
    retries: Retries = Retries()
    models: dict[str, dict[str, Any]] = {}  # overrides of the catalogue: id -> fields of ModelInfo
    notes: tuple[str, ...] = ()
