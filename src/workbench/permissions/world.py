"""The world as it is, and one made of a dict."""

import os
import posixpath
import re
import stat as modes
from collections.abc import Mapping

import msgspec

from workbench.permissions.types import Stat

_KINDS = {
    modes.S_IFREG: "file",
    modes.S_IFDIR: "dir",
    modes.S_IFLNK: "link",
    modes.S_IFIFO: "fifo",
    modes.S_IFSOCK: "socket",
    modes.S_IFCHR: "device",
    modes.S_IFBLK: "device",
}
_LARGEST_CONFIG = 1 << 20
_MOST_ENTRIES = 5000


class RealWorld:
    """The file system of this machine. Git's local configuration is read from its files, and again when they change."""

    def __init__(self) -> None:
        self._configs: dict[str, tuple[tuple[int, int, int], dict[str, str]]] = {}

    def lstat(self, path: str) -> Stat | None:
        """The file at PATH itself, or None."""
        try:
            found = os.lstat(path)  # pathlib is several times slower, and this is the hot path
        except (OSError, ValueError):
            return None
        return Stat(
            kind=_KINDS.get(modes.S_IFMT(found.st_mode), "device"),
            links=found.st_nlink,
            size=found.st_size,
        )

    def readlink(self, path: str) -> str | None:
        """Where the link at PATH points."""
        try:
            return os.readlink(path)  # noqa: PTH115
        except (OSError, ValueError):
            return None

    def listdir(self, path: str) -> tuple[str, ...] | None:
        """The names in the folder PATH; None where they cannot be seen or are too many."""
        names = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    names.append(entry.name)
                    if len(names) > _MOST_ENTRIES:
                        return None
        except (OSError, ValueError):
            return None
        return tuple(sorted(names))

    def git_config(self, folder: str) -> Mapping[str, str]:
        """The local settings of the repository that holds FOLDER."""
        directory = self._git_dir(folder)
        if directory is None:
            return {}
        common = _first_line(f"{directory}/commondir")
        shared = posixpath.normpath(posixpath.join(directory, common)) if common else directory
        settings = dict(self._config(f"{shared}/config"))
        if settings.get("extensions.worktreeconfig", "false") != "false":
            settings.update(self._config(f"{directory}/config.worktree"))
        return settings

    def _git_dir(self, folder: str) -> str | None:
        """git's own search: `.git` in FOLDER or above, or a folder that is a bare repository."""
        here = os.path.realpath(folder)
        while True:
            marker = self.lstat(f"{here}/.git")
            if marker is not None and marker.kind == "file":
                line = _first_line(f"{here}/.git")
                if line.startswith("gitdir: "):
                    return posixpath.normpath(posixpath.join(here, line[8:]))
            elif marker is not None:
                return f"{here}/.git"
            if all(self.lstat(f"{here}/{name}") for name in ("HEAD", "objects", "refs")):
                return here
            if here == "/":
                return None
            here = posixpath.dirname(here)

    def _config(self, path: str) -> dict[str, str]:
        try:
            found = os.stat(path)  # noqa: PTH116
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if path in self._configs and self._configs[path][0] == stamp:
                return self._configs[path][1]
            if found.st_size > _LARGEST_CONFIG:
                return {"a configuration file that is too large": path}
            with open(path, encoding="utf-8") as file:  # noqa: PTH123
                settings = parse_git_config(file.read())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            return {"a configuration file that cannot be read": str(error)}
        self._configs[path] = (stamp, settings)
        return settings


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            return file.readline(4096).rstrip("\n")
    except (OSError, ValueError):
        return ""


_SECTION = re.compile(r'\[\s*([A-Za-z0-9.-]+)\s*(?:"((?:[^"\\]|\\.)*)")?\s*\]')
_SETTING = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?")


def parse_git_config(text: str) -> dict[str, str]:
    """TEXT of a git configuration file: `section.subsection.key`, in lower case -> value as written.

    git's own grammar (git-config(1), "Syntax"); a line that is not understood becomes a key of its own, which no list
    of harmless keys names.
    """
    settings: dict[str, str] = {}
    section = ""
    for raw in text.split("\n"):
        line = raw.strip()
        if line.endswith("\\"):  # it may go on in the next line, which then is no setting, or no section, of its own
            settings[f"a line that is not understood: {line[:60]}"] = ""
        while line and line[0] not in "#;":
            if found := _SECTION.match(line):
                section = found[1] + (f".{found[2]}" if found[2] is not None else "")
                line = line[found.end() :].strip()
                continue
            setting = _SETTING.fullmatch(line)
            key = (
                f"{section}.{setting[1]}".lstrip(".").lower()
                if setting
                else f"a line that is not understood: {line[:60]}"
            )
            settings[key] = (setting[2] or "true").strip() if setting else ""
            break
    return settings


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a MemoryWorld. `target`: where a link points."""

    kind: str = "file"
    target: str = ""
    links: int = 1
    size: int = 0


class MemoryWorld:
    """A world made of a dict: absolute path -> Node; folders above a path are there by themselves."""

    def __init__(self, nodes: Mapping[str, Node], config: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._nodes = dict(nodes)
        for path in nodes:
            while (path := posixpath.dirname(path)) not in self._nodes:
                self._nodes[path] = Node(kind="dir")
        self._config = config or {}

    def lstat(self, path: str) -> Stat | None:
        """The node at PATH."""
        node = self._nodes.get(path)
        return Stat(kind=node.kind, links=node.links, size=node.size) if node else None

    def readlink(self, path: str) -> str | None:
        """Where the link at PATH points."""
        node = self._nodes.get(path)
        return node.target if node is not None and node.kind == "link" else None

    def listdir(self, path: str) -> tuple[str, ...] | None:
        """The names in PATH."""
        if path not in self._nodes:
            return None
        return tuple(
            sorted(posixpath.basename(name) for name in self._nodes if posixpath.dirname(name) == path and name != "/")
        )

    def git_config(self, folder: str) -> Mapping[str, str]:
        """The settings given for FOLDER or the nearest folder above it."""
        while folder not in self._config and folder != "/":
            folder = posixpath.dirname(folder)
        return self._config.get(folder, {})
