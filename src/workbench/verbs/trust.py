"""`mlwb trust`: which workspaces may widen what an agent may do, by the user's own word."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from workbench import places
from workbench.protocol.visible import visible
from workbench.settings import trust
from workbench.settings.standing import Standing, standing
from workbench.settings.types import SettingsError
from workbench.verbs.options import Parser

_ABOUT = """What a workspace brings may narrow what an agent may do, never widen it: its allow rules and the domains
that it names count only once you trust it, and only as long as those files stay as you saw them."""


def main(args: list[str]) -> int:
    """Runs `mlwb trust ARGS`; returns the exit status: 0 trusted (or nothing to trust), 1 not, 2 for bad usage."""
    options = _parser().parse_args(args)
    workspace = Path(os.path.realpath(options.folder))
    if options.list:
        return _list(options.json)
    if not workspace.is_dir():
        return _fail(f"{options.folder} is not a folder", 2)
    try:
        return _revoke(workspace) if options.revoke else _trust(workspace, options)
    except SettingsError as error:
        return _fail(str(error), 1)
    except OSError as error:
        return _fail(f"the record of trust in {places.state()} cannot be written: {error.strerror or error}", 1)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="mlwb trust", description=_ABOUT)
    parser.add_argument("folder", nargs="?", default=".", metavar="DIR", help="the workspace; default: this folder")
    parser.add_argument("--list", action="store_true", help="the workspaces that you trust")
    parser.add_argument("--revoke", action="store_true", help="trusts the workspace no longer")
    parser.add_argument("--show", action="store_true", help="shows what it brings and asks nothing")
    parser.add_argument("--yes", action="store_true", help="trusts without asking")
    parser.add_argument("--json", action="store_true", help="for programs: with --list or --show")
    return parser


def _list(as_json: bool) -> int:
    entries = trust.listed(places.state())
    if as_json:
        rows = [
            {"workspace": entry.workspace, "state": _state(entry), "at": entry.at, "files": sorted(entry.files)}
            for entry in entries
        ]
        print(json.dumps(rows))
        return 0
    for entry in entries:
        day = time.strftime("%Y-%m-%d", time.localtime(entry.at))
        print(f"{_state(entry):<8}  {day}  {visible(entry.workspace)}")
    if not entries:
        print("no workspace is trusted", file=sys.stderr)
    return 0


def _state(entry: trust.Trusted) -> str:
    try:
        return "trusted" if _standing(Path(entry.workspace)).trusted else "changed"
    except SettingsError:
        return "broken"


def _standing(workspace: Path) -> Standing:
    return standing(workspace, Path.home(), places.config(), places.state())


def _revoke(workspace: Path) -> int:
    did = trust.revoke(workspace, places.state())
    print(f"{visible(str(workspace))} {'is trusted no longer' if did else 'was not trusted'}", file=sys.stderr)
    return 0


def _trust(workspace: Path, options: argparse.Namespace) -> int:
    found = _standing(workspace)
    if options.json:
        print(json.dumps({"workspace": found.workspace, "trusted": found.trusted, "brings": found.brings}))
        return 0
    _show(found)
    if found.trusted or not found.brings:
        return 0
    if options.show or not (options.yes or _agreed()):
        print("It is not trusted: this does not count.", file=sys.stderr)
        return 0 if options.show else 1
    trust.trust(workspace, found.files, places.state(), time.time())
    print("Trusted, as long as these files stay as they are.", file=sys.stderr)
    return 0


def _show(found: Standing) -> None:
    if not found.brings:
        print(f"{visible(found.workspace)} brings nothing that would need your trust.")
        return
    print(f"{visible(found.workspace)} {'is trusted; it' if found.trusted else 'would'} widen{'s' * found.trusted}:")
    for name, what in found.brings:
        print(f"  {visible(what)}   ({visible(name)})")
    if found.changed:
        print(f"\nChanged since you trusted it:\n{visible(found.changed, newlines=True)}")


def _agreed() -> bool:
    """A person's yes; without one to ask, no."""
    if not sys.stdin.isatty():
        print("There is nobody to ask here; `mlwb trust --yes` trusts without asking.", file=sys.stderr)
        return False
    print("Trust it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _fail(words: str, status: int) -> int:
    print(f"mlwb trust: {visible(words)}", file=sys.stderr)
    return status
