"""`mlwb attach /tmp/mlwb-share-…/ID.sock`: joins another user's session, by an invitation of theirs."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from workbench.protocol.visible import visible
from workbench.verbs.attach import needs_a_terminal
from workbench.verbs.attach_far import FarOpening
from workbench.verbs.workbench import show

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from workbench.host.client import Client
    from workbench.tui.opening import FindingRow

TOKEN = "MLWB_TOKEN"  # noqa: S105 - the name of a variable


def attach(path: str, role: str, token_file: str | None, theme: str | None) -> int:
    """Joins the session behind the socket at PATH; returns the exit status. The token is never on a command line."""
    if status := needs_a_terminal():
        return status
    try:
        token = token_of(token_file)
    except (OSError, ValueError) as error:
        print(f"mlwb: {visible(str(error))}", file=sys.stderr)
        return 2
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)
        return 130
    return show(InvitedOpening(path, token, role), theme)


def token_of(file: str | None) -> str:
    """The invitation's token: from FILE, the environment, or asked for. Raises OSError, ValueError, EOFError."""
    if file is not None:
        token = Path(file).read_text(encoding="utf-8", errors="replace")[:200].strip()
    elif (token := os.environ.pop(TOKEN, "").strip()) == "":
        import getpass

        token = getpass.getpass("the invitation's token: ").strip()
    if not token:
        raise ValueError("without its token an invitation opens nothing")
    return token


class InvitedOpening(FarOpening):
    """Joins the session behind PATH. All that lies beside that session is its owner's, and not seen here."""

    def __init__(self, path: str, token: str, role: str) -> None:
        from workbench.session.identity import user_name

        self._path, self._token, self._role = path, token, role
        self.far = ""  # it is this machine
        self.agent, self.workspace, self.user = "", Path.cwd(), user_name()
        self.tour = self.asking = self.choosing = None
        self._session = Path(path).stem

    def way_back(self, session: str) -> str:
        """The command that comes back to SESSION."""
        return f"mlwb attach {self._path}"

    async def open(self, agent: str | None = None, model: str | None = None) -> "Client":
        """The session there. Raises NotOpenedError."""
        from workbench.host.remote import NotAttachedError
        from workbench.host.share import dial_invitation
        from workbench.tui.opening import NotOpenedError

        if agent or model:
            self._not_here("a session of your own is begun with `mlwb`")
        try:
            client = await dial_invitation(self._path, self._token, self._role)
        except NotAttachedError as error:
            again = (self.way_back(""), "tries again, and asks for the token; a new one comes from who invited you")
            why = f"This session cannot be joined: {error}"
            raise NotOpenedError("error_during_execution", why, (again,)) from None
        self._session, self.workspace = client.session, Path(client.state.workspace or "/")
        return client

    async def findings(self) -> "AsyncIterator[FindingRow]":
        """What the doctor looks at is the owner's."""
        from workbench.tui.opening import FindingRow

        yield FindingRow(name="session", ok=None, detail="you are a guest in it", fix="its owner runs mlwb doctor")

    def _not_here(self, words: str) -> NoReturn:
        from workbench.tui.opening import NotOpenedError

        raise NotOpenedError("error_usage", "You are a guest in this session; what is beside it is its owner's.")
