"""The settings of a session, read once when it starts.

A workspace narrows and never widens: its deny and ask rules count; its allow rules, its mode above acceptEdits and
anything that names a program or an address do not. Once the user trusts a workspace, its allow rules and the domains
that it names count, too.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from workbench.protocol.names import Mode, lower
from workbench.protocol.task import Rules
from workbench.settings import types as t
from workbench.settings.file import BYTES, KEYS, SECONDS, SettingsFile
from workbench.settings.remembered import remembered
from workbench.settings.trust import digest

_SHELL = ("setup", "env")
_RETRIES = ("maxRequests", "maxS")
_SANDBOX = ("mode", "autoAllow", "network", "domains", "caches", "outside", "limits")
_OWN_SANDBOX = ("mode", "caches", "outside", "limits")  # the user's alone
_LIMITS = ("processes", "memory", "fileSize")
_RUNS = ("wake",)
_HOST = ("linger",)
_CARDS = re.compile(r"all|ask|auto|none|(?:\d+|(?:GPU|MIG)-[\w-]+)(?:,(?:\d+|(?:GPU|MIG)-[\w-]+))*")
_SNAPSHOTS = ("maxAge", "maxSize")
_NARROWING = ("permissionMode", "permissions", "model", "sandbox")
_NETWORKS = get_args(t.Network)


def near_files(workspace: Path, home: Path, config: Path) -> tuple[Path, ...]:
    """The settings files that WORKSPACE may bring; in the home folder itself the user's own are not among them."""
    names = (".mlwb/config.yaml", ".claude/settings.json", ".claude/settings.local.json")
    return tuple(path for name in names if (path := workspace / name) not in own_files(home, config))


def own_files(home: Path, config: Path) -> tuple[Path, Path]:
    """The user's own settings file, and Claude Code's."""
    return config / "config.yaml", home / ".claude" / "settings.json"


def load(
    workspace: Path, home: Path, config: Path, trusted: bool = False, trusts: Mapping[str, str] | None = None
) -> t.Settings:
    """The settings of a session in WORKSPACE: CONFIG/config.yaml, HOME/.claude, and what the workspace narrows.

    TRUSTED, the user's own word for this run, lets the workspace widen; so does its standing in TRUSTS (workspace ->
    digest of its files as the user trusted them), as long as its files are still the same.

    Files that are not there count as empty. Raises SettingsError for one that cannot be read or decoded, the
    workspace's included: a deny rule may stand in it.
    """
    notes: list[str] = []
    own, other = (SettingsFile(path, home, notes) for path in own_files(home, config))
    near = [SettingsFile(path, workspace, notes) for path in near_files(workspace, home, config)]
    asked_again = not trusted and str(workspace) in (trusts or {})
    trusted = trusted or (trusts or {}).get(str(workspace)) == digest({str(file.path): file.raw for file in near})
    mode, ceiling = own.mode() or _no_bypass(other), _ceiling(near)
    theirs, given = (own, other, *near), remembered(workspace, config)
    mine = theirs if trusted else (own, other)
    for file in near:
        _mention_ignored(file, trusted, asked_again)
    return t.Settings(
        permission_mode=lower(mode or "acceptEdits", ceiling) if ceiling else mode,
        ceiling=ceiling,
        rules=Rules(
            allow=_joined([*(file.rules("allow") for file in mine), (entry.allow for entry in given)]),
            ask=_joined(file.rules("ask") for file in theirs),
            deny=_joined(file.rules("deny") for file in theirs),
        ),
        model=own.text("model") or next((model for file in near[:1] if (model := file.text("model"))), None),
        shell=_shell(own),
        retries=_retries(own),
        sandbox=_sandbox(own, near, trusted, tuple(entry.allow for entry in given if entry.outside)),
        snapshots=_snapshots(own),
        runs=t.Runs(wake=own.flag("wake", own.part("runs", _RUNS)) is not False),
        host=_host(own),
        gpus=_gpus(own),
        max_gpus=None if own.data.get("maxGpus") is None else int(own.number("maxGpus", own.data, 1)),
        max_gpu_hours=None if own.data.get("maxGpuHours") is None else own.number("maxGpuHours", own.data, 0),
        models=own.models(),
        notes=tuple(dict.fromkeys(notes)),
    )


def _gpus(own: SettingsFile) -> str:
    """Which cards commands see: a word, or indices and UUIDs, one or a list."""
    value = own.data.get("gpus", "auto")
    items = value if isinstance(value, list) else [value]
    text = ",".join(str(item).replace(" ", "") for item in items)
    if any(isinstance(item, bool) for item in items) or not _CARDS.fullmatch(text):
        raise own.fail("gpus", f"all, ask, auto, none, or cards such as 0,1 or their UUIDs, not {value!r}")
    return text


def _shell(own: SettingsFile) -> t.Shell:
    data = own.part("shell", _SHELL)
    return t.Shell(setup=own.text("setup", data) or "", env=own.texts("env", data))


def _retries(own: SettingsFile) -> t.Retries:
    data = own.part("retries", _RETRIES)
    return t.Retries(
        max_requests=int(own.number("maxRequests", data, t.Retries().max_requests)),
        max_s=own.number("maxS", data, t.Retries().max_s),
    )


def _snapshots(own: SettingsFile) -> t.Snapshots:
    data, default = own.part("snapshots", _SNAPSHOTS), t.Snapshots()
    age, size = own.quantity("maxAge", data, SECONDS), own.quantity("maxSize", data, BYTES)
    return t.Snapshots(
        max_age_s=default.max_age_s if age is None else age,
        max_size=default.max_size if size is None else int(size),
    )


def _host(own: SettingsFile) -> t.Host:
    linger = own.quantity("linger", own.part("host", _HOST), SECONDS)
    return t.Host() if linger is None else t.Host(linger_s=linger)


def _sandbox(own: SettingsFile, near: Iterable[SettingsFile], trusted: bool, outside: tuple[str, ...]) -> t.Sandbox:
    """The user's, narrowed by the workspace: less network, no allowing by confinement; domains once it is trusted."""
    data = own.part("sandbox", _SANDBOX)
    limits = _limits(own, data)
    auto, network, domains = own.flag("autoAllow", data), _network(own, data) or "none", own.texts("domains", data)
    for file in near:
        theirs = file.part("sandbox", _SANDBOX)
        allowing, reach = file.flag("autoAllow", theirs), _network(file, theirs) or network
        if allowing and not own.flag("autoAllow", data):
            _ignored(file, "sandbox.autoAllow")
        if _NETWORKS.index(reach) > _NETWORKS.index(_network(own, data) or "none"):
            _ignored(file, "sandbox.network")
        auto = False if allowing is False else auto
        network = min(network, reach, key=_NETWORKS.index)
        domains += file.texts("domains", theirs) if trusted else ()
    return t.Sandbox(
        mode=cast(t.SandboxMode, own.choice("mode", data, get_args(t.SandboxMode)) or "auto"),
        auto_allow=auto,
        network=network,
        domains=tuple(dict.fromkeys(domains)),
        caches=own.texts("caches", data),
        outside=(*own.texts("outside", data), *outside),
        processes=limits["processes"],
        memory=limits["memory"],
        file_size=limits["fileSize"],
    )


def _network(file: SettingsFile, data: dict[str, Any]) -> t.Network | None:
    return cast("t.Network | None", file.choice("network", data, _NETWORKS))


def _limits(own: SettingsFile, data: dict[str, Any]) -> dict[str, int | None]:
    limits = data.get("limits") or {}
    if not isinstance(limits, dict):
        raise own.fail("sandbox.limits", "a mapping")
    own.unknown(limits, _LIMITS, "sandbox.limits.")
    found = {key: own.quantity(key, limits, BYTES if key != "processes" else {}) for key in _LIMITS}
    return {key: None if value is None else int(value) for key, value in found.items()}


def _joined(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule for rules in lists for rule in rules))


def _no_bypass(file: SettingsFile) -> Mode | None:
    """The mode that Claude Code's own settings name; its bypassPermissions was not said to this program."""
    mode = file.mode()
    if mode == "bypassPermissions":
        file.note(
            "its bypassPermissions is not taken over; set permissionMode in this program's own config.yaml to have it"
        )
        return None
    return mode


def _ceiling(near: Iterable[SettingsFile]) -> Mode | None:
    """The lowest mode that the workspace's files name; bypassPermissions lowers nothing."""
    ceiling: Mode | None = None
    for file in near:
        mode = file.mode()
        if mode == "bypassPermissions":
            file.note("its mode bypassPermissions is ignored: a workspace never raises the mode")
        elif mode is not None:
            ceiling = lower(ceiling or mode, mode)
    return ceiling


def _mention_ignored(file: SettingsFile, trusted: bool, asked_again: bool) -> None:
    """Says what of a workspace's file does not count."""
    given = [] if trusted else widening(file)
    if given:
        why = (
            "it has changed since you trusted this workspace" if asked_again else "a workspace may narrow, never widen"
        )
        file.note(f"its {' and '.join(given)} ignored: {why}. `mlwb trust` shows what it brings and lets it count")
    ignored = [key for key in file.data if key in KEYS and key not in _NARROWING]
    ignored += [f"sandbox.{key}" for key in file.part("sandbox", _SANDBOX) if key in _OWN_SANDBOX]
    for key in ignored:
        _ignored(file, key)


def _ignored(file: SettingsFile, key: str) -> None:
    file.note(f"its `{key}` is ignored: a workspace may narrow, never widen; put it into your own settings")


def widening(file: SettingsFile) -> list[str]:
    """In words how much FILE, a workspace's, would widen if it were trusted."""
    counted = [(len(_allow(file)), "allow rule"), (len(_domains(file)), "domain")]
    return [f"{count} {noun}{'s' * (count != 1)} {'are' if count != 1 else 'is'}" for count, noun in counted if count]


def widening_rules(file: SettingsFile) -> tuple[str, ...]:
    """What FILE, a workspace's, would widen if it were trusted, each as written."""
    return (*(f"allow {rule}" for rule in _allow(file)), *(f"reach {domain}" for domain in _domains(file)))


def _allow(file: SettingsFile) -> tuple[str, ...]:
    return file.texts("allow", file.permissions)


def _domains(file: SettingsFile) -> tuple[str, ...]:
    return file.texts("domains", file.part("sandbox", _SANDBOX))
