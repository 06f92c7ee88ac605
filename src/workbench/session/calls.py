"""The calls of one answer: judged, journalled, run, and answered, each in its turn."""

import asyncio
import time
from typing import Any

import msgspec

from workbench import places
from workbench.permissions.types import Need, Runs, Verdict, Writes
from workbench.protocol import events as e
from workbench.protocol.commands import Approve
from workbench.protocol.names import ORCHESTRATION, canonical
from workbench.sandbox.types import Reach
from workbench.session import exp_calls, watching
from workbench.session.core import LINE_LIMIT, Session
from workbench.session.end import EndSession
from workbench.session.tally import NOBODY
from workbench.settings.remembered import remember
from workbench.tools import registry
from workbench.tools.base import Outcome, Tool, ToolError, text_content
from workbench.tools.output import begun

_CUT = "The answer was cut at the {} limit, so none of its calls was run. Make smaller calls."
REFUSED = "the model refused to go on (stop_reason refusal)"
# Stop reasons of answers that are not whole, and what the model is told of their calls.
NOT_WHOLE = {"max_tokens": _CUT.format("output"), "model_context_window_exceeded": _CUT.format("context")}


async def carry_out(session: Session, turn: int, answer: e.AnswerCompleted, calls: list[dict[str, Any]]) -> None:
    """Runs CALLS in order. Raises EndSession at the system boundary and where the model refused: none has run then."""
    for call in calls:
        if canonical(call["name"]) in ORCHESTRATION:
            session.emit(e.BoundaryCrossed(tool=call["name"], call_id=call["id"]), sync=True)
            raise EndSession(
                "error_system_boundary",
                f"the agent called {call['name']}, which is reserved for orchestration: nothing of that answer was run",
            )
    if answer.stop_reason == "refusal":
        raise EndSession("error_during_execution", REFUSED)
    for call in calls:
        if (cut := NOT_WHOLE.get(answer.stop_reason)) is not None:
            _answer_error(session, call, cut)
        elif (why := answer.broken.get(call["id"])) is not None:
            _answer_error(session, call, f"The input of this call could not be read, so it was not run: {why}")
        else:
            await _one(session, turn, call)


def close_open(session: Session, status: str, words: str) -> None:
    """Answers every call that has no result yet, so that the history is whole."""
    for call_id, name in list(session.messages.open.items()):
        session.emit(
            e.CallFinished(
                call_id=call_id, tool=name, status=status, content=tuple(text_content(words)), summary=status
            )
        )


async def _one(session: Session, turn: int, call: dict[str, Any]) -> None:
    name = canonical(call["name"])
    if name is None or name not in session.grants:
        known = "is not granted to this agent" if name else "is not a tool here"
        return _deny(session, call, Verdict(verdict="deny", reason=f"{call['name']} {known}"), target="")
    try:
        tool, given, needs = _understood(session, name, call["input"])
    except ToolError as error:
        return _answer_error(session, call, str(error))
    verdict, reach = _judge(session, name, needs)
    by, note = None, ""
    if verdict.verdict == "ask" and session.ask is not None:
        answer = await _asked(session, call, tool, given, needs, verdict, reach)
        if answer is None:
            return None
        by = answer.by
        if answer.input is not None:
            call, note = {**call, "input": answer.input}, _changed(answer)
            try:
                tool, given, needs = _understood(session, name, answer.input)
            except ToolError as error:
                return _answer_error(session, call, str(error))
            verdict, reach = _judge(session, name, needs)
            if verdict.verdict == "deny":
                return _deny(session, call, verdict, tool.target(given))
        reach = "outside" if answer.outside else reach
    elif verdict.verdict != "allow":
        return _deny(session, call, verdict, tool.target(given))
    session.emit(
        e.CallDecided(
            call_id=call["id"],
            tool=name,
            input=_bounded(call["input"]),
            target=tool.target(given),
            verdict="allow",
            rule=verdict.rule,
            reason=verdict.reason,
            by=by,
            sandbox=session.confinement.told(needs, reach),
        )
    )
    session.context.reach = reach
    runs = any(isinstance(need, Runs) for need in needs)
    if runs:
        await watching.begin(session)
    await _run(session, turn, call, tool, given, needs, note)
    if runs:
        await watching.end(session, tool.target(given), approved=by is not None)
    return None


def _understood(session: Session, name: str, given: dict[str, Any]) -> tuple[Tool, Any, tuple[Need, ...]]:
    """The tool NAME, its input read from GIVEN, and what it needs for that. Raises ToolError."""
    decoded = registry.decode(registry.get(name), given)
    tool = exp_calls.carried(session, registry.get(name), decoded)
    return tool, decoded, tool.needs(decoded, str(session.context.cwd))


def _judge(session: Session, tool: str, needs: tuple[Need, ...]) -> tuple[Verdict, Reach]:
    """The gate's word, and how far a command then reaches; the paths that it saw are the ones that the tool opens."""
    cwd = str(session.context.cwd)
    verdict = session.gate.judge(tool, needs, cwd)
    session.context.judged = session.gate.reached
    return session.confinement.settle(session.gate, needs, cwd, verdict)


def _changed(answer: Approve) -> str:
    """What the model is told of a call that a person changed before it ran."""
    return f"{answer.by} changed this call before it ran. What ran: {msgspec.json.encode(answer.input).decode()}"


async def _asked(
    session: Session,
    call: dict[str, Any],
    tool: Tool,
    given: Any,
    needs: tuple[Need, ...],
    verdict: Verdict,
    reach: Reach,
) -> Approve | None:
    """The answer that approved the call; None where it was refused, which is answered here."""
    assert session.ask is not None
    session.emit(
        e.CallDecided(
            call_id=call["id"],
            tool=tool.name,
            input=_bounded(call["input"]),
            target=tool.target(given),
            verdict="ask",
            rule=verdict.rule,
            reason=verdict.reason,
        )
    )
    answer = await session.ask(call, tool.name, given, needs, verdict, session.confinement.told(needs, reach), False)
    if answer.decision == "no":
        said = f": {answer.reason}" if answer.reason else ""
        refused = Verdict(verdict="deny", rule=verdict.rule, reason=f"refused by {answer.by}{said}")
        _deny(session, call, refused, tool.target(given))
        return None
    _take_rule(session, answer)
    return answer


def _take_rule(session: Session, answer: Approve) -> None:
    """Holds to the rule that came with an approval, if there is one: for this session, or for all in this workspace."""
    if answer.decision not in ("session", "always") or not answer.rule:
        return
    session.gate.allow(answer.rule)
    if answer.outside:
        session.confinement.outside += (answer.rule,)
    if answer.decision == "always":
        try:
            remember(answer.rule, session.gate.policy.workspace, places.config(), answer.outside)
        except OSError as error:
            why = f"{error.filename or places.config()}: {error.strerror or error}"
            session.notice("warning", f"the rule {answer.rule} holds in this session, and could not be saved: {why}")


async def _run(
    session: Session, turn: int, call: dict[str, Any], tool: Tool, given: Any, needs: tuple[Need, ...], note: str
) -> None:
    has_effects = any(isinstance(need, Writes | Runs) for need in needs)
    if has_effects:
        await session.changes.ready()
        await session.guard.before_effects(turn)
    session.emit(e.CallStarted(call_id=call["id"], turn=turn), sync=has_effects)
    started = time.monotonic()

    def progress(text: str) -> None:
        session.show(e.CallProgress(call_id=call["id"], text=text))

    try:
        for need in needs:
            if isinstance(need, Writes):
                named = session.context.absolute(need.path)
                await asyncio.to_thread(session.changes.note_before, named, session.context.reached(named))
        outcome = await tool.run(given, session.context, call["id"], progress)
        if outcome.refused and outcome.is_error and await _outside(session, call, tool, given, needs, outcome.refused):
            outcome = await tool.run(given, session.context, call["id"], progress)
        status = "error" if outcome.is_error else "ok"
        await watching.wrote(session, outcome.changed)
    except ToolError as error:
        status, outcome = "error", Outcome(content=text_content(str(error)), summary=_first_line(str(error)))
    except asyncio.CancelledError:
        close_open(session, "cancelled", "This call was stopped before it finished; what it had done stays done.")
        raise
    except OSError as error:
        words = f"{tool.name} failed: {error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
        status, outcome = "error", Outcome(content=text_content(words), summary=words)
    if note:
        outcome = msgspec.structs.replace(outcome, content=[*text_content(note), *outcome.content])
    if outcome.todos is not None:
        session.emit(e.TodosChanged(todos=outcome.todos))
    _finish(session, call["id"], tool.name, status, outcome, round((time.monotonic() - started) * 1000))


async def _outside(
    session: Session,
    call: dict[str, Any],
    tool: Tool,
    given: Any,
    needs: tuple[Need, ...],
    refused: tuple[str, ...],
) -> bool:
    """Whether a person lets a command that failed for its confinement run again without it."""
    if session.ask is None or session.context.reach == "outside":
        return False
    why = Verdict(verdict="ask", reason=f"it failed confined ({refused[0]}); run it again outside?")
    answer = await session.ask(call, tool.name, given, needs, why, "outside", True)
    if answer.decision == "no" or answer.input is not None:
        return False
    _take_rule(session, msgspec.structs.replace(answer, outside=True))
    session.emit(
        e.CallDecided(
            call_id=call["id"],
            tool=tool.name,
            input=_bounded(call["input"]),
            target=tool.target(given),
            verdict="allow",
            reason=why.reason,
            by=answer.by,
            sandbox="outside",
        )
    )
    session.context.reach = "outside"
    return True


def _finish(session: Session, call_id: str, tool: str, status: str, outcome: Outcome, duration_ms: int) -> None:
    content, blob = tuple(session.journal.redactor.value(outcome.content)), None
    encoded = msgspec.json.encode(content)
    if len(encoded) > LINE_LIMIT:
        content, blob = (), session.blobs.put(encoded, sync=True)
    session.emit(
        e.CallFinished(
            call_id=call_id,
            tool=tool,
            status=status,
            content=content,
            blob=blob,
            display=tuple(outcome.display),
            summary=outcome.summary,
            duration_ms=duration_ms,
            changed=tuple(outcome.changed),
        )
    )


def _deny(session: Session, call: dict[str, Any], verdict: Verdict, target: str) -> None:
    """An ask without a person to ask is a deny, and says so."""
    asked = verdict.verdict == "ask"
    reason = f"{verdict.reason}; no person can be asked" if asked else verdict.reason
    session.emit(
        e.CallDecided(
            call_id=call["id"],
            tool=canonical(call["name"]) or call["name"],
            input=_bounded(call["input"]),
            target=target,
            verdict="deny",
            rule=verdict.rule,
            reason=reason,
            by=NOBODY if asked else None,
            lifted_by=verdict.lifted_by,
        )
    )
    hint = f" A person could allow it with the rule {verdict.lifted_by}." if asked and verdict.lifted_by else ""
    words = f"Denied: {reason}.{hint} It was not run."
    session.emit(
        e.CallFinished(
            call_id=call["id"], tool=call["name"], status="denied", content=tuple(text_content(words)), summary=reason
        )
    )


def _answer_error(session: Session, call: dict[str, Any], words: str) -> None:
    session.emit(
        e.CallFinished(
            call_id=call["id"],
            tool=call["name"],
            status="error",
            content=tuple(text_content(words)),
            summary=_first_line(words),
        )
    )


def _bounded(given: dict[str, Any]) -> dict[str, Any]:
    """The input for the verdict's line: long strings cut, since the answer's own line has them whole."""
    return {
        key: f"{begun(value, 4000)}… ({len(value):,} characters)"
        if isinstance(value, str) and len(value) > 4000
        else value
        for key, value in given.items()
        if len(msgspec.json.encode(value)) <= LINE_LIMIT or isinstance(value, str)
    }


def _first_line(words: str) -> str:
    return begun(words.strip().partition("\n")[0], 200)
