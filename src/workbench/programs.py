"""Programs that this process runs for itself (git, rg): never one that a workspace, or a session's command, put there.

A search path often leads into the workspace: an activated `.venv/bin` goes first, and `.` or an empty entry is the
folder one stands in. What a command of a session may write there must not be run outside of its confinement.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

_ENVIRONMENTS = (".venv", "venv", "env", ".conda")  # as `sandbox.pythonenv` looks for them
_shunned: set[str] = set()


def shun(folders: Iterable[Path]) -> None:
    """From now on no program that lies in one of FOLDERS is run by this process for itself."""
    _shunned.update({os.path.realpath(folder) for folder in folders} - {"/"})


def path() -> str:
    """The user's search path without what is relative, and without what leads into a shunned folder."""
    return os.pathsep.join(filter(_is_trusted, os.environ.get("PATH", os.defpath).split(os.pathsep)))


def find(name: str) -> str | None:
    """The absolute path of the program NAME; None where there is none that may be run."""
    import shutil  # not at the top: every start would pay for it

    for folder in path().split(os.pathsep):
        found = shutil.which(name, path=folder) if folder else None
        if found is not None and _is_trusted(found):
            return found
    return None


def git() -> str:
    """The absolute path of git. Raises FileNotFoundError."""
    found = find("git")
    if found is None:
        raise FileNotFoundError("git was not found on this machine, outside of what a session may write")
    return found


def _is_trusted(place: str) -> bool:
    real = os.path.realpath(place)
    return place.startswith("/") and not any(real == one or real.startswith(one.rstrip("/") + "/") for one in _shunned)


def searched(roots: Iterable[Path]) -> tuple[Path, ...]:
    """Folders in ROOTS where commands find programs by name: of the search path, and of environments in a workspace."""
    named = [Path(os.path.realpath(one)) for one in os.environ.get("PATH", "").split(os.pathsep) if one.startswith("/")]
    usual = [root / name / "bin" for root in roots for name in _ENVIRONMENTS]
    return tuple(dict.fromkeys([one for one in named if any(one.is_relative_to(root) for root in roots)] + usual))


def own_folders(roots: Iterable[Path]) -> tuple[Path, ...]:
    """What of this program's own installation lies in ROOTS: its environment, and its package where that is elsewhere.

    A command, or an edit, that changed it would run here at the next import.
    """
    package = Path(os.path.realpath(__file__)).parent
    environment = [Path(os.path.realpath(sys.prefix))] if sys.prefix != sys.base_prefix else []
    found = [one for one in (*environment, package) if any(one.is_relative_to(root) for root in roots)]
    return tuple(one for one in found if not any(one != other and one.is_relative_to(other) for other in found))
