"""Runs a command by real bash where nothing is reachable, and tells what it would have run and which files it made.

Every name that is no builtin ends in `command_not_found_handle`, which writes it down: there is no program on PATH.
As root, bash runs as nobody; limits hold for time, processes and file size.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

_NOBODY = 65534
# One write a call, without a line break in it, so that calls at the same time do not run into each other.
_HANDLER = """\
ulimit -c 0 -t 2 -f 256 -v 4000000 2>/dev/null
command_not_found_handle() {{
  local IFS=$'\\x1f'; local all="$*"; printf '%s\\x1e' "${{all//$'\\n'/$'\\x1d'}}" >> {trace}
  return $((RANDOM % 3 == 0))
}}
"""
FILES = ("a", "b", "f", "d/x")


class Arena:
    """A throw-away folder with a workspace in it."""

    def __init__(self) -> None:
        self.bash = shutil.which("bash") or "/bin/bash"
        self.root = Path(tempfile.mkdtemp(prefix="fuzz-")).resolve()
        self.workspace, self.home = self.root / "w", self.root / "home"
        self.trace = self.root / "log" / "trace"
        for folder in (self.workspace, self.home, self.root / "none", self.trace.parent):
            folder.mkdir()
        (self.root / "handler").write_text(_HANDLER.format(trace=self.trace))
        self._fill()
        self.before = self._files()

    def close(self) -> None:
        """Leaves nothing behind."""
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, command: str) -> tuple[list[tuple[str, ...]], set[str]]:
        """The argument lists that COMMAND would have run, and the paths that it made or changed."""
        self.trace.unlink(missing_ok=True)
        who = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        child = subprocess.Popen(
            [self.bash, "-c", command],
            cwd=self.workspace,
            env={
                "PATH": f"{self.root}/none",
                "HOME": str(self.home),
                "BASH_ENV": f"{self.root}/handler",
                "LC_ALL": "C.UTF-8",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **who,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1.5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        after = self._files()
        made = {path for path, stamp in after.items() if self.before.get(path) != stamp}
        made |= {path for path in self.before if path not in after}
        if made:
            shutil.rmtree(self.workspace)
            self.workspace.mkdir()
            for path in made:
                Path(path).unlink(missing_ok=True)
            self._fill()
            self.before = self._files()
        return self._traced(), made

    def _fill(self) -> None:
        (self.workspace / "d").mkdir(exist_ok=True)
        for name in FILES:
            (self.workspace / name).write_text("x\n")
        if os.geteuid() == 0:
            for path in (self.root, *self.root.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY)

    def _files(self) -> dict[str, tuple[int, int]]:
        found = {}
        for folder in (self.workspace, self.home, self.root):
            for path in folder.rglob("*") if folder != self.root else folder.glob("*"):
                status = path.lstat()
                if not path.is_dir():
                    found[str(path)] = (status.st_mtime_ns, status.st_size)
        return found

    def _traced(self) -> list[tuple[str, ...]]:
        text = self.trace.read_bytes().decode("utf-8", "surrogateescape") if self.trace.exists() else ""
        return [tuple(call.replace("\x1d", "\n").split("\x1f")) for call in text.split("\x1e")[:-1]]
