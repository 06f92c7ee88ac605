"""Settings: the user's, and what a workspace may add to them. Read once, when a session starts.

A workspace narrows and never widens: its deny and ask rules count; its allow rules, its mode above acceptEdits and
anything that names a program or an address do not.
"""

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any, get_args

import msgspec

from workbench.protocol.names import MODES, Mode, lower
from workbench.protocol.task import Rules

ALLOWED = "allowed.jsonl"
_LARGEST = 1 << 20
_KEYS = ("permissionMode", "permissions", "model", "shell", "retries", "models")
_PERMISSIONS = ("allow", "ask", "deny", "defaultMode")
_SHELL = ("setup", "env")
_RETRIES = ("maxRequests", "maxS")
_WORKSPACE_KEYS = ("permissionMode", "permissions", "model")
_ANCHORED = re.compile(r"(\s*(?:Read|Edit|Write|MultiEdit|Grep|Glob|LS)\s*\()/([^/].*\)\s*)", re.DOTALL)


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
    models: dict[str, dict[str, Any]] = {}  # overrides of the catalogue: id -> fields of ModelInfo
    notes: tuple[str, ...] = ()


def load(workspace: Path, home: Path, config: Path, trusted: bool = False) -> Settings:
    """The settings of a session in WORKSPACE: CONFIG/config.yaml, HOME/.claude, and what the workspace narrows.

    With TRUSTED, the user's own word for this run, the workspace's allow rules count, too.

    Files that are not there count as empty. Raises SettingsError for one that cannot be read or decoded, the
    workspace's included: a deny rule may stand in it.
    """
    notes: list[str] = []
    own = _File(config / "config.yaml", home, notes)
    other = _File(home / ".claude" / "settings.json", home, notes)
    near = [
        _File(workspace / ".mlwb" / "config.yaml", workspace, notes),
        _File(workspace / ".claude" / "settings.json", workspace, notes),
        _File(workspace / ".claude" / "settings.local.json", workspace, notes),
    ]
    near = [file for file in near if file.path not in (own.path, other.path)]
    mode, ceiling = own.mode() or _no_bypass(other), _ceiling(near)
    theirs = (own, other, *near)
    mine = theirs if trusted else (own, other)
    for file in near:
        file.mention_ignored(trusted)
    own_shell, own_retries = own.part("shell", _SHELL), own.part("retries", _RETRIES)
    return Settings(
        permission_mode=lower(mode or "acceptEdits", ceiling) if ceiling else mode,
        ceiling=ceiling,
        rules=Rules(
            allow=_joined([*(file.rules("allow") for file in mine), _remembered(workspace, config)]),
            ask=_joined(file.rules("ask") for file in theirs),
            deny=_joined(file.rules("deny") for file in theirs),
        ),
        model=own.text("model") or next((model for file in near[:1] if (model := file.text("model"))), None),
        shell=Shell(setup=own.text("setup", own_shell) or "", env=own.texts("env", own_shell)),
        retries=Retries(
            max_requests=int(own.number("maxRequests", own_retries, Retries().max_requests)),
            max_s=own.number("maxS", own_retries, Retries().max_s),
        ),
        models=own.models(),
        notes=tuple(dict.fromkeys(notes)),
    )


def remember(rule: str, workspace: str, config: Path) -> None:
    """Keeps an allow rule that a person gave for one workspace, in CONFIG/allowed.jsonl. Raises OSError."""
    config.mkdir(parents=True, exist_ok=True)
    line = msgspec.json.encode({"workspace": workspace, "allow": rule}) + b"\n"
    descriptor = os.open(config / ALLOWED, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _remembered(workspace: Path, config: Path) -> tuple[str, ...]:
    """The rules that a person gave for WORKSPACE. A line that cannot be read allows nothing."""
    try:
        lines = (config / ALLOWED).read_bytes().splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            entry = msgspec.json.decode(line, type=dict[str, str])
        except msgspec.DecodeError:
            continue
        if entry.get("workspace") == str(workspace) and "allow" in entry:
            found.append(entry["allow"])
    return tuple(found)


def _joined(lists: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule for rules in lists for rule in rules))


def _no_bypass(file: "_File") -> Mode | None:
    """The mode that Claude Code's own settings name; its bypassPermissions was not said to this program."""
    mode = file.mode()
    if mode == "bypassPermissions":
        file.note(
            "its bypassPermissions is not taken over; set permissionMode in this program's own config.yaml to have it"
        )
        return None
    return mode


def _ceiling(near: list["_File"]) -> Mode | None:
    """The lowest mode that the workspace's files name; bypassPermissions lowers nothing."""
    ceiling: Mode | None = None
    for file in near:
        mode = file.mode()
        if mode == "bypassPermissions":
            file.note("its mode bypassPermissions is ignored: a workspace never raises the mode")
        elif mode is not None:
            ceiling = lower(ceiling or mode, mode)
    return ceiling


class _File:
    """One settings file, decoded. `root` is what its rules' `/x` is relative to."""

    def __init__(self, path: Path, root: Path, notes: list[str]) -> None:
        self.path, self.root, self.notes = path, root, notes
        self.foreign = path.suffix == ".json"
        self.data = _decode(path)
        if self.foreign:  # Claude Code's file: all but its permissions is another program's business
            self.data = {key: value for key, value in self.data.items() if key == "permissions"}
        else:
            self.unknown(self.data, _KEYS, "")
        self.permissions = self.part("permissions", _PERMISSIONS)

    def note(self, text: str) -> None:
        """Something for the person, with the file's name."""
        self.notes.append(f"{self.path}: {text}")

    def fail(self, key: str, wanted: str) -> SettingsError:
        """The error for a key of the wrong kind."""
        return SettingsError(f"{self.path}: `{key}` must be {wanted}; mend it or remove it")

    def unknown(self, data: dict[str, Any], known: tuple[str, ...], within: str) -> None:
        """Notes the keys that nobody reads, with the nearest that somebody does."""
        if self.foreign:
            return
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
                hint = f"; did you mean `{within}{near[0]}`?" if near else f"; known are {', '.join(known)}"
                self.note(f"unknown key `{within}{key}` is ignored{hint}")

    def part(self, key: str, known: tuple[str, ...]) -> dict[str, Any]:
        """The mapping under KEY, empty where absent."""
        value = self.data.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.fail(key, "a mapping")
        self.unknown(value, known, f"{key}.")
        return value

    def mode(self) -> Mode | None:
        """`permissionMode`, or `permissions.defaultMode` as Claude Code has it."""
        value = self.data.get("permissionMode", self.permissions.get("defaultMode"))
        if value is None:
            return None
        if value in MODES:
            mode: Mode = value
            return mode
        if self.foreign:
            self.note(f"its mode {value!r} is not known here and is ignored")
            return None
        raise self.fail("permissionMode", f"one of {', '.join(get_args(Mode))}, not {value!r}")

    def rules(self, kind: str) -> tuple[str, ...]:
        """The rules of one kind; paths that start with `/` made absolute against the root."""
        return tuple(self.anchored(rule) for rule in self.texts(kind, self.permissions))

    def anchored(self, rule: str) -> str:
        """RULE with `/x` written as the absolute `//root/x`."""
        found = _ANCHORED.fullmatch(rule)
        return f"{found[1]}/{str(self.root).rstrip('/')}/{found[2]}" if found else rule

    def text(self, key: str, data: dict[str, Any] | None = None) -> str | None:
        """The text under KEY, None where absent."""
        value = (self.data if data is None else data).get(key)
        if value is not None and not isinstance(value, str):
            raise self.fail(key, "text")
        return value

    def texts(self, key: str, data: dict[str, Any]) -> tuple[str, ...]:
        """The list of texts under KEY; a single text counts as a list of one."""
        value = data.get(key)
        if isinstance(value, str):
            return (value,)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, "a list of texts (quote what YAML would read as something else)")
        return tuple(value)

    def number(self, key: str, data: dict[str, Any], default: float) -> float:
        """The number under KEY, at least 0."""
        value = data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise self.fail(key, "a number of at least 0")
        return value

    def models(self) -> dict[str, dict[str, Any]]:
        """`models`: what overrides the catalogue."""
        value = self.part(
            "models", tuple(self.data.get("models") or ()) if isinstance(self.data.get("models"), dict) else ()
        )
        if not all(isinstance(name, str) and isinstance(fields, dict) for name, fields in value.items()):
            raise self.fail("models", "a mapping of model ids to their fields")
        return value

    def mention_ignored(self, trusted: bool) -> None:
        """Says what of a workspace's file does not count."""
        allow = () if trusted else self.texts("allow", self.permissions)
        if allow:
            self.note(
                f"its {len(allow)} allow rule{'s' * (len(allow) != 1)} are ignored: a workspace may narrow, never widen"
            )
        for key in self.data:
            if key in _KEYS and key not in _WORKSPACE_KEYS:
                self.note(f"its `{key}` is ignored: a workspace may narrow, never widen; put it into your own settings")


def _decode(path: Path) -> dict[str, Any]:
    """The mapping in the file PATH, empty where there is no such file."""
    try:
        if path.stat().st_size > _LARGEST:
            raise SettingsError(f"{path} is larger than 1 MB; that is no settings file")
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    data = _json(path, text) if path.suffix == ".json" else _yaml(path, text)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(f"{path} must be a mapping of settings; mend it or remove it")
    return data


def _json(path: Path, text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if repeated := next((key for key in keys if keys.count(key) > 1), None):
            raise SettingsError(f"{path}: the key {repeated!r} stands there twice; leave one")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once) if text.strip() else None
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path}, line {error.lineno}: not JSON ({error.msg}); mend it or remove it") from None
    except RecursionError:
        raise SettingsError(f"{path} is nested too deeply") from None


def _yaml(path: Path, text: str) -> Any:
    import yaml  # 15 ms that a person without a config.yaml does not pay

    class Once(yaml.SafeLoader):
        """A safe loader that refuses a key that stands there twice: the first could be a deny rule."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if repeated := next((key for key in keys if keys.count(key) > 1), None):
                mark = node.start_mark
                raise yaml.constructor.ConstructorError(None, None, f"the key {repeated!r} stands there twice", mark)
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(text, Once)  # noqa: S506  # Once is a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError(f"{path}, line {line}: not YAML ({error.problem}); mend it or remove it") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SettingsError(f"{path}: not YAML ({error}); mend it or remove it") from None
