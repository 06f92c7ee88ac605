"""A brief for people: what they must decide, then what changed, then numbers; short enough for one screen."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from workbench.protocol.brief import BriefRow, BriefSection
from workbench.protocol.words import counted
from workbench.session.brief_types import Brief, Command, Decision, RunTold
from workbench.session.end import was_left
from workbench.session.runs_words import span

# Rows of each section: together with their headings they fit 24 lines when all is full, and that is rare.
_DECIDE, _ASKED, _FILES, _COMMANDS, _RUNS, _ALLOWED = 6, 4, 5, 4, 5, 5
_DECISIONS = {"once": "allowed", "session": "allowed for the session", "always": "allowed for good",
              "no": "said no to", "gone": "was asked about, and it was cancelled:"}  # fmt: skip
_MILD = {"plateau"}  # alerts that are no trouble
_DAY = 86_400.0


def sections(told: Brief, now: float) -> tuple[BriefSection, ...]:
    """TOLD under its headings, as of Unix time NOW; what is empty is left out."""
    made = (
        _section("needs you", _needs(told, now), _DECIDE),
        _section("said", _asked(told, now), _ASKED, last=True),
        _section("changed", _changed(told), _FILES),
        _section("commands of note", _commands(told.commands), _COMMANDS),
        _section("runs", map(_run, sorted(told.runs, key=_telling)), _RUNS),
        _section("allowed and denied", _allowed(told), _ALLOWED),
        _section("people", (BriefRow(text=words) for words in told.people), 3, last=True),
        _section("numbers", _numbers(told), 4),
    )
    return tuple(section for section in made if section.rows)


def heading(told: Brief, now: float) -> str:
    """Since when, and how it stands."""
    since = f"since {clock(told.since, now)}, {ago(now - told.since)}" if told.since else "from its beginning"
    return f"{since}: {standing(told)}"


def standing(told: Brief) -> str:
    """How the session stands, in a few words."""
    if was_left(told.end, told.errors):
        return "it was left, or told to stop, and can be taken up"
    if told.end is not None:
        verified = ", verified by its checks" if told.verified else ""
        return f"it ended, {told.end.replace('_', ' ')}{verified}"
    if told.approvals:
        return f"it waits for {counted(len(told.approvals), 'approval')}"
    if told.questions:
        return f"it waits for {counted(len(told.questions), 'answer')}"
    idle = {"done": "the agent is done and waits for words", "interrupted": "it was interrupted and waits for words"}
    return idle.get(told.idle, f"it stopped: {told.idle}") if told.idle else told.phase or "nothing was asked yet"


def plain(told: Brief, title: str, now: float) -> Iterator[str]:
    """All of it as lines of text."""
    yield f"{told.session}  {title}".rstrip()
    yield heading(told, now)
    found = sections(told, now)
    if not told.events:
        yield "nothing happened since"
    for section in found:
        yield ""
        yield section.heading
        for row in section.rows:
            sign = {"decide": "!", "good": "+", "bad": "x"}.get(row.kind, " ")
            yield f"  {sign} {row.text}{f'   ({row.note})' if row.note else ''}"
        if section.more:
            yield f"    and {section.more:,} more"


def _section(name: str, rows: Iterable[BriefRow], most: int, last: bool = False) -> BriefSection:
    """The first of ROWS under NAME, or the LAST ones."""
    found = tuple(rows)
    shown = found[-most:] if last else found[:most]
    return BriefSection(heading=name, rows=shown, more=len(found) - len(shown))


# --- what must be decided ----------------------------------------------------------------------------------


def _needs(told: Brief, now: float) -> Iterator[BriefRow]:
    for waits in told.approvals:
        again = "once more, unconfined: " if waits.again else ""
        reason = f"; {_line(waits.reason, 90)}" if waits.reason else ""
        note = f"waits since {clock(waits.at, now)}{reason}"
        yield BriefRow(text=f"approve {waits.tool} {again}{_line(waits.target, 90)}", note=note, kind="decide")
    for question in told.questions:
        options = " / ".join(_line(one.label, 30) + (f" ({one.cost})" if one.cost else "") for one in question.options)
        note = "; ".join(
            filter(None, (options, question.recommendation and f"it recommends {_line(question.recommendation, 60)}"))
        )
        yield BriefRow(text=f"answer: {_line(question.question, 140)}", note=note, kind="decide")
    for one in told.suggestions:
        about = f" on {_line(one.path, 40)}" if one.path else ""
        yield BriefRow(text=f"{one.by} suggests{about}: {_line(one.text, 120)}", note=clock(one.at, now), kind="decide")
    bad = (told.end or told.idle or "").startswith("error")
    if bad and not was_left(told.end, told.errors):
        yield from (BriefRow(text=_line(error, 160), kind="bad") for error in told.errors[:2])
    for check in told.checks:
        if check.exit_code:
            yield BriefRow(text=f"check failed: {_line(check.command, 90)}", note=f"exit {check.exit_code}", kind="bad")
    yield from (BriefRow(text=_line(words, 160), kind="bad") for words in dict.fromkeys(reversed(told.warnings)))


def _asked(told: Brief, now: float) -> Iterator[BriefRow]:
    for prompt in told.prompts:
        how = {"task": "the task", "answer": "answered"}.get(prompt.origin, "")
        note = ", ".join(filter(None, (clock(prompt.at, now), how)))
        yield BriefRow(text=f"{prompt.by}: {_line(prompt.text, 110)}", note=note)
    if told.said:
        yield BriefRow(text=f"the agent: {_line(told.said, 160)}", note="its last words")


# --- what changed ------------------------------------------------------------------------------------------


def _changed(told: Brief) -> Iterator[BriefRow]:
    for file in reversed(told.files):
        counts = "" if file.added is None or file.removed is None else f"+{file.added} -{file.removed}"
        edits = counted(file.edits, "edit") if counts else "by a command"
        edits = edits if file.edits else "since it began, by no edit of the agent's"
        path = _line(file.path.removeprefix(f"{told.workspace}/"), 90)
        yield BriefRow(text=path, note=", ".join(filter(None, (counts, edits))))
    yield from (BriefRow(text=_line(words, 120)) for words in told.reverted)


def _commands(commands: Sequence[Command]) -> Iterator[BriefRow]:
    ranked = sorted(commands, key=lambda one: (not one.own, not one.outside, _went(one) is None, -one.at))
    for one in ranked:
        failed = _went(one)
        who = f"{one.by} ran it" if one.own else f"allowed by {one.by}" if one.by else ""
        outside = "unconfined" if one.outside and not one.own else ""
        took = span(one.duration_ms / 1000) if one.duration_ms >= 1000 else ""
        note = ", ".join(filter(None, (failed, outside, who, took)))
        yield BriefRow(text=_line(one.command, 90), note=note, kind="bad" if failed else "")


def _went(one: Command) -> str | None:
    """What went wrong with it; None where nothing."""
    if one.signal is not None:
        return f"signal {one.signal}"
    if one.exit_code:
        return f"exit {one.exit_code}"
    return None if one.status == "ok" else one.status


def _telling(run: RunTold) -> tuple[bool, bool, bool, int]:
    """First what failed, then what was judged, then what goes on; the newest first."""
    digits = run.run.rpartition("-")[2]
    newest = -int(digits) if digits.isdecimal() else 0
    return run.status != "failed", not run.verdict, bool(run.status), newest


def _run(run: RunTold) -> BriefRow:
    went = run.status or ("begun" if run.linked else "goes on")
    exit_code = f" with exit code {run.exit_code}" if run.exit_code else ""
    verdict = f"{run.verdict}: " if run.verdict not in run.words else ""
    ledger = run.ledger and f"ledger now: {run.ledger}"
    words = "; ".join(filter(None, (f"{verdict}{_line(run.words, 110)}", ", ".join(run.alerts), ledger)))
    bad = run.status == "failed" or run.verdict == "worse" or bool(set(run.alerts) - _MILD)
    kind = "bad" if bad else "good" if run.verdict == "better" else ""
    return BriefRow(text=f"{_line(run.run, 60)} {went}{exit_code}", note=words, kind=kind)


# --- who let what pass -------------------------------------------------------------------------------------


def _allowed(told: Brief) -> Iterator[BriefRow]:
    groups: dict[tuple[str, str], list[Decision]] = {}
    for one in told.decisions:
        groups.setdefault((one.by, one.decision), []).append(one)
    for (by, decision), ones in groups.items():
        what = Counter(f"{one.tool} {_line(one.target, 50)}".rstrip() for one in ones)
        shown = ", ".join(f"{name}{f' ({times} times)' if times > 1 else ''}" for name, times in what.most_common(3))
        more = f" and {len(what) - 3} more" if len(what) > 3 else ""
        reason = next((one.reason for one in reversed(ones) if one.reason), "")
        kind = "bad" if decision == "no" else ""
        words = f"{by} {_DECISIONS.get(decision, decision)} {shown}{more}"
        yield BriefRow(text=words, note=_line(reason, 60), kind=kind)
    denied = Counter((one.tool, one.reason) for one in told.denied if not one.by)
    for (tool, reason), times in denied.most_common():
        last = next(one for one in reversed(told.denied) if (one.tool, one.reason) == (tool, reason))
        many = f" ({times} times)" if times > 1 else ""
        yield BriefRow(text=f"denied: {tool} {_line(last.target, 60)}{many}", note=_line(reason, 80), kind="bad")


def _numbers(told: Brief) -> Iterator[BriefRow]:
    cost = "a cost that is not known" if told.cost_usd is None else f"${told.cost_usd:.2f}"
    if told.turns or told.usage.total:
        yield BriefRow(text=f"{counted(told.turns, 'turn')}, {told.usage.total:,} tokens, {cost}")
    if passed := sum(check.exit_code == 0 for check in told.checks):
        yield BriefRow(text=f"{passed} of {counted(len(told.checks), 'check')} passed", kind="good")
    if told.todos:
        done = sum(todo.status == "completed" for todo in told.todos)
        now = next((todo.content for todo in told.todos if todo.status == "in_progress"), "")
        at = f"now: {_line(now, 80)}" if now else ""
        yield BriefRow(text=f"{done} of {len(told.todos)} to-dos done", note=at)
    for shell, how in list(told.shells.items())[-2:]:
        yield BriefRow(text=f"background command {shell} ended with {how}")


# --- words -------------------------------------------------------------------------------------------------


def _line(text: str, most: int) -> str:
    """TEXT on one line of MOST characters. What is unsafe in it is made visible where it is shown."""
    shown = " ".join(text[: 4 * most].split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def clock(at: float, now: float) -> str:
    """AT as a person says it: the time of a day under a day ago, else with the date."""
    form = "%H:%M" if now - at < _DAY else "%Y-%m-%d %H:%M"
    return time.strftime(form, time.localtime(at))


def ago(seconds: float) -> str:
    """SECONDS as `2 h 10 min ago`."""
    minutes = int(max(0.0, seconds) // 60)
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{counted(days, 'day')} ago"
    if hours:
        return f"{hours} h {minutes % 60} min ago"
    return f"{minutes} min ago" if minutes else "just now"
