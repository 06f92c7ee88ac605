"""`mlwb attach`: joins a live session from another terminal, on this machine or, through ssh, from afar."""

import argparse
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.verbs.options import Parser, fail
from workbench.verbs.workbench import Opening, show
from workbench.verbs.workbench_flags import Asked

if TYPE_CHECKING:
    from workbench.host.client import Client
    from workbench.protocol.wire import Live
    from workbench.tui.opening import Choosing

ROLES = ("driver", "suggester", "viewer")
_ABOUT = """Joins a live session from another terminal. It goes on where it is; leaving does not end what it does."""
_WHERE = """a session's id, or the beginning of one; `ssh://[user@]host[:port][/ID]` is drawn here and lives there;
the path of a socket, which an invitation names, is another user's; without it the only live one, or one of a list"""


def main(args: list[str]) -> int:
    """Runs `mlwb attach ARGS`; returns the exit status: 2 where there is nothing to attach to."""
    options = _parser().parse_args(args)
    target = options.session or ""
    if options.stdio:
        return _relay(target)
    if target.startswith("ssh://"):
        from workbench.verbs.attach_far import attach

        return attach(target, options.role, options.remote_command, options.theme)
    if "/" in target and target.endswith(".sock"):
        from workbench.verbs.attach_invited import attach as attach_invited

        return attach_invited(target, options.role, options.token_file, options.theme)
    if "://" in target or "@" in target:
        return fail(f"{target} is no session; one on another machine is named ssh://[user@]host[/ID]")
    return _here(target, options)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="mlwb attach", description=_ABOUT)
    parser.add_argument("session", nargs="?", metavar="ID", help=_WHERE)
    parser.add_argument(
        "--role", choices=ROLES, default="driver", help="as what; less may be granted (default: driver)"
    )
    parser.add_argument("--remote-command", default="", metavar="COMMAND",
                        help="what stands for `mlwb` on the other machine, for its shell")  # fmt: skip
    parser.add_argument("--token-file", metavar="FILE", help="where the invitation's token stands; else MLWB_TOKEN, or "
                        "it is asked for")  # fmt: skip
    parser.add_argument("--theme", metavar="NAME", help="how it looks, this time")
    parser.add_argument("--stdio", action="store_true", help="speaks the protocol, for a client behind ssh")
    return parser


def needs_a_terminal() -> int:
    """2, and words, where there is no terminal to draw on; 0 where there is."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return 0
    return fail("attach draws on a terminal; `mlwb sessions show ID` tells how a session stands without one")


def _relay(prefix: str) -> int:
    for fd in (0, 1):
        mode = os.fstat(fd).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            return fail("--stdio is for programs: it speaks the protocol (docs/protocol.md) over two pipes")
    from workbench.host.pump import relay

    return relay(prefix)


def _here(prefix: str, options: argparse.Namespace) -> int:
    from workbench.host import finding

    try:
        if prefix:
            sessions = [finding.one_of(finding.live_folder(prefix))]
        elif not (sessions := finding.live_sessions()):
            return fail(finding.none_live())
        elif len(sessions) == 1:
            finding.live_folder(sessions[0].id)
    except LookupError as error:
        return fail(str(error))
    return needs_a_terminal() or show(Attaching(sessions, options.role), options.theme)


class Attaching(Opening):
    """Joins one of the live SESSIONS; from then on it opens others as `mlwb` does."""

    def __init__(self, sessions: "Sequence[Live]", role: str) -> None:
        self._sessions, self._role, self._joined_one = sessions, role, False
        self.choosing: Choosing | None = None
        first = sessions[0]
        super().__init__(Asked(), _folder(first.workspace), os.environ)
        self.agent = first.agent if len(sessions) == 1 else ""

    async def open(self, agent: str | None = None, model: str | None = None) -> "Client":
        """The session that is attached to; with an AGENT or a MODEL a new one in its workspace."""
        if agent or model or self._joined_one:
            return await super().open(agent, model)
        client = await self._attached(self._sessions[0].id if len(self._sessions) == 1 else await self._chosen())
        self._joined_one = True
        return client

    async def _chosen(self) -> str:
        from workbench.tui.opening import NotOpenedError

        chosen = await self.choosing(self._sessions) if self.choosing is not None else None
        if chosen is None:
            raise NotOpenedError("error_usage", "No session was chosen; `ctrl+o` lists them again.")
        self.workspace = _folder(next(one.workspace for one in self._sessions if one.id == chosen))
        return chosen

    async def _attached(self, session: str) -> "Client":
        from workbench.host import finding, remote
        from workbench.tui.opening import NotOpenedError

        try:
            return await remote.attach(await self.tried(lambda: finding.live_folder(session)), self._role)
        except (LookupError, remote.NotAttachedError) as error:
            raise NotOpenedError("error_usage", f"{session} cannot be joined: {error}") from None


def _folder(workspace: str) -> Path:
    """Where things of the session lie; this folder where that one cannot be entered."""
    return Path(workspace) if workspace and os.access(workspace, os.X_OK) else Path.cwd()
