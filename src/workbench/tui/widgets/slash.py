"""Commands at the prompt: `/name words`, taken from the one table of actions."""

import difflib
import re
from dataclasses import dataclass

from workbench.tui.actions import ACTIONS

_COMMAND = re.compile(r"/([\w-]*)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Slash:
    """A command's name, what it does in a few words, and the action behind it."""

    name: str
    title: str
    action: str


# What may follow a command and what comes of it, where the action's title says too little.
_DOES = {
    "resume": "ID: take up another session; alone: choose one",
    "rename": "TITLE: another name for the session",
    "open": "REFERENCE: a turn such as s-4f:t12, a run such as r-14@812",
    "fork": "go on from here in a new session",
    "handoff": "NAME BRIEF: another agent goes on with a brief, in a fork",
    "agent": "NAME BRIEF: another agent goes on with a brief, in a fork",
    "model": "NAME: another model goes on with a brief, in a fork",
    "mode": "NAME: a narrower mode from now on",
    "hours": "N: GPU-hours that the session may use in all, where it has a limit",
    "rewind": "back to before a prompt: the talk, the files or both",
    "undo": "take the last rewind back",
    "export": "FILE: write the session as Markdown",
    "wheel": "NAME: hand the wheel over; alone: take it back, or ask for it",
    "say": "WORDS: to the others here; the agent does not see them",
    "follow": "NAME: look where they look; once more: no longer",
    "share": "NAME,@GROUP ROLE UNTIL: invite others; stop: show them out",
    "cost": "dollars, tokens and time so far",
    "permissions": "the mode, and what was denied by which rule",
    "theme": "NAME: other colours",
}

COMMANDS: tuple[Slash, ...] = tuple(
    sorted(
        (Slash(action.slash, _DOES.get(action.slash, action.title), action.id) for action in ACTIONS if action.slash),
        key=lambda command: command.name,
    )
)


def parse(text: str) -> tuple[str, str] | None:
    """Name and words of the command that TEXT is; None for anything else, `/usr/bin/x` among it."""
    found = _COMMAND.fullmatch(text.rstrip())
    return (found[1], (found[2] or "").strip()) if found else None


def find(name: str) -> Slash | None:
    """The command of that name."""
    return next((command for command in COMMANDS if command.name == name.lower()), None)


def nearest(name: str) -> Slash:
    """The command whose name is most like NAME."""
    best = matching(name)
    return best[0] if best else max(COMMANDS, key=lambda c: difflib.SequenceMatcher(None, name, c.name).ratio())


def matching(typed: str) -> list[Slash]:
    """The commands that TYPED may mean, the likeliest first; all of them by name where nothing is typed."""
    if not typed:
        return list(COMMANDS)
    scored = [(score(typed, command.name), command) for command in COMMANDS]
    if len(typed) == 1 and any(points > 3 for points, _ in scored):  # one letter is in every other name
        scored = [(points, command) for points, command in scored if points > 3]
    scored = [(points or _in_title(typed, command), command) for points, command in scored]
    return [command for points, command in sorted(scored, key=lambda pair: -pair[0]) if points]


def score(typed: str, name: str) -> float:
    """How well TYPED fits NAME, from whole, beginning, part and letters in order down to 0: not at all."""
    typed, name = typed.casefold(), name.casefold()
    if typed == name:
        return 5
    if name.startswith(typed):
        return 4 - len(name) / 1000
    if typed in name:
        return 3 - name.index(typed) / 1000
    letters = iter(name)
    return 2 - len(name) / 1000 if all(letter in letters for letter in typed) else 0


def _in_title(typed: str, command: Slash) -> float:
    return 1 if len(typed) > 2 and typed.casefold() in command.title.casefold() else 0
