"""What Write, Edit and MultiEdit share: no change of a file that the model has not seen as it is now."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from workbench.protocol.visible import REDACTED
from workbench.protocol.words import counted
from workbench.tools import diffs, files
from workbench.tools.base import Context, Outcome, ToolError, text_content
from workbench.tools.replacing import substitute
from workbench.tools.text import Text, decode, lines_of


class Target(msgspec.Struct, frozen=True):
    """The file to change: its resolved path, its name for the model, and its text where it exists."""

    path: Path
    shown: str
    source: files.Source | None = None
    text: Text = Text("")


def target(context: Context, given: str) -> Target:
    """The file GIVEN as it is now. Raises ToolError where it is no text file, was not read, or changed since."""
    named = context.absolute(given)
    path, shown = context.reached(named), context.shown(named)
    if given.endswith("/"):
        raise ToolError(f"{shown}/ names a folder, not a file.")
    if not os.path.lexists(path):
        return Target(path, shown)  # `files.replace` finds out if that changes
    source = files.load(path, shown)
    if source.data or context.files.get(path):
        _check_seen(context, source, shown)
    text = decode(source.data)
    if text is None:
        raise ToolError(f"{shown} is not a text file. Change it with a program, or remove it first.")
    return Target(path, shown, source, text)


def _check_seen(context: Context, source: files.Source, shown: str) -> None:
    seen = context.files.get(source.path)
    if seen is None:
        raise ToolError(f"{shown} exists and has not been read in this session. Read it first.")
    now = source.seen()
    same = seen.digest == now.digest if seen.digest else (seen.mtime_ns, seen.size) == (now.mtime_ns, now.size)
    if not same:
        raise ToolError(
            f"{shown} has changed since it was last read (by the user, a command or a tool). Read it again."
        )


class Replacement(Protocol):
    """One edit, as Edit and MultiEdit decode it."""

    @property
    def old_string(self) -> str: ...
    @property
    def new_string(self) -> str: ...
    @property
    def replace_all(self) -> bool: ...


def edit(context: Context, file_path: str, edits: Sequence[Replacement]) -> Outcome:
    """Makes EDITS in order, each on the result of the one before; all or none. Blocks; raises ToolError."""
    given = target(context, file_path)
    text = given.text.text
    for number, one in enumerate(edits, 1):
        try:
            text = _edited(given, text, one, first=number == 1)
        except ToolError as error:
            if len(edits) == 1:
                raise
            raise ToolError(f"Edit {number} of {len(edits)}: {error} No edit was made.") from None
    if given.source is None:
        return store(context, given, text, lambda change: f"Created {given.shown} ({counted(change.added, 'line')}).")
    return store(context, given, text, lambda change: f"Changed {given.shown} (+{change.added} -{change.removed}):")


def _edited(given: Target, text: str, one: Replacement, first: bool) -> str:
    if one.old_string:
        if given.source is None and first:
            files.inspect(given.path, given.shown)  # says what is missing, and what is near
        return substitute(given.text, text, one.old_string, one.new_string, one.replace_all, given.shown)
    if text or not first:
        raise ToolError(f"An empty old_string creates a file, and {given.shown} has text already. Say what to replace.")
    return one.new_string


def store(context: Context, given: Target, text: str, said: Callable[[diffs.Change], str]) -> Outcome:
    """Puts TEXT into the file, with the encoding, line ends, mode and owner that it has.

    SAID makes the first line for the model. Blocks; raises ToolError, and then the file is as it was.
    """
    old = given.source
    if text.count(REDACTED) > given.text.text.count(REDACTED):
        raise ToolError(
            f"The text for {given.shown} holds {REDACTED}…], which stands for a secret that was not shown to you: the "
            "secret would be lost. Edit the lines around it, one by one; nothing was written."
        )
    try:
        data = given.text.encode(text)
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        raise ToolError(
            f"{given.shown} is {given.text.encoding.upper()}, which has no {character!a}. Write it without, or convert "
            "the file to UTF-8 first (iconv)."
        ) from None
    if old is not None and data == old.data:
        return Outcome(content=text_content(f"{given.shown} has exactly this text already."), summary="no change")
    context.files.saw(given.path, files.replace(given.path, data, given.shown, old.stat if old else None))
    change = diffs.compare(given.text.shown, text.replace("\r\n", "\n"))
    notes = [said(change), diffs.snippet(change) if old else "", given.text.note]
    return Outcome(
        content=text_content("\n".join(note for note in notes if note)),
        display=[diffs.block(given.shown, change, context.put_blob, created=old is None)],
        summary=f"+{change.added} -{change.removed}" if old else f"created, {counted(len(lines_of(text)), 'line')}",
        changed=[str(given.path)],
    )
