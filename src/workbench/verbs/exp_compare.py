"""`mlwb exp compare`, `mlwb exp rerun` and `mlwb exp card`: what the numbers of runs are worth."""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.experiments.compare import CompareError, Read, compare_many, reader, shared, telling
from workbench.experiments.compare_words import about, number
from workbench.experiments.compared import Comparison, Group
from workbench.experiments.launch.local import Local
from workbench.experiments.ledger import ID, Ledger, LedgerError, ledger_for
from workbench.experiments.types import Run
from workbench.protocol.visible import escaped, visible
from workbench.verbs.options import Parser, fail

_SETTLE_S = 60.0  # for the last look at a run that was done again
_LAST_LOOK_S = 5.0  # for that at runs that are compared
_FILES = 12  # changed files that are listed


def main(args: list[str]) -> int:
    """Runs `mlwb exp compare ARGS`; 0 whatever the verdict, 2 for what cannot be compared."""
    options = _options(args)
    ledger = ledger_for(Path.cwd())
    read = reader(ledger)
    try:
        a, b = (_settled(ledger, chosen(ledger, word)) for word in (options.a, options.b))
        metrics = options.metric or shared(a, b, read)[:1]
        if not metrics:
            raise CompareError(_apart(a, b, read))
        goals = dict.fromkeys(metrics, options.goal) if options.goal else None
        found = compare_many(
            a, b, list(dict.fromkeys(metrics)), goals, options.at, ledger=ledger, read=read, level=options.level,
            method="bootstrap" if options.bootstrap else "t",
        )  # fmt: skip
    except (CompareError, LedgerError) as error:
        return fail(str(error), 2)
    if options.json:
        _print_json(found, ledger, options.diff)
    else:
        print("\n".join(_told(found, (options.a, options.b), [*_siblings(ledger, a, b)])))
        if options.diff:
            print(_patch(found[0], ledger))
    return 0


def _options(args: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="mlwb exp compare",
        description="Whether B is better than A, beyond the noise between seeds, and what else differs between them.",
        epilog="A and B: runs (r-1,r-2 or r-1..r-5), a group (group:r-1 is all seeds of the job that r-1 began), a tag "
        "or a name (tag:T and name:N where one word is both). Verdicts: better, worse, within_noise, not_enough_seeds, "
        "only_seed_changed; docs/comparing.md tells how each comes about.",
    )
    parser.add_argument("a", metavar="A", help="what it is compared with")
    parser.add_argument("b", metavar="B", help="what is judged")
    parser.add_argument("--metric", action="append", metavar="K", help="may be given again: judged together (Holm)")
    parser.add_argument("--goal", choices=("min", "max"), help="whether less or more is better (default: by the name)")
    parser.add_argument("--at", type=_at, default="last", metavar="last|best|STEP", help="which value of a run counts")
    parser.add_argument("--level", type=_level, default=0.95, metavar="P", help="of the interval (default: 0.95)")
    parser.add_argument("--bootstrap", action="store_true", help="interval by resampling, from 8 runs a side on")
    parser.add_argument("--json", action="store_true", help="for programs: an object, of several metrics an array")
    parser.add_argument("--diff", action="store_true", help="with the whole difference of the code")
    return parser.parse_args(args)


def _at(text: str) -> Any:
    found = re.fullmatch(r"(?:step[ :=]?)?(\d+(?:\.\d+)?(?:e\d+)?)", text.strip())
    if text in ("last", "best"):
        return text
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is neither last, nor best, nor a step")
    return float(found[1])


def _level(text: str) -> float:
    try:
        value = float(text.rstrip("% "))
    except ValueError:
        value = 0.0
    value = value / 100 if value >= 50 else value
    if not 0.5 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no level between 0.5 and 1")
    return value


# --- which runs --------------------------------------------------------------------------------------------


def chosen(ledger: Ledger, word: str) -> list[Run]:
    """The runs that WORD names: ids and ranges, or a group, a tag, a name. Raises CompareError, LedgerError."""
    found: dict[str, Run] = {}
    for part in filter(None, (part.strip() for part in word.split(","))):
        for run in _part(ledger, part):
            found[run.id] = run
    if not found:
        raise CompareError(f"{word!r} names no run")
    return list(found.values())


def _part(ledger: Ledger, word: str) -> list[Run]:
    if ID.fullmatch(word):
        return [ledger.get(word)]
    if span := re.fullmatch(r"r-([1-9]\d{0,8})\.\.(?:r-)?([1-9]\d{0,8})", word):
        first, last = int(span[1]), int(span[2])
        return [ledger.get(run) for run in ledger.ids() if first <= int(run[2:]) <= last]
    kind, colon, name = word.partition(":")
    runs, _ = ledger.runs()
    matches = {
        "group": [run for run in runs if run.group == (name if colon else word)],
        "tag": [run for run in runs if (name if colon else word) in run.tags],
        "name": [run for run in runs if run.name == (name if colon else word)],
    }
    for what, found in matches.items():  # a run that was done again bears its name once more
        ids = {run.id for run in found}
        matches[what] = [run for run in found if run.parent not in ids]
    if colon and kind in matches:
        if kind == "group" and not matches["group"]:
            matches["group"] = _group_of(ledger, name)
        return matches[kind] or _none(ledger, word)
    sets = {tuple(run.id for run in found): what for what, found in matches.items() if found}
    if len(sets) > 1:
        raise CompareError(
            f"{word} is a {' and a '.join(sets.values())}: write {' or '.join(f'{k}:{word}' for k in sets.values())}"
        )
    return next((found for found in matches.values() if found), None) or _none(ledger, word)


def _group_of(ledger: Ledger, name: str) -> list[Run]:
    """The group that the run NAME is one of."""
    group = ledger.get(name).group if ID.fullmatch(name) else None
    return [run for run in ledger.runs()[0] if run.group == group] if group else []


def _none(ledger: Ledger, word: str) -> list[Run]:
    import difflib

    runs, _ = ledger.runs()
    names = sorted({name for run in runs for name in (run.name, *run.tags, *([run.group] if run.group else []))})
    near = difflib.get_close_matches(word, names, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "`mlwb exp list` shows the runs"
    raise CompareError(f"no run, group, tag or name is called {word}; {hint}")


def _settled(ledger: Ledger, runs: list[Run]) -> list[Run]:
    """RUNS, those that have just ended once their last numbers are in."""
    engine, until = Local(ledger), time.monotonic() + _LAST_LOOK_S
    for run in runs:
        ended = run.status not in ("queued", "running")
        while ended and not engine.state(run.id).settled and time.monotonic() < until:
            time.sleep(0.02)
    return [ledger.get(run.id) for run in runs]


def _siblings(ledger: Ledger, a: Sequence[Run], b: Sequence[Run]) -> list[str]:
    """A word where one seed was named of a group that has more."""
    lone = [side[0] for side in (a, b) if len(side) == 1 and side[0].group]
    if len(lone) < 2:
        return []
    words = " ".join(f"group:{run.group}" for run in lone)
    return (
        [f"each is one of several seeds; all of them: mlwb exp compare {words}"]
        if lone[0].group != lone[1].group
        else []
    )


def _apart(a: Sequence[Run], b: Sequence[Run], read: Read) -> str:
    keys = [", ".join(sorted({k for run in side for k in read(run)}, key=telling)[:8]) or "nothing" for side in (a, b)]
    return f"the two sides share no metric: A has {keys[0]}; B has {keys[1]}"


# --- for programs ------------------------------------------------------------------------------------------


def _print_json(found: list[Comparison], ledger: Ledger, diff: bool) -> None:
    import msgspec

    told = [msgspec.to_builtins(one) for one in found]
    if diff:
        told[0]["patch"] = _patch(found[0], ledger)
    print(_json(told[0] if len(told) == 1 else told))


def _json(value: Any) -> str:
    """VALUE as JSON; NaN and infinities, which JSON does not have, are null."""
    import msgspec

    return escaped(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _patch(found: Comparison, ledger: Ledger) -> str:
    from workbench.experiments.changes import patch
    from workbench.experiments.code import CodeError

    try:
        return patch(ledger.workspace, found.changes.revisions)
    except CodeError as error:
        return f"(no difference can be shown: {error})"


# --- for people --------------------------------------------------------------------------------------------


def _told(found: list[Comparison], words: tuple[str, str], notes: list[str]) -> list[str]:
    lines: list[str] = []
    for one in found:
        less = "less" if one.goal == "min" else "more"
        lines += [
            one.sentence,
            f"{visible(one.metric)}, {one.at} value, {less} is better",
            "",
            *_groups(one, words),
            "",
        ]
        lines += _rows([("method", one.method), *(("note", note) for note in one.notes)])
        lines.append("")
    lines += _changes(found[0])
    lines += _rows([("note", note) for note in notes])
    return [visible(line) for line in lines]


def _groups(one: Comparison, words: tuple[str, str]) -> list[str]:
    rows: list[tuple[str, ...]] = [("", "RUNS", "N", "MEAN", "SD", "MIN", "MAX")]
    rows += [(group.name, _runs(group, word), *_numbers(group)) for group, word in zip(one.groups, words, strict=True)]
    widths = [max(len(row[at]) for row in rows) for at in range(7)]
    return [
        "  ".join(
            cell.ljust(w) if at < 2 else cell.rjust(w) for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _runs(group: Group, word: str) -> str:
    ids = ",".join(group.runs)
    ids = ids if len(ids) <= 32 else f"{group.runs[0]} … {group.runs[-1]} ({len(group.runs)})"
    return ids if word in (ids, ",".join(group.runs)) else f"{visible(word)}: {ids}"


def _numbers(group: Group) -> tuple[str, ...]:
    """Number, mean, deviation, least and greatest; the mean to one digit more than the deviation leaves a meaning."""
    mean, sd = ("–" if value is None else number(value) for value in (group.mean, group.sd))
    if group.mean is not None and group.sd:
        mean, sd = about(group.mean, group.sd / 10)[0], f"{group.sd:.2g}"
    return str(group.n), mean, sd, *("–" if value is None else number(value) for value in (group.low, group.high))


def _changes(one: Comparison) -> list[str]:
    """Configuration, command, environment, hardware and code beside each other; last what is the same."""
    changes, rows = one.changes, []
    kinds = ("config", "command", "environment", "hardware", "bookkeeping")
    for kind in kinds:
        rows += [(kind, _change(key, *sides)) for key, sides in getattr(changes, kind).items()]
    for file in changes.code[:_FILES]:
        size = "changed" if file.added is None else f"+{file.added} −{file.removed}"
        rows.append(("code", f"{file.path} {size}"))
    if len(changes.code) > _FILES:
        rows.append(("code", f"and {len(changes.code) - _FILES} more files; --diff shows all"))
    rows += [("mixed", words) for words in changes.within] + [("unknown", words) for words in changes.unknown]
    if any(seed is not None for side in changes.seeds for seed in side):
        sides = (",".join("?" if seed is None else str(seed) for seed in side) for side in changes.seeds)
        rows.append(("seeds", " → ".join(sides)))
    dark = {words.partition(":")[0] for words in changes.unknown}
    same = [kind for kind in (*kinds[:4], "code") if kind not in dark and not getattr(changes, kind)]
    return _rows([*rows, *([("same", ", ".join(same))] if same else [])])


def _change(key: str, before: Any, after: Any) -> str:
    if key == "words" and isinstance(before, list) and isinstance(after, list):
        return f"{' '.join(before)} → {' '.join(after)}"
    return f"{key}: {_value(before)} → {_value(after)}"


def _value(value: Any) -> str:
    from workbench.experiments.changes import VARIES

    if isinstance(value, dict) and set(value) == {VARIES}:
        return "one of " + ", ".join(map(_value, value[VARIES]))
    text = "(none)" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _rows(rows: Sequence[tuple[str, str]]) -> list[str]:
    told, before = [], ""
    for head, text in rows:
        told.append(f"{head if head != before else '':<12}{text}")
        before = head
    return told


# --- again -------------------------------------------------------------------------------------------------


def rerun(args: list[str]) -> int:
    """Runs `mlwb exp rerun ARGS`; 0 if the numbers came again or differ by no more than noise, else 1."""
    parser = Parser(
        prog="mlwb exp rerun",
        description="Does a run again: its code in a folder of its own, its command and its seed; says whether its "
        "numbers are the same, within noise, or not.",
    )
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(args)
    from workbench.experiments.code import CodeError
    from workbench.experiments.rerun import RerunError, again

    engine = Local(ledger_for(Path.cwd()))
    try:
        run = engine.ledger.get(options.run)
        if run.session is not None:
            print(
                f"mlwb: {run.id} was begun by session {visible(run.session)}; here nothing confines it", file=sys.stderr
            )
        found = again(engine.ledger, run, lambda job: _through(engine, job))
    except (RerunError, CodeError) as error:
        return fail(str(error), 1)
    if options.json:
        print(_json(found))
    else:
        print(visible(found.sentence))
        rows = [("again", f"{found.again} (mlwb exp show {found.again})")]
        rows += [("differs", key) for key, one in found.series.items() if not one.same]
        rows += [
            (kind, f"{key}: {_value(a)} → {_value(b)}")
            for kind in ("environment", "hardware")
            for key, (a, b) in getattr(found.changes, kind).items()
        ]
        print("\n".join(visible(line) for line in _rows([*rows, *(("note", note) for note in found.notes)])))
    return 0 if found.verdict in ("reproduced", "within_noise") else 1


def _through(engine: Local, job: Any) -> str:
    """Runs JOB to its end and gives the id of its run; ctrl+c stops it. Raises LaunchError."""
    from workbench.experiments.launch.types import LaunchError

    run, why = "", "its supervisor is gone"
    handed = engine.submit(job)
    news = handed.news()
    while True:
        try:
            word = next(news, None)
        except KeyboardInterrupt:
            if run:
                engine.cancel(run, "stopped by ctrl+c")
            continue
        if word is None:
            break
        if word.what == "begun":
            run = word.run
            print(f"mlwb: run {run}", file=sys.stderr)
        elif word.what in ("failed", "warning"):
            why = word.text
            print(f"mlwb: {visible(why)}", file=sys.stderr)
    if not run:
        raise LaunchError(f"it could not be started: {why}")
    until = time.monotonic() + _SETTLE_S
    while not engine.state(run).settled and time.monotonic() < until:
        time.sleep(0.02)
    return run


# --- a model card ------------------------------------------------------------------------------------------


def card(args: list[str]) -> int:
    """Runs `mlwb exp card ARGS`."""
    parser = Parser(
        prog="mlwb exp card",
        description="Drafts a model card (Markdown, Hugging Face's fields) from the record of a run; what the record "
        "does not know says unknown.",
    )
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, which must not be there yet")
    options = parser.parse_args(args)
    from workbench.experiments.card import drafted

    ledger = ledger_for(Path.cwd())
    text = drafted(ledger, ledger.get(options.run))
    if options.output is None:
        print(text, end="")
        return 0
    try:
        with Path(options.output).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        return fail(f"{options.output} cannot be written: {error.strerror or error}", 1)
    return 0
