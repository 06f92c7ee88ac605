"""A walk through a folder that leaves out what a search leaves out.

Standard library alone: the search worker imports this in a bare interpreter.
"""

import os
import re
from collections.abc import Callable, Iterator

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
    *,
    wanted: Match | None = None,
    overrides: Overrides | None = None,
    kinds: Match | None = None,
    links: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[str]:
    """Files below the absolute folder BASE, relative to it, in no order. Links are not followed.

    wanted: matches the relative paths that are asked for. kinds: matches the names of ripgrep's --type. links: name
    links to files too. Ends early once `stopped` says so.
    """
    prefix = base.rstrip("/") + "/"
    stack = [("", Scope.around(base))]
    while stack and not stopped():
        folder, scope = stack.pop()
        try:
            with os.scandir(prefix + folder) as listing:
                entries = list(listing)
        except OSError:
            continue
        if folder:
            scope = scope.within(prefix + folder[:-1], frozenset(e.name for e in entries if e.name[0] == "."))
        for entry in entries:
            name = entry.name
            path = folder + name
            if entry.is_dir(follow_symlinks=False):
                if name not in VCS and not _left_out(prefix, path, name, True, scope, overrides):
                    stack.append((path + "/", scope))
            elif wanted is not None and not wanted(path):
                continue
            elif name not in VCS and (links or not entry.is_symlink()) and _is_file(entry):
                verdict = overrides.verdict(path, name, False) if overrides else None
                if verdict is None:
                    verdict = scope.ignored(prefix + path, name, False) or bool(kinds and not kinds(name))
                if not verdict:
                    yield path


def _left_out(prefix: str, path: str, name: str, folder: bool, scope: Scope, overrides: Overrides | None) -> bool:
    verdict = overrides.verdict(path, name, folder) if overrides else None
    return scope.ignored(prefix + path, name, folder) if verdict is None else verdict


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
