"""What a client may ask to see: pages of what is older or larger than the state it holds."""

from typing import Any

import msgspec

from workbench.protocol.blocks import DisplayBlock
from workbench.protocol.result import FileChange
from workbench.protocol.state import Item


def _tag(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=_tag):
    """Base of every query. A page that does not exist is answered with an empty one."""


class ItemsBefore(Query, frozen=True, kw_only=True):
    """Up to `n` transcript items whose id is lower than `before` (0: from the end)."""

    before: int = 0
    n: int = 100


class ItemText(Query, frozen=True, kw_only=True):
    """The whole text of an item that came with `cut`, as UTF-8, from byte `offset`, `size` bytes at most.

    Of a call: `CallWhole` as JSON, whether it came with `cut` or not.
    """

    item: int
    offset: int = 0
    size: int = 65536


class BlobPage(Query, frozen=True, kw_only=True):
    """Bytes of a blob from `offset`, `size` at most. `eSEQ.PLACE` names a picture in the prompt of that event."""

    blob: str
    offset: int = 0
    size: int = 65536


class DiffPage(Query, frozen=True, kw_only=True):
    """The change of one file, as a unified diff, from line `offset`. since: start, turn (the last prompt), head."""

    path: str
    offset: int = 0
    lines: int = 2000
    since: str = "start"


class ChangedFiles(Query, frozen=True, kw_only=True):
    """Which files differ, whoever changed them. since: start, turn, head, or `rewind:SEQ` for what that would undo."""

    since: str = "start"


class FindFiles(Query, frozen=True, kw_only=True):
    """Files of the workspace whose path matches `pattern` fuzzily, the best first; ignored ones are left out."""

    pattern: str
    n: int = 50


class SeriesPage(Query, frozen=True, kw_only=True):
    """A run's metric between two steps, thinned to `width` points by minimum and maximum."""

    run: str
    key: str
    start: float = 0.0
    end: float | None = None  # None: to the last step
    width: int = 400


class InForce(Query, frozen=True, kw_only=True):
    """Which permission rules hold in the session now, and what confines its commands."""


class Items(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    """Answer to `ItemsBefore`, oldest first; `more` when there are older ones."""

    items: tuple[Item, ...]
    more: bool


class Blob(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    """Answer to `BlobPage` and `ItemText`; `total` is the whole size in bytes, -1 where there is none."""

    data: bytes
    total: int


class CallWhole(msgspec.Struct, frozen=True, kw_only=True):
    """What a call was given and what it showed, uncut. Of one that a person changed: the input that ran."""

    input: dict[str, Any]
    display: tuple[DisplayBlock, ...] = ()


class Diff(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    """Answer to `DiffPage`; `total` counts the diff's lines."""

    lines: tuple[str, ...]
    total: int


class Changes(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    """Answer to `ChangedFiles`, by path; `notes` say what cannot be told."""

    files: tuple[FileChange, ...]
    notes: tuple[str, ...] = ()


class Paths(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    """Answer to `FindFiles`; `total` counts all files that match."""

    paths: tuple[str, ...]
    total: int


class Series(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    """Answer to `SeriesPage`: (step, value) pairs; a value is None where the run logged NaN."""

    points: tuple[tuple[float, float | None], ...]


BUILT_IN = "mlwb itself"  # the source of rules that guard the program's own files


class RuleInForce(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that holds. kind: deny, ask, allow, outside (what it is about is not confined); `source` is its origin."""

    kind: str
    rule: str
    source: str = ""


class Holding(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=_tag):
    """Answer to `InForce`. `sandbox`: the layer that confines commands, empty where none does.

    `auto_allow`: what asks only because nothing allows it runs confined in place of asking.
    """

    rules: tuple[RuleInForce, ...] = ()
    sandbox: str = ""
    auto_allow: bool = False
    network: str = "none"
    domains: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()


AnyQuery = ItemsBefore | ItemText | BlobPage | DiffPage | ChangedFiles | FindFiles | SeriesPage | InForce
AnyPage = Items | Blob | Diff | Changes | Paths | Series | Holding
