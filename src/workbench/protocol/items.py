"""What an event alone says in the transcript. Calls are not among it: they grow with later events."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from workbench.protocol import events as e
from workbench.protocol.blocks import Image
from workbench.protocol.state import KEPT_REASON, KEPT_WORD, Item

PLACES = 64  # items that one event may make; their ids share the event's seq in the high part


def items_of(envelope: e.Envelope) -> list[Item]:
    """The transcript items that ENVELOPE alone makes, whole. Calls are not among them: they grow with later events."""
    if not (parts := _PARTS.get(type(envelope.event))):
        return []
    items: list[Item] = []
    for place, part in enumerate(parts(envelope.event)):
        if place >= PLACES:
            items[-1].text += "\n\n" + part.get("text", "")
        else:
            items.append(Item(id=envelope.seq * PLACES + place, at=envelope.at, **part))
    if isinstance(envelope.event, e.PromptSubmitted) and envelope.event.content:
        items[0].display = _pictures(envelope.seq, envelope.event)
    return items


def _pictures(seq: int, event: e.PromptSubmitted) -> tuple[Image, ...]:
    """The pictures of a prompt, which lie in its event: `BlobPage` knows them by its number and their places."""
    return tuple(
        Image(media_type=str(source_of(block).get("media_type", ""))[:KEPT_WORD], blob=f"e{seq}.{place}")
        for place, block in enumerate(event.content)
        if block.get("type") == "image"
    )


def source_of(block: dict[str, Any]) -> dict[str, Any]:
    """Where the picture BLOCK has its bytes from; empty where what a client sent says nothing of the kind."""
    source = block.get("source")
    return source if isinstance(source, dict) else {}


def _answer_parts(event: e.AnswerCompleted) -> Iterator[dict[str, Any]]:
    for block in event.content:
        kind = block.get("type")
        text = block.get("thinking" if kind == "thinking" else "text")
        if kind in ("text", "thinking") and isinstance(text, str) and text:
            name = "thinking" if kind == "thinking" else "answer"
            yield {"kind": name, "text": text, "turn": event.turn, "blob": event.blob}
    if event.blob and not event.content:
        yield {"kind": "answer", "text": event.text, "turn": event.turn, "blob": event.blob}


def _question_parts(event: e.QuestionsAsked) -> Iterator[dict[str, Any]]:
    for question in event.questions:
        options = (" ".join(f"{one.label} ({one.cost})".removesuffix(" ()").split()) for one in question.options)
        yield {
            "kind": "question", "text": question.question, "target": "\n".join(options),
            "reason": question.recommendation,
        }  # fmt: skip


def _warning(text: str, turn: int, level: str = "warning") -> list[dict[str, Any]]:
    return [{"kind": "notice", "text": text, "level": level, "turn": turn}]


def _rewind_parts(event: e.Rewound) -> Iterator[dict[str, Any]]:
    what = " and ".join(name for name, back in (("talk", event.talk), ("files", event.files)) if back)
    words = f"{what}: the rewind was undone" if event.undone else f"{what} went back to before an earlier prompt"
    yield {"kind": "rewind", "target": words, "by": event.by}


def _discarded_parts(event: e.AnswerDiscarded) -> Iterator[dict[str, Any]]:
    if event.text:
        yield {"kind": "answer", "text": event.text, "turn": event.turn, "level": "discarded"}
    if event.reason:
        yield from _warning(f"an answer was discarded: {event.reason}", event.turn)


def _told_parts(event: e.RunsTold) -> list[dict[str, Any]]:
    """Nothing where a call's own result told it."""
    if not event.text:
        return []
    bad = any(one.status == "failed" or one.alerts for one in event.runs)
    return [{"kind": "runs", "target": runs_line(event), "text": event.text, "level": "warning" if bad else "info"}]


def runs_line(event: e.RunsTold) -> str:
    """What was told of runs, in a line: `r-1 finished, r-2 failed, crash`."""
    told = [(one.run, (one.status or ("ready" if one.ready else ""), *one.alerts)) for one in event.runs]
    return ", ".join(f"{run} {', '.join(filter(None, what))}" for run, what in told)


def _wheel_parts(event: e.WheelPassed) -> list[dict[str, Any]]:
    return _people(wheel_line(event), event.by)


def wheel_line(event: e.WheelPassed) -> str:
    """Who drives from EVENT on, in words: `li drives: ana handed the wheel over`."""
    return f"{event.to or 'nobody'} drives{': ' if event.why else ''}{event.why}"


def share_line(event: e.Shared) -> str:
    """Who was invited, as what, by whom and how far: `ana invites li, @ml as suggester, up to $10`."""
    spent = f", up to ${event.max_usd:g}" if event.max_usd is not None else ""
    return f"{event.by} invites {', '.join(event.who)} as {event.role}{spent}"


def _people(text: str, by: str = "") -> list[dict[str, Any]]:
    return [{"kind": "notice", "text": text, "level": "info", "by": by, "origin": "people"}]


def _idle_parts(event: e.Idle) -> list[dict[str, Any]]:
    if event.reason in ("done", "question"):
        return []
    level = "error" if event.reason.startswith("error") else "info"
    return [{"kind": "notice", "text": event.message or event.reason, "level": level, "origin": "idle"}]


_PARTS: dict[type, Callable[[Any], Iterable[dict[str, Any]]]] = {
    e.PromptSubmitted: lambda event: [
        {"kind": "prompt", "text": event.text, "by": event.by, "origin": event.origin},
    ],
    e.RequestRetried: lambda event: _warning(f"{event.reason}; trying again in {event.delay_s:.1f} s", event.turn),
    e.AnswerCompleted: _answer_parts,
    e.AnswerDiscarded: _discarded_parts,
    e.Compacted: lambda event: [{"kind": "compaction", "text": event.summary}],
    e.BoundaryCrossed: lambda event: _warning(
        f"the agent called {event.tool}, which no agent may: nothing of that answer was run", 0, "error"
    ),
    e.CheckFinished: lambda event: [
        {
            "kind": "check",
            "text": event.check.command,
            "exit_code": event.check.exit_code,
            "reason": event.check.output[-KEPT_REASON:],
        },
    ],
    e.QuestionsAsked: _question_parts,
    e.Notice: lambda event: [
        {"kind": "notice", "text": event.text, "level": event.level, "origin": event.about},
    ],
    e.RunsTold: _told_parts,
    e.Rewound: _rewind_parts,
    e.HunksReverted: lambda event: [
        {
            "kind": "notice",
            "text": f"{event.hunks} change{'s' * (event.hunks != 1)} of {event.path} taken back by {event.by}",
            "level": "info",
            "by": event.by,
            "origin": "hunks",
        },
    ],
    e.ShellRan: lambda event: [
        {"kind": "shell", "target": event.command, "text": event.output, "exit_code": event.exit_code, "by": event.by},
    ],
    e.Idle: _idle_parts,
    e.WheelPassed: _wheel_parts,
    e.Shared: lambda event: _people(share_line(event), event.by),
    e.ShareEnded: lambda event: _people(f"an invitation ended: {event.why}", event.by),
    e.Said: lambda event: [{"kind": "said", "text": event.text, "by": event.by}],
    e.Suggested: lambda event: [{"kind": "suggestion", "text": event.text, "by": event.by, "target": event.path}],
    e.SessionEnded: lambda event: [
        {
            "kind": "end",
            "text": event.result.subtype,
            "exit_code": event.result.exit_code,
            "reason": "\n".join(event.result.errors),
        },
    ],
}
