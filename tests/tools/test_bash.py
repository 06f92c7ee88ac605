"""Bash in the foreground: what a command means, where it runs, what the model reads, and how it ends."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from support.processes import PLAIN, Commands, eventually, living, odd_seconds, text_of, zombies
from workbench.permissions.types import Runs
from workbench.protocol.blocks import Output
from workbench.protocol.events import Notice
from workbench.tools import registry
from workbench.tools.base import ToolError


@pytest.fixture
def shell(tmp_path):
    return Commands(tmp_path)


def cwd_after(shell: Commands, command: str, **given) -> Path:
    shell.bash(command, **given)
    return shell.context.cwd


# --- what the tool says of itself ---


def test_the_gate_sees_exactly_the_command():
    tool = registry.get("Bash")
    given = registry.decode(tool, {"command": " ls # x\\", "description": "d", "timeout": 5.0})
    assert tool.needs(given, "/w") == (Runs(" ls # x\\"),)
    assert tool.target(given) == "ls # x\\"


@pytest.mark.parametrize("command", ["", "  \n ", "a\0b", "echo \ud800"])
def test_what_cannot_be_run_is_refused(shell, command):
    with pytest.raises(ToolError):
        shell.bash(command)
    assert not list(shell.context.outputs.glob("*")) if shell.context.outputs.exists() else True


def test_a_command_too_long_for_the_system_says_what_to_do(shell):
    with pytest.raises(ToolError, match="Write"):
        shell.bash("# " + "x" * 200_000)


# --- output ---


def test_output_of_both_streams_in_order(shell):
    outcome = shell.bash("echo out; echo err >&2; echo end")
    assert text_of(outcome) == "out\nerr\nend"
    assert outcome.summary == "end"
    assert not outcome.is_error
    (block,) = outcome.display
    assert isinstance(block, Output)
    assert (block.text, block.exit_code, block.signal) == ("out\nerr\nend\n", 0, None)
    assert Path(block.path).read_text() == "out\nerr\nend\n"
    assert Path(block.path).parent == shell.context.outputs


def test_no_output_is_said_and_leaves_no_file(shell):
    outcome = shell.bash("true")
    assert text_of(outcome) == "(no output)"
    assert list(shell.context.outputs.iterdir()) == []
    assert outcome.display[0].path is None


def test_each_call_has_a_file_of_its_own_whatever_its_id(shell):
    paths = {shell.bash("echo x").display[0].path for _ in range(3)}
    assert len(paths) == 3


def test_long_output_is_cut_in_the_middle_and_kept_whole(shell):
    outcome = shell.bash("seq 200000")
    text = text_of(outcome)
    assert 20_000 < len(text) < 31_000
    assert text.startswith("1\n2\n")
    assert text.endswith("\n200000")
    path = outcome.display[0].path
    assert "characters left out" in text
    assert path in text
    whole = Path(path).read_text()
    assert whole == "".join(f"{n}\n" for n in range(1, 200_001))
    head, tail = text.split("\n[… ")[0], text.split(" …]\n")[1]
    left = int(text.split("[… ")[1].split(" ")[0].replace(",", ""))
    assert len(head) + len(tail) + left == len(whole) - 1  # the newline at the very end
    assert len(outcome.display[0].text) < 8_200


@pytest.mark.slow
def test_a_hundred_megabytes_cost_no_memory(shell):
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = shell.bash("yes 0123456789abcdef | head -c 100000000; echo the end")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert text_of(outcome).endswith("the end")
    assert Path(outcome.display[0].path).stat().st_size == 100_000_008
    assert len(text_of(outcome)) < 31_000
    assert after - before < 30_000  # KB


def test_binary_output_is_not_poured_out(shell):
    text = shell.says("head -c 5000 /dev/urandom")
    assert text.startswith("[binary output, 5,000 bytes")


def test_zeros_are_binary_and_null_separated_names_are_not(shell):
    assert "binary output" in shell.says("head -c 5000 /dev/zero")
    assert shell.says(r"printf 'one\0two\0'") == "one\ufffdtwo\ufffd"


def test_a_stray_byte_does_not_make_text_binary(shell):
    assert shell.says(r"printf 'caf\xe9 and tea, \xc3\xa9t\xc3\xa9\n\0'") == "caf\ufffd and tea, été\n\ufffd"


def test_progress_bars_show_their_last_state(shell):
    text = shell.says(r"for i in 1 2 3; do printf '\r%d%%|###' $i; done; printf '\ndone\n'")
    assert text == "3%|###\ndone"


def test_colours_are_gone(shell):
    assert shell.says(r"printf '\033[31mred\033[0m \033]0;title\007plain\n'") == "red plain"


def test_progress_comes_while_the_command_runs(shell):
    async def whole():
        fifo = shell.workspace / "fifo"
        os.mkfifo(fifo)
        call = asyncio.ensure_future(shell.acall("Bash", command="echo out; echo err >&2; cat fifo; echo end"))
        await eventually(lambda: "".join(shell.progress) == "out\nerr\n")
        assert not call.done()
        (await asyncio.to_thread(fifo.open, "w")).close()
        return await call

    assert text_of(asyncio.run(whole())) == "out\nerr\nend"


# --- exit codes ---


def test_a_failure_is_an_error_with_output_and_code(shell):
    outcome = shell.bash("echo before; exit 3")
    assert outcome.is_error
    assert text_of(outcome) == "before\n[exit code 3]"
    assert outcome.summary.startswith("exit 3 · ")
    assert outcome.display[0].exit_code == 3


def test_finding_nothing_is_no_error(shell):
    outcome = shell.bash("grep x /dev/null")
    assert not outcome.is_error
    assert "exit code 1" in text_of(outcome)


def test_a_killed_shell_is_named(shell):
    outcome = shell.bash("echo x; kill -9 $$")
    assert outcome.is_error
    assert "SIGKILL" in text_of(outcome)
    assert outcome.display[0].signal == signal.SIGKILL


# --- the command means what it says ---

MEANINGS = {
    "echo 'unbalanced": (2, "unexpected EOF"),
    "echo a )": (2, "`echo a )'"),
    "exit 3": (3, ""),
    "cd sub; exit 3": (3, ""),
    "set -e; false; echo not": (1, ""),
    "echo x # a comment": (0, "x"),
    "echo x \\": (0, "x"),
    "cat <<E\nhi $((1+1))\nE": (0, "hi 2"),
    "cat <<E\nno end": (0, "no end"),
    "exec echo x": (0, "x"),
    "echo $LINENO": (0, "1"),
    'echo "$0 $# $*"': (0, "bash 0"),
    "trap 'echo bye' EXIT; echo hi": (0, "hi\nbye"),
    "trap 'echo err' ERR; false": (1, "err\n[exit code 1]"),
    "echo ${BASH_ENV-unset} ${OLDPWD-unset}": (0, "unset unset"),
    "f() { return 4; }; f": (4, ""),
    "nonexistent_program": (127, "command not found"),
    "set -u; echo $nope": (127, "unbound variable"),
    "shopt -s extglob\necho !(sub)": (0, "!(sub)"),
    "printf '%s\\n' \"$-\"": (0, "hBc"),
    "alias ll='echo aliased'; ll": (127, "not found"),
}


@pytest.mark.parametrize("command", MEANINGS)
def test_the_command_is_read_as_bash_reads_it(shell, command):
    import subprocess

    (shell.workspace / "sub").mkdir()
    outcome = shell.bash(command)
    code, words = MEANINGS[command]
    assert words in text_of(outcome)
    assert outcome.display[0].exit_code == code
    bare = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", command],
        cwd=shell.workspace,
        env={name: value for name, value in PLAIN.items() if name != "OLDPWD"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert outcome.display[0].text == bare.stdout
    assert code == bare.returncode


def test_there_is_no_input_and_no_terminal(shell):
    assert shell.says("read x; echo $?") == "1"
    assert "No such device" in shell.says("cat </dev/tty")
    assert "EOF" in shell.says("python3 -c 'input()'")


# --- the working directory ---

MOVES = [
    ("cd sub", "sub"),
    ("cd sub; exit 3", "sub"),
    ("set -e; cd sub; false", "sub"),
    ("cd sub; echo x # comment", "sub"),
    ("cd sub # \\", "sub"),
    ("cd sub; set -x; echo x", "sub"),
    ("cd sub; nonexistent_program", "sub"),
    ("cd sub; exec 1>&- 2>&-", "sub"),
    ("cd sub; set -C; unset -f pwd; pwd() { echo /; }", "sub"),
    ("pushd sub >/dev/null", "sub"),
    ("mkdir 'a b\n c'; cd 'a b\n c'", "a b\n c"),
    ("mkdir -p $'\\xff'; cd $'\\xff'", os.fsdecode(b"\xff")),
    ("(cd sub)", "."),
    ("cd sub | cat", "."),
    ("cd sub; exec true", "."),
    ("cd nowhere", "."),
    ("bash -c 'cd sub'", "."),
    ("echo 'cd sub", "."),
    ("cd sub; trap - EXIT", "."),
]


@pytest.mark.parametrize(("command", "folder"), MOVES)
def test_the_working_directory_persists(shell, command, folder):
    (shell.workspace / "sub").mkdir()
    assert cwd_after(shell, command) == shell.workspace / folder
    assert shell.says("pwd -P") == str((shell.workspace / folder).resolve()).encode("utf-8", "replace").decode() or (
        folder == os.fsdecode(b"\xff")
    )


def test_tracing_does_not_show_our_own_steps(shell):
    assert shell.says("set -x; cd .") == "+ cd ."


def test_variables_do_not_persist(shell):
    shell.bash("export SEEN=1; x=2")
    assert shell.says("echo ${SEEN-no} ${x-no}") == "no no"


def test_outside_the_workspace_it_returns(shell):
    text = shell.says("cd /usr && pwd")
    assert text.startswith("/usr\n")
    assert "outside the workspace" in text
    assert shell.context.cwd == shell.workspace


def test_a_link_out_of_the_workspace_is_outside(shell):
    (shell.workspace / "out").symlink_to("/usr")
    assert "outside the workspace" in shell.says("cd out")
    assert shell.context.cwd == shell.workspace


def test_an_added_root_is_inside(tmp_path):
    added = tmp_path / "data"
    added.mkdir()
    shell = Commands(tmp_path, roots=(added,))
    assert cwd_after(shell, f"cd {added}") == added


def test_a_workspace_behind_a_link_keeps_its_name(tmp_path):
    (tmp_path / "real" / "workspace" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    shell = Commands(tmp_path / "link")
    assert cwd_after(shell, "cd sub") == tmp_path / "link" / "workspace" / "sub"
    assert shell.says("pwd") == str(tmp_path / "link" / "workspace" / "sub")


def test_a_folder_that_is_gone_is_said_and_nothing_runs(shell):
    """The gate judged the command for the folder that is gone."""
    shell.bash("mkdir sub; cd sub")
    (shell.workspace / "sub").rmdir()
    with pytest.raises(ToolError, match="is gone"):
        shell.bash("touch made")
    assert not (shell.workspace / "made").exists()
    assert shell.says("pwd") == str(shell.workspace)


def test_paths_with_odd_characters_change_nothing(tmp_path):
    shell = Commands(tmp_path / "a $(touch evil) `x` \"q\" 'p' \\ ü")
    assert cwd_after(shell, "mkdir s; cd s") == shell.workspace / "s"
    assert shell.says("pwd") == str(shell.workspace / "s")
    assert not list(tmp_path.rglob("evil"))


def test_nothing_is_left_beside_the_output(shell):
    shell.bash("echo x")
    assert [path.name for path in shell.context.outputs.iterdir()] == ["bash-toolu_1.txt"]


# --- setup ---


def test_setup_precedes_each_command_from_the_workspace(tmp_path):
    shell = Commands(tmp_path, setup="source ./activate\nexport TWO=2")
    (shell.workspace / "activate").write_text("export ONE=1; hello() { echo hello; }\n")
    assert shell.says("mkdir sub; cd sub; echo $ONE $TWO") == "1 2"
    assert shell.says("pwd; hello; echo ${OLDPWD-unset}") == f"{shell.workspace}/sub\nhello\nunset"


@pytest.mark.parametrize("setup", ["source ./nowhere", "false", "echo 'open"])
def test_a_setup_that_fails_is_said_and_the_command_runs(tmp_path, setup):
    text = Commands(tmp_path, setup=setup).says("echo ran")
    assert "ran\n" in text
    assert "shell.setup failed" in text


def test_a_setup_that_exits_is_said(tmp_path):
    shell = Commands(tmp_path, setup="exit 0")
    outcome = shell.bash("echo ran")
    assert "shell.setup did not come to its end" in text_of(outcome)
    assert outcome.is_error


def test_setup_cannot_change_how_the_command_is_read(tmp_path):
    assert "safe" in Commands(tmp_path, setup="echo 'open").says("echo 'safe'")


# --- environment ---


def test_a_venv_is_used_and_shown_once(shell):
    import venv

    venv.create(shell.workspace / ".venv", with_pip=False)
    text = shell.says("which python; echo $VIRTUAL_ENV")
    assert text.startswith(f"{shell.workspace}/.venv/bin/python\n{shell.workspace}/.venv\n")
    assert "virtual environment .venv" in text
    assert "virtual environment" not in shell.says("which python")
    assert [event.about for event in shell.events] == ["environment"]


def test_setup_stands_for_the_environment(tmp_path):
    shell = Commands(tmp_path, setup="true")
    (shell.workspace / ".venv" / "bin").mkdir(parents=True)
    (shell.workspace / ".venv" / "bin" / "python").write_text("")
    (shell.workspace / ".venv" / "pyvenv.cfg").write_text("")
    assert shell.says("echo ${VIRTUAL_ENV-none}") == "none"


def test_a_withheld_variable_is_named_once(tmp_path):
    shell = Commands(tmp_path, env={**PLAIN, "WANDB_API_KEY": "k", "HF_TOKEN": "t"})
    text = shell.says("echo [$WANDB_API_KEY]")
    assert text.startswith("[]\n")
    assert "shell.env: [WANDB_API_KEY]" in text
    assert "HF_TOKEN" not in text
    assert "withheld" not in shell.says("echo $WANDB_API_KEY")
    assert [type(event) for event in shell.events] == [Notice]


def test_a_failure_that_mentions_a_withheld_variable_names_it(tmp_path):
    shell = Commands(tmp_path, env={**PLAIN, "HF_TOKEN": "t"})
    assert "withheld" not in shell.says("printf HF_; echo TOKEN")
    assert "shell.env: [HF_TOKEN]" in shell.says("printf 'set HF_'; echo TOKEN; exit 1")


def test_the_settings_let_a_variable_through(tmp_path):
    shell = Commands(tmp_path, env={**PLAIN, "HF_TOKEN": "t"}, keep=("HF_TOKEN",))
    assert shell.says("echo $HF_TOKEN") == "t"


def test_python_prints_at_once(shell):
    assert shell.says("python3 -c 'import sys; print(sys.stdout.write_through)'") == "True"


# --- ends ---


def test_a_time_limit_ends_the_tree_and_keeps_the_output(shell):
    mark = odd_seconds()
    outcome = shell.bash(f"echo so far; setsid sleep {mark} & sleep {mark}", timeout=1500)
    assert outcome.is_error
    text = text_of(outcome)
    assert text.startswith("so far\n")
    assert "1.5 s" in text
    assert "run_in_background" in text
    assert outcome.summary.startswith("stopped")
    assert not living(mark)


def test_what_is_left_in_the_background_ends_and_is_said(shell):
    mark = odd_seconds()
    text = shell.says(f"setsid sleep {mark} & echo started")
    assert text.startswith("started\n")
    assert "run_in_background" in text
    assert not living(mark)


@pytest.mark.parametrize(
    "command",
    [
        "sleep {0}",
        "setsid sleep {0} & env -i setsid sleep {0} & sleep {0}",
        "python3 -c 'import time; time.sleep({0})'",
        "sleep {0} | cat",
    ],
)
def test_cancelling_leaves_nothing_and_takes_little_time(shell, command):
    mark = odd_seconds()

    async def whole():
        call = asyncio.ensure_future(shell.acall("Bash", command=command.format(mark)))
        await eventually(lambda: living(mark))
        began = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        took = time.monotonic() - began
        assert not living(mark)
        return took

    assert asyncio.run(whole()) < 2.0, "nothing had to be killed after the grace"
    assert not zombies()
    assert not list(shell.context.outputs.glob(".shell-*"))


def test_cancelling_twice_takes_the_grace_away(shell):
    mark = odd_seconds()

    async def whole():
        call = asyncio.ensure_future(
            shell.acall(
                "Bash", command=f"trap '' TERM; (trap '' TERM; sleep {mark}) & echo up; while :; do sleep 0.01; done"
            )
        )
        await eventually(lambda: living(f"sleep {mark}") and shell.progress)
        began = time.monotonic()
        call.cancel()
        await asyncio.sleep(0.05)
        assert not call.done()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not living(mark)
        return time.monotonic() - began

    assert asyncio.run(whole()) < 2.0, "the grace"


def test_a_loop_that_is_torn_down_leaves_nothing(shell):
    mark = odd_seconds()

    async def whole():
        asyncio.ensure_future(shell.acall("Bash", command=f"setsid sleep {mark} & sleep {mark}"))  # noqa: RUF006
        await eventually(lambda: len(living(mark)) == 3)

    asyncio.run(whole())
    assert not living(mark)


def test_fifty_calls_at_once(shell):
    async def whole():
        outcomes = await asyncio.gather(*(shell.acall("Bash", command=f"echo {n}; exit {n}") for n in range(50)))
        return [(text_of(outcome).split("\n")[0], outcome.display[0].exit_code) for outcome in outcomes]

    assert asyncio.run(whole()) == [(str(n), n) for n in range(50)]
    assert not zombies()


def test_it_is_cheap(shell):
    """A call of `true` costs us little: here 2 ms of CPU, and under load not 10 times that."""

    async def whole():
        await shell.acall("Bash", command="true")
        began = time.process_time()
        for _ in range(20):
            await shell.acall("Bash", command="true")
        return (time.process_time() - began) / 20

    assert asyncio.run(whole()) < 0.020, sys.version
