"""Commands as processes: what they start with, and that nothing of them is left."""

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

from support.processes import PLAIN, eventually, living, odd_seconds, run, start, zombies
from workbench.sandbox.launcher import PlainLauncher
from workbench.sandbox.types import Ended, Spec

PYTHON = sys.executable
# Where a Python that a test starts finds this project and what helps its tests.
IMPORTS = ":".join(filter(None, sys.path))
DOUBLE_FORK = (
    "import os,sys,time\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "time.sleep(float(sys.argv[1]))\n"
)


# --- what a command starts with ---


def test_streams_are_one_file_in_order_and_private(tmp_path):
    async def whole():
        running, output = await start(tmp_path, "echo one; echo two >&2; echo three; exit 7")
        assert await running.wait() == Ended(exit_code=7)
        await running.end()
        return output

    output = asyncio.run(whole())
    assert output.read_text() == "one\ntwo\nthree\n"
    assert output.stat().st_mode & 0o777 == 0o600


def test_appends_to_the_file_that_is_there(tmp_path):
    async def whole():
        output = tmp_path / "log"
        output.write_text("before\n")
        launcher = PlainLauncher(PLAIN)
        running = await launcher.start(
            Spec(command="echo after", cwd=tmp_path, output=output, env=launcher.environment())
        )
        await running.wait()
        await running.end()
        return output.read_text()

    assert asyncio.run(whole()) == "before\nafter\n"


def test_a_command_has_no_input_and_no_terminal(tmp_path):
    ended, output = run(
        tmp_path, "cat; echo $?; (exec 3<>/dev/tty) 2>/dev/null || echo no terminal; [ -t 0 ] || echo n"
    )
    assert ended.exit_code == 0
    assert output == "0\nno terminal\nn\n"


def test_a_command_leads_a_session_of_its_own(tmp_path):
    _, output = run(tmp_path, "ps -o sid= -p $$; echo $$")
    sid, pid = output.split()
    assert sid == pid != str(os.getsid(0))


def test_no_descriptor_leaks(tmp_path):
    with (tmp_path / "held").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        _, output = run(tmp_path, "ls -l /proc/$$/fd; true")
    assert str(tmp_path / "held") not in output
    assert sorted(line.split()[-3] for line in output.splitlines()[1:]) == ["0", "1", "2"]


def test_our_own_descriptors_are_given_back(tmp_path):
    run(tmp_path, "true")
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(5):
        run(tmp_path, "true")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_signals_that_we_ignore_are_not_ignored_by_a_command(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _, output = run(tmp_path, "grep -E 'SigIgn|SigBlk' /proc/self/status")
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGINT, before[1])
    classic = (1 << 31) - 1  # the real-time signals are whoever started the tests' own
    assert [int(line.split()[1], 16) & classic for line in output.splitlines()] == [0, 0]


def test_the_umask_is_the_users(tmp_path):
    before = os.umask(0o027)
    try:
        _, output = run(tmp_path, "umask; touch made; stat -c %a made")
    finally:
        os.umask(before)
    assert output.split() == ["0027", "640"]


def test_secrets_are_nowhere_in_the_process(tmp_path):
    env = {**PLAIN, "ANTHROPIC_API_KEY": "sk-very-secret", "OK": "yes"}
    look = "env; cat /proc/self/environ | tr '\\0' '\\n'; tr '\\0' '\\n' </proc/$$/environ; true"
    _, output = run(tmp_path, look, env)
    assert "sk-very-secret" not in output
    assert output.count("OK=yes") == 3


def test_exported_functions_do_not_stand_for_programs(tmp_path):
    _, output = run(tmp_path, "ls", {**PLAIN, "BASH_FUNC_ls%%": "() { echo evil; }"})
    assert "evil" not in output


def test_a_logical_path_stays_as_it_is_given(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    _, output = run(tmp_path / "link", "pwd; pwd -P")
    assert output.split() == [str(tmp_path / "link"), str((tmp_path / "real").resolve())]


def test_a_missing_folder_is_an_os_error_and_leaves_nothing(tmp_path):
    async def whole():
        with pytest.raises(FileNotFoundError):
            await start(tmp_path / "nowhere", "true")

    (tmp_path / "nowhere").mkdir()
    shutil.rmtree(tmp_path / "nowhere")
    asyncio.run(whole())
    assert not zombies()


def test_an_end_by_signal_is_named(tmp_path):
    ended, _ = run(tmp_path, "kill -9 $$")
    assert ended.signal == signal.SIGKILL
    assert ended.exit_code is None


def test_cancelling_wait_ends_nothing(tmp_path):
    async def whole():
        running, _ = await start(tmp_path, "while [ ! -e go ]; do sleep 0.02; done; exit 4")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(running.wait(), 0.05)
        (tmp_path / "go").touch()
        assert (await running.wait()).exit_code == 4
        await running.end()

    asyncio.run(whole())


# --- how everything ends ---

HIDING = {
    "child": "sleep {0} & wait",
    "foreground": "sleep {0}",
    "exec": "exec sleep {0}",
    "setsid": "setsid sleep {0} & sleep {0}",
    "new session, no environment": "env -i setsid sleep {0} & sleep {0}",
    "ignores TERM": "trap '' TERM; sleep {0} & while :; do sleep 0.05; done",
    "setsid grandchild ignores TERM": "setsid bash -c 'trap \"\" TERM; (setsid sleep {0}) & sleep {0}' & sleep {0}",
    "stopped": "sleep {0} & kill -STOP $!; wait",
    "stops itself": "bash -c 'kill -STOP $$; sleep {0}' & sleep {0}",
    "forks on TERM": "trap 'setsid sleep {0} & setsid sleep {0} &' TERM; sleep {0} & while :; do sleep 0.05; done",
    "nohup": "nohup sleep {0} >/dev/null 2>&1 & disown; sleep {0}",
    "coproc": "coproc sleep {0}; wait",
    "double fork": f"{PYTHON} -c '{DOUBLE_FORK}' {{0}}; sleep {{0}}",
    "double fork without environment": f"env -i {PYTHON} -c '{DOUBLE_FORK}' {{0}}; sleep {{0}}",
}


@pytest.mark.parametrize("how", HIDING)
def test_the_whole_tree_ends(tmp_path, how):
    mark = odd_seconds()

    async def whole():
        running, _ = await start(tmp_path, HIDING[how].format(mark))
        await eventually(lambda: living(mark))
        ended = await running.end(grace_s=0.2)
        assert not living(mark)
        assert ended.stuck == ()
        return ended

    ended = asyncio.run(whole())
    assert ended.signal is not None or ended.exit_code is not None
    assert not zombies()


@pytest.mark.parametrize("how", ["setsid sleep {0} &", "env -i setsid sleep {0} & disown", "sleep {0} &"])
def test_what_a_finished_command_left_behind_ends(tmp_path, how):
    mark = odd_seconds()
    ended, _ = run(tmp_path, how.format(mark) + " sleep 0.1; exit 5")
    assert ended.exit_code == 5
    assert ended.swept == 1
    assert not living(mark)
    assert not zombies()


def test_what_still_writes_after_the_shell_may_finish(tmp_path):
    # It waits and reads by itself: a program to be started first may take longer than what is left is given.
    ended, output = run(tmp_path, "mkfifo f; echo text > >(read -t 0.05 <>f; read -r line; echo $line)")
    assert output == "text\n"
    assert ended.swept == 0


def test_term_comes_first_so_that_a_training_run_can_save(tmp_path):
    code = (
        "import signal,sys,time\n"
        "def save(*_): print('saved', flush=True); sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, save); print('ready', flush=True)\n"
        "time.sleep(60)"
    )

    async def whole():
        running, output = await start(tmp_path, f'{PYTHON} -c "{code}"')
        await eventually(lambda: "ready" in output.read_text())
        await running.end(grace_s=20)
        return output.read_text()

    began = time.monotonic()
    assert asyncio.run(whole()) == "ready\nsaved\n"
    assert time.monotonic() - began < 15


def test_a_second_end_takes_the_grace_away(tmp_path):
    async def whole():
        running, output = await start(tmp_path, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
        await eventually(lambda: "ready" in output.read_text())
        patient = asyncio.ensure_future(running.end(grace_s=60))
        await asyncio.sleep(0.05)
        assert not patient.done()
        ended = await running.end(grace_s=0)
        assert ended == await patient
        return ended

    assert asyncio.run(whole()).signal == signal.SIGKILL


def test_a_chain_of_forks_does_not_run_ahead_of_the_end(tmp_path):
    """No look at the processes meets a link, which lives for 2 ms: each leaves a byte instead."""
    links = tmp_path / "links"
    chain = (
        f"import os,time\nfor _ in range(20_000):\n  if os.fork(): os._exit(0)\n  time.sleep(0.002)\n"
        f"  with open({str(links)!r}, 'a') as file: file.write('x')"
    )

    def length():
        return links.stat().st_size if links.exists() else 0

    async def whole():
        running, _ = await start(tmp_path, f"{PYTHON} -S -c {shlex.quote(chain)}; sleep 60")
        await eventually(lambda: length() > 10)
        await running.end(grace_s=0)

    asyncio.run(whole())
    before = length()
    time.sleep(0.3)  # a hundred links
    assert length() == before


def test_orphans_of_a_command_that_goes_on_do_not_pile_up(tmp_path):
    """Where they are adopted, as on Linux, nobody else would reap them."""

    async def whole():
        running, output = await start(tmp_path, "for _ in {1..200}; do (true &); done; echo all; sleep 600")
        await eventually(lambda: output.read_text() == "all\n")
        await eventually(lambda: not zombies(), within_s=60)
        assert (await running.end(grace_s=0)).signal == signal.SIGKILL  # it was at work all the time

    asyncio.run(whole())


def test_others_are_left_alone(tmp_path):
    """Neither a process of our own, in a session of its own, nor another command, nor what that one hides."""
    ours, theirs, ended_one = odd_seconds(), odd_seconds(), odd_seconds()
    own = subprocess.Popen(["sleep", ours], start_new_session=True)
    try:

        async def whole():
            other, _ = await start(tmp_path, f"env -i setsid sleep {theirs} & setsid sleep {theirs} & wait")
            running, _ = await start(tmp_path, f"setsid sleep {ended_one} & sleep {ended_one}")
            await eventually(lambda: len(living(theirs)) == 3 and len(living(ended_one)) == 3)
            await running.end()
            assert len(living(theirs)) == 3
            await other.end()
            assert not living(theirs)

        asyncio.run(whole())
        assert own.poll() is None
    finally:
        own.kill()
        own.wait()


def test_fifty_at_once(tmp_path):
    async def one(number):
        running, output = await start(tmp_path, f"echo {number}; setsid sleep 3600.77{os.getpid()} & exit {number}")
        ended = await running.wait()
        await running.end()
        return ended.exit_code, output.read_text()

    async def whole():
        return await asyncio.gather(*(one(number) for number in range(50)))

    assert asyncio.run(whole()) == [(number, f"{number}\n") for number in range(50)]
    assert not living(f"3600.77{os.getpid()}")
    assert not zombies()


FAULTS = {
    "no pidfd": "inject=pidfd_open:error=ENOSYS",
    "limits refused": "inject=prlimit64:error=EPERM",
    "neither": "inject=pidfd_open,prlimit64:error=ENOSYS",
}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("fault", FAULTS)
def test_old_kernels_and_narrow_containers(tmp_path, fault):
    """Without these system calls a thread waits, and the environment tells which processes are the command's."""
    mark = odd_seconds()
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from support.processes import eventually, living, start\n"
        "async def whole():\n"
        f"    running, _ = await start(Path('.'), 'setsid sleep {mark} & sleep {mark}')\n"
        f"    await eventually(lambda: len(living('{mark}')) == 3)\n"
        "    await running.end()\n"
        "    short, _ = await start(Path('.'), 'exit 3')\n"
        "    print((await short.wait()).exit_code, (await short.end()).exit_code)\n"
        "asyncio.run(whole())\n"
    )
    env = {**os.environ, "PYTHONPATH": IMPORTS}
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run(
        ["strace", "-qq", "-f", "-o", "/dev/null", "-e", FAULTS[fault], PYTHON, str(script)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "ptrace" in done.stderr.lower():
        pytest.skip("tracing is not permitted here")
    assert done.stdout == "3 3\n", done.stderr
    assert not living(mark)


def test_a_command_of_a_command_ends_with_both(tmp_path):
    """This program may itself be run by a command: what it starts stays the outer command's too."""
    mark = odd_seconds()
    code = (
        "import asyncio\n"
        "from pathlib import Path\n"
        "from support.processes import eventually, living, start\n"
        "async def whole():\n"
        f"    first, _ = await start(Path('.'), 'env -i setsid sleep {mark} & wait')\n"
        f"    second, _ = await start(Path('.'), 'env -i setsid sleep {mark} & wait')\n"
        f"    await eventually(lambda: len(living('setsid sleep {mark}')) == 2 and len(living('{mark}')) == 4)\n"
        "    await first.end()\n"
        f"    print(len(living('{mark}')), flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(whole())\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    env = {**PLAIN, "PYTHONPATH": IMPORTS}

    async def whole():
        running, output = await start(tmp_path, f"trap '' TERM; {PYTHON} {script}", env)
        await eventually(lambda: output.read_text())
        assert output.read_text() == "2\n"
        await running.end(grace_s=0)
        assert not living(mark)

    asyncio.run(whole())
