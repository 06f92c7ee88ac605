"""The exact code of a run: the commit it stands on, and a commit of what was not committed, kept under its own ref.

The user's index, branch and stash are never touched: the snapshot is made through an index of its own.
"""

import contextlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from workbench import programs
from workbench.experiments.types import Code
from workbench.permissions.git import names_program

REFS = "refs/mlwb/runs"
LARGEST = 5_000_000  # bytes: larger files that git does not know are left out of the snapshot
_HARDENED = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.pager=cat")
_PATIENCE_S = 60.0
_OF_THE_REPOSITORY = ("local", "worktree")
_SETS_BY_ENVIRONMENT = (2, 31)  # the first git that takes settings from GIT_CONFIG_KEY_…


class CodeError(Exception):
    """git refused; the message holds its words."""


def taken(workspace: Path, run: str, early: bool = False) -> Code:
    """The code in WORKSPACE as it is now, its changes kept as a commit under `refs/mlwb/runs/RUN`.

    EARLY: it is not known yet that there will be a run, so nothing else is written. Outside a repository, or without
    git, nothing is known. Raises CodeError where git fails on the way.
    """
    git = Git(workspace)
    if not git.there():
        return Code()
    commit = git.said("rev-parse", "--verify", "-q", "HEAD^{commit}") or None
    branch = git.said("symbolic-ref", "-q", "--short", "HEAD") or None
    if not early:
        git.exclude()
    tree = git.tree(commit)
    if commit is not None and tree == git.said("rev-parse", f"{commit}^{{tree}}"):
        return Code(commit=commit, branch=branch)
    parents = ["-p", commit] if commit else []
    snapshot = git.must("commit-tree", tree, *parents, "-m", f"{run}: the code as it ran")
    git.must("update-ref", f"{REFS}/{run}", snapshot)
    return Code(commit=commit, branch=branch, snapshot=snapshot, dirty=True)


def kept(workspace: Path, run: str, code: Code) -> Code:
    """CODE, which was taken before RUN had a name, kept for it as well. Raises CodeError."""
    git = Git(workspace)
    if git.there():
        git.exclude()
    if code.snapshot is not None:
        git.must("update-ref", f"{REFS}/{run}", code.snapshot)
    return code


def forget(workspace: Path, run: str) -> None:
    """Gives up the snapshot of RUN. Nothing happens where there is none, or git may not be asked."""
    git = Git(workspace)
    with contextlib.suppress(CodeError):
        if git.there():
            git.said("update-ref", "-d", f"{REFS}/{run}")


class Git:
    """git in one workspace, hardened against what a repository configures, with a name of its own as author.

    A commit here holds what the user's own would: a filter (git-lfs) that the user's configuration names is run, unless
    the repository's names a program, of whatever kind. Then none is run: contents are taken as they lie there.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        mine = {f"GIT_{who}_{what}": "mlwb" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        programs.shun([workspace])
        inherited["PATH"] = programs.path()
        self._env = inherited | mine | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        self.filtered = True  # whether filters run
        self._refused = ""  # why git is not asked for anything here
        self._harden()

    def _harden(self) -> None:
        """Takes filters, and fetches of what a partial clone lacks, away where the repository names a program."""
        rows = self._settings()
        if not any(names_program({key: value}) for scope, key, value in rows if scope in _OF_THE_REPOSITORY):
            return
        version = re.search(r"(\d+)\.(\d+)", self.said("version"))
        if version is None or (int(version[1]), int(version[2])) < _SETS_BY_ENVIRONMENT:
            self._refused = "the repository's configuration names a program; only git 2.31 or later passes it over"
            return
        drivers = {key.rpartition(".")[0] for _, key, _ in rows if key.startswith("filter.")}
        empty = {f"{driver}.{what}": "" for driver in drivers for what in ("clean", "smudge", "process")}
        settings = empty | {f"{driver}.required": "false" for driver in drivers}
        # By the environment: in `-c` a name that holds an equals sign would be another's.
        self._env |= {f"GIT_CONFIG_KEY_{at}": key for at, key in enumerate(settings)}
        self._env |= {f"GIT_CONFIG_VALUE_{at}": value for at, value in enumerate(settings.values())}
        self._env |= {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
        self.filtered = False

    def _settings(self) -> list[tuple[str, str, str]]:
        """Each setting that holds here, with its scope."""
        fields = self.said("config", "--null", "--list", "--show-scope").split("\0")
        if len(fields) > 1:
            pairs = list(zip(fields[::2], fields[1::2], strict=False))
        else:  # git before 2.26
            listed = ("config", "--null", "--list", "--includes")
            told = [(scope, self.said(*listed, f"--{scope}")) for scope in _OF_THE_REPOSITORY]
            pairs = [(scope, row) for scope, rows in told for row in rows.split("\0")]
        return [(scope, *row.partition("\n")[::2]) for scope, row in pairs]

    def there(self) -> bool:
        """Whether the workspace lies in a work tree, and git is installed. Raises CodeError where none may be asked."""
        if self._refused:
            raise CodeError(self._refused)
        return self.said("rev-parse", "--is-inside-work-tree") == "true"

    def said(self, *args: str, env: dict[str, str] | None = None) -> str:
        """What git prints, stripped; empty where it fails."""
        with contextlib.suppress(CodeError):
            return self.must(*args, env=env)
        return ""

    def must(self, *args: str, env: dict[str, str] | None = None, given: str | None = None) -> str:
        """What git prints, stripped. Raises CodeError."""
        if self._refused:
            raise CodeError(f"git {args[0]}: {self._refused}")
        try:
            done = subprocess.run(
                [programs.git(), *_HARDENED, *args],
                cwd=self.workspace,
                env=self._env | (env or {}),
                input=os.fsencode(given or ""),
                capture_output=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CodeError(f"git {args[0]}: {error}") from None
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip()
            raise CodeError(f"git {args[0]}: {words or f'exit code {done.returncode}'}")
        return os.fsdecode(done.stdout).rstrip("\n")  # no line end is changed: it may be part of a name, or of a file

    def tree(self, commit: str | None) -> str:
        """The tree of all files as they are now, ignored ones and large new ones left out. Raises CodeError."""
        with tempfile.TemporaryDirectory(prefix="mlwb-index-") as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            if commit is not None:
                self.must("read-tree", commit, env=env)
            # Not by `git add -u`: that looks into submodules with a git of its own, which their configuration rules.
            top = self.must("rev-parse", "--show-toplevel")
            changed = self.must("ls-files", "-z", "--modified", "--full-name", ":/", env=env).split("\0")
            taken = [name for name in changed if name and (self.filtered or not self._left(name, top))]
            self._take(taken, top, env)
            new = self.must("ls-files", "-z", "--others", "--exclude-standard", "--full-name", ":/", env=env)
            # A name that ends with a slash is another repository within this one.
            small = [name for name in new.split("\0") if name and not name.endswith("/") and _small(Path(top, name))]
            self._take(small, top, env)
            return self.must("write-tree", env=env)

    def _take(self, names: list[str], top: str, env: dict[str, str]) -> None:
        """Brings the index of ENV up to the files of those names, which may be gone."""
        if names:
            put = ("update-index", "--add", "--remove", "--replace", "-z", "--stdin")
            self.must("-C", top, *put, env=env, given="\0".join(names))

    def _left(self, name: str, top: str) -> bool:
        """Whether a large file stays as it is committed, since its filter was not run: a pointer, most likely."""
        path = Path(top, name)
        if not path.exists() or _small(path):
            return False
        return not self.must("-C", top, "check-attr", "-z", "filter", "--", name).endswith(("unspecified\0", "unset\0"))

    def exclude(self) -> None:
        """Keeps the runs out of git through its own exclude file, which is nobody's to commit."""
        with contextlib.suppress(CodeError, OSError):
            path = self.workspace / self.must("rev-parse", "--git-path", "info/exclude")
            text = path.read_bytes() if path.exists() else b""
            line = os.fsencode(f"/{self.must('rev-parse', '--show-prefix')}.mlwb/runs/")
            if line not in text.splitlines():
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab") as file:
                    file.write((b"" if not text or text.endswith(b"\n") else b"\n") + line + b"\n")


def _small(path: Path) -> bool:
    try:
        return path.lstat().st_size <= LARGEST
    except OSError:
        return False
