"""A scratch home with a workspace in it, and `mlwb` as a real process there.

place = Place(tmp_path, {"train.py": "…"})
done = place.run_task("Lower the loss.\n", [say("It is 0.5.")], "--max-turns", "5")
done.code, done.result, done.requests
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.endpoint import Endpoint, Received

# What the console script does, whether or not it is on the path.
MLWB = [sys.executable, "-c", "import sys; from workbench.cli import main; sys.exit(main())"]
KEY = "sk-ant-test"
# Failing endpoints are given up soon: the tests wait for no one. Commands run as they are, whatever this machine has to
# confine them with; what confinement changes is tested where it is meant.
QUICK = "retries: {maxRequests: 2, maxS: 30}\nsandbox: {mode: off}\n"


@dataclass
class Done:
    """How a process ended. `result` is the result object, where standard output ends with one."""

    code: int
    stdout: str
    stderr: str
    requests: list[Received] = field(default_factory=list)

    @property
    def result(self) -> dict[str, Any]:
        """The result object: the last line of standard output."""
        lines = self.stdout.splitlines()
        assert lines, f"nothing on standard output; standard error: {self.stderr}"
        return dict(json.loads(lines[-1]))


class Place:
    """A home of its own, with a git repository as the workspace."""

    def __init__(self, root: Path, files: Mapping[str, str] | None = None, *, git: bool = True) -> None:
        self.home = root / "home"
        self.repo = self.home / "work"
        self.repo.mkdir(parents=True)
        (self.home / ".config/mlwb").mkdir(parents=True)
        (self.home / ".config/mlwb/config.yaml").write_text(QUICK)
        for name, text in (files or {}).items():
            self.write(name, text)
        if git:
            for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--allow-empty", "-m", "start"]):
                subprocess.run(["git", *command], cwd=self.repo, env=self.env(), check=True, capture_output=True)

    def write(self, name: str, text: str) -> Path:
        """A file of the workspace."""
        path = self.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def env(self, **more: str) -> dict[str, str]:
        """An environment without anything of the caller's own but the path."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "MLWB_SOCKET_DIR": str(self.home / "sock"),
            "MLWB_LINGER": "30",
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
            },
            **more,
        }

    def mlwb(self, *args: str, env: Mapping[str, str] | None = None, **more: Any) -> Done:
        """`mlwb ARGS` in the workspace, run to its end."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        ended = subprocess.run(
            [*MLWB, *args], cwd=self.repo, env=dict(env or self.env()), timeout=60, check=False, **streams
        )
        return Done(ended.returncode, _text(ended.stdout), _text(ended.stderr))

    def run_task(self, task: str, turns: Sequence[Any], *flags: str, env: Mapping[str, str] | None = None) -> Done:
        """`mlwb run` on TASK in JSON, with TURNS as the model's answers."""
        with self.endpoint(turns) as (endpoint, reached):
            done = self.mlwb("run", self.task(task), "--output-format", "json", *flags, env={**reached, **(env or {})})
            done.requests = endpoint.requests
        return done

    def task(self, text: str) -> str:
        """The name of a task file with TEXT; outside the workspace, so that it is no change of it."""
        path = self.home / "task.md"
        path.write_text(text)
        return str(path)

    @contextlib.contextmanager
    def endpoint(self, turns: Sequence[Any], **more: Any) -> Iterator[tuple[Endpoint, dict[str, str]]]:
        """An endpoint that answers with TURNS, and an environment that points at it."""
        with Endpoint(turns, **more) as endpoint:
            yield endpoint, self.env(ANTHROPIC_BASE_URL=endpoint.url, ANTHROPIC_API_KEY=KEY)

    @contextlib.contextmanager
    def started(self, *args: str, env: Mapping[str, str], **more: Any) -> Iterator[subprocess.Popen[bytes]]:
        """`mlwb ARGS` as a process to be signalled; it is gone when the block ends, whatever happens."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        process = subprocess.Popen([*MLWB, *args], cwd=self.repo, env=dict(env), **streams)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def session(self, session_id: str) -> Path:
        """The folder of a session."""
        return self.home / ".local/state/mlwb/sessions" / session_id


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "replace")
