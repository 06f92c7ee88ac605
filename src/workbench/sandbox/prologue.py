"""What bash does before a command, and what it writes down after: setup, and the folder that the command ended in.

The command itself stays, to the byte, the one argument of `bash -c`: nothing is put before or after it that could
change how it is read. The rest is a file that BASH_ENV names; bash reads it first. Where the command sets an EXIT
trap of its own, or ends by `exec`, the folder is not learned and stays what it was.
"""

import os
import re
import shlex
from pathlib import Path

import msgspec

from workbench.sandbox.small import text

_ENV, _SETUP, _STATUS, _CWD = "env", "setup", "status", "cwd"


class Aftermath(msgspec.Struct, frozen=True, kw_only=True):
    """What is known once the shell has ended. `setup_status` is None where setup ended the shell itself."""

    cwd: Path | None = None
    setup_status: int | None = 0


def write(scratch: Path, *, setup: str, workspace: Path, cwd: Path) -> dict[str, str]:
    """Fills SCRATCH, a folder of this command's own, and returns the variables that make bash read it.

    SETUP runs in WORKSPACE, so that `source .venv/bin/activate` holds wherever the command runs.
    """
    lines = ["unset BASH_ENV"]
    if setup.strip():
        (scratch / _SETUP).write_text(setup + "\n", encoding="utf-8", errors="surrogateescape")
        lines += [
            f"builtin cd -- {_quoted(workspace)}",
            f"builtin source {_quoted(scratch / _SETUP)}",
            f"builtin echo $? >|{_quoted(scratch / _STATUS)}",
            f"builtin cd -- {_quoted(cwd)}",
            "unset OLDPWD",
        ]
    note = f"{{ builtin pwd -P >|{_quoted(scratch / _CWD)}; }} 2>/dev/null"
    lines.append(f"trap {shlex.quote(note)} EXIT")
    path = scratch / _ENV
    path.write_bytes(os.fsencode("\n".join(lines) + "\n"))
    return {"BASH_ENV": re.sub(r'([\\$`"])', r"\\\1", str(path))}  # bash expands the value as in double quotes


def read(scratch: Path) -> Aftermath:
    """What the shell wrote down in SCRATCH."""
    status: int | None = 0
    if (scratch / _SETUP).exists():
        found = _line(scratch / _STATUS)
        status = int(found) if found and found.isdigit() else None
    cwd = _line(scratch / _CWD)
    if cwd and ("\0" in cwd or os.path.realpath(cwd) != cwd):  # not by `pwd -P`
        cwd = None
    return Aftermath(cwd=Path(cwd) if cwd else None, setup_status=status)


def _line(path: Path) -> str | None:
    found = text(path)  # the command itself may have put anything there
    return found.removesuffix("\n") if found is not None else None


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
