"""Commands in the background: started, read, waited for, and ended."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from support.processes import Commands, eventually, living, odd_seconds, text_of, zombies
from workbench.protocol.events import ShellFinished, ShellStarted
from workbench.tools.base import ToolError
from workbench.tools.shells import Shells


def on(tmp_path, script, **given):
    """Runs SCRIPT(shell) in one loop, with the session's side closed at the end."""
    shell = Commands(tmp_path, **given)

    async def whole():
        async with shell.open():
            await script(shell)

    asyncio.run(whole())
    return shell


async def begin(shell, command):
    return await shell.acall("Bash", command=command, run_in_background=True)


async def ended(shell, number=1):
    await eventually(lambda: sum(isinstance(event, ShellFinished) for event in shell.events) >= number)


def test_it_returns_at_once_and_says_how_to_go_on(tmp_path):
    async def script(shell):
        mark = odd_seconds()
        outcome = await begin(shell, f"echo up; sleep {mark}")
        assert "bash_1" in text_of(outcome)
        assert "BashOutput" in text_of(outcome)
        assert not outcome.is_error
        (started,) = shell.events
        assert isinstance(started, ShellStarted)
        assert (started.shell_id, started.call_id) == ("bash_1", "toolu_1")
        assert started.path == outcome.display[0].path
        await eventually(lambda: living(mark))
        assert started.pid in [*living(mark), started.pid]

    on(tmp_path, script)


def test_output_since_last_time(tmp_path):
    async def script(shell):
        await begin(shell, "echo one; until [ -e go ]; do sleep 0.01; done; echo two; exit 3")
        path = Path(shell.events[0].path)
        await eventually(lambda: path.read_text() == "one\n")
        first = await shell.atext("BashOutput", bash_id="bash_1")
        assert first.startswith("[bash_1 running for ")
        assert first.endswith("]\none")
        assert "(no new output)" in await shell.atext("BashOutput", bash_id="bash_1")
        (shell.workspace / "go").touch()
        await ended(shell)
        outcome = await shell.acall("BashOutput", bash_id="bash_1")
        assert text_of(outcome) == "[bash_1 exit code 3]\ntwo"
        assert not outcome.is_error  # that the command failed is what was asked
        assert outcome.display[0].exit_code == 3
        assert text_of(await shell.acall("BashOutput", bash_id="bash_1")) == "[bash_1 exit code 3]\n(no new output)"

    shell = on(tmp_path, script)
    assert shell.events[-1] == ShellFinished(shell_id="bash_1", exit_code=3)


def test_waiting_for_the_end(tmp_path):
    async def script(shell):
        await begin(shell, "sleep 0.3; echo done")
        text = await shell.atext("BashOutput", bash_id="bash_1", block=True)
        assert text == "[bash_1 exit code 0]\ndone"

    on(tmp_path, script)


def test_waiting_has_an_end_of_its_own(tmp_path):
    async def script(shell):
        await begin(shell, "echo x; sleep 60")
        began = time.monotonic()
        text = await shell.atext("BashOutput", bash_id="bash_1", block=True, timeout=200)
        assert 0.2 <= time.monotonic() - began < 10
        assert "running for" in text

    on(tmp_path, script)


def test_cancelling_the_wait_leaves_the_command(tmp_path):
    async def script(shell):
        mark = odd_seconds()
        await begin(shell, f"sleep {mark}")
        call = asyncio.ensure_future(shell.acall("BashOutput", bash_id="bash_1", block=True))
        await eventually(lambda: living(mark))
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        assert living(mark)

    on(tmp_path, script)


def test_only_lines_that_match(tmp_path):
    async def script(shell):
        await begin(shell, "seq 1 30; printf 'loss \\033[1m0.5\\033[0m\\n'; seq 40 50; printf 'loss 1'")
        await ended(shell)
        assert await shell.atext("BashOutput", bash_id="bash_1", filter="^loss|^7$") == (
            "[bash_1 exit code 0]\n7\nloss 0.5\nloss 1"
        )
        assert "(no new output)" in await shell.atext("BashOutput", bash_id="bash_1")

    on(tmp_path, script)


def test_a_filter_waits_for_whole_lines(tmp_path):
    async def script(shell):
        await begin(shell, "printf 'a\\nlo'; until [ -e go ]; do sleep 0.01; done; printf 'ss\\n'")
        path = Path(shell.events[0].path)
        await eventually(lambda: path.read_text() == "a\nlo")
        assert "(no new output)" in await shell.atext("BashOutput", bash_id="bash_1", filter="loss")
        (shell.workspace / "go").touch()
        await ended(shell)
        assert (await shell.atext("BashOutput", bash_id="bash_1", filter="loss")).endswith("]\nloss")

    on(tmp_path, script)


def test_a_filter_over_very_much_output(tmp_path):
    async def script(shell):
        await begin(shell, "seq 1 300000; printf '%0300000d\\n' 9")
        await ended(shell)
        text = await shell.atext("BashOutput", bash_id="bash_1", filter="9")
        assert text.split("\n")[1] == "9"
        assert "matching lines left out" in text
        assert len(text) < 100_000

    on(tmp_path, script)


def test_a_broken_filter_consumes_nothing(tmp_path):
    async def script(shell):
        await begin(shell, "echo x")
        await ended(shell)
        with pytest.raises(ToolError, match="regular expression"):
            await shell.acall("BashOutput", bash_id="bash_1", filter="(")
        assert (await shell.atext("BashOutput", bash_id="bash_1")).endswith("\nx")

    on(tmp_path, script)


def test_a_character_is_never_torn(tmp_path):
    async def script(shell):
        await begin(shell, r"printf 'a\xe2\x82'; until [ -e go ]; do sleep 0.01; done; printf '\xacb'")
        path = Path(shell.events[0].path)
        await eventually(lambda: path.read_bytes() == b"a\xe2\x82")
        assert (await shell.atext("BashOutput", bash_id="bash_1")).endswith("]\na")
        (shell.workspace / "go").touch()
        await ended(shell)
        assert (await shell.atext("BashOutput", bash_id="bash_1")).endswith("]\n€b")

    on(tmp_path, script)


def test_long_output_is_cut(tmp_path):
    async def script(shell):
        await begin(shell, "seq 1 3000000")
        await ended(shell)
        text = await shell.atext("BashOutput", bash_id="bash_1")
        assert len(text) < 31_000
        assert text.endswith("3000000")
        assert shell.events[0].path in text

    on(tmp_path, script)


def test_killing_ends_the_whole_tree(tmp_path):
    async def script(shell):
        mark = odd_seconds()
        await begin(shell, f"setsid sleep {mark} & env -i setsid sleep {mark} & sleep {mark}")
        await eventually(lambda: len(living(mark)) == 4)
        assert await shell.atext("KillShell", shell_id="bash_1") == "bash_1 was ended."
        assert not living(mark)
        assert isinstance(shell.events[-1], ShellFinished)
        assert "KillShell" in await shell.atext("BashOutput", bash_id="bash_1")
        assert "had ended already" in await shell.atext("KillShell", shell_id="bash_1")
        assert sum(isinstance(event, ShellFinished) for event in shell.events) == 1

    on(tmp_path, script)
    assert not zombies()


def test_an_unknown_id_lists_those_that_run(tmp_path):
    async def script(shell):
        await begin(shell, "sleep 60")
        await begin(shell, "true")
        await ended(shell)
        for tool, key in (("BashOutput", "bash_id"), ("KillShell", "shell_id")):
            with pytest.raises(ToolError, match=r"bash_9.*bash_1 \(sleep 60\)") as error:
                await shell.acall(tool, **{key: "bash_9"})
            assert "bash_2" not in str(error.value)

    on(tmp_path, script)


def test_closing_ends_all_and_says_so(tmp_path):
    mark = odd_seconds()

    async def script(shell):
        for _ in range(3):
            await begin(shell, f"trap '' TERM; setsid sleep {mark} & while :; do sleep 0.02; done")
        await eventually(lambda: len(living(mark)) == 6)

    shell = on(tmp_path, script)
    assert not living(mark)
    assert {event.shell_id for event in shell.events if isinstance(event, ShellFinished)} == {
        "bash_1",
        "bash_2",
        "bash_3",
    }
    assert not list(shell.context.outputs.glob(".shell-*"))


def test_a_call_in_the_foreground_leaves_the_background_alone(tmp_path):
    async def script(shell):
        mark = odd_seconds()
        await begin(shell, f"env -i setsid sleep {mark} & sleep {mark}")
        await eventually(lambda: len(living(mark)) == 3)
        await shell.acall("Bash", command="true")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(shell.acall("Bash", command="sleep 60 & sleep 60"), 0.1)
        assert len(living(mark)) == 3

    on(tmp_path, script)


def test_it_does_not_move_the_session(tmp_path):
    async def script(shell):
        await begin(shell, "mkdir sub; cd sub")
        await ended(shell)
        assert shell.context.cwd == shell.workspace

    on(tmp_path, script)


def test_endless_output_is_ended(tmp_path):
    async def script(shell):
        Shells.of(shell.context).largest = 1_000_000
        outcome = await shell.acall("Bash", command="yes")
        assert outcome.is_error
        assert "output passed 1,000,000 bytes" in text_of(outcome)
        await begin(shell, "yes")
        await ended(shell)
        assert "output passed 1,000,000 bytes" in await shell.atext("BashOutput", bash_id="bash_1")

    on(tmp_path, script)


def test_ids_go_on_where_a_resumed_session_says(tmp_path):
    async def script(shell):
        shell.context.extras["shells_started"] = 4
        assert "bash_5" in text_of(await begin(shell, "true"))

    on(tmp_path, script)


def test_a_full_disk_is_said(tmp_path):
    """Needs a small file system: only where the test may mount one."""
    import subprocess

    outputs = tmp_path / "outputs"
    outputs.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", outputs], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount here")
    try:

        async def script(shell):
            text = await shell.atext("Bash", command="head -c 1000000 /dev/zero; echo $?")
            assert "No space left" in text
            text = await shell.atext("Bash", command="echo x")
            assert "No space left" in text

        on(tmp_path, script)
    finally:
        subprocess.run(["umount", "-l", outputs], check=True)
