"""One settings file, read and decoded: whatever is broken is named with its file and place."""

import difflib
import json
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any, get_args

from workbench.protocol.names import MODES, Mode
from workbench.safe_yaml import Bounded
from workbench.settings.types import SettingsError

KEYS = (
    "permissionMode",
    "permissions",
    "model",
    "shell",
    "retries",
    "models",
    "sandbox",
    "snapshots",
    "host",
    "runs",
    "gpus",
    "maxGpus",
    "maxGpuHours",
)
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
BYTES = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
_LARGEST = 1 << 20
_PERMISSIONS = ("allow", "ask", "deny", "defaultMode")
_ANCHORED = re.compile(r"(\s*(?:Read|Edit|Write|MultiEdit|Grep|Glob|LS)\s*\()/([^/].*\)\s*)", re.DOTALL)
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)")


class SettingsFile:
    """One settings file, decoded. `root` is what its rules' `/x` is relative to."""

    def __init__(self, path: Path, root: Path, notes: list[str]) -> None:
        self.path, self.root, self.notes = path, root, notes
        self.foreign = path.suffix == ".json"
        self.raw = _read(path)
        self.data = _decode(path, self.raw)
        if self.foreign:  # Claude Code's file: all but its permissions is another program's business
            self.data = {key: value for key, value in self.data.items() if key == "permissions"}
        else:
            self.unknown(self.data, KEYS, "")
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

    def choice(self, key: str, data: dict[str, Any], known: tuple[str, ...]) -> str | None:
        """The one of KNOWN under KEY, None where absent. YAML reads an unquoted `off` as false."""
        value = data.get(key)
        if value is False and "off" in known:
            value = "off"
        if value is not None and value not in known:
            raise self.fail(key, f"one of {', '.join(known)}, not {value!r}")
        return value

    def flag(self, key: str, data: dict[str, Any]) -> bool | None:
        """The truth value under KEY, None where absent."""
        value = data.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.fail(key, "true or false")
        return value

    def quantity(self, key: str, data: dict[str, Any], units: dict[str, float]) -> float | None:
        """The number under KEY with one of UNITS after it (`30d`, `5GB`), or a bare number; None where absent."""
        value = data.get(key)
        if value is None:
            return None
        found = _QUANTITY.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
        if found is None or (found[2] and found[2] not in units):
            raise self.fail(key, f"a number with a unit ({', '.join(units)}), not {value!r}")
        return float(found[1]) * units.get(found[2], 1)

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


def _read(path: Path) -> bytes:
    """The bytes of the file PATH, none where there is no such file."""
    try:
        # Without blocking, and bounded: a repository may bring a link to a device.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SettingsError(f"{path} is no regular file; mend it or remove it")
            raw = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(raw) > _LARGEST:
        raise SettingsError(f"{path} is larger than 1 MB; that is no settings file")
    return raw


def _decode(path: Path, raw: bytes) -> dict[str, Any]:
    """The mapping that RAW, of the file PATH, holds; empty where it holds nothing."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    data = _json(path, text) if path.suffix == ".json" else _yaml(path, text)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(f"{path} must be a mapping of settings; mend it or remove it")
    return data


def _json(path: Path, text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if repeated := _repeated([key for key, _ in pairs]):
            raise SettingsError(f"{path}: the key {repeated!r} stands there twice; leave one")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once) if text.strip() else None
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path}, line {error.lineno}: not JSON ({error.msg}); mend it or remove it") from None
    except RecursionError:
        raise SettingsError(f"{path} is nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise SettingsError(f"{path}: not JSON ({error}); mend it or remove it") from None


def _repeated(keys: list[str]) -> str | None:
    """The first of KEYS that stands there twice."""
    return next((key for key, count in Counter(keys).items() if count > 1), None)


def _yaml(path: Path, text: str) -> Any:
    import yaml  # 15 ms that a person without a config.yaml does not pay

    class Once(Bounded, yaml.SafeLoader):
        """A safe loader that refuses a key that stands there twice: the first could be a deny rule."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            if repeated := _repeated([key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]):
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
    except (LookupError, AttributeError, TypeError):  # as PyYAML fails of `!!bool maybe`, `!!int ""`, `!!timestamp x`
        raise SettingsError(f"{path}: a value is not what its `!!` tag says; mend it or remove it") from None
