"""Others at a session: invitations, the second socket that they come by, and what limits them.

The owner's folder of sockets is closed to everybody else, so the door for guests is a socket of its own: anybody can
reach it, and whoever is not named by an invitation, or does not show its token, is turned away.
"""

import asyncio
import contextlib
import grp
import hmac
import os
import pwd
import secrets
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.host import sockets
from workbench.host.sockets import Peer
from workbench.protocol import wire
from workbench.protocol.commands import Invitation, Invited, Share
from workbench.protocol.events import JournalEvent, Notice, Shared, ShareEnded

if TYPE_CHECKING:
    from workbench.host.remote import RemoteClient

VARIABLE = "MLWB_SHARE_DIR"
LONGEST_S = 12 * 3600.0  # that an invitation holds where nothing else is said
MOST_SHARES, MOST_NAMES = 16, 32
MOST_WRONG, WRONG_S = 5, 600.0  # wrong tokens of one user, and for how long they count
_MOST_TOLD = 20  # attempts that are journalled
_STRANGERS = 16  # who is turned away at once
_LOOK_S = 30.0  # between two looks at the clock, which may be set meanwhile


class ShareError(Exception):
    """What cannot be shared so; the message says why and what to do."""


class Named:
    """A user, or a group, that an invitation names. Raises ShareError where this machine does not know it."""

    def __init__(self, who: str) -> None:
        self.who, self.token = who, secrets.token_urlsafe(24)
        self.uid = self.gid = -1
        name = who.removeprefix("@")
        try:
            if who.startswith("@"):
                self.gid = int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
            else:
                self.uid = int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
        except (KeyError, ValueError, OverflowError):
            raise ShareError(f"this machine knows no {'group' if who[:1] == '@' else 'user'} {name!r}") from None
        if self.uid == os.getuid():
            raise ShareError(f"{name} is you: `mlwb attach` joins your own sessions")

    def is_peer(self, peer: Peer) -> bool:
        """Whether PEER, as the kernel says who it is, is named."""
        return peer.uid == self.uid or (self.gid >= 0 and self.gid in _groups(peer))


class Lent:
    """One invitation that holds. `spent` is what the session cost while somebody drove who came by it."""

    def __init__(self, share: str, command: Share, named: list[Named]) -> None:
        self.id, self.named, self.role = share, named, command.role
        self.until, self.max_usd, self.spent = command.until, command.max_usd, 0.0

    def left_usd(self) -> float:
        """What is left of its dollars."""
        return float("inf") if self.max_usd is None else self.max_usd - self.spent

    def is_spent(self) -> bool:
        """Whether nothing is left of its dollars."""
        return self.left_usd() <= 0


class Shares:
    """The invitations of one session, and the door of whoever was invited."""

    def __init__(self, session: str, emit: Callable[[JournalEvent], None]) -> None:
        self._session, self._emit = session, emit
        self.take: Callable[[socket.socket], None] = socket.socket.close  # serves whoever comes by the door
        self.over: Callable[[Lent, str], None] = lambda lent, why: None  # shows out who came by an invitation
        self.lent: dict[str, Lent] = {}
        self._folder: Path | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._strangers = 0
        self._sooner = asyncio.Event()
        self._told: Counter[int] = Counter()
        self._wrong: dict[int, list[float]] = {}

    def open(self, command: Share, warning: str = "") -> Invited:
        """Invites whom COMMAND names. Raises ShareError."""
        command = _checked(command, len(self.lent))
        named = [Named(who) for who in dict.fromkeys(command.who)]
        path = self._opened()
        lent = Lent(f"i-{secrets.token_hex(3)}", command, named)
        self.lent[lent.id] = lent
        self._sooner.set()
        self._emit(
            Shared(
                share=lent.id,
                who=tuple(one.who for one in named),
                role=lent.role,
                by=command.by,
                until=lent.until,
                max_usd=lent.max_usd,
            )
        )
        invitations = tuple(Invitation(who=one.who, token=one.token) for one in named)
        return Invited(share=lent.id, socket=str(path), until=lent.until, invitations=invitations, warning=warning)

    def end(self, share: str, why: str, by: str = "") -> str:
        """Ends one invitation, all of them where SHARE is empty. Says why not."""
        ending = [lent for lent in self.lent.values() if share in ("", lent.id)]
        if not ending:
            return f"there is no invitation {share}" if share else "nobody is invited"
        for lent in ending:
            del self.lent[lent.id]
            self._emit(ShareEnded(share=lent.id, why=why, by=by))
            self.over(lent, why)
        if not self.lent:
            self._shut()
        return ""

    def invited(self, peer: Peer, token: str) -> Lent | None:
        """The invitation that PEER shows the TOKEN of. Raises ShareError after too many wrong ones."""
        now = time.monotonic()
        wrong = self._wrong[peer.uid] = [at for at in self._wrong.get(peer.uid, ()) if now - at < WRONG_S]
        if len(wrong) >= MOST_WRONG:
            raise ShareError("too many wrong tokens; come back in ten minutes")
        found, shown = None, token.encode(errors="replace")
        for lent in self.lent.values():
            for one in lent.named:
                if one.is_peer(peer) and hmac.compare_digest(one.token.encode(), shown):
                    found = lent
        if found is None:
            wrong.append(now)
            self._tell(peer, "showed a wrong token")
        return found

    # --- the door ------------------------------------------------------------------------------------------

    def _opened(self) -> Path:
        """The socket for guests, in a folder that they can pass through but not list. Raises ShareError."""
        if self._folder is None:
            parent = Path(os.environ.get(VARIABLE) or "/tmp")  # noqa: S108 - a folder of others is what is wanted
            _sweep(parent)
            try:
                self._folder = Path(tempfile.mkdtemp(prefix=f"mlwb-share-{os.getuid()}-", dir=parent))
                self._folder.chmod(0o711)
                listening = sockets.bound(self._path(), 0o666)
            except (OSError, sockets.SocketError) as error:
                self._shut()
                raise ShareError(f"{parent}: no socket for guests: {error}; set {VARIABLE} to another folder") from None
            self._begin(self._accept(listening))
            self._begin(self._keep_time())
        return self._path()

    def _path(self) -> Path:
        assert self._folder is not None
        return self._folder / f"{self._session}.sock"

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listening:
            while True:
                try:
                    taken, _ = await loop.sock_accept(listening)
                except OSError:  # no more files may be opened, for now
                    await asyncio.sleep(1.0)
                    continue
                self._came(taken)

    def _came(self, taken: socket.socket) -> None:
        try:
            peer = sockets.peer_of(taken)
        except OSError:
            taken.close()
            return
        if any(one.is_peer(peer) for lent in self.lent.values() for one in lent.named):
            self.take(taken)
        elif self._strangers >= _STRANGERS:
            taken.close()
        else:
            self._begin(self._turned_away(taken, peer))

    async def _turned_away(self, taken: socket.socket, peer: Peer) -> None:
        """Says no to a stranger, once it has said hello: else it would not read the answer."""
        self._strangers += 1
        if peer.uid != os.getuid():  # another session's host, which looks whether this door is served
            self._tell(peer, "was not invited")
        loop = asyncio.get_running_loop()
        taken.setblocking(False)
        try:
            async with asyncio.timeout(2.0):
                await loop.sock_recv(taken, wire.MOST_HELLO)
                await loop.sock_sendall(taken, wire.line(wire.Refused(code="invitation", why=NOT_INVITED)))
        except (OSError, TimeoutError):
            pass
        finally:
            self._strangers -= 1
            taken.close()

    def _tell(self, peer: Peer, what: str) -> None:
        """Journals an attempt; so many of each user and no more, so that nobody fills the journal."""
        self._told[peer.uid] += 1
        if self._told[peer.uid] <= MOST_WRONG and self._told.total() <= _MOST_TOLD:
            who = name_of(peer.uid)
            text = f"{who} (uid {peer.uid}) came to the door of the invited and {what}"
            self._emit(Notice(level="warning", text=text, about="sharing"))

    async def _keep_time(self) -> None:
        while self.lent:
            soon = min(lent.until for lent in self.lent.values())
            self._sooner.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.01, min(_LOOK_S, soon - time.time()))):
                    await self._sooner.wait()
            for lent in list(self.lent.values()):
                if lent.until <= time.time():
                    self.end(lent.id, f"it held until {_clock(lent.until)}")

    def _shut(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        current = _current()
        for task in self._tasks:
            if task is not current:
                task.cancel()

    def close(self) -> None:
        """Leaves no door behind."""
        self.lent.clear()
        self._shut()


NOT_INVITED = "you are not invited to this session; its owner invites with `mlwb share --with NAME`"


def _sweep(parent: Path) -> None:
    """Removes what hosts of this user that were killed have left in PARENT: folders whose socket nobody serves."""
    for path in parent.glob(f"mlwb-share-{os.getuid()}-*/*.sock"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as trying:
            if path.parent.lstat().st_uid != os.getuid():
                continue
            try:
                trying.settimeout(0.2)
                trying.connect(str(path))
            except ConnectionRefusedError:
                shutil.rmtree(path.parent, ignore_errors=True)


def _current() -> "asyncio.Task[None] | None":
    with contextlib.suppress(RuntimeError):
        return asyncio.current_task()
    return None


def _checked(command: Share, open_now: int) -> Share:
    """COMMAND with an end; raises ShareError where it asks for what is not given."""
    import msgspec

    if command.role not in ("viewer", "suggester", "driver"):
        raise ShareError("a role is one of viewer, suggester, driver")
    if not 1 <= len(command.who) <= MOST_NAMES or open_now >= MOST_SHARES:
        raise ShareError(f"1 to {MOST_NAMES} users or groups are invited at once, {MOST_SHARES} times")
    if command.max_usd is not None and (command.role != "driver" or not command.max_usd > 0):
        raise ShareError("dollars limit who drives: --max-usd goes with --role driver, and is more than 0")
    until = command.until or time.time() + LONGEST_S
    if not time.time() < until < time.time() + 366 * 86_400:
        raise ShareError("an invitation holds until a moment that is yet to come, within a year")
    return msgspec.structs.replace(command, until=until)


def _clock(at: float) -> str:
    return time.strftime("%H:%M", time.localtime(at))


def name_of(uid: int) -> str:
    """The user's name, as the kernel's number stands in this machine's list; the number where it does not."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _groups(peer: Peer) -> set[int]:
    try:
        return {peer.gid, *os.getgrouplist(pwd.getpwuid(peer.uid).pw_name, peer.gid)}
    except (KeyError, OSError):
        return {peer.gid}


async def dial_invitation(
    path: str, token: str, role: str = "driver", place: str = "", retry_s: float = 30.0
) -> "RemoteClient":
    """A client of the session behind the socket for guests at PATH. Raises NotAttachedError."""
    from workbench import __version__
    from workbench.host.client import seat
    from workbench.host.remote import LIMIT, NotAttachedError, RemoteClient

    async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(path, limit=LIMIT)
        except FileNotFoundError:
            raise NotAttachedError("there is no such invitation any more: ask who invited you") from None

    def hello() -> wire.Hello:
        return wire.Hello(token=token, role=role, program=__version__, place=place or seat())

    client = RemoteClient(dial, hello, retry_s)
    await client.begin()
    return client
