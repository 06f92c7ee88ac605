"""The loop: request, answer, calls, until the agent is done, a cap is reached or a person stops it."""

import asyncio
import contextlib
import errno
from collections.abc import Coroutine
from typing import Any

import msgspec

from workbench.models.base import Answer, ModelError, Piece, Request, Retry
from workbench.models.catalogue import Catalogue
from workbench.protocol import events as e
from workbench.protocol.result import Usage
from workbench.sandbox.leftovers import end_leftovers
from workbench.session import adopt, budget, calls, compaction, finish, gpus, questions, runs_watch
from workbench.session.core import BROKE_OFF, LINE_LIMIT, Session
from workbench.session.end import LEFT, MODEL_ERRORS, EndSession
from workbench.session.journal import FULL, JournalError
from workbench.session.tally import answer_text

CUT_LIMIT = 3
STOPS = {"signal": "error_retryable", "interrupt": "error_interrupted", "terminate": "error_terminated"}


async def work(session: Session) -> None:
    """Runs a session without a person to its end."""
    await concluded(session, _bounded(session))


async def concluded(session: Session, working: Coroutine[Any, Any, EndSession | None]) -> None:
    """Waits for WORKING and ends the session. Whatever happens, it ends with a result that says so."""
    adopting = asyncio.create_task(adopt.adopt(session))
    try:
        ending = await working
    except asyncio.CancelledError:  # stopped once more while it was being stopped
        ending = stopped(session)
    except JournalError as error:
        session.broken = error
        ending = EndSession("error_during_execution", str(error))
    except Exception as error:
        finish.log_crash(session, error)
        ending = EndSession("error_during_execution", _unexpected(session, error))
    await asyncio.shield(_conclude(session, ending, adopting))


async def _conclude(session: Session, ending: EndSession | None, adopting: "asyncio.Task[None]") -> None:
    """Ends the session: no stop that comes now, however near to the work's own end, keeps that from being told."""
    adopting.cancel()
    await asyncio.gather(adopting, return_exceptions=True)
    await finish.conclude(session, ending)


def _unexpected(session: Session, error: Exception) -> str:
    """A full disk is no fault of ours, and a person can mend it; all else is."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = error.filename or session.folder
        return f"{where}: {error.strerror}: {FULL}"
    return f"internal error: {error!r} (see host.log in {session.folder})"


async def _bounded(session: Session) -> EndSession | None:
    """The work within its wall time. None: the agent finished."""
    limit = budget.seconds_left(session.state, session.caps)
    try:
        async with asyncio.timeout(limit):
            await sweep(session)
            while True:
                await until_answered(session)
                if not session.take_waiting() and not await _slept(session) and await finish.accepted(session):
                    return None
    except EndSession as end:
        return end
    except ModelError as error:
        return EndSession(subtype_of(error), words_of(session, error))
    except TimeoutError:
        return EndSession("error_max_budget", f"the time limit of {session.caps.timeout_s:g} s is reached (timeout)")
    except asyncio.CancelledError:
        return stopped(session)


async def _slept(session: Session) -> bool:
    """Whether the session slept until one of its runs had something to say, and the agent may hear of it."""
    try:
        budget.check(session.state, session.caps, session.tally.answers)
    except EndSession:
        return False
    return not questions.parse(session.tally.final_text) and await runs_watch.slept(session)


def stopped(session: Session) -> EndSession:
    """The end that a stop gives."""
    reason = session.stopping or "terminate"
    return EndSession(STOPS.get(reason, "error_interrupted"), LEFT if reason == "signal" else f"stopped by {reason}")


def subtype_of(error: ModelError) -> str:
    """What a run ends with for this error."""
    return MODEL_ERRORS.get(error.kind, "error_during_execution")


def words_of(session: Session, error: ModelError) -> str:
    """ERROR for the person, with the nearest model's name where that may be what was meant."""
    if error.kind != "unknown_model":
        return str(error)
    near = Catalogue.load({}).nearest(session.info.id)
    return f"{error}; " + (f"did you mean {near}?" if near else "`mlwb run --model` names another one")


async def until_answered(session: Session) -> None:
    """Turn after turn, until the agent has answered everything that was said to it."""
    session.take_waiting()
    calls.close_open(session, "interrupted", "The session ended before this call had a result.")
    await runs_watch.tell(session)
    while session.messages.wants_answer:
        await _turn(session)
        if session.messages.wants_answer:
            await runs_watch.tell(session)
        session.take_waiting()


async def sweep(session: Session) -> None:
    """Before the first turn: locked files are remembered, and what commands of a killed host still run is ended."""
    await finish.lock(session)
    if session.resumed and (count := await end_leftovers(session.id)):
        session.notice("warning", f"{count} process(es) of the interrupted session still ran and were ended", "resume")
    session.resumed = False


async def _turn(session: Session) -> None:
    budget.check(session.state, session.caps, session.tally.answers, gpus.limited_hours(session))
    if compaction.due(session):
        await compaction.compact(session)
        budget.check(session.state, session.caps, session.tally.answers)
    turn = session.tally.answers + 1
    session.emit(e.RequestStarted(turn=turn, model=session.info.id, estimate=compaction.estimate(session)))
    try:
        answer = await _ask(session, turn)
    except ModelError as error:
        if error.kind != "too_long" or len(session.messages.sent) < 2:
            raise
        session.emit(e.AnswerDiscarded(turn=turn, reason=str(error)))
        await compaction.compact(session)
        return
    event = _journal_answer(session, turn, answer)
    wanted = [block for block in answer.content if block.get("type") == "tool_use"]
    if wanted:
        _spent(session)
        await calls.carry_out(session, turn, event, wanted)
    else:
        _without_calls(session, answer)
    session.journal.sync()


def _spent(session: Session) -> None:
    """Calls whose results nobody could read are not run."""
    caps = session.caps
    spent = gpus.limited_hours(session)
    budget.check(session.state, msgspec.structs.replace(caps, max_turns=None), session.tally.answers, spent)


async def _ask(session: Session, turn: int) -> Answer:
    limit = budget.output_limit(session.state, session.caps, compaction.output_tokens(session), session.info.output)
    request = Request(
        model=session.info,
        system=session.system,
        tools=session.tools,
        messages=session.messages.sent,
        max_tokens=limit,
        thinking=session.frame.thinking,
    )
    said: list[str] = []
    used: Usage | None = None
    try:
        async with contextlib.aclosing(session.model.stream(request)) as items:
            async for item in items:
                if isinstance(item, Answer):
                    return item
                if isinstance(item, Usage):
                    used = item
                elif isinstance(item, Retry):
                    said.clear()
                    used = None
                    session.tell_retry(turn, item)
                else:
                    said += [item.text] if item.kind == "text" else []
                    _show(session, turn, item)
    except asyncio.CancelledError:
        session.tell_discarded(turn, used, text="".join(said).strip())
        raise
    except ModelError:
        session.tell_discarded(turn, used, BROKE_OFF)
        raise
    raise ModelError("unavailable", "the model's stream ended without an answer")


def _show(session: Session, turn: int, piece: Piece) -> None:
    if piece.kind == "text":
        session.show(e.TextDelta(turn=turn, index=piece.index, text=piece.text))
    elif piece.kind == "thinking":
        session.show(e.ThinkingDelta(turn=turn, index=piece.index, text=piece.text))
    else:
        session.show(e.CallDelta(turn=turn, index=piece.index, call_id=piece.call_id, name=piece.name, text=piece.text))


def _journal_answer(session: Session, turn: int, answer: Answer) -> e.AnswerCompleted:
    content: tuple[dict[str, Any], ...] = tuple(session.journal.redactor.value(answer.content))
    encoded, blob = msgspec.json.encode(content), None
    if len(encoded) > LINE_LIMIT:
        content, blob = (), session.blobs.put(encoded, sync=True)
    words = answer_text(answer.content) if blob else ""
    event = e.AnswerCompleted(
        turn=turn,
        message_id=answer.message_id,
        model=answer.model,
        content=content,
        blob=blob,
        stop_reason=answer.stop_reason,
        usage=answer.usage,
        cost_usd=session.info.cost(answer.usage),
        duration_ms=answer.duration_ms,
        ttft_ms=answer.ttft_ms,
        broken=answer.broken,
        text=words,
        calls=sum(1 for block in answer.content if block.get("type") == "tool_use"),
    )
    session.emit(event)
    return event


def _without_calls(session: Session, answer: Answer) -> None:
    """An answer without calls is the last one, unless it did not end by its own will."""
    if answer.stop_reason == "max_tokens":
        if session.tally.cut_answers > CUT_LIMIT:
            raise EndSession("error_during_execution", f"{CUT_LIMIT + 1} answers in a row were cut at the output limit")
        words = "Your answer was cut at the output limit. Go on where it stopped, in smaller steps."
        session.emit(e.PromptSubmitted(text=words, origin="limit", by="mlwb"))
    elif answer.stop_reason == "pause_turn":
        session.emit(e.PromptSubmitted(text="Go on.", origin="limit", by="mlwb"))
    elif answer.stop_reason == "model_context_window_exceeded":
        session.compact_now = True
        session.emit(e.PromptSubmitted(text="The context was full. Go on.", origin="limit", by="mlwb"))
    elif answer.stop_reason == "refusal":
        raise EndSession("error_during_execution", calls.REFUSED)
