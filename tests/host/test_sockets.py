"""Where sockets lie: a folder of this user's own, or words; what a host that is gone left is found."""

import os
import socket
from pathlib import Path

import pytest

from workbench.host import sockets
from workbench.host.sockets import SocketError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the sockets are to lie; nothing is there yet."""
    path = tmp_path / "sock"
    monkeypatch.setenv("MLWB_SOCKET_DIR", str(path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return path


def test_without_a_word_it_is_the_same_folder_for_every_login_and_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLWB_SOCKET_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/somewhere/of/a/job")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert sockets.folder() == Path(f"/tmp/mlwb-{os.getuid()}")


def test_it_is_made_for_this_user_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        sockets.made_folder()
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    sockets.made_folder()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_link_or_a_file_in_its_place_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "other")
    for refused in (sockets.made_folder, sockets.sweep, lambda: sockets.path_of("s-1")):
        with pytest.raises(SocketError, match="is a link, so it is not used"):
            refused()
    folder.unlink()
    folder.write_text("")
    with pytest.raises(SocketError, match="something else in its place"):
        sockets.made_folder()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a folder to somebody else")
def test_somebody_elses_folder_is_refused_by_host_and_client(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    for refused in (sockets.made_folder, lambda: sockets.path_of("s-1")):
        with pytest.raises(SocketError, match=r"belongs to \w+, so it is not used.*Have it removed, or set MLWB_SOCK"):
            refused()


def test_a_folder_that_is_no_whole_path_or_too_long_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLWB_SOCKET_DIR", "sock")
    with pytest.raises(SocketError, match="it has to be a whole path"):
        sockets.made_folder()
    monkeypatch.setenv("MLWB_SOCKET_DIR", str(tmp_path / ("x" * 100)))
    with pytest.raises(SocketError, match="too long for a socket; set MLWB_SOCKET_DIR to a shorter folder"):
        sockets.sweep()


def test_what_nobody_listens_at_is_swept_and_what_somebody_does_is_left(folder: Path, tmp_path: Path) -> None:
    sockets.made_folder()
    (tmp_path / "state/mlwb/sessions/s-known").mkdir(parents=True)  # its lock is held by nobody
    with sockets.bound(folder / "s-lives.sock") as lives:
        for name in ("s-gone", "s-known"):
            sockets.bound(folder / f"{name}.sock").close()
        (folder / "notes.txt").write_text("not ours to remove")
        assert {path.stem for path in sockets.sweep()} == {"s-gone", "s-known"}
        assert {path.name for path in folder.iterdir()} == {"s-lives.sock", "notes.txt"}
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(folder / "s-lives.sock"))
            if sockets.clients():  # not everywhere does the kernel tell
                assert sockets.clients()["s-lives"] >= 1
        assert lives.fileno() >= 0
