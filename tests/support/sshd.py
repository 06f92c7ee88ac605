"""A real sshd of this user on loopback, with keys and a configuration of its own.

with Sshd(tmp_path) as sshd:
    Tmux(shell=sshd.command("exec bash --norc"))
"""

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def missing() -> str | None:
    """Why there can be no sshd here; None where there can."""
    if SSHD is None or shutil.which("ssh") is None:
        return "no sshd here (Debian, Ubuntu: apt install openssh-server)"
    try:
        shell = pwd.getpwuid(os.geteuid()).pw_shell
    except KeyError:
        return "this user is in no list of users, so sshd lets it in nowhere"
    if shell.endswith(("/nologin", "/false")):
        return f"this user has no shell to log in to ({shell})"
    if os.geteuid() == 0 and not Path("/run/sshd").is_dir():
        try:
            Path("/run/sshd").mkdir(mode=0o755)
        except OSError as error:
            return f"sshd wants /run/sshd: {error.strerror}"
    return None


class Sshd:
    """An sshd alive inside a `with`; only the key that it made itself is let in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ssh"
        self.folder.mkdir(mode=0o700)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def __enter__(self) -> Self:
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True, timeout=60
            )
        (self.folder / "authorized").write_text((self.folder / "user.pub").read_text())
        (self.folder / "authorized").chmod(0o600)
        config = self.folder / "config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder / 'host'}\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder / 'authorized'}\nStrictModes no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nUsePAM no\nPermitRootLogin prohibit-password\nPrintMotd no\n"
        )
        log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", config], stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self.process.poll() is None and time.monotonic() < until, self.log()
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def log(self) -> str:
        """What sshd has said."""
        return (self.folder / "log").read_text(errors="replace")

    def refusal(self) -> str | None:
        """Why this user is not let in (a locked account, a policy of the machine); None where it is."""
        tried = subprocess.run(self.command("true"), capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        said = (self.log().strip().splitlines() or ["nothing said"])[-1]
        return None if tried.returncode == 0 else f"sshd lets this user not in: {said}"

    def command(self, remote: str) -> tuple[str, ...]:
        """An ssh that runs REMOTE there on a terminal."""
        options = {
            "StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null", "IdentitiesOnly": "yes",
            "LogLevel": "ERROR", "BatchMode": "yes",
        }  # fmt: skip
        given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        where = [
            "-p",
            str(self.port),
            "-i",
            str(self.folder / "user"),
            f"{pwd.getpwuid(os.geteuid()).pw_name}@127.0.0.1",
        ]
        return ("ssh", "-tt", "-F", "/dev/null", *given, *where, remote)
