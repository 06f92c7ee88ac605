"""Asking a person about a call. An approval is state of the session: the first answer wins, and it has a name on it."""

import asyncio
import hashlib
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec

from workbench.permissions.suggest import suggest_rule
from workbench.permissions.types import Call, Need, Reads, Verdict, Writes
from workbench.protocol import events as e
from workbench.protocol.blocks import DisplayBlock
from workbench.protocol.commands import Approve
from workbench.session.core import Session
from workbench.tools import diffs, files, registry
from workbench.tools.base import Context, ToolError

DECISIONS = ("once", "session", "always", "no")
PREVIEWED = 4 << 20  # bytes of a file that an edit is compared with


class Approvals:
    """The open requests of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open: dict[str, tuple[str, str, asyncio.Future[Approve]]] = {}

    async def ask(
        self,
        call: dict[str, Any],
        tool: str,
        given: Any,
        needs: tuple[Need, ...],
        why: Verdict,
        sandbox: str = "",
        again: bool = False,
    ) -> Approve:
        """A person's answer about CALL, which would run as SANDBOX says; AGAIN: outside, having failed confined.

        Cancelling resolves the request as gone.
        """
        session, context = self._session, self._session.context
        request_id = f"a-{secrets.token_hex(4)}"
        digest = hashlib.sha256(msgspec.json.encode([request_id, call["id"], tool, call["input"]])).hexdigest()
        answer: asyncio.Future[Approve] = asyncio.get_running_loop().create_future()
        self._open[request_id] = digest, tool, answer
        session.emit(
            e.ApprovalRequested(
                request_id=request_id,
                call_id=call["id"],
                tool=tool,
                input=call["input"],
                rule=why.rule,
                reason=why.reason,
                digest=digest,
                suggestion=suggest_rule(Call(tool=tool, needs=needs, cwd=str(context.cwd)), session.gate.policy),
                cwd=str(context.cwd),
                sandbox=sandbox,
                again=again,
                owners=await asyncio.to_thread(beyond_guests, why, needs, context),
                display=await asyncio.to_thread(preview, tool, given, context),
            ),
            sync=True,
        )
        try:
            given_answer = await answer
        except asyncio.CancelledError:
            if self._open.pop(request_id, None) is not None:  # else it was answered a moment before
                session.emit(e.ApprovalResolved(request_id=request_id, decision="gone", by=""), sync=True)
            raise
        return given_answer

    def resolve(self, command: Approve) -> str:
        """Takes an answer; says why not, or nothing where it was taken. Bound to what was shown by the digest."""
        found = self._open.get(command.request_id)
        if found is None or found[2].done():  # its call was interrupted a moment ago
            return "this request was answered already, or its call is gone"
        digest, tool, answer = found
        if not secrets.compare_digest(digest, command.digest):
            return "the answer does not belong to the call that was shown"
        if command.decision not in DECISIONS:
            return f"a decision is one of {', '.join(DECISIONS)}"
        if command.decision in ("session", "always") and (why := self._session.gate.refuse_rule(command.rule)):
            return why
        if command.input is not None and (why := self._refuse_input(command, tool)):
            return why
        self._session.emit(
            e.ApprovalResolved(
                request_id=command.request_id,
                decision=command.decision,
                by=command.by,
                rule=command.rule,
                reason=command.reason,
            ),
            sync=True,
        )
        del self._open[command.request_id]  # not before: an answer that a full disk did not take is given once more
        answer.set_result(command)
        return ""

    def _refuse_input(self, command: Approve, tool: str) -> str:
        """Why the call cannot run as the person changed it; the gate judges it once more before it does."""
        if command.decision != "once":
            return "a call that was changed is allowed once"
        cwd = str(self._session.context.cwd)
        try:
            needs = registry.get(tool).needs(registry.decode(registry.get(tool), command.input or {}), cwd)
        except ToolError as error:
            return str(error)
        verdict = self._session.gate.judge(tool, needs, cwd)
        return f"denied: {verdict.reason}" if verdict.verdict == "deny" else ""


def beyond_guests(why: Verdict, needs: tuple[Need, ...], context: Context) -> bool:
    """Whether only the owner allows it, whoever drives: what the gate guards by itself, a file outside the roots."""
    if why.rule is None and why.lifted_by is None and not why.confinable:
        return True
    roots = [os.path.realpath(root) for root in context.roots]
    for need in needs:
        if isinstance(need, Reads | Writes):
            real = os.path.realpath(context.absolute(need.path))
            if not any(os.path.commonpath((root, real)) == root for root in roots):
                return True
    return False


def preview(tool: str, given: Any, context: Context) -> tuple[DisplayBlock, ...]:
    """What an edit would change, as a diff; nothing for other tools. Blocks."""
    if tool not in ("Write", "Edit", "MultiEdit"):
        return ()
    path = context.absolute(given.file_path)
    before = _before(context.reached(path))
    if before is None:
        return ()
    after = given.content if tool == "Write" else before
    for one in [] if tool == "Write" else getattr(given, "edits", [given]):
        if one.old_string:
            after = after.replace(one.old_string, one.new_string, -1 if one.replace_all else 1)
    return (diffs.block(context.shown(path), diffs.compare(before, after), context.put_blob, created=not before),)


def _before(path: Path) -> str | None:
    """What the file at PATH holds; nothing where there is none, None where it is too large or no plain file."""
    try:
        with files.opened(path, str(path)) as (fd, found):
            return None if found.st_size > PREVIEWED else files.read(fd, PREVIEWED).decode("utf-8", "replace")
    except ToolError:
        return "" if not os.path.lexists(path) else None
