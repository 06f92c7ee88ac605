"""Branch and commit of a working copy, read from git's files: no process, no library, works without git."""

from pathlib import Path


def git_head(workspace: Path) -> tuple[str | None, str | None]:
    """(branch, commit) of the repository that holds WORKSPACE; None for what is not known."""
    for folder in (workspace, *workspace.parents):
        if (folder / ".git").exists():
            try:
                return _read(folder / ".git")
            except OSError:
                return None, None
    return None, None


def _read(git: Path) -> tuple[str | None, str | None]:
    if git.is_file():  # a worktree or submodule: the file names the folder
        git = (git.parent / git.read_text().partition("gitdir:")[2].strip()).resolve()
    common = git / "commondir"
    shared = (git / common.read_text().strip()).resolve() if common.is_file() else git
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return None, head
    ref = head.removeprefix("ref: ")
    return ref.removeprefix("refs/heads/"), _commit(shared, ref)


def _commit(git: Path, ref: str) -> str | None:
    loose = git / ref
    if loose.is_file():
        return loose.read_text().strip()
    packed = git / "packed-refs"
    if packed.is_file():
        for line in packed.read_text().splitlines():
            if line.endswith(f" {ref}"):
                return line.partition(" ")[0]
    return None
