"""Grep: lines that match a regular expression."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from workbench.permissions.types import Need, Reads
from workbench.tools.base import Context, Outcome, absolute

_Count = Annotated[int, msgspec.Meta(ge=0)]


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for, where, and how to show it; the names are ripgrep's."""

    pattern: Annotated[str, msgspec.Meta(min_length=1, description="Regular expression, ripgrep's syntax")]
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
        raise NotImplementedError
