"""A person's review of changes: what is accepted, staged or taken back, and comments, told to the agent at once."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from workbench.protocol.words import counted
from workbench.tui.widgets.hunks import DiffFile

_QUOTED = 6  # lines of a hunk that was taken back
_WIDTH = 200  # characters of a quoted line


@dataclass(frozen=True)
class Comment:
    """Words about a line. `row` is its place in the hunk named `digest`; -1: about the whole file."""

    path: str
    line: int
    quote: str
    text: str
    digest: str = ""
    row: int = -1


@dataclass(frozen=True)
class Taken:
    """Changes that the person took back."""

    path: str
    line: int
    added: int
    removed: int
    lines: tuple[str, ...] = ()  # of the diff, sign first; none: all changes of the file


@dataclass
class Review:
    """What was said about hunks, by their digests: a hunk that changes is a new one to look at."""

    accepted: set[str] = field(default_factory=set)
    staged: set[str] = field(default_factory=set)
    comments: list[Comment] = field(default_factory=list)
    reverts: list[Taken] = field(default_factory=list)

    def toggle(self, digests: Iterable[str]) -> bool:
        """Accepts DIGESTS, or no longer, if all of them were. Returns whether they are now."""
        chosen = set(digests)
        if chosen <= self.accepted:
            self.accepted -= chosen
            return False
        self.accepted |= chosen
        return True

    def counts(self, files: Iterable[DiffFile]) -> tuple[int, int]:
        """(accepted, all) hunks of FILES."""
        marks = [laid.digest in self.accepted for file in files for laid in file.hunks]
        return sum(marks), len(marks)

    def put(self, comment: Comment) -> None:
        """Adds COMMENT, in the place of one about the same line; without words it only takes that away."""
        place = (comment.path, comment.digest, comment.row)
        self.comments = [one for one in self.comments if (one.path, one.digest, one.row) != place]
        if comment.text:
            self.comments.append(comment)

    def at(self, path: str, digest: str, row: int) -> Comment | None:
        """The comment about one line."""
        return next((one for one in self.comments if (one.path, one.digest, one.row) == (path, digest, row)), None)

    def message(self) -> str:
        """All comments and what was taken back, as words for the agent; empty where there is nothing to say."""
        parts = []
        if self.comments:
            ordered = sorted(self.comments, key=lambda one: (one.path, one.line))
            parts += ["Review of the changes:", *(_said(one) for one in ordered)]
        if self.reverts:
            parts += ["I took these changes back; do not make them again:", *(_taken(one) for one in self.reverts)]
        return "\n\n".join(parts)

    def sent(self, told: Iterable[Comment | Taken]) -> None:
        """Forgets what the agent has been TOLD."""
        gone = list(told)
        self.comments = [one for one in self.comments if one not in gone]
        self.reverts = [one for one in self.reverts if one not in gone]


def place(path: str, line: int) -> str:
    """PATH:LINE; a path that would not stay on its line is quoted."""
    name = path if path.isprintable() and path.strip() == path else json.dumps(path)
    return f"{name}:{line}" if line else name


def _said(comment: Comment) -> str:
    quote = f"\n> {_short(comment.quote)}" if comment.quote.strip() else ""
    return f"{place(comment.path, comment.line)}{quote}\n{comment.text}"


def _taken(taken: Taken) -> str:
    what = f"+{taken.added} -{taken.removed}" if taken.lines else "the whole file"
    changed = [line for line in taken.lines if line[:1] in "+-"]
    quotes = [f"> {_short(line)}" for line in changed[:_QUOTED]]
    if len(changed) > _QUOTED:
        quotes.append(f"> … {counted(len(changed) - _QUOTED, 'more line')}")
    return "\n".join([f"{place(taken.path, taken.line)} ({what})", *quotes])


def _short(line: str) -> str:
    line = line.rstrip("\r")
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
