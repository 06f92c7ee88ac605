"""What `mlwb` without a verb can be asked for on its command line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from workbench import places

if TYPE_CHECKING:
    from workbench.protocol.names import Mode

FLAGS = ("--agent", "--resume", "--model", "--permission-mode", "--add-dir", "--theme")
LAST = "the last one"  # in place of an id, which has no blanks
HELP = """\
usage: mlwb [--agent NAME] [--continue | --resume ID] [--model M] [--permission-mode MODE]
            [--add-dir DIR]… [--theme NAME]

Opens the workbench on a session in this folder; `mlwb --help` lists the verbs.

  --agent NAME             who works: an agent's name (`mlwb agents list`), ml-engineer by default
  -c, --continue           goes on with the last session of this folder
  --resume ID              goes on with a session (`mlwb sessions list`); a few letters of its id are enough
  --model M                a model's id or alias: sonnet, opus, haiku
  --permission-mode MODE   plan, default, acceptEdits, bypassPermissions or dontAsk
  --add-dir DIR            a folder that belongs to the workspace too; may be repeated
  --theme NAME             how it looks, this time
"""


class Asked(NamedTuple):
    """What the command line asks for."""

    agent: str | None = None
    resume: str | None = None
    model: str | None = None
    mode: "Mode | None" = None
    add_dirs: tuple[str, ...] = ()
    theme: str | None = None


class UsageError(Exception):
    """The command line asks for what cannot be done; the message is one line."""


def read(args: Sequence[str]) -> Asked:
    """ARGS, decoded. Raises UsageError."""
    from workbench.protocol.names import Mode

    values: dict[str, Any] = {}
    folders: list[str] = []
    rest = list(args)
    while rest:
        flag, given, value = rest.pop(0).partition("=")
        if flag in ("-c", "--continue"):
            if given:
                raise UsageError(f"{flag} takes no value; `--resume ID` goes on with a session of your choice")
            values["resume"] = LAST
            continue
        if flag not in FLAGS:
            raise UsageError(_unexpected(flag))
        if not given:
            if not rest or rest[0].startswith("--"):
                raise UsageError(f"{flag} needs a value; `mlwb --help` tells which")
            value = rest.pop(0)
        if not value.strip():
            raise UsageError(f"{flag} is empty")
        if flag == "--add-dir":
            folders.append(str(places.named(value).absolute()))
        else:
            values[{"--permission-mode": "mode"}.get(flag, flag[2:])] = value
    if (mode := values.get("mode")) is not None and mode not in get_args(Mode):
        raise UsageError(f"--permission-mode takes {', '.join(get_args(Mode))}, not {mode!r}")
    if values.get("resume") and (other := next((one for one in ("agent", "model") if one in values), None)):
        flag = "--continue" if values["resume"] == LAST else "--resume"
        raise UsageError(f"--{other} cannot be changed by {flag}: a session keeps its agent and its model")
    return Asked(**values, add_dirs=tuple(folders))


def _unexpected(flag: str) -> str:
    import difflib

    near = difflib.get_close_matches(flag, FLAGS, n=1)
    return f"there is no flag {flag}; " + (f"did you mean {near[0]}?" if near else "`mlwb --help` lists them")
