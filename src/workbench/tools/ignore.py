"""Which files a search leaves out: .gitignore and its kin, read as ripgrep reads them (`--hidden --no-require-git`).

Ignore files of the folder and of those above it count: .rgignore before .ignore before .gitignore, nearer before
farther, later lines before earlier ones; above a repository's root no .gitignore counts. Then the repository's
info/exclude. Standard library alone: the search worker imports this in a bare interpreter.
"""
# ruff: noqa: PTH118
# Plain strings: a Path for each entry would cost more than the rest of the walk.

import os
import re
import stat

from workbench.tools.globs import GlobError, expression

VCS = (".git", ".svn", ".hg", ".bzr", ".jj", ".sl")
_FILES = (".rgignore", ".ignore", ".gitignore")
_EXCLUDE = len(_FILES)  # the rank of info/exclude


class Rules:
    """The patterns of one ignore file; paths are relative to the folder that it holds for."""

    def __init__(self, text: str) -> None:
        parsed = [rule for line in text.split("\n") if (rule := _parse(line))]
        self._rules = [
            (re.compile(source, re.DOTALL).fullmatch, by_name, negated, folder)
            for source, by_name, negated, folder in parsed
        ][::-1]
        names = [source for source, by_name, _, _ in parsed if by_name]
        paths = [source for source, by_name, _, _ in parsed if not by_name]
        # One alternation says quickly that nothing matches, which is what most files meet.
        self._names = re.compile("|".join(f"(?:{source})" for source in names), re.DOTALL).fullmatch if names else None
        self._paths = re.compile("|".join(f"(?:{source})" for source in paths), re.DOTALL).fullmatch if paths else None

    def __bool__(self) -> bool:
        return bool(self._rules)

    def verdict(self, path: str, name: str, folder: bool) -> bool | None:
        """True: ignored. False: named as not ignored. None: not mentioned."""
        if not (self._names and self._names(name)) and not (self._paths and self._paths(path)):
            return None
        for match, by_name, negated, folders_only in self._rules:
            if (folder or not folders_only) and match(name if by_name else path):
                return not negated
        return None


def _parse(line: str) -> tuple[str, bool, bool, bool] | None:
    """One line of an ignore file: expression, whether it looks at the name alone, negated, folders only."""
    line = line.removesuffix("\r")
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    line = line[negated:]
    folder = line.endswith("/")
    line = line.removesuffix("/")
    anchored = "/" in line
    line = line.removeprefix("/")
    if line.endswith("/**"):
        line += "/*"  # what is inside, not the folder itself
    try:
        return (expression(line), not anchored, negated, folder) if line else None
    except (GlobError, re.error):
        return None  # git passes over what it cannot read, too


class Scope:
    """The rules that hold in one folder."""

    def __init__(self, chain: list[tuple[int, int, Rules]], blind: bool = False) -> None:
        self._chain = chain  # (rank of the kind, length of the folder's path and slash, rules), the strongest first
        self.blind = blind  # no ignore file is looked at

    @classmethod
    def around(cls, folder: str) -> "Scope":
        """The rules for a search in FOLDER; none where it is itself ignored: who names such a folder means it."""
        parts = folder.rstrip("/").split("/")
        scope = cls([])
        for end in range(1, len(parts) + 1):
            place = "/".join(parts[:end]) or "/"
            if end > 1 and scope.ignored(place, parts[end - 1], True):
                return cls([], blind=True)
            scope = scope.within(place)
        return scope

    def within(self, folder: str, names: frozenset[str] | None = None) -> "Scope":
        """The rules in FOLDER, which lies in this one. NAMES are its entries, where they are known."""
        chain = self._chain
        if self.blind:
            return self
        if (names is None or ".git" in names) and os.path.lexists(os.path.join(folder, ".git")):
            chain = [entry for entry in chain if entry[0] < _EXCLUDE - 1]
            chain = [*chain, *self._read(folder, ".git/info/exclude", _EXCLUDE)]
        found = [
            entry
            for rank, name in enumerate(_FILES)
            if names is None or name in names
            for entry in self._read(folder, name, rank)
        ]
        if found:
            chain = sorted([*found, *chain], key=lambda entry: entry[0])  # stable: the nearer stays first
        return self if chain is self._chain else Scope(chain)

    @staticmethod
    def _read(folder: str, name: str, rank: int) -> list[tuple[int, int, Rules]]:
        try:
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe is not waited for
                    return []
                rules = Rules(file.read(1_000_000).decode("utf-8-sig", "replace"))
        except OSError:
            return []
        return [(rank, len(folder.rstrip("/")) + 1, rules)] if rules else []

    def ignored(self, path: str, name: str, folder: bool) -> bool:
        """Whether the entry at the absolute PATH is left out."""
        for _, length, rules in self._chain:
            verdict = rules.verdict(path[length:], name, folder)
            if verdict is not None:
                return verdict
        return False
