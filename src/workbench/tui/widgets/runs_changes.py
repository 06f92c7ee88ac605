"""What a run changed against the one it is compared with, and what came of it: words, config, then code."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import dropwhile

from rich.cells import cell_len
from textual.content import Content

from workbench.protocol.queries import ConfigChange, RunAlert, RunChanges, RunRow
from workbench.tui.panes.rows import Rows, cut, row, wrapped
from workbench.tui.safe import content, safe

VERDICTS = {
    "better": ("▲ better", "$success"), "worse": ("▼ worse", "$error"),
    "within_noise": ("≈ within noise", "$foreground"), "not_enough_seeds": ("? not enough seeds", "$warning"),
    "only_seed_changed": ("= only the seed changed", "$muted"),
}  # fmt: skip
KINDS = ("config", "command", "environment", "hardware", "bookkeeping")
KEY = 28  # cells at most for the name of a key
_UNSET = "not set"


class RunsChanges(Rows):
    """Rows about one run. What stands in them is what the session told; nothing of it is markup."""

    DEFAULT_CSS = """
    RunsChanges { padding: 0; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._run: RunRow | None = None
        self._changes: RunChanges | None = None

    def show(self, run: RunRow | None, changes: RunChanges | None) -> None:
        """RUN and its CHANGES, None while they are still asked for."""
        if (run, changes) != (self._run, self._changes):
            if run is None or self._run is None or run.id != self._run.id:
                self.scroll_to(y=0, animate=False, force=True, immediate=True)
            self._run, self._changes = run, changes
            self.redraw()

    def build(self, width: int) -> Iterable[Content]:
        """Verdict, alerts, what is known of its end, config, code."""
        return dropwhile(lambda one: not one.plain, self._all(width))

    def _all(self, width: int) -> Iterator[Content]:
        run, changes = self._run, self._changes
        if run is None:
            return
        yield from self._verdict(run, changes, width)
        yield from _record(run, width)
        if changes is None:
            return
        if changes.crash:
            yield from _headed("how it ended")
            yield from _crash(changes.crash, width)
        for kind in KINDS:
            if of_kind := [one for one in changes.config if one.kind == kind]:
                yield from _headed(kind)
                yield from _config(of_kind, width, quiet=kind == "bookkeeping")
        if changes.diff:
            yield from _headed("code")
            yield from map(_line, changes.diff)
        if changes.against and not changes.config and not changes.diff:
            yield row("")
            yield row(("neither config nor code differ", "$muted"))
        for note in changes.notes:
            yield row("")
            yield from wrapped(note, width)

    def _verdict(self, run: RunRow, changes: RunChanges | None, width: int) -> Iterator[Content]:
        if changes is None:
            yield row(("comparing…", "$muted"))
        elif changes.against:
            words, colour = VERDICTS.get(changes.verdict, ("", "$muted"))
            told = (f"{words}  ", f"{colour} bold") if words else ""
            yield row(told, (f"{run.id} against {changes.against}", "$muted"))
        for line in changes.words if changes else ():
            yield from wrapped(line, width, "$foreground")


def _headed(title: str) -> Iterator[Content]:
    yield row("")
    yield row((title, "$muted-2"))


def _record(run: RunRow, width: int) -> Iterator[Content]:
    """Alerts, why it ended, what was noted, and what it ran."""
    told = [(told_of(alert), "$warning") for alert in run.alerts]
    if run.why:
        told.append((f"✗ {run.why}" if run.status == "failed" else run.why, "$error" if run.status == "failed" else ""))
    if run.note:
        told.append((run.note, "$foreground"))
    if told:
        yield row("")
    for text, style in told:
        for line in text.splitlines():
            yield from wrapped(line, width, style or "$foreground")
    yield row("")
    yield row((cut(f"$ {' '.join(run.command.split())}", width), "$muted"))
    parts = [f"session {run.session}" if run.session else "", f"turn {run.turn}" if run.turn is not None else "",
             f"seed {run.seed}" if run.seed is not None else "", " ".join(f"#{tag}" for tag in run.tags)]  # fmt: skip
    if any(parts):
        yield row((cut(" · ".join(filter(None, parts)), width), "$muted"))


def told_of(alert: RunAlert) -> str:
    """An alert in words, with its step where they do not tell it."""
    at = "" if alert.step is None or "step" in alert.text else f" · step {alert.step:.10g}"
    return f"! {alert.text or alert.kind}{at}"


def _crash(rows: Sequence[tuple[str, str]], width: int) -> Iterator[Content]:
    """What is known of a crash: what it is, and what that says."""
    wide = min(width // 3, max(cell_len(safe(name)) for name, _ in rows))
    for name, text in rows:
        head = cut(name, wide)
        look = "$error" if name == "error" else "$foreground"
        for at, line in enumerate(content(text).wrap(max(8, width - wide - 2)) or (content(""),)):
            told = head + " " * (wide - cell_len(head)) if not at else " " * wide
            yield row((told + "  ", "$muted"), (line.plain.rstrip(), look))


def _config(changes: Sequence[ConfigChange], width: int, quiet: bool = False) -> Iterator[Content]:
    """A key a row: what it was, and what it is. QUIET: it makes no difference."""
    keys = [cut(one.key, min(KEY, width // 2)) for one in changes]
    wide = max(map(cell_len, keys))
    sides = [(_one_line(one.before), _one_line(one.after)) for one in changes]
    room = max(8, (width - wide - 5) // 2)
    left = max((cell_len(before) for before, after in sides if _fits(room, before, after)), default=0)
    grey, old, new = "$muted-2", "$muted-2" if quiet else "$removed", "$muted-2" if quiet else "$added"
    for one, key, (before, after) in zip(changes, keys, sides, strict=True):
        name = key + " " * (wide - cell_len(key) + 2)
        looks = grey if one.before is None else old, grey if one.after is None else new
        named = (name, "$muted" if quiet else "$foreground")
        if _fits(room, before, after):
            yield row(named, (before, looks[0]), (" " * (left - cell_len(before)) + " → ", grey), (after, looks[1]))
            continue
        yield row(named)
        for sign, text, look in (("- ", before, looks[0]), ("+ ", after, looks[1])):
            for at, line in enumerate(content(text).wrap(max(8, width - 2))):
                yield row((("  " if at else sign) + line.plain.rstrip(), look))


def _one_line(text: str | None) -> str:
    return safe(_UNSET if text is None else " ".join(text.split()))


def _fits(room: int, *texts: str) -> bool:
    return all(cell_len(text) <= room for text in texts)


def _line(text: str) -> Content:
    """A line of a unified diff."""
    if text.startswith(("+++", "---", "diff ", "index ")):
        return row((text.expandtabs(4), "$muted"))
    style = {"+": "$added", "-": "$removed", "@": "$muted-2"}.get(text[:1], "$foreground")
    return row((text.expandtabs(4), style))
