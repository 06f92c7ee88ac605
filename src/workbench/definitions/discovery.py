"""Where definitions lie, and which one a name means: the nearest.

Order: `.mlwb/agents` and `.claude/agents` of the workspace and of each folder above it up to the repository's root,
the user's `agents` of this program, the user's `.claude/agents`, the ones that ship with the program. Folders are
read with all that is in them. A name is only ever compared with names; it never becomes a path.
"""

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from workbench import resources
from workbench.definitions.fields import brief
from workbench.definitions.loader import load, read_bytes
from workbench.definitions.types import Definition, Problem

# Bounds on what one folder of definitions may hold; a link to `/` must not become a walk over the disk.
MAX_DEPTH, MAX_ENTRIES = 8, 10_000

# Any line that may say the name, and the plain kind that can be compared without parsing it.
_NAME = re.compile(rb"^[\"']?name[\"']?[ \t]*:", re.MULTILINE)
_PLAIN = re.compile(rb"^name: ?([\"']?)([\w.@-](?:[\w .@-]{0,100}[\w.@-])?)\1\r?\n(?=[\w\"']|---)", re.MULTILINE)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A definition and, where a nearer one has its name, that one's path. Rejected files are found too."""

    definition: Definition
    shadowed_by: str | None = None


def folders(workspace: Path, home: Path, config: Path) -> list[tuple[Path, str]]:
    """Each folder that may hold definitions with its source (workspace, user, shipped), nearest first."""
    users = [config / "agents", home / ".claude" / "agents"]
    near = [level / kind / "agents" for level in _levels(workspace) for kind in (".mlwb", ".claude")]
    listed = [(folder, "workspace") for folder in near if folder not in users]
    listed += [(folder, "user") for folder in users]
    return [*listed, (resources.folder("agents"), "shipped")]


def discover(workspace: Path, home: Path, config: Path) -> list[Found]:
    """Every definition, nearest first, rejected and shadowed ones included. Unreadable folders are rejected rows."""
    found: list[Found] = []
    first: dict[str, str] = {}
    for path, source, problem in _candidates(workspace, home, config):
        definition = load(path, source) if problem is None else unreadable(path, source, problem)
        shadow = first.get(definition.name)
        found.append(Found(definition=definition, shadowed_by=shadow))
        if definition.name:
            first.setdefault(definition.name, definition.path)
    return found


def find(name: str, workspace: Path, home: Path, config: Path) -> Definition | None:
    """The nearest definition of that name, None where there is none.

    It may be a rejected one (`startable` says so): a broken file is refused, not replaced in silence by another
    of its name that may grant more.
    """
    for path, source, problem in _candidates(workspace, home, config):
        if problem is None and _may_be(name, path):
            definition = load(path, source)
            if definition.name == name:
                return definition
    return None


def displaced(definition: Definition, workspace: Path, home: Path, config: Path) -> Definition | None:
    """The user's own or the shipped definition whose name DEFINITION, one of the workspace's, has taken."""
    if definition.source != "workspace":
        return None
    for path, source, problem in _candidates(workspace, home, config):
        if source != "workspace" and problem is None and _may_be(definition.name, path):
            other = load(path, source)
            if other.name == definition.name:
                return other
    return None


def nearest(name: str, workspace: Path, home: Path, config: Path) -> str | None:
    """The name of a definition that NAME may have meant, or None."""
    found = (row.definition for row in discover(workspace, home, config))
    return near_name(name, [one.name for one in found if one.status != "rejected"])


def near_name(name: str, names: list[str]) -> str | None:
    """The one of NAMES that NAME may have meant, or None."""
    folded = {re.sub(r"[\s_]+", "-", known.lower()): known for known in reversed(names)}
    near = difflib.get_close_matches(re.sub(r"[\s_]+", "-", name.lower()), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def startable(definition: Definition) -> str | None:
    """None where a session can start with the definition, else the reason why not, in words without its path."""
    if definition.status == "rejected":
        problem = definition.problems[0]
        return f"{problem.message} (line {problem.line})" if problem.line else problem.message
    if definition.grants or definition.tools == ():
        return None
    if definition.tools is None:
        return "no tool is left to the agent; `mlwb agents check` says why"
    listed = ", ".join(brief(text) for text in definition.tools[:5]) + (", …" if len(definition.tools) > 5 else "")
    return f"none of the tools that it lists can be granted: {listed}"


def _levels(workspace: Path) -> list[Path]:
    """The workspace and the folders above it up to the repository's root; outside a repository only itself."""
    levels: list[Path] = []
    workspace = workspace.resolve()
    for level in (workspace, *workspace.parents):
        levels.append(level)
        # A folder, or in a worktree or submodule a file.
        if os.path.lexists(level / ".git"):
            return levels
    return [workspace]


def _candidates(workspace: Path, home: Path, config: Path) -> Iterator[tuple[Path, str, str | None]]:
    """(path, source, None) of each Markdown file, and (folder, source, why) of each folder that cannot be read."""
    seen: set[tuple[int, int]] = set()
    for folder, source in folders(workspace, home, config):
        for path, problem in markdown(folder, seen):
            yield path, source, problem


def markdown(folder: Path, seen: set[tuple[int, int]]) -> Iterator[tuple[Path, str | None]]:
    """The Markdown files under FOLDER in a fixed order, each with None; a folder that cannot be read with the reason.

    Links are followed; `seen` holds the (device, inode) of all that was met, so that a loop or a second way to the
    same file ends there.
    """
    left = MAX_ENTRIES
    waiting = [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        try:
            listed = _listed(here, seen)
        except OSError as error:
            yield here, f"cannot be read: {error.strerror}"
            continue
        left -= len(listed)
        if left < 0 or depth > MAX_DEPTH:
            yield here, "not read: too much lies in and under this folder of definitions"
            continue
        below: list[tuple[Path, int]] = []
        for entry in listed:
            if _is_folder(entry):
                below.append((here / entry.name, depth + 1))
            elif entry.name.lower().endswith(".md") and _is_new(here / entry.name, seen):
                yield here / entry.name, None
        waiting += reversed(below)


def _listed(folder: Path, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """What lies in FOLDER, by name; nothing where there is no such folder or it was met before. Raises OSError."""
    try:
        folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return []
    if not _is_new(folder, seen):
        return []
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_new(path: Path, seen: set[tuple[int, int]]) -> bool:
    """Whether PATH was not met before. What cannot be looked at is new: reading it says what is wrong."""
    try:
        status = path.stat()
    except OSError:
        return True
    key = (status.st_dev, status.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True


def _may_be(name: str, path: Path) -> bool:
    """Whether the file can be the definition of that name: False only where its one `name:` line plainly differs."""
    try:
        data = read_bytes(path)
    except (OSError, ValueError):
        return False
    plain = _PLAIN.findall(data)
    if len(plain) != 1 or len(_NAME.findall(data)) != 1:
        return True
    said: bytes = plain[0][1]
    return said == name.encode("utf-8", "replace")


def unreadable(path: Path, source: str, why: str) -> Definition:
    """A rejected definition in the place of what lies at PATH, with the reason."""
    problem = Problem(field="file", message=why)
    return Definition(path=str(path), source=source, status="rejected", problems=(problem,))
