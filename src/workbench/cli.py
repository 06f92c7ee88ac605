"""The command `mlwb`. A verb's module is imported only once the verb is known."""

import os
import sys

from workbench import __version__, entry

# verb -> (module under `workbench.verbs`, one line for --help)
VERBS = {
    "run": ("run", "run a task file with no one watching"),
    "demo": ("demo", "a recorded session against real tools and real training; no key, no network"),
    "attach": ("attach", "join a live session from another terminal, or through ssh"),
    "share": ("share", "invite others to a live session, with a role and limits"),
    "sessions": ("sessions", "list, show, brief, replay, audit, export, resume, stop, remove sessions"),
    "agents": ("agents", "list, show and check agent definitions"),
    "exp": ("exp", "run, list, compare and stop experiments"),
    "gpu": ("gpu", "the GPUs, who uses them, and the machine beside them"),
    "permissions": ("permissions", "which verdict a tool call would get, and by which rule"),
    "doctor": ("doctor", "what works here and what does not, and how to mend it"),
    "trust": ("trust", "which workspaces may widen what an agent may do"),
}

HELP = """usage: mlwb [--agent NAME] [--continue | --resume ID] [--model M] [--permission-mode MODE]
            [--add-dir DIR] [--theme NAME]
       mlwb VERB …

Without a verb: the workbench, on a session in this folder.

{verbs}

`mlwb VERB --help` tells the rest. `mlwb --version` prints the version.
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the verb named by ARGV (default: the process's own arguments); returns the exit status."""
    args = sys.argv[1:] if argv is None else argv
    entry.mend_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character gets its number
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return _status(args)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader went away (`| head`): not an error, and nothing more can be said
        _give_the_output_up()
        return 141
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except OSError as error:  # a disk that is full, a file that may not be read
        _give_the_output_up()
        where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
        return _failed(f"{error.strerror or error}{where}")
    except Exception as error:
        if isinstance(error, RuntimeError) and (why := entry.no_home()):  # as pathlib says it
            return _failed(why, 2)
        from workbench import faults, places

        kept = faults.kept(error, places.state() / "workbench.log", f"mlwb {' '.join(args[:2])}")
        return _failed(f"internal error: {type(error).__name__}: {str(error)[:300]}; {kept}")


def _status(args: list[str]) -> int:
    if args and args[0] in ("--version", "-V"):
        print(f"mlwb {__version__}")
        return 0
    if args and args[0] in ("--help", "-h", "help"):
        print(HELP.format(verbs="\n".join(f"  {name:<12} {line}" for name, (_, line) in VERBS.items())), end="")
        return 0
    if why := entry.no_place():
        return _failed(why, 2)
    entry.import_nothing_from_here()
    if why := entry.refusal(args):
        return _failed(why, 2)
    if not args or args[0].startswith("-"):
        return _dispatch("workbench", args)
    if args[0] not in VERBS:
        return _unknown(args[0])
    return _dispatch(VERBS[args[0]][0], args[1:])


def _unknown(verb: str) -> int:
    import difflib

    near = difflib.get_close_matches(verb, VERBS, n=1)
    hint = f"did you mean `mlwb {near[0]}`?" if near else "`mlwb --help` lists the verbs."
    return _failed(f"there is no verb {verb!r}; {hint}", 2)


def _dispatch(module: str, args: list[str]) -> int:
    import importlib

    status: int = importlib.import_module(f"workbench.verbs.{module}").main(args)
    return status


def _failed(words: str, status: int = 1) -> int:
    import contextlib

    from workbench.protocol.visible import visible

    with contextlib.suppress(OSError):
        print(f"mlwb: {visible(words)}", file=sys.stderr)
    return status


def _give_the_output_up() -> None:
    """What is still to be written there goes nowhere, and fails no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
