"""What must simply work in a confinement, and what is told where something does not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.confining import ABIS, CELLS, USERS, close_helpers, confining
from support.processes import living, odd_seconds
from workbench.sandbox import layers, prologue
from workbench.sandbox.confined import git_folders
from workbench.sandbox.landlock import carved

PASSES_A_DESCRIPTOR = """
import multiprocessing as m, multiprocessing.reduction as r, os, socket
def child(path):
    from multiprocessing.connection import Client
    with Client(path, authkey=b"k") as one:
        descriptor = r.recv_handle(one)
        os.write(descriptor, b"through")
if __name__ == "__main__":
    from multiprocessing.connection import Listener
    from multiprocessing import shared_memory
    with Listener(None, "AF_UNIX", authkey=b"k") as server:
        process = m.get_context("spawn").Process(target=child, args=(server.address,))
        process.start()
        reading, writing = os.pipe()
        with server.accept() as one:
            r.send_handle(one, writing, process.pid)
        process.join()
    memory = shared_memory.SharedMemory(create=True, size=1 << 20)
    memory.buf[:2] = b"ok"
    print(os.read(reading, 100).decode(), bytes(memory.buf[:2]).decode())
    memory.close(); memory.unlink()
"""
RENDEZVOUS = """
import multiprocessing, socket, sys
def rank(port):
    with socket.create_connection((socket.gethostname() if sys.argv[1:] else "localhost", port), 20) as one:
        one.sendall(b"rank")
if __name__ == "__main__":
    with socket.create_server(("", 0)) as server:
        process = multiprocessing.Process(target=rank, args=(server.getsockname()[1],))
        process.start()
        one, _ = server.accept()
        print(one.recv(10).decode())
        process.join()
"""


OPENS = """
import concurrent.futures, os
def write(name):
    opened = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    if opened > 2:
        os.write(opened, name.encode())
        os.close(opened)
os.mkdir("many")
before = len(os.listdir("/proc/self/fd"))
names = [f"many/{number}" for number in range(1200)]
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(write, names))
wrong = [name for name in names if open(name).read() != name]
left = len(os.listdir("/proc/self/fd")) - before
print(f"{len(os.listdir('many'))} files, {len(wrong)} of them wrong, {left} descriptors left")
"""


@pytest.fixture(scope="module", autouse=True)
def _helpers():
    yield
    close_helpers()


FEW = [cell for cell in CELLS if cell.endswith(("bubblewrap", "-1", f"-{ABIS[-1]}"))]


@pytest.fixture(params=FEW)
def cell(request):
    """A user and a layer."""
    user, _, layer = request.param.partition("-")
    return confining(user), layer


def run(cell, command, **given):
    helper, layer = cell
    return helper.run(layer, command.replace("PYTHON", helper.python), **given)


def test_files_are_made_changed_moved_and_removed_in_the_workspace(cell):
    done = run(
        cell,
        "set -e; umask 027; mkdir -p a/b; echo one >a/b/x; echo two >>a/b/x; mv a/b/x y; sed -i s/one/ONE/ y; cat y; "
        "ln -s y l; cat l; echo three >l; cat y; ln y h; truncate -s 1 h; stat -c '%a %s' y; mkfifo p; rm p l h; "
        "chmod 600 y; mv y a/b/z; rm -r a; cp -r train.py c; touch c; rm c; python3 -c 'pass' 2>/dev/null || true; ls",
    )
    assert done.output.replace("attacks.py\n", "") == "ONE\ntwo\nONE\ntwo\nthree\n640 1\ntrain.py\nway-out\n"
    assert (done.exit_code, done.refused) == (0, [])


def test_temporary_files_lie_where_file_tools_see_them(cell):
    done = run(cell, 'echo here >"$TMPDIR/note"; echo $TMPDIR; mktemp')
    temp = str(cell[0].world.temp)
    assert [line.startswith((temp, "/tmp/")) for line in done.output.split()] == [True, True]
    note = Path(temp, "note")
    assert note.read_text() == "here\n"
    note.unlink()


def test_the_home_is_readable_and_caches_are_writable(cell):
    assert run(cell, "cat ~/data.txt; echo kept >~/.cache/tool/x; cat ~/.cache/tool/x").output == "readable\nkept\n"


def test_a_missing_cache_is_made(cell):
    cache = cell[0].world.home / ".cache/new"
    done = run(cell, "echo kept >~/.cache/new/x && cat ~/.cache/new/x", caches=[str(cache)])
    assert done.output == "kept\n"
    shutil.rmtree(cache, ignore_errors=True)


def test_a_cache_of_the_home_is_used_where_it_may_be_written(cell):
    shown = run(cell, 'echo "$UV_CACHE_DIR $TRITON_CACHE_DIR"').output.split()
    assert shown == [f"{cell[0].world.temp}/{name}" for name in ("uv", "triton")]
    caches = [str(cell[0].world.home / name) for name in (".cache/uv", ".triton")]
    assert run(cell, 'echo "$UV_CACHE_DIR$TRITON_CACHE_DIR"', caches=caches).output == "\n"


def test_descriptors_pass_between_processes_and_memory_is_shared(cell):
    (cell[0].world.work / "pass.py").write_text(PASSES_A_DESCRIPTOR)
    assert run(cell, "PYTHON pass.py; rm pass.py").output == "through ok\n"


@pytest.mark.parametrize("how", ["", "hostname"])
def test_ranks_meet_on_loopback_and_by_the_machines_name(cell, how):
    (cell[0].world.work / "meet.py").write_text(RENDEZVOUS)
    assert run(cell, f"PYTHON meet.py {how}; rm meet.py").output == "rank\n"


def test_a_command_reaches_what_an_earlier_one_left_listening_by_path(cell):
    script = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); open('listens', 'w'); s.accept()"
    )
    command = (
        f'PYTHON -c "{script}" & until [ -e listens ]; do sleep 0.02; done; '
        "PYTHON -c \"import socket; socket.socket(socket.AF_UNIX).connect('s'); print('met')\"; wait; rm -f s listens"
    )
    assert run(cell, command).output == "met\n"


def test_an_interpreter_in_the_home_runs(cell):
    """As uv and conda put one there, with packages beside it."""
    folder = cell[0].world.home / ".local/share/uv/python/cpython/bin"
    command = (
        f"mkdir -p {folder} && cp $(PYTHON -c 'import os; print(os.readlink(\"/proc/self/exe\"))') {folder}/py && "
        f"echo 'told = 1' >{folder}/packed.py"
    )
    assert run(cell, command, reach="outside").exit_code == 0
    base = run(cell, "PYTHON -c 'import sys; print(sys.base_prefix)'", reach="outside").output.strip()
    home = f"env PY''THONHOME={base} PY''THONPATH={folder}"  # PYTHON is the tests' own
    done = run(cell, f"{home} {folder}/py -c 'import json, packed; print(packed.told)'")
    assert done.output == "1\n", done


def test_a_large_sparse_checkpoint(cell):
    script = "f = open('c.pt', 'wb'); f.seek(5 << 30); f.write(b'end')"
    assert run(cell, f'PYTHON -c "{script}"; mv c.pt d.pt; stat -c %s d.pt; rm d.pt').output == f"{(5 << 30) + 3}\n"


def test_a_command_ranks_and_binds_its_own_processes(cell):
    """OpenMP binds threads by their number; loaders are niced."""
    script = (
        "import os, threading; one = min(os.sched_getaffinity(0)); "
        "threading.Thread(target=lambda: os.sched_setaffinity(threading.get_native_id(), {one})).start(); "
        "child = os.posix_spawn('/bin/sleep', ['sleep', '9'], os.environ); "
        "os.setpriority(os.PRIO_PROCESS, child, 17); os.setpriority(os.PRIO_PROCESS, os.getpid(), 13); "
        "os.sched_setaffinity(child, {one}); os.sched_setscheduler(child, os.SCHED_BATCH, os.sched_param(0)); "
        "print(os.getpriority(os.PRIO_PROCESS, child), os.nice(0), len(os.sched_getaffinity(child))); os.kill(child, 9)"
    )
    assert run(cell, f'nice -n 1 true && PYTHON -c "{script}" && ionice -c 3 true').output == "17 13 1\n"


def test_attributes_that_cannot_be_kept_are_left_out_of_copies(cell):
    assert run(cell, "cp -a train.py kept.py && cat kept.py && rm kept.py").output == "print(1)\n"


def test_streams_can_be_opened_by_name(cell):
    assert run(
        cell, "echo one >/dev/stdout; echo two >>/dev/stderr; cat </dev/null; echo x >/dev/null"
    ).output.endswith("two\n")


TERMINALS = """
import os, pty
def typed(command):
    child, master = pty.fork()
    if not child:
        os.execvp("bash", ["bash", "-c", command])
    found = b""
    try:
        while more := os.read(master, 99):
            found += more
    except OSError:
        return found.decode().split()
master, slave = pty.openpty()
again = os.open(os.ttyname(slave), os.O_RDWR | os.O_NOCTTY)
os.write(again, b"one")
print(os.read(master, 9).decode(), *typed("[ -t 1 ] && echo two; echo three >/dev/tty; echo four >/dev/stderr"))
"""


def test_a_command_has_terminals_of_its_own(cell):
    """As pexpect, script and tmux make them."""
    (cell[0].world.work / "typed.py").write_text(TERMINALS)
    assert run(cell, "PYTHON typed.py; rm typed.py").output == "one two three four\n"


def test_many_files_at_once(cell):
    script = (
        "import concurrent.futures as c, pathlib as p; d = p.Path('many'); d.mkdir(); "
        "list(c.ThreadPoolExecutor(8).map(lambda i: (d / str(i)).write_text(str(i)), range(300))); "
        "print(sum(int(f.read_text()) for f in d.iterdir()))"
    )
    assert run(cell, f'PYTHON -c "{script}"; rm -r many').output == f"{sum(range(300))}\n"


def test_what_is_opened_while_the_host_is_stopped_now_and_then_is_what_was_asked_for(cell):
    """The kernel once answered such an open with descriptor 0: the program wrote into its own input."""
    (cell[0].world.work / "opens.py").write_text(OPENS)
    with cell[0].stopped_now_and_then():
        done = run(cell, "PYTHON opens.py; rm -r opens.py many")
    assert done.output == "1200 files, 0 of them wrong, 0 descriptors left\n"


def test_the_shells_state_is_kept_where_the_launcher_opens_it(cell, tmp_path):
    """Bash's prologue writes into a folder of the hidden state directory."""
    done = run(cell, f"ls -a {cell[0].world.outputs} >/dev/null; echo x >{cell[0].world.outputs}/y; exit 3")
    assert done.exit_code == 3
    assert not (cell[0].world.outputs / "y").exists()
    assert prologue.read(tmp_path).cwd is None


def test_the_exit_code_and_what_was_left_behind_are_told(cell):
    assert run(cell, "exit 9").exit_code == 9
    done = run(cell, f"sleep {odd_seconds()} & exit 0")
    assert (done.exit_code, done.swept) == (0, 1)


def test_a_grandchild_that_left_its_session_ends_with_the_command(cell):
    seconds = odd_seconds()
    run(cell, f"setsid setsid sleep {seconds} >/dev/null 2>&1 & setsid -f env -i sleep {seconds}; true")
    assert not living(seconds)


def test_what_ends_by_itself_may_still_write(cell):
    command = "mkfifo f; echo early; echo late > >(read -t 0.05 <>f; read -r line; echo $line; rm f)"
    assert "late" in run(cell, command).output


def test_no_file_of_a_layer_is_left_in_the_workspace(cell):
    helper, _ = cell
    before = sorted(path.name for path in helper.world.work.iterdir())
    run(cell, "true")
    assert sorted(path.name for path in helper.world.work.iterdir()) == before
    assert not (helper.world.work / ".mlwb").exists()


def test_what_was_not_written_is_told_with_its_path(cell):
    done = run(cell, f"echo x >{cell[0].world.outside}/new")
    assert f"{cell[0].world.outside}/new" in done.refused[0]
    assert run(cell, "cat missing").refused == []


def test_a_command_that_went_well_is_told_nothing(cell):
    assert run(cell, f"echo x >{cell[0].world.outside}/new; true").refused == []


def test_limits(cell):
    done = run(cell, "head -c 2000000 /dev/zero >big; stat -c %s big; rm big", limits={"file_size": 1 << 20})
    assert done.output.split()[-1] == str(1 << 20)
    done = run(cell, "ulimit -v; ulimit -u; ulimit -Hv", limits={"memory": 1 << 40, "processes": 4000})
    assert done.output.split() == [str(1 << 30), "4000", str(1 << 30)]


def test_git_has_a_path_of_its_own(cell):
    helper, _ = cell
    if shutil.which("git") is None:
        pytest.fail("git is needed")
    work = helper.world.work
    shutil.rmtree(work / "repo", ignore_errors=True)
    roots = {"roots": [str(work / "repo")], "read_only": [str(work / "repo/.git")]}
    made = "cd repo && git init -q . && git config user.email a@b && git config user.name a && touch f"
    assert run(cell, f"mkdir repo && {made}", reach="outside").exit_code == 0
    hook = work / "repo/.git/hooks/pre-commit"
    run(cell, "mkdir -p repo/.git/hooks; printf '#!/bin/sh\\ntouch ran' >repo/.git/hooks/pre-commit; "
        "chmod +x repo/.git/hooks/pre-commit", reach="outside")  # fmt: skip
    assert hook.exists()
    assert run(cell, "cd repo && git add f", **roots).exit_code == 128
    done = run(cell, "cd repo && git add f && git commit -qm one && git log --oneline | wc -l", reach="git", **roots)
    assert (done.exit_code, done.output) == (0, "1\n"), done
    assert not (work / "repo/ran").exists()
    for attack in (
        "echo x >>.git/config",
        "echo x >.git/hooks/x",
        "mv .git .g",
        "mv .git/hooks .git/h",
        "rm -f .git/config",
    ):
        assert run(cell, f"cd repo && {attack}", reach="git", **roots).exit_code != 0, attack
    assert (
        run(cell, "cd repo && git status --porcelain && git diff && git log -1 --format=%s", **roots).output == "one\n"
    )
    run(cell, "rm -rf repo", reach="outside")


def test_secrets_in_a_workspace_are_empty_under_bubblewrap():
    helper = confining(USERS[-1])
    assert helper.run("bubblewrap", "cat .env; cat .env | wc -c").output == "0\n"
    assert (helper.world.work / ".env").read_text() == "KEY=SECRET-env\n"


def test_a_worktrees_git_folder_is_followed_only_where_it_leads_back(tmp_path):
    main, tree = tmp_path / "main", tmp_path / "tree"
    own = main / ".git/worktrees/tree"
    for path in (own, main / ".git/objects", main / ".git/refs", tree):
        path.mkdir(parents=True)
    (main / ".git/HEAD").write_text("x")
    (own / "commondir").write_text("../..\n")
    (own / "gitdir").write_text(f"{tree}/.git\n")
    (tree / ".git").write_text(f"gitdir: {own}\n")
    assert git_folders((tree,)) == ((main / ".git").resolve(),)
    (own / "gitdir").write_text("/elsewhere/.git\n")
    assert git_folders((tree,)) == ()


def test_what_is_granted_around_a_path_covers_all_but_it(tmp_path):
    for name in ("a/b/c", "a/d", "e"):
        (tmp_path / name).mkdir(parents=True)
    found = carved(str(tmp_path), [f"{tmp_path}/a/b", f"{tmp_path}/missing"])
    assert sorted(found) == [f"{tmp_path}/a/d", f"{tmp_path}/e"]
    assert carved(str(tmp_path), ["/elsewhere"]) == [str(tmp_path)]


def test_each_layer_is_tried_and_chosen():
    assert [layer.name for layer in layers.probe()] == ["bubblewrap", "landlock"]
    assert layers.choose("off") is None
    chosen = layers.choose("landlock")
    assert chosen is not None and chosen.name == "landlock" and chosen.abi >= 1
    best = layers.choose()
    assert best is not None and best.name == "bubblewrap"


def test_a_layer_that_does_not_hold_says_why_and_what_to_do():
    script = (
        "import json, msgspec; from workbench.sandbox import bubblewrap, layers\n"
        "print(json.dumps(msgspec.to_builtins(layers.probe()[0])))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # The real reason of many containers: no user namespaces. A filter on ourselves refuses what bwrap needs.
    limited = (
        "from workbench.sandbox import landlock, seccomp, system\nimport ctypes, struct\n"
        "system.prctl(38, 1)\ncode = seccomp.program(seccomp.CONTAINED)\n"
        "held = ctypes.create_string_buffer(code, len(code))\n"
        "filter_ = struct.pack('@HP', len(code) // 8, ctypes.addressof(held))\n"
        "system.call('seccomp', 1, 0, ctypes.create_string_buffer(filter_))\n"
    )
    done = subprocess.run([sys.executable, "-c", limited + script], env=env, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert found["detail"]
    assert "container" in found["fix"] or "sysctl" in found["fix"]
