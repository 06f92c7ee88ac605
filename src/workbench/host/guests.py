"""Who may come to a session, and what each of them may do there. The host enforces it, whatever a client says."""

import os
import pwd
import secrets

from workbench.host.hosting import Hosting
from workbench.host.sockets import Peer, descends
from workbench.protocol import wire
from workbench.protocol.commands import AnyCommand, Interrupt, Stop

ROLES = ("viewer", "suggester", "driver")


class RefusedError(Exception):
    """A client is not let in; the code is the wire's."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


class Guest:
    """Somebody who is here: the user that the kernel names, and the most that they may do."""

    def __init__(self, user: str, role: str, owner: bool, place: str = "") -> None:
        self.user, self.role, self.owner, self.place = user, role, owner, place


class Guests:
    """The doors of one session."""

    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self.token = ""  # the owner's; nobody comes in while there is none

    def owners(self, peer: Peer, hello: wire.Hello) -> Guest:
        """The door that only the session's owner can reach. Raises RefusedError."""
        if peer.uid != os.getuid():
            raise RefusedError("identity", "this session belongs to another user")
        if descends(peer.pid, os.getpid()):
            raise RefusedError("identity", "a command of the session cannot be its client")
        if not self.token or not secrets.compare_digest(hello.token.encode(), self.token.encode()):
            raise RefusedError("identity", "the token is not this session's")
        return Guest(_name(peer.uid), hello.role if hello.role in ROLES else "viewer", owner=True, place=hello.place)

    def left(self, guest: Guest) -> None:
        """GUEST is gone."""

    def refusal(self, guest: Guest, command: AnyCommand) -> str:
        """Why GUEST may not send COMMAND; empty where they may."""
        if not self._hosting.session.task.interactive and not isinstance(command, Stop | Interrupt):
            return "nobody steers a headless run; it can be watched, and stopped"
        return "" if guest.role == "driver" else f"a {guest.role} does not steer the session"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
