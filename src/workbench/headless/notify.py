"""The command that a task wants run at its end."""

import asyncio
import os
import signal

from workbench import places
from workbench.headless.streams import Console
from workbench.protocol.result import Result

LIMIT_S = 30.0


async def notify(command: str, workspace: str, result: Result, console: Console) -> None:
    """Runs COMMAND with bash: the user's own word, so with the user's own environment, and what it prints is said.

    It learns of the end by MLWB_SESSION, MLWB_SUBTYPE, MLWB_EXIT_CODE and MLWB_RESULT (the path of result.json; empty
    where no session began). A failure is told and changes nothing.
    """
    path = str(places.sessions() / result.session_id / "result.json") if result.session_id else ""
    env = {
        **os.environ, "MLWB_SESSION": result.session_id, "MLWB_SUBTYPE": result.subtype,
        "MLWB_EXIT_CODE": str(result.exit_code), "MLWB_RESULT": path,
    }  # fmt: skip
    try:
        # Its words go to standard error: standard output holds the answer and nothing else.
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", command, cwd=workspace or None, env=env, start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=2, stderr=2,
        )  # fmt: skip
    except OSError as error:
        console.say(f"notify could not be run: {error}")
        return
    try:
        code = await asyncio.wait_for(process.wait(), LIMIT_S)
    except TimeoutError:
        console.say(f"notify ran longer than {LIMIT_S:g} s and was ended: {command}")
        return
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
    if code:
        console.say(f"notify exited with {code}: {command}")
