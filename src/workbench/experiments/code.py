"""The exact code of a run: the commit it stands on, and a commit of what was not committed, kept under its own ref.

The user's index, branch and stash are never touched: the snapshot is made through an index of its own.
"""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

from workbench import programs
from workbench.experiments.types import Code

REFS = "refs/mlwb/runs"
LARGEST = 5_000_000  # bytes: larger files that git does not know are left out of the snapshot
_HARDENED = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.pager=cat")
_PATIENCE_S = 60.0


class CodeError(Exception):
    """git refused; the message holds its words."""


def taken(workspace: Path, run: str) -> Code:
    """The code in WORKSPACE as it is now, its changes kept as a commit under `refs/mlwb/runs/RUN`.

    Outside a repository, or without git, nothing is known. Raises CodeError where git fails on the way.
    """
    git = Git(workspace)
    if not git.there():
        return Code()
    commit = git.said("rev-parse", "--verify", "-q", "HEAD^{commit}") or None
    branch = git.said("symbolic-ref", "-q", "--short", "HEAD") or None
    git.exclude()
    tree = git.tree(commit)
    if commit is not None and tree == git.said("rev-parse", f"{commit}^{{tree}}"):
        return Code(commit=commit, branch=branch)
    parents = ["-p", commit] if commit else []
    snapshot = git.must("commit-tree", tree, *parents, "-m", f"{run}: the code as it ran")
    git.must("update-ref", f"{REFS}/{run}", snapshot)
    return Code(commit=commit, branch=branch, snapshot=snapshot, dirty=True)


def forget(workspace: Path, run: str) -> None:
    """Gives up the snapshot of RUN. Nothing happens where there is none."""
    git = Git(workspace)
    if git.there():
        git.said("update-ref", "-d", f"{REFS}/{run}")


class Git:
    """git in one workspace, hardened against what a repository configures, with a name of its own as author."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        mine = {f"GIT_{who}_{what}": "mlwb" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        programs.shun([workspace])
        inherited["PATH"] = programs.path()
        self._env = inherited | mine | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}

    def there(self) -> bool:
        """Whether the workspace lies in a work tree, and git is installed."""
        return self.said("rev-parse", "--is-inside-work-tree") == "true"

    def said(self, *args: str, env: dict[str, str] | None = None) -> str:
        """What git prints, stripped; empty where it fails."""
        with contextlib.suppress(CodeError):
            return self.must(*args, env=env)
        return ""

    def must(self, *args: str, env: dict[str, str] | None = None, given: str | None = None) -> str:
        """What git prints, stripped. Raises CodeError."""
        try:
            done = subprocess.run(
                [programs.git(), *_HARDENED, *args],
                cwd=self.workspace,
                env=self._env | (env or {}),
                input=given or "",
                capture_output=True,
                text=True,
                errors="surrogateescape",
                timeout=_PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CodeError(f"git {args[0]}: {error}") from None
        if done.returncode != 0:
            raise CodeError(f"git {args[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
        return done.stdout.strip()

    def tree(self, commit: str | None) -> str:
        """The tree of all files as they are now, ignored ones and large new ones left out. Raises CodeError."""
        with tempfile.TemporaryDirectory(prefix="mlwb-index-") as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            if commit is not None:
                self.must("read-tree", commit, env=env)
            self.must("add", "-u", "--", ":/", env=env)
            new = self.must("ls-files", "-z", "--others", "--exclude-standard", "--full-name", ":/", env=env)
            top = self.must("rev-parse", "--show-toplevel")
            # A name that ends with a slash is another repository within this one.
            small = [name for name in new.split("\0") if name and not name.endswith("/") and _small(Path(top, name))]
            if small:
                self.must("-C", top, "update-index", "--add", "-z", "--stdin", env=env, given="\0".join(small))
            return self.must("write-tree", env=env)

    def exclude(self) -> None:
        """Keeps the runs out of git through its own exclude file, which is nobody's to commit."""
        with contextlib.suppress(CodeError, OSError):
            path = self.workspace / self.must("rev-parse", "--git-path", "info/exclude")
            text = path.read_text() if path.exists() else ""
            line = f"/{self.must('rev-parse', '--show-prefix')}.mlwb/runs/"
            if line not in text.splitlines():
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a") as file:
                    file.write(("" if not text or text.endswith("\n") else "\n") + line + "\n")


def _small(path: Path) -> bool:
    try:
        return path.lstat().st_size <= LARGEST
    except OSError:
        return False
