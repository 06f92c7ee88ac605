"""What the settings say, decoded."""

from typing import Any, Literal

import msgspec

from workbench.protocol.names import Mode
from workbench.protocol.task import Rules

DAY_S = 86_400.0


class SettingsError(Exception):
    """A settings file that cannot be used; the message names the file, the place and what to do."""


class Shell(msgspec.Struct, frozen=True, kw_only=True):
    """`setup` precedes each command; `env` names variables that may pass though they look like secrets."""

    setup: str = ""
    env: tuple[str, ...] = ()


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """`retries:` of the settings: how long a failing endpoint is tried."""

    max_requests: int = 6
    max_s: float = 60.0


SandboxMode = Literal["auto", "bubblewrap", "landlock", "off"]
Network = Literal["none", "allowlist", "full"]


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """`sandbox:` of the settings: what confines commands, and what they may reach all the same.

    `auto_allow` None means: as the layer that confines deserves. `outside` are permission rules whose commands run
    unconfined. The limits are None where there is none; sizes in bytes.
    """

    mode: SandboxMode = "auto"
    auto_allow: bool | None = None
    network: Network = "none"
    domains: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    processes: int | None = None
    memory: int | None = None
    file_size: int | None = None


class Snapshots(msgspec.Struct, frozen=True, kw_only=True):
    """`snapshots:` of the settings: how long they are kept, and how much room they may take; seconds and bytes."""

    max_age_s: float = 30 * DAY_S
    max_size: int = 5_000_000_000


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """`runs:` of the settings. `wake`: whether a run's end or alert begins a turn in a session that waits."""

    wake: bool = True


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """`host:` of the settings. `linger`: seconds that a session without clients and without work waits for one."""

    linger_s: float = 900.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a session in one workspace. `notes` are words for the person (what was ignored, and why).

    `permission_mode` is what holds where no flag names a mode; `ceiling`, the workspace's own, lowers a flag's too.
    """

    permission_mode: Mode | None = None
    ceiling: Mode | None = None
    rules: Rules = Rules()
    model: str | None = None
    shell: Shell = Shell()
    retries: Retries = Retries()
    sandbox: Sandbox = Sandbox()
    snapshots: Snapshots = Snapshots()
    runs: Runs = Runs()
    host: Host = Host()
    gpus: str = "auto"  # all, ask, auto, none, or a list of cards
    max_gpus: int | None = None  # at a time; None: as `gpus` says, else one
    max_gpu_hours: float | None = None
    models: dict[str, dict[str, Any]] = {}  # overrides of the catalogue: id -> fields of ModelInfo
    notes: tuple[str, ...] = ()
