"""`mlwb agents list|show|check`: which definitions are found, what each grants, what is wrong with a file."""

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from workbench import places
from workbench.definitions import discovery
from workbench.definitions.grants import deny_rules
from workbench.definitions.loader import load
from workbench.definitions.types import Definition, Problem
from workbench.protocol.names import ORCHESTRATION, WITH_BASH, Mode
from workbench.protocol.result import EXIT_CODES
from workbench.protocol.visible import visible
from workbench.verbs.options import Parser

MODES: dict[Mode, str] = {
    "plan": "it reads and runs read-only commands, and changes nothing.",
    "default": "it reads freely; an edit, or a command that is not read-only, asks unless a rule allows it.",
    "acceptEdits": "it reads, and edits files in the workspace, freely; in Bash, read-only commands pass, and mkdir, "
    "touch, rm, rmdir, mv, cp and sed on paths in the workspace; any other command asks unless a rule allows it.",
    "bypassPermissions": "a definition cannot give this mode: the session's own holds.",
    "dontAsk": "as default, and whatever would ask is denied.",
}
WIDTH = 100


def main(args: list[str]) -> int:
    """Runs `mlwb agents ARGS`; returns the exit status."""
    options = _parser().parse_args(args)
    verb = {"list": _list, "show": _show, "check": _check}[options.verb]
    return verb(options)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="mlwb agents", description="Agent definitions.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show|check")
    listing = verbs.add_parser("list", help="every definition that is found, nearest first")
    show = verbs.add_parser("show", help="what an agent may do, in plain words")
    show.add_argument("name")
    check = verbs.add_parser("check", help="what is wrong with definition files; exit status 1 if one is rejected")
    check.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with all that is in it")
    for verb in (listing, show, check):
        verb.add_argument("--json", action="store_true", help="for programs")
    return parser


# list


def _list(options: argparse.Namespace) -> int:
    found = discovery.discover(Path.cwd(), Path.home(), places.config())
    if options.json:
        print(json.dumps([_listed(row) for row in found], indent=2))
        return 0
    header = ("NAME", "STATUS", "SOURCE", "CATEGORY", "MODEL", "PATH")
    print(_table([header, *(_columns(row) for row in found)]))
    if wrong := sum(row.definition.status == "rejected" for row in found):
        print(f"{wrong} rejected; `mlwb agents check PATH` says why.", file=sys.stderr)
    return 0


def _listed(found: discovery.Found) -> dict[str, Any]:
    one = found.definition
    return {
        "name": one.name or None,
        "source": one.source,
        "path": one.path,
        "status": one.status,
        "category": one.category,
        "description": one.description or None,
        "model": _model_as_written(one),
        "color": one.color,
        "tools": one.tools,
        "shadowed_by": found.shadowed_by,
        "not_startable": discovery.startable(one),
        "problems": msgspec.to_builtins(one.problems),
    }


def _columns(found: discovery.Found) -> tuple[str, ...]:
    one = found.definition
    status = f"{one.status}, shadowed" if found.shadowed_by else one.status
    cells = (one.name, status, one.source, one.category, _model_as_written(one))
    return (*(_cut(visible(cell or "-"), 40) for cell in cells), visible(one.path))


# show


def _show(options: argparse.Namespace) -> int:
    places_of = (Path.cwd(), Path.home(), places.config())
    one = discovery.find(options.name, *places_of)
    if one is None:
        near = discovery.nearest(options.name, *places_of)
        hint = f"did you mean {visible(near)}?" if near else "`mlwb agents list` shows what there is."
        print(f"mlwb: there is no agent {options.name!r}; {hint}", file=sys.stderr)
        return EXIT_CODES["error_agent_definition"]
    why_not = discovery.startable(one)
    if options.json:
        shown = msgspec.to_builtins(one) | {"deny": deny_rules(one), "not_startable": why_not}
        print(json.dumps(shown | {"thinking": _thinking(one), "model": _model_as_written(one)}, indent=2))
    else:
        print("\n\n".join(_paragraphs(one, why_not)))
    return EXIT_CODES["error_agent_definition"] if why_not else 0


def _paragraphs(one: Definition, why_not: str | None) -> list[str]:
    about = [(key, value) for key, value in (("category", one.category), ("color", one.color)) if value]
    head = [("file", f"{one.path} ({one.source}, {one.status})"), ("description", one.description), *about]
    paragraphs = [visible(one.name) + "\n" + _pairs(head)]
    if why_not:
        paragraphs.append(f"It cannot start: {visible(why_not)}")
    if one.status != "rejected":
        paragraphs += [_may(one), _wrapped("Mode", _mode(one)), _wrapped("Model", _thinking(one))]
        if one.max_turns:
            paragraphs.append(f"It ends after {one.max_turns:,} turns, unless the task says another number.")
        if one.extra:
            paragraphs.append("Further fields, kept but not acted on:\n" + _pairs(_further(one)))
    if one.problems:
        paragraphs.append("Problems:\n" + "\n".join(f"  {_problem(problem)}" for problem in one.problems))
    return paragraphs


def _may(one: Definition) -> str:
    whole = [name for name, scopes in one.grants.items() if not scopes and name not in WITH_BASH]
    lines = [f"  {', '.join(whole)}"] if whole else []
    lines += [f"  {name}, only: {visible(', '.join(scopes))}" for name, scopes in one.grants.items() if scopes]
    if along := [name for name in WITH_BASH if name in one.grants]:
        lines.append(f"  {', '.join(along)}, for its own background commands")
    if denied := deny_rules(one):
        lines.append(f"  never: {visible(', '.join(denied))}")
    boundary = f"A call of {' or '.join(ORCHESTRATION)} ends the session: it calls no other agents."
    title = "It may use:" if one.grants else "It may use no tool."
    return "\n".join([title, *lines, boundary])


def _mode(one: Definition) -> str:
    if one.permission_mode is None:
        return f"none named, so the session's own, acceptEdits unless you say otherwise: {MODES['acceptEdits']}"
    return f"{one.permission_mode} at most: {MODES[one.permission_mode]}"


def _thinking(one: Definition) -> str:
    """The model that its alias stands for, and what is made of the thinking fields."""
    from workbench.models.base import Thinking
    from workbench.models.catalogue import Catalogue
    from workbench.models.thinking import describe

    info = Catalogue.load().find(one.model)
    wish = Thinking(level=one.thinking_level, tokens=one.thinking_tokens, effort=one.effort)
    written = one.model or "none named, so sonnet"
    return f"{info.id} ({written}): {describe(info, wish)}"


def _further(one: Definition) -> list[tuple[str, str]]:
    return [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in one.extra.items()]


# check


def _check(options: argparse.Namespace) -> int:
    checked = [one for path in options.paths for one in _checked(Path(path))]
    if options.json:
        for one in checked:
            print(json.dumps(_row(one)))
    else:
        print(_report(checked))
    return int(any(one.status == "rejected" for one in checked))


def _checked(path: Path) -> list[Definition]:
    """The definition in the file at PATH; of a folder, those in all Markdown files in it."""
    if not path.is_dir():
        return [load(path, "given")]
    checked = [
        load(file, "given") if why is None else discovery.unreadable(file, "given", why)
        for file, why in discovery.markdown(path, set())
    ]
    return checked or [discovery.unreadable(path, "given", "no Markdown file lies in this folder")]


def _row(one: Definition) -> dict[str, Any]:
    """The line of `check --json`: values as the file has them."""
    return {
        "path": one.path,
        "status": one.status,
        "name": one.name or None,
        "description": one.description or None,
        "tools": one.tools,
        "model": _model_as_written(one),
        "permission_mode": one.permission_mode or one.extra.get("permissionMode"),
        "color": one.color,
        "category": one.category,
        "problems": msgspec.to_builtins(one.problems),
    }


def _report(checked: list[Definition]) -> str:
    lines: list[str] = []
    for one in checked:
        lines.append(f"{one.status:<9}  {visible(one.path)}" + (f"  {_cut(visible(one.name), 60)}" if one.name else ""))
        lines += [f"           {_problem(problem)}" for problem in one.problems]
        if one.status != "rejected" and (why := discovery.startable(one)):
            lines.append(f"           it cannot start: {visible(why)}")
    counts = {status: sum(one.status == status for one in checked) for status in ("ok", "recovered", "rejected")}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return "\n".join([*lines, f"{len(checked)} file{'s' if len(checked) != 1 else ''}: {told}"])


# for all three


def _model_as_written(one: Definition) -> str | None:
    written: str | None = one.model or one.extra.get("model")
    return written


def _problem(problem: Problem) -> str:
    line = f"line {problem.line}: " if problem.line else ""
    about = "" if problem.field == "file" else f"{problem.field}: "
    return visible(f"{line}{about}{problem.message}")


def _wrapped(title: str, text: str) -> str:
    return "\n".join(textwrap.wrap(f"{title}: {visible(text)}", WIDTH, subsequent_indent="  ", break_on_hyphens=False))


def _pairs(pairs: list[tuple[str, str]]) -> str:
    """Aligned `key  value` lines, long values wrapped under themselves."""
    wide = max(len(visible(key)) for key, _ in pairs) + 4
    lines: list[str] = []
    for key, value in pairs:
        wrapped = textwrap.wrap(_cut(visible(" ".join(value.split())), 1000), WIDTH - wide, break_on_hyphens=False)
        lines.append(f"  {visible(key):<{wide - 2}}{(wrapped or [''])[0]}")
        lines += [" " * wide + more for more in wrapped[1:]]
    return "\n".join(lines)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(widths[at]) for at, cell in enumerate(row)).rstrip() for row in rows)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
