"""What a layer does not hold, shown: who relies on one alone should know. Where one of these fails, the table is to be
mended: a limit is gone."""

import ctypes
import os
from pathlib import Path

import pytest

from support.confining import CELLS, close_helpers, confining


@pytest.fixture(scope="module", autouse=True)
def _helpers():
    yield
    close_helpers()


def held(cell, command, **given):
    """The output of COMMAND in CELL, and the world it ran in."""
    user, _, layer = cell.partition("-")
    helper = confining(user)
    return helper.run(layer, command, **given).output, helper.world


LANDLOCK = [cell for cell in CELLS if "landlock" in cell]


@pytest.mark.parametrize("cell", CELLS)
def test_a_hard_link_that_was_there_before_is_written_through(cell):
    """The gate asks before it names one; a program that finds it by itself is not stopped."""
    world = confining(cell.partition("-")[0]).world
    outside, inside = world.outside / f"linked-{cell}", world.work / f"linked-{cell}"
    outside.write_text("was\n")
    os.chown(outside, world.work.stat().st_uid, -1)
    os.link(outside, inside)
    held(cell, f"echo is > {inside.name}")
    assert outside.read_text() == "is\n"
    inside.unlink()
    outside.unlink()


@pytest.mark.parametrize("cell", LANDLOCK)
def test_landlock_lets_secrets_of_the_workspace_be_read(cell):
    assert "SECRET-env" in held(cell, "cat .env")[0]


@pytest.mark.parametrize("cell", LANDLOCK)
def test_landlock_lets_names_be_listed(cell):
    output, world = held(cell, "ls -A ~ ~/.ssh")
    assert ".netrc" in output and "id_rsa" in output and world.home.joinpath(".ssh/id_rsa").exists()


@pytest.mark.parametrize("cell", LANDLOCK)
def test_landlock_lets_command_lines_be_read(cell):
    victim = confining(cell.partition("-")[0]).where["victim"]
    assert "sleep" in held(cell, f"tr '\\0' ' ' < /proc/{victim}/cmdline")[0]


@pytest.mark.parametrize("cell", CELLS)
def test_a_fifo_outside_is_written_under_bubblewrap_alone(cell):
    """A mount that is read-only keeps nobody from a program that listens at one; /run and /tmp are covered."""
    world = confining(cell.partition("-")[0]).world
    fifo = world.home / f"fifo-{cell}"
    os.mkfifo(fifo)
    os.chown(fifo, world.work.stat().st_uid, -1)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        held(cell, f"timeout 30 bash -c 'echo told >{fifo}'")
        assert os.read(reader, 10) == (b"told\n" if "bubblewrap" in cell else b"")
    finally:
        os.close(reader)
        fifo.unlink()


@pytest.mark.parametrize("cell", CELLS)
def test_shared_memory_of_other_programs_is_written_under_landlock_alone(cell):
    helper = confining(cell.partition("-")[0])
    world, python = helper.world, helper.python
    memory = Path(f"/dev/shm/mlwb-test-{os.getpid()}-{cell}")
    memory.write_text("was\n")
    os.chown(memory, world.work.stat().st_uid, -1)
    libc, key = ctypes.CDLL(None), 0x6D6C0000 + os.getpid() % 0xFFFF
    segment = libc.shmget(key, 4096, 0o1666)  # IPC_CREAT
    assert segment >= 0
    try:
        held(cell, f"echo is >{memory}")
        assert memory.read_text() == ("was\n" if "bubblewrap" in cell else "is\n")
        found, _ = held(cell, f"{python} -c 'import ctypes; print(ctypes.CDLL(None).shmget({key}, 0, 0) >= 0)'")
        assert found == ("False\n" if "bubblewrap" in cell else "True\n")
    finally:
        memory.unlink()
        libc.shmctl(segment, 0, None)  # IPC_RMID


@pytest.mark.parametrize("cell", CELLS)
def test_without_limits_a_command_takes_what_it_likes(cell):
    output, _ = held(cell, "ulimit -u -v -f")
    assert output.count("unlimited") >= 2


@pytest.mark.parametrize("cell", CELLS)
def test_outside_of_the_confinement_nothing_of_it_holds(cell):
    """`sandbox.outside`, or a person's yes: the command has all rights of the user."""
    output, _ = held(cell, "cat ~/.netrc; cat ../../state/token", reach="outside")
    assert "SECRET-netrc" in output and "SECRET-token" in output
