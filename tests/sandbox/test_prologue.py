"""What the host reads after a command, in a folder where the command could put anything."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.confining import CELLS, close_helpers, confining
from workbench.sandbox import prologue
from workbench.sandbox.confined import git_folders
from workbench.session.watch import Watch


@pytest.fixture(scope="module", autouse=True)
def _helpers():
    yield
    close_helpers()


def of(scratch: Path) -> Path | None:
    return prologue.read(scratch).cwd


def test_the_folder_that_a_command_ended_in_is_learned(tmp_path: Path) -> None:
    real = tmp_path.resolve()
    (tmp_path / "cwd").write_text(f"{real}\n")
    assert of(tmp_path) == real


PLANTED: dict[str, Callable[[Path], object]] = {
    "a link to a secret": lambda path: path.symlink_to(path.parent / "secret"),
    "a hard link to one": lambda path: path.hardlink_to(path.parent / "secret"),
    "a link without an end": lambda path: path.symlink_to("/dev/zero"),
    "a FIFO": os.mkfifo,
    "a folder": lambda path: path.mkdir(),
    "much": lambda path: path.write_text("/" + "x" * 100_000),
    "a way up": lambda path: path.write_text(f"{path.parent.resolve()}/../..\n"),
    "a name with a NUL": lambda path: path.write_text("/a\0b"),
    "a link in the way": lambda path: path.write_text(f"{path.parent.resolve()}/way/etc\n"),
    "no path": lambda path: path.write_text("words\n"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_nothing_that_was_planted_there_is_followed_waited_for_or_believed(tmp_path: Path, what: str) -> None:
    (tmp_path / "secret").write_text("/SECRET\n")
    (tmp_path / "way").symlink_to("/")
    PLANTED[what](tmp_path / "cwd")
    assert of(tmp_path) is None


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.endswith(("bubblewrap", "-7"))])
def test_a_confined_command_plants_it_and_learns_nothing(cell: str) -> None:
    """The shell's own folder is writable to it, and it can find out where that is."""
    user, _, layer = cell.partition("-")
    helper = confining(user)
    found = helper.ask(
        "planted", layer=layer, command="d=$0; trap - EXIT; rm -f $d/cwd; ln -s ~/.netrc $d/cwd; ls -l $d"
    )
    assert "cwd -> " in found["output"] and found["cwd"] is None


@pytest.mark.parametrize("what", ["a FIFO", "a link without an end", "much", "a folder"])
def test_a_git_file_that_is_none_keeps_nobody_waiting(tmp_path: Path, what: str) -> None:
    PLANTED[what](tmp_path / ".git")
    watch = Watch((tmp_path,), tmp_path / "aside")
    watch.look()
    assert watch.compare() == []
    assert git_folders((tmp_path,)) == ((tmp_path / ".git",) if what == "a folder" else ())


def test_a_worktree_whose_folder_holds_no_files_is_none(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: own\n")
    (tmp_path / "own").mkdir()
    os.mkfifo(tmp_path / "own/gitdir")
    (tmp_path / "own/commondir").symlink_to("/dev/zero")
    assert git_folders((tmp_path,)) == ()
