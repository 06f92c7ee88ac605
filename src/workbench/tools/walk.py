"""A walk through a folder that leaves out what a search leaves out.

Standard library alone: the search worker imports this in a bare interpreter.
"""

import os
import re
from collections.abc import Callable, Iterator

from workbench.tools import beneath
from workbench.tools.globs import expression
from workbench.tools.ignore import VCS, Scope

Match = Callable[[str], object]


class Overrides:
    """Globs of a call (ripgrep's --glob): one that matches decides, whatever the ignore files say; `!` leaves out."""

    def __init__(self, globs: list[str]) -> None:
        self._rules = []
        for glob in reversed(globs):
            negated = glob.startswith("!")
            plain = glob.removeprefix("!")
            by_name = "/" not in plain.rstrip("/")
            match = re.compile(expression(plain.rstrip("/").removeprefix("/")), re.DOTALL).fullmatch
            self._rules.append((match, by_name, negated, plain.endswith("/")))
        self._selective = any(not negated for _, _, negated, _ in self._rules)

    def verdict(self, path: str, name: str, folder: bool) -> bool | None:
        """True: left out. False: taken. None: let the ignore files decide."""
        for match, by_name, negated, folders_only in self._rules:
            if (folder or not folders_only) and match(name if by_name else path):
                return negated
        return True if self._selective and not folder else None


def walk(
    base: str,
    held: int,
    *,
    wanted: Match | None = None,
    overrides: Overrides | None = None,
    kinds: Match | None = None,
    links: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[str]:
    """Files below the absolute folder BASE, relative to it, in no order. Links are not followed.

    held: a descriptor of BASE; what is listed lies beneath it, whatever becomes a link meanwhile. wanted: matches the
    relative paths that are asked for. kinds: matches the names of ripgrep's --type. links: name links to files too.
    Ends early once `stopped` says so.
    """
    prefix = base.rstrip("/") + "/"
    stack = [("", Scope.around(base))]
    take = _Taking(prefix, wanted, overrides, kinds, links)
    while stack and not stopped():
        folder, scope = stack.pop()
        try:
            with beneath.listing(held, folder) as listing:
                files, folders = take.sorted_out(folder, scope, list(listing))
        except OSError:
            continue
        stack += folders
        yield from files


class _Taking:
    """Which entries of a folder a walk takes."""

    def __init__(
        self, prefix: str, wanted: Match | None, overrides: Overrides | None, kinds: Match | None, links: bool
    ) -> None:
        self._prefix, self._wanted, self._overrides, self._kinds, self._links = prefix, wanted, overrides, kinds, links

    def sorted_out(
        self, folder: str, scope: Scope, entries: "list[os.DirEntry[str]]"
    ) -> tuple[list[str], list[tuple[str, Scope]]]:
        """The files among ENTRIES to name, and the folders to look into with their rules."""
        if folder:
            names = frozenset(entry.name for entry in entries if entry.name[0] == ".")
            scope = scope.within(self._prefix + folder[:-1], names)
        files, folders = [], []
        for entry in entries:
            name = entry.name
            path = folder + name
            if entry.is_dir(follow_symlinks=False):
                if name not in VCS and not _left_out(self._prefix, path, name, True, scope, self._overrides):
                    folders.append((path + "/", scope))
            elif self._wanted is not None and not self._wanted(path):
                continue
            elif name not in VCS and (self._links or not entry.is_symlink()) and _is_file(entry):
                verdict = self._overrides.verdict(path, name, False) if self._overrides else None
                if verdict is None:
                    ignored = scope.ignored(self._prefix + path, name, False)
                    verdict = ignored or bool(self._kinds and not self._kinds(name))
                if not verdict:
                    files.append(path)
        return files, folders


def _left_out(prefix: str, path: str, name: str, folder: bool, scope: Scope, overrides: Overrides | None) -> bool:
    verdict = overrides.verdict(path, name, folder) if overrides else None
    return scope.ignored(prefix + path, name, folder) if verdict is None else verdict


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
