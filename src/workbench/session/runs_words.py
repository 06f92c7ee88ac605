"""What the agent is told of its runs: one bounded message, however many things happened at once."""

import contextlib
import shlex
from collections.abc import Iterator, Sequence

import msgspec

from workbench.experiments.ledger import OUTPUT, Ledger, LedgerError
from workbench.experiments.types import READY, Alert, Run
from workbench.protocol.events import Heard
from workbench.tools.output import begun

GOING = ("queued", "running")
_MOST = 8_000  # characters of a message
_RUNS = 8  # that are told whole; of more, a line each
_RUN = 3_000  # characters of one
_METRICS = 8
_ALERTS = 6
_KEYS = 8  # of the configuration, that differ
_LINES = 6  # the last ones
_FRAMES = 12  # lines of a traceback, the innermost
_TAIL = 1 << 16  # bytes of the output in which they are looked for
_LINE = 200
_HEAD = "[mlwb, not a person: news of the runs of this session. Lines after `|` are their output.]"


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """RUN as its record stands, whether it has ended, and the alerts that the agent has not heard of."""

    run: Run
    ended: bool
    alerts: tuple[Alert, ...] = ()

    @property
    def quiet(self) -> bool:
        """Whether all is well: it finished, and nothing was seen."""
        return self.ended and self.run.status == "finished" and not self.alerts

    def after(self, since: float) -> bool:
        """Whether it happened after the Unix time SINCE."""
        ended = self.ended and (self.run.ended is None or self.run.ended >= since)
        ready = self.run.stays and (self.run.started or 0.0) + (self.run.metrics[READY].last or 0.0) >= since
        return ended or ready or any(alert.at >= since for alert in self.alerts)

    @property
    def heard(self) -> Heard:
        """What the journal keeps of it."""
        return Heard(
            run=self.run.id,
            status=self.run.status if self.ended else "",
            exit_code=self.run.exit_code if self.ended else None,
            alerts=tuple(dict.fromkeys(alert.kind for alert in self.alerts)),
            seen=len(self.run.alerts),
            ready=self.run.stays,
        )


def message(ledger: Ledger, news: Sequence[Happened], going: Sequence[str] = ()) -> str:
    """NEWS in words, with what still goes on. Reads outputs and numbers: for a thread."""
    parts = [_HEAD]
    last = {one.run.group or one.run.id: one for one in news[:_RUNS]}  # of a group one comparison tells all
    parts += [_clip("\n".join(_told(ledger, one, one in last.values())), _RUN) for one in news[:_RUNS]]
    parts += [headline(one.run) for one in news[_RUNS:]]
    if going:
        shown = ", ".join(going[:20]) + (f" and {len(going) - 20} more" if len(going) > 20 else "")
        parts.append(f"still going on: {shown}")
    return _clip("\n".join(parts), _MOST)


def headline(run: Run) -> str:
    """RUN in a line: how it stands, why, its numbers."""
    if run.status in GOING:
        return f"{run.id} {run.standing}"
    took = f" after {span(run.ended - run.started)}" if run.ended and run.started else ""
    why = f": {run.why}" if run.why else ""
    return f"{run.id} {run.status}{took}{why}{metrics(run)}"


def metrics(run: Run) -> str:
    """The last and best values of RUN, to stand behind its headline; empty without any."""
    told = [
        f"{key} {number(one.last)} at step {one.step:g} (best {number(one.best)})"
        for key, one in list(run.metrics.items())[:_METRICS]
    ]
    more = len(run.metrics) - len(told)
    return f"; {', '.join(told)}{f' and {more} more' if more else ''}" if told else ""


def number(value: float | None) -> str:
    """VALUE with six digits; records keep NaN and infinities as None."""
    return "nan" if value is None else f"{value:.6g}"


def span(seconds: float) -> str:
    """SECONDS as `48.2 s`, `12m03s`, `3h05m`."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def alert_words(alert: Alert) -> str:
    """ALERT in a line."""
    return f"{alert.kind}: {begun(' '.join(alert.text.split()), 400)}"


def _told(ledger: Ledger, news: Happened, compared: bool) -> Iterator[str]:
    from workbench.experiments.postmortem import rows

    run = news.run
    yield headline(run) if news.ended else f"{headline(run)}{_progress(run)}{metrics(run)}"
    yield f"  {' '.join(run.name.split())[:80]}{'' if run.seed is None else f', seed {run.seed}'}"
    yield from (f"  {alert_words(alert)}" for alert in news.alerts[:_ALERTS])
    if len(news.alerts) > _ALERTS:
        yield f"  and {len(news.alerts) - _ALERTS} more alerts: mlwb exp show {run.id}"
    yield from (f"  {line}" for line in (_compared(ledger, news) if compared else ()))
    if run.crash is not None:
        shown = [(name, text) for name, text in rows(run.crash) if name and name not in ("error", "said")]
        yield from (f"  {name}: {begun(text, _LINE)}" for name, text in shown)
    if run.crash is not None and run.crash.traceback:
        yield from (f"  | {begun(line, _LINE)}" for line in run.crash.traceback[-_FRAMES:])
    elif run.status != "finished":
        yield from (f"  | {begun(line, _LINE)}" for line in last_lines(ledger, run.id))


def _progress(run: Run) -> str:
    return "" if run.progress is None else f", step {run.progress[0]:g} of {run.progress[1]:g}"


def last_lines(ledger: Ledger, run: str, count: int = _LINES) -> list[str]:
    """The last lines of RUN's output, without what a terminal would obey; none where it cannot be read."""
    from workbench.experiments.postmortem import Log

    log = Log()
    try:
        with (ledger.path(run) / OUTPUT).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL))
            log.add(file.read(_TAIL).decode("utf-8", "replace"))
    except OSError:
        return []
    log.flush()
    return log.last(count)


# --- beside what came before it ----------------------------------------------------------------------------


def _compared(ledger: Ledger, news: Happened) -> list[str]:
    """As `_beside`; what cannot be compared is not: what happened is told all the same."""
    from workbench.experiments.code import CodeError

    lines: list[str] = []
    with contextlib.suppress(CodeError, LedgerError, OSError, KeyError):  # a broken repository, a run that was removed
        lines.extend(_beside(ledger, news))
    return lines


def _beside(ledger: Ledger, news: Happened) -> Iterator[str]:
    """The verdict against the run that it is compared with, as the runs pane has it, and what differs from that one."""
    from workbench.experiments.changes import between
    from workbench.experiments.compare import CompareError, compare, reader, shared
    from workbench.session.run_against import defaults
    from workbench.session.run_changes import sides_of

    runs, _ = ledger.runs()
    known = {run.id: run for run in runs}
    base = known.get(defaults(runs).get(news.run.id, ""))
    if base is None:
        return
    theirs, mine = sides_of(known[news.run.id], base, runs)
    names, read = (_name(theirs), _name(mine)), reader(ledger)
    changes = between(theirs, mine, ledger)
    if news.run.status == "finished" and all(run.status not in GOING for run in (*mine, *_seeds(news.run, runs))):
        for key in shared(theirs, mine, read)[:1]:
            with contextlib.suppress(CompareError):
                found = compare(theirs, mine, key, ledger=ledger, names=names, read=read)
                verdict = found.verdict.replace("_", " ")
                yield f"against {names[0]} ({key}): {verdict}. {found.sentence.removeprefix(verdict).lstrip(': ')}"
    differing = [f"{key}: {_value(a)} → {_value(b)}" for key, (a, b) in changes.config.items()]
    differing += [
        f"{'command' if key == 'words' else key}: {_value(a)} → {_value(b)}" for key, (a, b) in changes.command.items()
    ]
    if differing:
        more = f"; and {len(differing) - _KEYS} more" if len(differing) > _KEYS else ""
        yield f"config against {names[0]}: {'; '.join(differing[:_KEYS])}{more}"
    if changes.code:
        yield f"code against {names[0]}: {', '.join(file.path for file in changes.code[:_KEYS])} changed"


def _seeds(run: Run, runs: Sequence[Run]) -> list[Run]:
    """The runs of RUN's group: a verdict waits for the last seed."""
    return [one for one in runs if run.group is not None and one.group == run.group]


def _name(runs: Sequence[Run]) -> str:
    return runs[0].id if len(runs) == 1 else f"{runs[0].id}…{runs[-1].id}"


def _value(value: object) -> str:
    text = shlex.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = text.lower() if isinstance(value, bool) else text  # as the files have it
    return text if len(text) <= 60 else f"{text[:59]}…"


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 40].rstrip()}\n  … (cut; mlwb exp show tells all)"
