"""Two system users and a real sshd: a guest logs in as themself and sees the owner's session, as far as invited."""

import contextlib
import json
import os
import pwd
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.endpoint import Endpoint, say
from support.hosts import Fold, Hosts, Seat, number, prompt
from support.mlwb import Place
from support.sshd import SSHD
from support.tmux import Tmux
from workbench.protocol import events as e
from workbench.protocol.commands import EndShare, Share

IMPORTS = "import workbench.cli, msgspec, textual"
MAIN = "import sys; from workbench.cli import main; sys.exit(main())"


def guest() -> tuple[pwd.struct_passwd, str]:
    """Another user of this machine who may log in, and a Python that they can run mlwb with; else skips."""
    if os.geteuid() != 0 or SSHD is None or not Path("/etc/pam.d/sshd").exists():
        pytest.skip("two users at one sshd need root, an sshd, and its rules for PAM")
    path = os.pathsep.join(filter(None, sys.path))
    for user in pwd.getpwall():
        usable = user.pw_uid and not user.pw_shell.endswith(("nologin", "false", "sync")) and user.pw_shell
        if not usable or not Path(user.pw_shell).exists() or not Path(user.pw_dir).is_dir():
            continue
        for python in (sys.executable, "/usr/bin/python3"):
            with contextlib.suppress(OSError):
                tried = subprocess.run(
                    [python, "-c", IMPORTS], user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/",
                    env={"PYTHONPATH": path, "HOME": "/"}, capture_output=True, timeout=60,
                )  # fmt: skip
                if tried.returncode == 0:
                    return user, f"PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={shlex.quote(path)} {python}"
    pytest.skip("no other user of this machine can log in and run mlwb")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can pass through."""
    with tempfile.TemporaryDirectory(prefix="mlwb-two-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[list[str]]:
    """An sshd on loopback that lets every user in by one key; how ssh goes there."""
    for name in ("host", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(command, check=True, timeout=60)
    (folder / "authorized").write_text((folder / "key.pub").read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nStrictModes no\nUsePAM yes\n"
        f"AuthorizedKeysFile {folder}/authorized\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PrintMotd no\nPrintLastLog no\n"
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process = subprocess.Popen([str(SSHD), "-D", "-f", folder / "config"], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.02)
        given = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"]
        options = [part for one in given for part in ("-o", one)]
        yield ["ssh", "-F", "/dev/null", *options, "-i", str(folder / "key"), "-p", str(port)]
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.slow
def test_a_guest_of_another_account_sees_the_session_and_is_shown_out(
    place: Place, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, python = guest()
    monkeypatch.setenv("MLWB_SHARE_DIR", str(open_folder))
    with (
        Endpoint(after=say("The loss is 0.5, and it falls.")) as endpoint,
        Hosts(place, endpoint.url) as hosts,
        Seat(hosts) as seat,
        listening(open_folder) as ssh,
    ):
        assert seat.do(prompt(seat.client, "How is the loss?")).ok
        where = f"{user.pw_name}@127.0.0.1"
        if (tried := subprocess.run([*ssh, where, "true"], timeout=60)).returncode:
            pytest.skip(f"sshd does not let {user.pw_name} in ({tried.returncode})")
        ack = seat.send(Share(id=number(), who=(user.pw_name,), role="viewer", by="x"))
        assert ack.ok, ack.error
        invited = json.loads(ack.value)
        attach = f"{python} -c {shlex.quote(MAIN)} attach {invited['socket']}"

        plain = "TERM=xterm-256color LANG=C.UTF-8"
        with Tmux(shell=(*ssh, "-tt", where, f"{plain} MLWB_TOKEN=guessed {attach}"), size=(110, 30)) as tmux:
            tmux.wait("not that of an invitation")
        peeks = f"cat {seat.folder}/token {seat.folder}/events.jsonl; ls {seat.socket.parent}"
        assert subprocess.run([*ssh, where, peeks], capture_output=True, timeout=60).stdout == b""

        there = f"{plain} MLWB_TOKEN={invited['invitations'][0]['token']} {attach}"
        with Tmux(shell=(*ssh, "-tt", where, there), size=(110, 30)) as tmux:
            tmux.wait(lambda screen: "The loss is 0.5, and it falls." in screen and "you watch" in screen)
            tmux.type("rm everything")
            tmux.keys("Enter")
            assert seat.do(prompt(seat.client, "And now?")).ok
            tmux.wait("And now?")
            assert seat.send(EndShare(id=number(), by="x")).ok
            tmux.wait("your invitation ended")
        fold = Fold(seat.folder)
        joined = [one for one in fold.events(e.ClientJoined) if not one.owner]
        assert [(one.user, one.role) for one in joined] == [(user.pw_name, "viewer")]
        assert {one.text for one in fold.events(e.PromptQueued)} == {"How is the loss?", "And now?"}
        fold.close()
