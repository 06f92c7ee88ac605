"""Branch and commit of a working copy, read from git's files: no process, no library, works without git.

The files are the repository's: what is said of them goes to the model, so nothing but names and numbers is taken.
"""

import os
import re
import stat
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs(?:/(?!\.)[^\x00-\x20\x7f~^:?*\[\\/]+)+")
_MOST = 4 << 20  # bytes: a file of packed references


def git_head(workspace: Path) -> tuple[str | None, str | None]:
    """(branch, commit) of the repository that holds WORKSPACE; None for what is not known."""
    for folder in (workspace, *workspace.parents):
        if (folder / ".git").exists():
            try:
                return _read(folder / ".git")
            except (OSError, ValueError):
                return None, None
    return None, None


def _read(git: Path) -> tuple[str | None, str | None]:
    if git.is_file():  # a worktree or submodule: the file names the folder
        git = Path(os.path.realpath(git.parent / _text(git).partition("gitdir:")[2].strip()))
    common = git / "commondir"
    shared = Path(os.path.realpath(git / _text(common))) if common.is_file() else git
    head = _text(git / "HEAD")
    if not head.startswith("ref: "):
        return None, _number(head)
    ref = head.removeprefix("ref: ")
    if not _REF.fullmatch(ref):
        return None, None
    return ref.removeprefix("refs/heads/"), _commit(shared, ref)


def _text(path: Path) -> str:
    """What the file PATH holds. Raises OSError, also for what is no file; ValueError where it is no text."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no file")
        return file.read(_MOST).decode().strip()


def _number(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None


def _commit(git: Path, ref: str) -> str | None:
    loose = git / ref
    if loose.is_file():
        return _number(_text(loose))
    packed = git / "packed-refs"
    if packed.is_file():
        for line in _text(packed).splitlines():
            if line.endswith(f" {ref}"):
                return _number(line.partition(" ")[0])
    return None
