"""`mlwb sessions`: what there is of this user; other modules have the verbs that do more with one."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator

import msgspec

from workbench import places
from workbench.protocol.visible import visible
from workbench.session import store
from workbench.session.journal import JournalError
from workbench.verbs import session_brief, session_export, session_live, session_replay
from workbench.verbs.options import Parser, fail
from workbench.verbs.session_at import add_id, folder_of
from workbench.verbs.session_told import Told, listed

_WIDEST = 48  # characters of a cell


def main(args: list[str]) -> int:
    """Runs `mlwb sessions ARGS`; returns the exit status: 2 for an unknown session, 1 for one that cannot be read."""
    options = _parser().parse_args(args)
    verbs = {"list": _list, "show": _show, "audit": _audit, "rm": _remove}
    verbs |= {"stop": session_live.stop, "resume": session_live.resume}
    verbs |= {"brief": session_brief.run, "export": session_export.run, "replay": session_replay.run}
    try:
        return verbs[options.verb](options)
    except store.UnknownSessionError as error:
        return fail(error, 2)
    except (store.StoreError, JournalError) as error:
        return fail(error, 1)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="mlwb sessions", description="The sessions of this user.")
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="list|show|brief|replay|export|audit|resume|stop|rm"
    )
    listing = verbs.add_parser("list", help="all sessions, the newest first")
    listing.add_argument("--json", action="store_true", help="for programs")
    show = verbs.add_parser("show", help="what a session did, and how it stands")
    show.add_argument("--json", action="store_true", help="for programs: summary, state and result")
    audit = verbs.add_parser("audit", help="each call: its verdict, who approved it, sandbox, end, files changed")
    audit.add_argument("--json", action="store_true", help="for programs")
    session_live.add(verbs)
    session_brief.add(verbs)
    session_export.add(verbs)
    session_replay.add(verbs)
    for verb in (show, audit):
        add_id(verb)
    remove = verbs.add_parser("rm", help="delete sessions, all of them; it asks nothing")
    remove.add_argument("ids", nargs="+", metavar="ID", help="a whole id")
    return parser


# --- list --------------------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    from workbench.host import sockets

    found, clients = store.list_sessions(), sockets.clients()
    if options.json:
        counts = [clients.get(one.id, 0) if one.state == "live" else 0 for one in found]
        print(json.dumps([{**listed(one), "clients": n} for one, n in zip(found, counts, strict=True)], indent=2))
    elif found:
        head = ("ID", "STATE", "STARTED", "TURNS", "COST", "END", "TITLE", "WORKSPACE")
        _print_table([head, *(_row(one, clients) for one in found)])
    else:
        print("There are no sessions yet.", file=sys.stderr)
    for one in found:
        if one.problem:
            print(f"mlwb: {visible(one.problem)}", file=sys.stderr)
    return 0


def _row(one: store.SessionSummary, clients: dict[str, int]) -> tuple[str, ...]:
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.started)) if one.started else "-"
    cost = "unknown" if one.cost_usd is None else f"${one.cost_usd:.2f}"
    title = visible(one.title) if not one.problem else "(cannot be read)"
    cut = title if len(title) <= 48 else title[:47] + "…"
    state = session_live.standing(one, clients)
    return (
        one.id,
        visible(state),
        started,
        str(one.turns),
        cost,
        visible(_end(one)),
        cut,
        visible(one.workspace),
    )


def _end(one: store.SessionSummary) -> str:
    """How a session ended, in a word. To a person, one that was left or told to stop did not end in an error."""
    from workbench.protocol.result import Result
    from workbench.session.end import was_left

    if one.subtype == "error_retryable":
        with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            result = msgspec.json.decode((places.sessions() / one.id / "result.json").read_bytes(), type=Result)
            if was_left(result.subtype, result.errors):
                return "left" if one.attended else "stopped"
    return one.subtype or "-"


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


# --- show --------------------------------------------------------------------------------------------------


def _show(options: argparse.Namespace) -> int:
    told = Told(folder_of(options.id))
    if options.json:
        print(json.dumps(told.builtins(), indent=2))
        return 0
    if told.result is not None and told.first is not None and told.state.end is not None:
        from workbench.session.summary import markdown

        print(markdown(told.result, told.state, told.first.task, told.folder), end="")
        return 0
    print("\n\n".join(_under_way(told)))
    return 0


def _under_way(told: Told) -> Iterator[str]:
    """A session that has not ended: live, or left behind by a host that died."""
    from workbench.session.transcript import code, moment, one_line

    state, summary = told.state, store.summary(told.folder)
    yield f"# {one_line(summary.title) or 'Session'}"
    cost = "unknown" if state.cost_usd is None else f"${state.cost_usd:.4f}"
    doing = f"live: {state.phase}" if summary.state == "live" else f"{summary.state}; its host is gone"
    yield "\n".join(
        (
            f"- Session: {code(state.session)} in {code(str(told.folder))}",
            f"- State: {doing} (process {state.pid} on {one_line(state.host)}, last sign {moment(state.updated)})",
            f"- Workspace: {code(state.workspace)}",
            f"- Agent and model: {one_line(state.agent)}, {one_line(state.model)}, mode {state.mode}",
            f"- Turns: {state.turns}; tokens {state.usage.total:,}; cost {cost}; calls denied {state.denials}",
        )
    )
    if state.todos:
        yield "## To do\n\n" + "\n".join(f"- {one_line(todo.status)}: {one_line(todo.content)}" for todo in state.todos)
    if state.files:
        yield "## Files that calls changed\n\n" + "\n".join(f"- {code(path)}" for path in state.files)
    if summary.state != "live":
        yield f"## Go on\n\n    mlwb run --resume {state.session}"


# --- audit -------------------------------------------------------------------------------------------------


def _audit(options: argparse.Namespace) -> int:
    from workbench.session import audit
    from workbench.session.transcript import moment

    try:
        found = audit.audit(folder_of(options.id))
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}", 1)
    if options.json:
        rows = [msgspec.to_builtins(row) | {"at": moment(row.at)} for row in found.calls]
        print(json.dumps(rows, indent=2))
    else:
        if found.calls:
            _print_table([audit.HEAD, *(tuple(map(_cell, audit.told(row))) for row in found.calls)])
        else:
            print("Nothing was called in this session yet.", file=sys.stderr)
        for line in found.told:
            print(f"\nthe agent was told of its runs: {visible(line)}")
        if any("(guest" in line for line in found.people):  # else the owner alone was here
            print("\n" + "\n".join(map(visible, found.people)))
        for remark in found.remarks:
            print(f"\n{visible(remark, newlines=True)}")
    for problem in found.damaged:
        print(f"mlwb: {visible(problem)}", file=sys.stderr)
    return 0


def _cell(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= _WIDEST else shown[: _WIDEST - 1] + "…"


# --- rm ----------------------------------------------------------------------------------------------------


def _remove(options: argparse.Namespace) -> int:
    status = 0
    for name in dict.fromkeys(options.ids):
        try:
            print(f"removed {store.remove(name)}")
        except store.StoreError as error:
            status = max(status, fail(error, 2 if isinstance(error, store.UnknownSessionError) else 1))
    return status
