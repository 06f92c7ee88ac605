"""`mlwb exp`: the experiment ledger, for people, agents and other programs."""

import importlib

from workbench.verbs.options import fail

# verb -> (module under `workbench.verbs`, function, one line for --help)
VERBS = {
    "run": ("exp_run", "run", "run a command and record it"),
    "list": ("exp_list", "list_", "all runs, the newest first"),
    "show": ("exp_list", "show", "what a run was, and how it went"),
    "tail": ("exp_tail", "tail", "the output of a run, as it comes with -f"),
    "wait": ("exp_wait", "wait", "until a run has ended, or something was seen in it"),
    "metrics": ("exp_list", "metrics", "every point of a run's series"),
    "compare": ("exp_compare", "main", "whether one run, or group, is better than another, beyond noise"),
    "rerun": ("exp_compare", "rerun", "a run again, from its code, configuration and seed"),
    "card": ("exp_compare", "card", "a model card, drafted from the record"),
    "stop": ("exp_change", "stop", "end runs, with all that they started"),
    "rm": ("exp_change", "remove", "delete runs, all that is kept of them; it asks nothing"),
    "note": ("exp_change", "note", "write a word about a run into its record"),
    "import": ("exp_change", "import_", "take in runs that were made elsewhere"),
}

HELP = """usage: mlwb exp VERB …

The experiment ledger of this workspace. Runs are called r-1, r-2, …

{verbs}

`mlwb exp VERB --help` tells the rest.
"""


def main(args: list[str]) -> int:
    """Runs `mlwb exp ARGS`; returns the exit status: 2 for what makes no command or no run, 1 for what fails."""
    if not args or args[0] in ("--help", "-h"):
        listed = "\n".join(f"  {name:<8} {line}" for name, (_, _, line) in VERBS.items())
        print(HELP.format(verbs=listed), end="")
        return 0 if args else 2
    if args[0] not in VERBS:
        return fail(f"there is no verb {args[0]!r}; `mlwb exp --help` lists them", 2)
    from workbench.experiments.launch.options import Usage
    from workbench.experiments.launch.types import LaunchError
    from workbench.experiments.ledger import LedgerError

    module, name, _ = VERBS[args[0]]
    try:
        status: int = getattr(importlib.import_module(f"workbench.verbs.{module}"), name)(args[1:])
    except Usage as error:
        return fail(str(error), 2)
    except LedgerError as error:
        return fail(str(error), 2 if str(error).startswith("there is no run") else 1)
    except LaunchError as error:
        return fail(str(error), 1)
    return status
