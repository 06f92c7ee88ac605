"""The end of the work: is the agent's answer accepted, and what the result says."""

import asyncio
import contextlib

import msgspec

from workbench import faults
from workbench.protocol import events as e
from workbench.protocol.result import EXIT_CODES, Evidence, FileChange, Result, SessionUsage
from workbench.session import checks, gpus, questions, runs_named, store, summary, watching
from workbench.session.core import Session
from workbench.session.end import EndSession
from workbench.session.files import write_whole
from workbench.session.journal import FULL, JournalError

SCHEMA_ATTEMPTS = 2
CHECK_TIMEOUT_S = 3600.0
LOCKED = "locked.json"


async def accepted(session: Session) -> bool:
    """Whether the agent's last answer ends the session well. False: something was handed back to the agent.

    Raises EndSession when it ends otherwise: a decision is needed, checks or schema failed, a denial was in the way.
    """
    session.verified = False
    asked = questions.parse(session.tally.final_text)
    if asked:
        session.emit(e.QuestionsAsked(questions=asked), sync=True)
        raise EndSession("error_needs_decision", f"{len(asked)} decision(s) for a person")
    if not await _checks_pass(session) or not _schema_holds(session):
        return False
    if session.tally.blocked and not session.verified:
        raise EndSession("error_permission_blocked", "the agent ended while a call it needed was denied")
    return True


async def _checks_pass(session: Session) -> bool:
    task, attempt = session.task, session.tally.failed_checks + 1
    locks, results = _locks(session), []
    await asyncio.to_thread(checks.drop_bytecode, locks, session.context.workspace)
    session.context.reach = "confined"
    for command in task.checks:
        await watching.begin(session)
        result = await checks.run_check(command, session.context, CHECK_TIMEOUT_S)
        session.emit(e.CheckFinished(check=result, attempt=attempt))
        await watching.end(session, command, approved=False)
        results.append(result)
    broken = await asyncio.to_thread(checks.broken_locks, locks, task.locked, session.context.workspace)
    failed = [result for result in results if result.exit_code != 0]
    session.verified = bool(results) and not failed and not broken
    if not failed and not broken:
        return True
    if session.tally.failed_checks >= task.check_attempts:
        told = [f"`{result.command}` exits {result.exit_code}" for result in failed] + list(broken)
        raise EndSession("error_checks_failed", "not confirmed: " + "; ".join(told))
    session.emit(e.PromptSubmitted(text=checks.hand_back(failed, broken), origin="check", by="mlwb"), sync=True)
    return False


def _schema_holds(session: Session) -> bool:
    schema = session.task.output_schema
    if schema is None:
        return True
    session.structured, error = checks.structured(schema, session.tally.final_text)
    if error is None:
        return True
    if session.tally.failed_schema >= SCHEMA_ATTEMPTS:
        raise EndSession("error_output_schema", error)
    words = f"Your final answer does not fit the schema asked for: {error}\nAnswer again with the JSON document alone."
    session.emit(e.PromptSubmitted(text=words, origin="schema", by="mlwb"))
    return False


async def lock(session: Session) -> None:
    """Remembers what the locked files hold before the agent's first turn; reads them beside the loop."""
    if session.task.locked and not session.state.turns and not (session.folder / LOCKED).exists():
        save_locks(session, *await asyncio.to_thread(found_locks, session))


def found_locks(session: Session) -> tuple[list[str], dict[str, str]]:
    """The globs of locked files that name none, and the digests of the files that the others name. Blocks."""
    locked, workspace = session.task.locked, session.context.workspace
    return checks.unmatched(locked, workspace), checks.lock_digests(locked, workspace)


def save_locks(session: Session, unmatched: list[str], digests: dict[str, str]) -> None:
    """Writes down what `found_locks` found."""
    for pattern in unmatched:
        session.notice("warning", f"locked: {pattern} names no file", "locked")
    write_whole(session.folder / LOCKED, msgspec.json.encode(digests))


def _locks(session: Session) -> dict[str, str]:
    path = session.folder / LOCKED
    return msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}


async def conclude(session: Session, ending: EndSession | None) -> None:
    """Ends what still runs, writes the end into the journal, and result and summary into the session's folder."""
    await session.context.close()
    with contextlib.suppress(JournalError):  # of a snapshot: where it lasts, the end meets it too, and tells it
        await session.guard.settled()
    found = await watching.last(session)
    ending = ending or found
    with contextlib.suppress(Exception):
        await session.model.close()
    changed = await session.changes.finish()
    evidence = await asyncio.to_thread(
        runs_named.evidence, session.context.workspace, session.state.runs, session.tally.final_text
    )
    result = _result(session, ending, changed, evidence)
    try:
        if session.broken is None:
            for note in session.changes.notes:
                session.notice("warning", note, "changes")
            session.emit(e.SessionEnded(result=result), sync=True)
            write_whole(session.folder / "result.json", msgspec.json.encode(result), sync=True)
            text = summary.markdown(result, session.state, session.task, session.folder)
            write_whole(session.folder / "summary.md", session.journal.redactor.text(text).encode())
            store.summary(session.folder)  # kept there: listings stay quick
            return
    except (JournalError, OSError) as error:
        if not any(FULL in said for said in result.errors):
            result.errors.append(f"the end could not be written to {session.folder}: {error}")
    session.tell_unwritten(e.SessionEnded(result=result))


def _result(session: Session, ending: EndSession | None, changed: list[FileChange], evidence: list[Evidence]) -> Result:
    state, tally = session.state, session.tally
    subtype = ending.subtype if ending else "success"
    active = state.active_s + (0.0 if state.waiting else max(0.0, session.clock() - state.resumed_at))
    result = Result(
        subtype=subtype,
        is_error=subtype != "success",
        session_id=session.id,
        result=tally.final_text,
        structured_output=session.structured if subtype == "success" else None,
        num_turns=tally.answers,
        duration_ms=round(active * 1000),
        duration_api_ms=state.duration_api_ms,
        ttft_ms=state.ttft_ms,
        total_cost_usd=None if state.cost_usd is None else round(state.cost_usd, 6),
        usage=SessionUsage(
            **msgspec.structs.asdict(state.usage), gpu_hours=gpus.hours(session) if state.runs else None
        ),
        verified=session.verified and subtype == "success",
        permission_denials=tally.denials,
        checks=tally.checks,
        files_changed=changed,
        runs=list(state.runs),
        evidence=evidence,
        questions=list(tally.questions),
        errors=[str(ending)] if ending and str(ending) else [],
        exit_code=EXIT_CODES[subtype],
    )
    return session.journal.redactor.struct(result)


def log_crash(session: Session, error: BaseException) -> None:
    """Keeps the traceback of an internal error where a bug report finds it; never on the screen."""
    faults.kept(error, session.folder / "host.log", redacted=session.journal.redactor.text)
