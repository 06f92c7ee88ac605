"""A disk that fills up while a session is at work ends it, and whoever watches is told."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.live import workspace

__all__ = ["workspace"]

# In a process of its own: the limit on what a file may grow to, which stands in for the disk, is the process's.
CODE = """
import asyncio, os, resource, sys
sys.path.insert(0, sys.argv[1])
from support.endpoint import Endpoint, say
from workbench.host import local
from workbench.protocol.commands import SubmitPrompt
from workbench.protocol.events import PromptSubmitted
from workbench.protocol.task import Task

async def main(workspace, room):
    with Endpoint([say("done")]) as endpoint:
        env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
        client = await local.start(Task(prompt="", workspace=workspace, interactive=True), local.Options(env=env))
        session = client.hosting.session
        await session.changes.ready()

        def fill_up(envelope):
            if isinstance(envelope.event, PromptSubmitted):
                size = (session.folder / "events.jsonl").stat().st_size
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))

        session.listeners.append(fill_up)
        await client.send(SubmitPrompt(id="p", text="Go.", by="ana"))
        async with asyncio.timeout(20):
            told = [envelope async for envelope in client.events()]
        await client.close()
        print(told[-1].event.result.errors[0])

asyncio.run(main(sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.parametrize("room", [0, 200, 300, 700], ids=lambda room: f"room for {room} bytes")
def test_a_disk_that_is_full_once_a_prompt_was_taken_ends_the_session(workspace, room):
    (workspace / "a.py").write_text("a\n")  # something for a snapshot to hold
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(Path(__file__).parents[1]), str(workspace), str(room)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the disk is full" in done.stdout


RAN = CODE.replace(
    """        session.listeners.append(fill_up)
        await client.send(SubmitPrompt(id="p", text="Go.", by="ana"))
""",
    """        size = (session.folder / "events.jsonl").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))
        await client.send(RunShell(id="s", command="echo " + 40 * "hi", by="ana"))
""",
).replace("import SubmitPrompt", "import RunShell")


def test_a_disk_that_is_full_once_a_command_of_a_person_ran_ends_the_session(workspace):
    done = subprocess.run(
        [sys.executable, "-c", RAN, str(Path(__file__).parents[1]), str(workspace), "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the disk is full" in done.stdout


ASKED = """
import asyncio, os, resource, sys
sys.path.insert(0, sys.argv[1])
from support.endpoint import Endpoint, say, turn, use
from workbench.host import local
from workbench.protocol.commands import Approve, SubmitPrompt
from workbench.protocol.events import ApprovalRequested, Idle
from workbench.protocol.task import Task

async def main(workspace):
    with Endpoint([turn(use("Bash", command="python3 a.py")), say("done")]) as endpoint:
        env = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k"}
        client = await local.start(Task(prompt="", workspace=workspace, interactive=True), local.Options(env=env))
        journal, most = client.hosting.session.folder / "events.jsonl", resource.RLIM_INFINITY
        await client.send(SubmitPrompt(id="p", text="Go.", by="ana"))
        async for envelope in client.events():
            if isinstance(event := envelope.event, ApprovalRequested):
                for number, limit in enumerate((journal.stat().st_size, most)):
                    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
                    yes = Approve(id=f"y{number}", request_id=event.request_id, digest=event.digest, decision="once",
                                  by="ana")
                    print("answer:", (await client.send(yes)).error or "taken")
            elif isinstance(event, Idle):
                break
        await client.close()

asyncio.run(main(sys.argv[2]))
"""


def test_an_answer_that_the_disk_did_not_take_is_taken_once_there_is_room(workspace):
    (workspace / "a.py").write_text("open('b.txt', 'w').close()")
    done = subprocess.run(
        [sys.executable, "-c", ASKED, str(Path(__file__).parents[1]), str(workspace)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "the disk is full" in first and second == "answer: taken"
    assert (workspace / "b.txt").exists()
