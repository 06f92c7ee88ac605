"""A session on another machine: OpenSSH carries the frames and says who may come. No port, no server of our own.

`ssh HOST mlwb attach --stdio [ID]` runs with pipes. The first time it has the terminal, for a password or a host key;
from then on the screen is drawn there, and it asks nothing any more.
"""

import asyncio
import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from typing import NamedTuple
from urllib.parse import urlsplit

from workbench.host.remote import LIMIT, NotAttachedError
from workbench.protocol import wire
from workbench.protocol.codec import MalformedError

SSH, REMOTE = "MLWB_SSH", "MLWB_REMOTE_COMMAND"
# A shell that is no login shell often does not look where `pip install --user`, pipx and uv put programs.
_REMOTE = 'PATH="$PATH:$HOME/.local/bin" exec mlwb'
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9]{1,16})?")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_OPTIONS = ("ServerAliveInterval=10", "ServerAliveCountMax=3", "ClearAllForwardings=yes", "ForwardAgent=no",
            "ForwardX11=no", "PermitLocalCommand=no", "RemoteCommand=none")  # fmt: skip
_QUIETLY = ("BatchMode=yes", "ConnectTimeout=15")
_NOISE = 1 << 16  # bytes that a far shell may say before the first frame
_KEPT = 4096
_GREETING_S = 45.0
_ASKS = ("permission denied", "host key verification failed", "too many authentication failures")


class FarError(Exception):
    """A far session that cannot be reached; the message says why and what to do."""


class Far(NamedTuple):
    """A machine behind ssh, and the session meant there; empty: the one that is live."""

    host: str
    user: str = ""
    port: int | None = None
    session: str = ""

    def url(self, session: str = "") -> str:
        """As `mlwb attach` takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        named = f"/{session or self.session}".rstrip("/")
        return f"ssh://{self.user and self.user + '@'}{host}{f':{self.port}' if self.port else ''}{named}"


def read(url: str) -> Far:
    """`ssh://[user@]host[:port][/ID]`, decoded; nothing in it can become an option or a command. Raises FarError."""
    form = "it looks like ssh://[user@]host[:port][/ID]"
    if not url.isprintable() or " " in url:
        raise FarError(f"{url!r} is no address; {form}")
    try:
        parts = urlsplit(url)
        port, host, user = parts.port, parts.hostname or "", parts.username or ""
    except ValueError:
        raise FarError(f"{url!r} is no address; {form}") from None
    named = parts.netloc.rpartition("@")[2].strip("[]")
    if host == named.lower():
        host = named  # urlsplit makes it lower case; a `Host` of ssh's config may not be
    elif named.lower().startswith(host):
        host = named[: len(host)]
    session = parts.path.strip("/")
    if parts.scheme != "ssh" or parts.password or parts.query or parts.fragment:
        raise FarError(f"{url!r} is no address of a session; {form}")
    for found, wanted, what in ((host, _HOST, "host"), (user or "u", _USER, "user"), (session or "s", _ID, "session")):
        if not wanted.fullmatch(found):
            raise FarError(f"{url!r} names no {what}; {form}")
    return Far(host, user, port, session)


class Ssh:
    """The way to FAR, made by `ssh` (its command in words) and the far REMOTE command that stands for `mlwb`."""

    def __init__(self, far: Far, ssh: str = "", remote: str = "") -> None:
        self.far = far
        try:
            self._ssh = shlex.split(ssh or os.environ.get(SSH, "")) or ["ssh"]
        except ValueError as error:
            raise FarError(f"{SSH} cannot be read: {error}") from None
        self._remote = remote or os.environ.get(REMOTE, "") or _REMOTE
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None  # a way that nobody has taken yet
        self._said = bytearray()
        self._listening = threading.Thread()
        self._telling = False

    def command(self, quietly: bool) -> list[str]:
        """The ssh command. QUIETLY: it asks nothing of a person."""
        options = [*_OPTIONS, *(_QUIETLY if quietly else ())]
        given = [part for option in options for part in ("-o", option)]
        port = ["-p", str(self.far.port)] if self.far.port else []
        where = f"{self.far.user}@{self.far.host}" if self.far.user else self.far.host
        words = shlex.join(["attach", "--stdio", *([self.far.session] if self.far.session else [])])
        return [*self._ssh, "-T", *given, *port, "--", where, f"{self._remote} {words}"]

    def begin(self) -> None:
        """Goes there for the first time, with the terminal for what ssh asks. Raises FarError."""
        try:
            self._socket = self._gone_there(quietly=False)
        except (NotAttachedError, OSError) as error:
            raise FarError(str(error)) from None

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The way there, a new one if need be. Raises OSError where there is none now, NotAttachedError for good."""
        way, self._socket = self._socket, None
        if way is None:
            way = await asyncio.to_thread(self._gone_there, True)
        way.setblocking(False)
        return await asyncio.open_unix_connection(sock=way, limit=LIMIT)

    def hang_up(self) -> None:
        """Ends the way there."""
        process, self._process = self._process, None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if process is not None:
            process.kill()
            process.wait()

    def _gone_there(self, quietly: bool) -> socket.socket:
        """A socket whose other end is the far session's, past what a far shell said first."""
        self.hang_up()
        self._said.clear()
        self._telling = not quietly
        ours, theirs = socket.socketpair()
        try:
            self._process = process = subprocess.Popen(
                self.command(quietly),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                start_new_session=quietly,
            )
        except OSError as error:
            ours.close()
            raise NotAttachedError(f"{self._ssh[0]} cannot be started: {error.strerror}") from None
        finally:
            theirs.close()
        self._listening = threading.Thread(target=self._listen, args=(process,), daemon=True)
        self._listening.start()
        try:
            ours.settimeout(_GREETING_S if quietly else None)
            self._greeted(ours, process)
        except BaseException:
            ours.close()
            self.hang_up()
            raise
        self._telling = False
        return ours

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        """Keeps the end of what ssh says; before the screen is drawn the person hears it too."""
        assert process.stderr is not None
        with process.stderr as stream:
            while data := stream.read1(_KEPT):  # type: ignore[attr-defined]
                if self._telling:
                    with contextlib.suppress(OSError):
                        sys.stderr.buffer.write(data)
                        sys.stderr.flush()
                self._said += data
                del self._said[:-_KEPT]

    def _greeted(self, way: socket.socket, process: "subprocess.Popen[bytes]") -> None:
        """Returns at the first frame. Raises NotAttachedError where that is a refusal, and what `_ended` does."""
        kept = bytearray()
        while len(kept) < _NOISE:
            try:
                chunk = way.recv(1)  # the first frame is not to be read beyond
            except TimeoutError:
                raise ConnectionError(f"{self.far.host} says nothing") from None
            if not chunk:
                raise self._ended(process)
            kept += chunk
            if chunk != b"\n":
                continue
            with contextlib.suppress(MalformedError):
                frame = wire.from_host(bytes(kept[kept.rfind(b"\n", 0, -1) + 1 :]))
                if isinstance(frame, wire.Refused):
                    raise NotAttachedError(frame.why, frame.code)
                if isinstance(frame, wire.Beat):
                    return
        raise NotAttachedError(f"what answers on {self.far.host} is no mlwb: {_last_line(kept)}")

    def _ended(self, process: "subprocess.Popen[bytes]") -> OSError | NotAttachedError:
        """Why ssh ended before there was a session, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5.0)
        self._listening.join(1.0)
        said = _last_line(self._said)
        if process.returncode == 127:
            return NotAttachedError(
                f"there is no mlwb on the PATH of {self.far.host}: say where it is by "
                f"`--remote-command /path/to/mlwb`, or {REMOTE}"
            )
        if process.returncode == 255 and not any(words in said.lower() for words in _ASKS):
            return ConnectionError(f"ssh: {said or f'{self.far.host} cannot be reached'}")
        if process.returncode == 255:
            return NotAttachedError(f"ssh: {said}; `mlwb attach {self.far.url()}` lets it ask")
        return NotAttachedError(f"{self.far.host}: {said or f'the command ended with {process.returncode}'}")


def _last_line(said: bytes | bytearray) -> str:
    from workbench.protocol.visible import visible

    lines = bytes(said).decode("utf-8", "replace").strip().splitlines()
    return visible(lines[-1].strip())[:300] if lines else ""
