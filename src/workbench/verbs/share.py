"""`mlwb share`: invites others to a live session of this user, and shows them out again."""

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.protocol.inviting import handed, until
from workbench.protocol.visible import visible
from workbench.verbs.options import Parser, fail

if TYPE_CHECKING:
    from workbench.host.remote import RemoteClient
    from workbench.protocol.commands import AnyCommand
    from workbench.protocol.state import OpenShare

ROLES = ("viewer", "suggester", "driver")
_ABOUT = """Invites users of this machine to a live session, with a token for each of them. A viewer sees everything, a
suggester talks and suggests as well, a driver may take the wheel."""


def main(args: list[str]) -> int:
    """Runs `mlwb share ARGS`; returns the exit status: 2 for a session or a flag that does not do, 1 where refused."""
    options = _parser().parse_args(args)
    from workbench.host import finding

    try:
        if options.list:
            return _list(options)
        folder = finding.live_folder(options.session) if options.session else _only_one()
    except LookupError as error:
        return fail(error, 2)
    if not options.stop and not options.who:
        return fail("whom? `mlwb share --with NAME,@GROUP` invites, --stop and --list do the rest", 2)
    import asyncio

    return asyncio.run(_ask(folder, options))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="mlwb share", description=_ABOUT)
    parser.add_argument("session", nargs="?", metavar="ID", help="a live session; without it the only one")
    parser.add_argument("--with", dest="who", type=_names, default=(), metavar="NAME,@GROUP", help="who is invited")
    parser.add_argument("--role", choices=ROLES, default="viewer", help="the most that they may do (default: viewer)")
    parser.add_argument("--until", type=_until, default=0.0, metavar="18:00|2h",
                        help="when the invitation ends (default: in 12 hours)")  # fmt: skip
    parser.add_argument("--max-usd", type=float, metavar="USD", help="what the session may cost while they drive")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--stop", action="store_true", help="ends the invitations and shows everybody out")
    what.add_argument("--list", action="store_true", help="the invitations that hold")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _until(text: str) -> float:
    try:
        return until(text, time.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(visible(str(error))) from None


def _only_one() -> Path:
    from workbench.host import finding

    sessions = finding.live_sessions()
    if not sessions:
        raise LookupError(finding.none_live())
    if len(sessions) > 1:
        raise LookupError(f"{len(sessions)} sessions are live; name one: {', '.join(one.id for one in sessions)}")
    return finding.live_folder(sessions[0].id)


async def _ask(folder: Path, options: argparse.Namespace) -> int:
    from workbench.host import remote
    from workbench.protocol import commands

    try:
        client = await remote.attach(folder, place="mlwb share")
    except remote.NotAttachedError as error:
        return fail(error, 1)
    try:
        command: AnyCommand = (
            commands.EndShare(id="share", by="")
            if options.stop
            else commands.Share(
                id="share", who=options.who, role=options.role, until=options.until, max_usd=options.max_usd, by=""
            )
        )
        return await _told(client, command, options)
    finally:
        await client.close()


async def _told(client: "RemoteClient", command: "AnyCommand", options: argparse.Namespace) -> int:
    ack = await client.send(command)
    if not ack.ok:
        return fail(ack.error, 1)
    if options.stop:
        print(f"mlwb: nobody is invited to {client.session} any more", file=sys.stderr)
        return 0
    import msgspec

    from workbench.protocol.commands import Invited

    invited = msgspec.json.decode(ack.value, type=Invited)
    if options.json:
        print(json.dumps(msgspec.to_builtins(invited), indent=2))
    else:
        print("\n\n".join(handed(invited, options.role)))
        print(f"\nmlwb: the tokens are told this once; `mlwb share --stop {client.session}` ends it", file=sys.stderr)
    if invited.warning:
        print(f"mlwb: {visible(invited.warning)}", file=sys.stderr)
    return 0


def _list(options: argparse.Namespace) -> int:
    from workbench.host import finding

    folders = [finding.live_folder(options.session)] if options.session else [
        finding.live_folder(one.id) for one in finding.live_sessions()
    ]  # fmt: skip
    found = [(folder.name, share) for folder in folders for share in shares_of(folder)]
    if options.json:
        import msgspec

        print(json.dumps([{"session": session, **msgspec.to_builtins(share)} for session, share in found], indent=2))
        return 0
    if not found:
        print("Nobody is invited.", file=sys.stderr)
    for session, share in found:
        end = time.strftime("%a %H:%M", time.localtime(share.until))
        spent = f", ${share.max_usd:g} at most" if share.max_usd is not None else ""
        print(f"{session}  {share.id}  {visible(', '.join(share.who))} as {share.role} until {end}{spent}")
    return 0


def shares_of(folder: Path) -> "list[OpenShare]":
    """The invitations that hold in the live session in FOLDER, from its journal. Blocks."""
    from workbench.protocol import events as e
    from workbench.protocol.codec import MalformedError, decode_envelope
    from workbench.protocol.fold import apply
    from workbench.protocol.state import SessionState
    from workbench.session.journal import EVENTS, head_of

    kinds = [head_of(kind) for kind in ("shared", "share_ended", "session_resumed")]
    state = SessionState()
    with (folder / EVENTS).open("rb") as file:
        for line in file:
            if any(kind.match(line) for kind in kinds):
                with contextlib.suppress(MalformedError):  # it is being written, or damaged
                    envelope = decode_envelope(line)
                    if isinstance(envelope.event, e.Shared | e.ShareEnded | e.SessionResumed):
                        apply(state, envelope)
    return [share for share in state.shares.values() if share.until > time.time()]
