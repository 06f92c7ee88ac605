"""What holds before any verb runs: whose modules are imported, and who may start what."""

import os
import sys
from collections.abc import Sequence

# Each command of a session carries it (`sandbox.leftovers`). It can be shed: the gate and the sandbox are what holds.
SESSION = "MLWB_SESSION"
_STARTS = frozenset(("run", "demo", "attach", "share", "trust"))
_OF_SESSIONS = frozenset(("resume", "rm", "stop"))


def refusal(args: Sequence[str]) -> str:
    """Why `mlwb ARGS` is not for a command of a session; empty where it is, or where a person asks."""
    verb = args[0] if args else ""
    help_ = any(arg in ("--help", "-h") for arg in args)
    starts = (
        verb in _STARTS
        or not verb
        or verb.startswith("-")
        or (verb == "sessions" and args[1:2] and args[1] in _OF_SESSIONS)
    )
    if help_ or not starts or SESSION not in os.environ:
        return ""
    return (
        f"a command of session {os.environ[SESSION]} asked for this: an agent starts no session, ends none and trusts "
        f"nothing. In a terminal of your own that has this variable by mistake: unset {SESSION}"
    )


def no_place() -> str:
    """Why `mlwb` cannot start where it is; empty where it can."""
    try:
        os.getcwd()  # noqa: PTH109 - the one question
    except OSError:
        return "the current folder is gone, or cannot be entered; go to one that is there"
    return ""


def import_nothing_from_here() -> None:
    """Takes from the module path what a workspace could fill: the current folder, and what PYTHONPATH names in it.

    `PYTHONPATH=.` is common, and so is an empty entry in it; else `yaml.py` in a clone would be this program's yaml.
    """
    here = os.path.realpath(os.curdir)
    named = {os.path.realpath(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep)} | {here}
    left_out = {one for one in named if one == here or one.startswith(here.rstrip("/") + "/")}
    sys.path[:] = [one for one in sys.path if os.path.realpath(one) not in left_out]
