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


def no_home() -> str:
    """Why what is kept in the user's home cannot be; empty where there is one. The ledger and the GPUs need none."""
    if os.path.expanduser("~") != "~":  # noqa: PTH111 - a container with a user that nobody knows has none
        return ""
    return "there is no home folder to keep sessions in; set HOME"


def mend_streams() -> None:
    """Puts `/dev/null` where a standard stream is closed: a file that is opened later would take its place.

    In place of the output it can only be read: who writes there is told so, as `ls >&-` is.
    """
    for number, way in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, way)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - these stay open as long as the process
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def output_is_open() -> bool:
    """Whether standard output can be written to."""
    import fcntl

    return fcntl.fcntl(1, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def import_nothing_from_here() -> None:
    """Takes from the module path what a workspace could fill: the current folder, and what PYTHONPATH names in it.

    `PYTHONPATH=.` is common, and so is an empty entry in it; else `yaml.py` in a clone would be this program's yaml.
    """
    here = os.path.realpath(os.curdir)
    named = {os.path.realpath(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep)} | {here}
    left_out = {one for one in named if one == here or one.startswith(here.rstrip("/") + "/")}
    sys.path[:] = [one for one in sys.path if os.path.realpath(one) not in left_out]
