"""The rule that "always" would save: the narrowest that is of use."""

import posixpath
import re
import shlex

from workbench.permissions.rules import EDITING
from workbench.permissions.seen import commands
from workbench.permissions.types import Call, Policy, Reads, Runs, Writes
from workbench.permissions.words import UNKNOWN, names
from workbench.permissions.wrappers import RUNNERS, SHELLS, base

# Programs whose second word says what they do.
_SUBCOMMANDS = names(
    "git npm pnpm yarn uv pip pip3 cargo docker kubectl make just go poetry conda mamba hatch dvc mlflow wandb "
    "huggingface-cli hf terraform helm gh aws gcloud az systemctl apt apt-get brew tox nox"
)


def suggest_rule(call: Call, policy: Policy) -> str | None:
    """A rule that would allow CALL and little else; None where none should (a shell, another user's rights, …)."""
    for need in call.needs:
        if isinstance(need, Runs):
            return _for_command(need.command)
        return _for_path(call, need, policy)
    return None


def _for_path(call: Call, need: Reads | Writes, policy: Policy) -> str:
    """A file to edit: that file. Something to read: the folder it lies in."""
    path = need.path if need.path.startswith("/") else posixpath.join(call.cwd or policy.workspace, need.path)
    path = posixpath.normpath(path)
    if call.tool in EDITING:
        return f"Edit(/{path})"
    return f"Read(/{posixpath.dirname(path)}/**)" if posixpath.dirname(path) != "/" else f"Read(/{path})"


def _for_command(command: str) -> str | None:
    argvs = [argv for argv in commands(command) if argv]
    if len(argvs) != 1 or re.search(r"[<>]", command):
        return None
    argv = argvs[0]
    name = base(argv[0])
    if name in RUNNERS or name in SHELLS or name == "find" or any(UNKNOWN in word or "*" in word for word in argv):
        return None
    words = argv[: 2 if name in _SUBCOMMANDS and len(argv) > 1 and not argv[1].startswith("-") else 1]
    if name in (
        "rm",
        "curl",
        "wget",
        "scp",
        "rsync",
        "dd",
        "chmod",
        "chown",
        "kill",
        "python",
        "python3",
        "node",
        "perl",
        "ruby",
    ):
        words = argv[:2] if name.startswith("python") and len(argv) > 1 and argv[1].endswith(".py") else argv
    fixed = shlex.join(words)
    return f"Bash({fixed})" if words == argv else f"Bash({fixed} *)"
