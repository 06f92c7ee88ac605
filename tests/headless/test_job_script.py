"""The job script of docs/headless.md, run and signalled as by Slurm; its `scontrol` is a stub that takes notes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from support.endpoint import fault, say, turn, use
from support.mlwb import Place

PAGE = Path(__file__).parents[2] / "docs" / "headless.md"
SCRIPT = next(block for block in PAGE.read_text().split("```sh\n") if "#SBATCH" in block).partition("```")[0]
TASK = "---\nallow: Bash\n---\nCount.\n"
ASLEEP = turn(use("Bash", command="sleep 300 & echo $! > pid; wait"))


class Job:
    """One job: its script in the workspace, and the programs that it calls."""

    def __init__(self, root: Path) -> None:
        self.place = Place(root)
        self.place.write("task.md", TASK)
        self.pid = self.place.repo / "pid"
        self.log = self.place.home / "mlwb-7.jsonl"
        self.requeued = self.place.home / "requeued"
        self.script = self.program(self.place.repo / "job.sh", SCRIPT)
        self.bin = root / "bin"
        self.bin.mkdir()
        calls = f'exec {sys.executable} -c "import sys; from workbench.cli import main; sys.exit(main())" "$@"'
        self.program(self.bin / "mlwb", f"#!/bin/sh\n{calls}\n")
        self.program(self.bin / "scontrol", '#!/bin/sh\necho "$@" >> ~/requeued\n')

    def program(self, path: Path, text: str) -> Path:
        path.write_text(text)
        path.chmod(0o755)
        return path

    @contextlib.contextmanager
    def started(self, env: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
        """The script, started as `sbatch` would: by its first line."""
        around = {**env, "PATH": f"{self.bin}:{env['PATH']}", "SLURM_JOB_ID": "7"}
        process = subprocess.Popen(
            [self.script], cwd=self.place.repo, env=around, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def run(self, env: Mapping[str, str]) -> int:
        with self.started(env) as process:
            return process.wait(60)

    def ended(self) -> dict[str, object]:
        """The result object at the end of the log."""
        return dict(json.loads(self.log.read_text().splitlines()[-1]))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def until(true: Callable[[], bool], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def test_the_job_ends_as_the_run_ended(job: Job) -> None:
    with job.place.endpoint([say("It is 3.")]) as (_, env):
        assert job.run(env) == 0
    assert job.ended()["result"] == "It is 3."
    job.log.unlink()
    job.place.write("task.md", "---\nchecks: ['false']\ncheckAttempts: 0\n---\nCount.\n")
    with job.place.endpoint([say("It is 4.")]) as (_, env):
        assert job.run(env) == 8
    assert not job.requeued.exists()


def test_a_job_that_is_preempted_is_requeued_and_goes_on(job: Job) -> None:
    with job.place.endpoint([ASLEEP]) as (_, env), job.started(env) as process:
        until(lambda: job.pid.exists() and job.pid.read_text().strip() != "")
        process.send_signal(signal.SIGUSR1)
        assert process.wait(60) == 75
    assert job.requeued.read_text() == "requeue 7\n"
    session = job.ended()["session_id"]
    with job.place.endpoint([say("done")]) as (endpoint, env):
        assert job.run(env) == 0
        assert "tool_result" in json.dumps(endpoint.requests[0].body["messages"])
    assert job.ended()["session_id"] == session


def test_a_job_that_is_cancelled_ends_its_session_and_stays_cancelled(job: Job) -> None:
    with job.place.endpoint([ASLEEP]) as (_, env), job.started(env) as process:
        until(lambda: job.pid.exists() and job.pid.read_text().strip() != "")
        process.send_signal(signal.SIGTERM)  # when the script is gone, Slurm kills what is left of the job
        assert process.wait(60) == 75
        assert job.ended()["subtype"] == "error_retryable"
    assert not job.requeued.exists()


def test_a_start_that_came_to_no_session_does_not_hide_the_later_one(job: Job) -> None:
    job.log.write_text('{"type":"result","subtype":"error_retryable","session_id":"","exit_code":75}\n')
    with job.place.endpoint([], after=fault(529)) as (_, env):
        assert job.run(env) == 75
    session = job.ended()["session_id"]
    with job.place.endpoint([say("done")]) as (_, env):
        assert job.run(env) == 0
    assert job.ended()["session_id"] == session
    assert job.requeued.read_text() == "requeue 7\n"
