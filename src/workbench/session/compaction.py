"""Making the history shorter before the window is full, keeping the task, the to-do list and the files in hand."""

import asyncio
import contextlib
from typing import Any

from workbench.models.base import Answer, ModelError, Request, Retry
from workbench.protocol import events as e
from workbench.protocol.result import Usage
from workbench.session.core import BROKE_OFF, Session
from workbench.session.tally import answer_text
from workbench.tools import files
from workbench.tools.base import ToolError
from workbench.tools.output import begun, shorten, whole_words

# The part of the window that prompt and answer may fill before the history is compacted.
FULL = 0.9
FILES_IN_HAND = 5
FILE_CHARS = 12_000

ASK = """\
The conversation is about to be shortened. Write what you need to go on without it, for yourself, in plain text and \
without calling a tool: what was asked (its limits and checks too), what was done and found, with every number, path, \
command and run that still matters, what was decided and why, what failed, and what comes next."""


def due(session: Session) -> bool:
    """Whether the next request would come too near to the model's window."""
    if session.compact_now:
        return True
    room = session.info.window * FULL - output_tokens(session)
    return estimate(session) > max(room, session.info.window * 0.5)


def estimate(session: Session) -> int:
    """Tokens of the next prompt: what the last answer reported plus what came since, else a guess from its bytes."""
    pending = sum(len(str(block)) for block in session.messages.pending) // 4
    measured = session.state.context_tokens
    guessed = (session.messages.size + len(session.system) + len(session.tools)) // 4
    return (measured or guessed) + pending


def output_tokens(session: Session) -> int:
    """How long an answer may be when nothing else limits it."""
    return min(session.info.max_output, 32_000)


async def compact(session: Session) -> None:
    """Replaces the history by a summary that the model writes, or, if it cannot, by what the journal knows."""
    asked, session.compact_now = session.compact_now, False
    before = estimate(session)
    session.notice("info", f"the context is filling up (about {before:,} tokens): writing a summary", "context")
    try:
        answer = await _summary(session)
    except ModelError:
        session.compact_now = asked  # the service may be there for the next request
        raise
    text = (answer_text(answer.content) if answer else "") or _without_summary(session)
    usage = answer.usage if answer else Usage()
    session.emit(
        e.Compacted(
            summary=text,
            messages=({"role": "user", "content": _blocks(session, text)},),
            tokens_before=before,
            usage=usage,
            cost_usd=session.info.cost(usage),
        ),
        sync=True,
    )


async def _summary(session: Session) -> Answer | None:
    request = Request(
        model=session.info,
        system=session.system,
        tools=session.tools,
        messages=session.messages.with_pending({"type": "text", "text": ASK}),
        max_tokens=min(16_000, output_tokens(session)),
        thinking=session.frame.thinking,
    )
    turn = session.tally.answers + 1
    used: Usage | None = None
    try:
        async with contextlib.aclosing(session.model.stream(request)) as items:
            async for item in items:
                if isinstance(item, Answer):
                    return item
                if isinstance(item, Usage):
                    used = item
                elif isinstance(item, Retry):
                    used = None
                    session.tell_retry(turn, item)
    except asyncio.CancelledError:
        session.tell_discarded(turn, used)
        raise
    except ModelError as error:
        session.tell_discarded(turn, used, BROKE_OFF)
        if error.kind != "too_long":
            raise
    return None


def _without_summary(session: Session) -> str:
    """What stood at the end of the talk: the agent's last words, and what it has not answered, results of calls too."""
    parts = ["(No summary could be written.) The last words before the cut were:"]
    parts.append(whole_words(session.tally.final_text[-4000:]))
    if since := "\n\n".join(filter(None, map(_text_of, session.messages.unanswered))):
        parts.append(f"What came since, results of calls first:\n{shorten(since, FILE_CHARS)}")
    return "\n".join(parts)


def _text_of(block: dict[str, Any]) -> str:
    """The words of a user's block: a text, or the texts of a call's result."""
    return answer_text(block["content"]) if block["type"] == "tool_result" else str(block.get("text", ""))


def _blocks(session: Session, summary: str) -> list[dict[str, Any]]:
    parts = [session.tally.memory] if session.tally.memory else []
    asked = session.tally.prompts
    parts += [f"<task>\n{asked[0]}\n</task>"] if asked else []
    parts += [f"<said-later>\n{text}\n</said-later>" for text in asked[1:]]
    parts.append(f"<summary-of-the-work-so-far>\n{summary}\n</summary-of-the-work-so-far>")
    if session.state.todos:
        rows = "\n".join(f"[{todo.status}] {todo.content}" for todo in session.state.todos)
        parts.append(f"<to-do>\n{rows}\n</to-do>")
    parts += _files(session)
    parts.append("Earlier messages were replaced by this summary. Go on with the task.")
    return [{"type": "text", "text": part} for part in parts]


def _files(session: Session) -> list[str]:
    """The files last read or written, as they are now."""
    parts = []
    for path in session.context.files.paths()[-FILES_IN_HAND:]:
        try:
            text = files.load(path, str(path)).data.decode()
        except (ToolError, UnicodeDecodeError):
            continue
        cut = f"\n… ({len(text):,} characters in all)" if len(text) > FILE_CHARS else ""
        parts.append(f'<file-in-hand path="{path}">\n{begun(text, FILE_CHARS)}{cut}\n</file-in-hand>')
    return parts
