"""Grep: lines that match a regular expression."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from workbench.permissions.types import Need, Reads
from workbench.protocol.blocks import Listing
from workbench.tools import files, search
from workbench.tools.base import Context, Outcome, ToolError, absolute, encodable, text_content
from workbench.tools.globs import words
from workbench.tools.ignore import Scope
from workbench.tools.text import looks_binary, marked
from workbench.tools.threads import finish

_PAGE = 30_000  # characters of one answer
_LISTED = 200  # rows that travel with the event

_Count = Annotated[int, msgspec.Meta(ge=0)]


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for, where, and how to show it; the names are ripgrep's."""

    pattern: Annotated[
        str, msgspec.Meta(min_length=1, description="Regular expression (ripgrep's: write \\{ for a brace)")
    ]
    path: Annotated[str, msgspec.Meta(description="File or folder; default: working directory")] | None = None
    glob: Annotated[str, msgspec.Meta(description="Only these files: '*.py', '*.{ts,tsx}'")] | None = None
    type: Annotated[str, msgspec.Meta(description="Only files of this kind: py, js, rust, yaml, …")] | None = None
    output_mode: Annotated[
        Literal["files_with_matches", "content", "count"],
        msgspec.Meta(description="Default files_with_matches, newest first"),
    ] = "files_with_matches"
    ignore_case: Annotated[bool, msgspec.Meta(description="Ignore case")] = msgspec.field(name="-i", default=False)
    numbers: Annotated[bool, msgspec.Meta(description="Line numbers (content); default true")] = msgspec.field(
        name="-n", default=True
    )
    after: Annotated[_Count, msgspec.Meta(description="Lines after each match (content)")] | None = msgspec.field(
        name="-A", default=None
    )
    before: Annotated[_Count, msgspec.Meta(description="Lines before")] | None = msgspec.field(name="-B", default=None)
    around: Annotated[_Count, msgspec.Meta(description="Lines before and after")] | None = msgspec.field(
        name="-C", default=None
    )
    multiline: Annotated[bool, msgspec.Meta(description="Matches may span lines, . matches newline")] = False
    head_limit: Annotated[_Count, msgspec.Meta(description="At most so many lines or files")] | None = None
    offset: Annotated[_Count, msgspec.Meta(description="Skip so many of them first")] | None = None


class Grep:
    """Searches file contents."""

    name = "Grep"
    description = (
        "Searches file contents. Leaves out what .gitignore names and binary files; searches hidden files. "
        "Use it rather than grep or rg in Bash."
    )
    Input: type[msgspec.Struct] = Input

    def needs(self, given: Any, cwd: str) -> tuple[Need, ...]:
        """Reads what lies under the path."""
        return (Reads(absolute(given.path or ".", cwd)),)

    def target(self, given: Any) -> str:
        """The pattern, and where it is searched."""
        return f"{given.pattern} in {given.path}" if given.path else str(given.pattern)

    async def run(self, given: Any, context: Context, call_id: str, progress: Callable[[str], None]) -> Outcome:
        """Searches."""
        base = Path(absolute(given.path or ".", str(context.cwd)))
        opened: list[search.Place] = []  # filled in the thread: a call that is cancelled meanwhile closes it, too
        try:
            await finish(lambda: opened.append(_place(context, base)))
            [place] = opened
            single = place.file is not None
            query = search.Query(
                pattern=given.pattern,
                mode=given.output_mode,
                file=base.name if single else "",
                globs=tuple(words(given.glob or "")),
                type=given.type or "",
                ignore_case=given.ignore_case,
                multiline=given.multiline,
                before=_lines(given.before, given.around),
                after=_lines(given.after, given.around),
                numbers=given.numbers,
                unignored=not single and (await finish(Scope.around, str(place.path))).blind,
            )
            printed, cut = await search.run(query, place)
            answer = await finish(search.read, query, printed, place, _namer(context, place.path))
            return await finish(_outcome, given, answer, cut)
        finally:
            for held in (fd for place in opened for fd in (place.held, place.file) if fd is not None):
                os.close(held)


def _namer(context: Context, folder: Path) -> Callable[[str], str | None]:
    prefix = context.prefix(folder)
    if (searchable := context.searchable or context.readable) is None:
        return lambda path: prefix + path
    return lambda path: prefix + path if searchable(f"{folder}/{path}") else None


def _lines(own: int | None, both: int | None) -> int:
    return own if own is not None else both or 0


def _place(context: Context, base: Path) -> search.Place:
    """BASE held open, a file or a folder. Raises ToolError where it is neither, or binary."""
    shown, real = context.shown(base), context.reached(base)
    held = files.hold_folder(real, shown)
    if held is not None:
        return search.Place(path=base, held=held)
    with files.opened(real, shown) as (fd, _):
        head = os.pread(fd, 8192, 0)
        if looks_binary(head) and not marked(head):
            raise ToolError(f"{shown} is a binary file; it is not searched. Use a program made for it, in Bash.")
        held = files.hold_folder(real.parent, shown)
        assert held is not None
        return search.Place(path=base.parent, held=held, file=os.dup(fd))


def _outcome(given: Any, answer: search.Answer, cut: bool) -> Outcome:
    skipped = given.offset or 0
    wanted = answer.rows[skipped : skipped + given.head_limit if given.head_limit else None]
    taken, room = 0, _PAGE
    for row in wanted:
        room -= len(encodable(answer.show(row))) + 1
        if room < 0:
            break
        taken += 1
    true = answer.confirm(wanted[:taken])
    rows = [encodable(answer.show(row)) for row in true]
    left = len(answer.rows) - skipped - taken
    notes = _notes(given, answer, skipped + taken, left, cut)
    if len(true) < taken:
        notes.append(f"[{taken - len(true)} rows are of files that were changed or moved meanwhile: search again]")
    return Outcome(
        content=text_content("\n".join([*rows, *notes])),
        display=[Listing(lines=tuple(rows[:_LISTED]), total=max(len(answer.rows) - skipped, 0))],
        summary=_counted(given, answer),
    )


def _notes(given: Any, answer: search.Answer, end: int, left: int, cut: bool) -> list[str]:
    if not answer.rows:
        what = "files match" if given.output_mode == "files_with_matches" else "matches"
        return [f"No {what} (files that .gitignore names were left out)."]
    notes = []
    if given.output_mode == "count":
        notes.append(f"[{_counted(given, answer)}]")
    if left > 0:
        notes.append(f"[{left} more rows: offset={end} goes on; a narrower pattern, path or glob shows fewer]")
    elif end > len(answer.rows):
        notes.append(f"[there are only {len(answer.rows)} rows]")
    if cut:
        notes.append("[there was too much to gather; the search was ended early and is not complete: narrow it]")
    return notes


def _counted(given: Any, answer: search.Answer) -> str:
    files_ = f"{answer.files} file{'s' * (answer.files != 1)}"
    if given.output_mode == "files_with_matches":
        return files_
    return f"{answer.matches} match{'es' * (answer.matches != 1)} in {files_}"
