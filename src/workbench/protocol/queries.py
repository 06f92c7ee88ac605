"""What a client may ask to see: pages of what is older or larger than the state it holds."""

from typing import Any

import msgspec

from workbench.protocol.blocks import DisplayBlock
from workbench.protocol.brief import BriefSection
from workbench.protocol.names import tag
from workbench.protocol.result import FileChange
from workbench.protocol.state import Item


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
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


class ListRuns(Query, frozen=True, kw_only=True):
    """The runs of the workspace. `stamp`: that of the answer the client holds; the same ones are not told twice."""

    stamp: str = ""


class SeriesPage(Query, frozen=True, kw_only=True):
    """A run's metric between two places of the x axis, thinned to `width` columns by minimum and maximum.

    x: step, time (seconds since the run began) or epoch. `log`: the columns are of equal width by the logarithm of x.
    """

    run: str
    key: str
    start: float | None = None  # None: from the first
    end: float | None = None  # None: to the last
    width: int = 400
    x: str = "step"
    log: bool = False


class RunLogPage(Query, frozen=True, kw_only=True):
    """Up to `n` lines of a run's output from line `line` (0 is the first; -1: the last ones).

    With `find` the page begins at the next line at or after `line` (-1: from the first) that has these words in it,
    with `backwards` at the nearest one before `line` (-1: from the end). The case of letters does not matter. What a
    carriage return has written over is not there.
    """

    run: str
    line: int = -1
    n: int = 200
    find: str = ""
    backwards: bool = False


class RunChangesPage(Query, frozen=True, kw_only=True):
    """What a run changed against another (empty: the one it is compared with by itself), and what came of it."""

    run: str
    against: str = ""


class InForce(Query, frozen=True, kw_only=True):
    """Which permission rules hold in the session now, and what confines its commands."""


class BriefSince(Query, frozen=True, kw_only=True):
    """What happened after Unix time `after` (0: since the session began), up to `until` (None: now)."""

    after: float = 0.0
    until: float | None = None


class Items(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=tag):
    """Answer to `ItemsBefore`, oldest first; `more` when there are older ones."""

    items: tuple[Item, ...]
    more: bool


class Blob(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=tag):
    """Answer to `BlobPage` and `ItemText`; `total` is the whole size in bytes, -1 where there is none."""

    data: bytes
    total: int


class CallWhole(msgspec.Struct, frozen=True, kw_only=True):
    """What a call was given and what it showed, uncut. Of one that a person changed: the input that ran."""

    input: dict[str, Any]
    display: tuple[DisplayBlock, ...] = ()


class Diff(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=tag):
    """Answer to `DiffPage`; `total` counts the diff's lines."""

    lines: tuple[str, ...]
    total: int


class Changes(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=tag):
    """Answer to `ChangedFiles`, by path; `notes` say what cannot be told."""

    files: tuple[FileChange, ...]
    notes: tuple[str, ...] = ()


class Paths(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=tag):
    """Answer to `FindFiles`; `total` counts all files that match."""

    paths: tuple[str, ...]
    total: int


class RunMetric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A series in short. A value is None where the run logged NaN; `goal` is min, max, or empty where it is unknown."""

    last: float | None
    best: float | None
    step: float
    count: int = 0
    goal: str = ""


class RunAlert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was seen on a run (nan, divergence, stall, …), at a Unix time, in words."""

    kind: str
    at: float
    text: str
    step: float | None = None


class RunRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run as a list shows it. Times are Unix times. Runs of one `group` differ by their seed alone."""

    id: str
    name: str
    status: str  # queued, running, finished, failed, stopped
    command: str = ""
    origin: str = "exp"
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    why: str = ""
    group: str = ""
    seed: int | None = None
    session: str = ""
    turn: int | None = None
    against: str = ""  # the run that it is compared with unless another is named
    gpus: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    note: str = ""
    metrics: dict[str, RunMetric] = {}
    points_at: float = 0.0  # when its series were written down last: while it runs, some time after its metrics
    alerts: tuple[RunAlert, ...] = ()
    progress: tuple[float, float] | None = None  # steps done, and in all
    eta_s: float | None = None
    ready: bool = False  # of a service that runs: whether it answers
    # Of one that goes on, or was stopped: by metric, the last step that it and `against` both have, its value there and
    # that of the other, where they are not equally far.
    level: dict[str, tuple[float, float, float]] = {}


class Runs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
    """Answer to `ListRuns`: the newest first; `same` without rows where nothing changed since that stamp."""

    rows: tuple[RunRow, ...] = ()
    stamp: str = ""
    same: bool = False
    notes: tuple[str, ...] = ()  # runs that cannot be read


class Series(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
    """Answer to `SeriesPage`: (x, value) pairs by x, as logged; a value is None where the run logged NaN or infinity.

    The nearest points beyond start and end are with them, so that a line goes on to the edge. `total` counts the points
    between start and end, `first` and `last` tell where the whole series begins and ends. Without points where the run
    has no such series, or tells no epochs.
    """

    points: tuple[tuple[float, float | None], ...]
    total: int = 0
    first: float | None = None
    last: float | None = None


class RunLog(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
    """Answer to `RunLogPage`: lines without their ends, from line `first` of `total`; none where nothing was found."""

    lines: tuple[str, ...] = ()
    first: int = 0
    total: int = 0


class ConfigChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key that differs, its values as text; None where it is not set.

    kind: config, command (an option), environment (a package, the Python), hardware, or bookkeeping (a folder, a name:
    no difference between two experiments).
    """

    key: str
    before: str | None = None
    after: str | None = None
    kind: str = "config"


class RunChanges(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
    """Answer to `RunChangesPage`: config first, then code as a unified diff (cut to a bound, which a note says).

    `crash`: of a run that failed, what is known of its end, as rows of what it is (empty: as above) and what it says.
    """

    against: str = ""
    verdict: str = ""  # better, worse, within_noise, not_enough_seeds, only_seed_changed; empty: cannot be told
    words: tuple[str, ...] = ()  # the comparison in words
    config: tuple[ConfigChange, ...] = ()
    diff: tuple[str, ...] = ()
    crash: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


BUILT_IN = "mlwb itself"  # the source of rules that guard the program's own files


class RuleInForce(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that holds. kind: deny, ask, allow, outside (what it is about is not confined); `source` is its origin."""

    kind: str
    rule: str
    source: str = ""


class Holding(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=tag):
    """Answer to `InForce`. `sandbox`: the layer that confines commands, empty where none does.

    `auto_allow`: what asks only because nothing allows it runs confined in place of asking.
    """

    rules: tuple[RuleInForce, ...] = ()
    sandbox: str = ""
    auto_allow: bool = False
    network: str = "none"
    domains: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()


class Brief(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag=tag):
    """Answer to `BriefSince`, for a person who comes back: a line on how it stands, and rows under headings.

    `phrases`: the same in a few words; none where nothing happened.
    """

    heading: str
    sections: tuple[BriefSection, ...] = ()
    phrases: tuple[str, ...] = ()


AnyQuery = (
    ItemsBefore
    | ItemText
    | BlobPage
    | DiffPage
    | ChangedFiles
    | FindFiles
    | ListRuns
    | SeriesPage
    | RunLogPage
    | RunChangesPage
    | InForce
    | BriefSince
)
AnyPage = Items | Blob | Diff | Changes | Paths | Runs | Series | RunLog | RunChanges | Holding | Brief
