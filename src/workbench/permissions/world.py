"""The world as it is, and one made of a dict."""

import os
import posixpath
import re
import stat as modes
from collections.abc import Iterator, Mapping

import msgspec

from workbench.permissions.paths import within
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
_MOST_ENTRIES = 20_000
_LARGEST_INDEX = 1 << 26
_DEEPEST_SUBMODULE = 4
_GITLINK = b"\0\0\xe0\0"


class RealWorld:
    """The file system of this machine. Git's local configuration is read from its files, and again when they change."""

    def __init__(self) -> None:
        self._indexes: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {}
        self._configs: dict[str, tuple[tuple[int, int, int], dict[str, str]]] = {}

    def lstat(self, path: str) -> Stat | None:
        """The file at PATH itself, or None."""
        try:
            found = os.lstat(path)  # pathlib is several times slower, and this is the hot path
        except (OSError, ValueError):
            return None
        kind = _KINDS.get(modes.S_IFMT(found.st_mode), "device")
        enter = kind != "dir" or found.st_mode & 0o111 == 0o111 or os.access(path, os.X_OK)
        return Stat(kind=kind, links=found.st_nlink, size=found.st_size, enter=enter)

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
        """The local settings of the repository that holds FOLDER, and of its submodules: git looks into those as well.

        A key that is set differently there has all its values, a line each.
        """
        directory, top = self._git_dir(folder)
        return self._settings(directory, top, 0) if directory else {}

    def _settings(self, directory: str, top: str, depth: int) -> dict[str, str]:
        common = _first_line(f"{directory}/commondir")
        shared = posixpath.normpath(posixpath.join(directory, common)) if common else directory
        settings = dict(self._config(f"{shared}/config"))
        if settings.get("extensions.worktreeconfig", "false") != "false":
            settings.update(self._config(f"{directory}/config.worktree"))
        for path in self._submodules(directory) if depth <= _DEEPEST_SUBMODULE else ("",):
            if not path:
                settings["submodules that cannot be told"] = directory
                continue
            inner, place = self._marked(f"{top}/{path}")
            if not inner:
                continue
            for key, value in self._settings(inner, place, depth + 1).items():
                if key == "core.worktree" and within(inner, f"{shared}/modules"):
                    continue  # git writes it there for each submodule
                settings[key] = value if settings.get(key, value) == value else f"{settings[key]}\n{value}"
        return settings

    def _submodules(self, directory: str) -> tuple[str, ...]:
        """The submodules in the index of a repository; "" where there are some whose path is not known.

        Found by their mode, 0160000, in gitformat-index(5); a match by chance names no folder.
        """
        try:
            found = os.stat(f"{directory}/index")  # noqa: PTH116
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if directory in self._indexes and self._indexes[directory][0] == stamp:
                return self._indexes[directory][1]
            with open(f"{directory}/index", "rb") as file:  # noqa: PTH123
                data = file.read(_LARGEST_INDEX + 1)
        except OSError:
            return ()
        shared = any(name.startswith("sharedindex.") for name in self.listdir(directory) or ())
        paths = ("",) if shared or len(data) > _LARGEST_INDEX else tuple(_gitlinks(data))
        self._indexes[directory] = (stamp, paths)
        return paths

    def _git_dir(self, folder: str) -> tuple[str, str]:
        """git's own search: `.git` in FOLDER or above, or a bare repository; and where it was found."""
        here = os.path.realpath(folder)
        while True:
            found = self._marked(here)
            if found[0]:
                return found
            if all(self.lstat(f"{here}/{name}") for name in ("HEAD", "objects", "refs")):
                return here, here
            if here == "/":
                return "", ""
            here = posixpath.dirname(here)

    def _marked(self, here: str) -> tuple[str, str]:
        """The repository that `.git` in the folder HERE is or names, and HERE."""
        marker = self.lstat(f"{here}/.git")
        if marker is None:
            return "", here
        if marker.kind != "file":
            return f"{here}/.git", here
        line = _first_line(f"{here}/.git")
        return (posixpath.normpath(posixpath.join(here, line[8:])) if line.startswith("gitdir: ") else ""), here

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


def _gitlinks(data: bytes) -> Iterator[str]:
    """The paths of the entries of a git index that are submodules; "" for one whose path is not written out."""
    at = data.find(_GITLINK)
    while at >= 0:
        start = at - 24  # the mode stands there within an entry
        if data[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
            yield ""
            return
        if start >= 12:
            name = start + (64 if data[start + 60 : start + 61] and data[start + 60] & 0x40 else 62)
            yield data[name : data.find(b"\0", name)].decode("utf-8", "surrogateescape") or "."
        at = data.find(_GITLINK, at + 1)


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
    enter: bool = True


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
        return Stat(kind=node.kind, links=node.links, size=node.size, enter=node.enter) if node else None

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
