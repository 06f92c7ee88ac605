"""What events of the people at a session, and of their words that wait, change in its state: see `fold.py`."""

from collections.abc import Callable
from typing import Any

from workbench.protocol import events as e
from workbench.protocol.bounds import clip, keep_last
from workbench.protocol.state import (
    KEPT_PATH,
    KEPT_PEOPLE,
    KEPT_QUEUED,
    KEPT_REASON,
    KEPT_SUGGESTIONS,
    KEPT_WORD,
    OpenShare,
    QueuedPrompt,
    SessionState,
    Suggestion,
)


def alone_again(state: SessionState) -> None:
    """The process that hosted the session is gone, or about to go: whoever was invited is here no more."""
    state.driver, state.wheel_asked, state.shares = None, (), {}


def _word(text: str) -> str:
    return text[:KEPT_WORD]


def _asked(state: SessionState, envelope: e.Envelope, event: e.WheelAsked) -> None:
    if (name := _word(event.by)) not in state.wheel_asked:
        state.wheel_asked = (*state.wheel_asked, name)[-KEPT_PEOPLE:]


def _passed(state: SessionState, envelope: e.Envelope, event: e.WheelPassed) -> None:
    state.driver = _word(event.to)
    state.wheel_asked = tuple(name for name in state.wheel_asked if name != state.driver)


def _left(state: SessionState, envelope: e.Envelope, event: e.ClientLeft) -> None:
    state.wheel_asked = tuple(name for name in state.wheel_asked if name != _word(event.user))


def _shared(state: SessionState, envelope: e.Envelope, event: e.Shared) -> None:
    share = _word(event.share)
    who = tuple(map(_word, event.who[:KEPT_PEOPLE]))
    state.shares[share] = OpenShare(
        id=share, who=who, role=_word(event.role), by=_word(event.by), until=event.until, max_usd=event.max_usd
    )
    keep_last(state.shares, KEPT_PEOPLE)


def _share_ended(state: SessionState, envelope: e.Envelope, event: e.ShareEnded) -> None:
    state.shares.pop(_word(event.share), None)


def _suggested(state: SessionState, envelope: e.Envelope, event: e.Suggested) -> None:
    name, path = _word(event.suggestion), event.path[:KEPT_PATH]
    state.suggestions[name] = Suggestion(
        id=name, by=_word(event.by), text=clip(event.text, KEPT_REASON), at=envelope.at, path=path
    )
    keep_last(state.suggestions, KEPT_SUGGESTIONS)


def _taken(state: SessionState, envelope: e.Envelope, event: e.SuggestionTaken) -> None:
    state.suggestions.pop(_word(event.suggestion), None)


def _queued(state: SessionState, envelope: e.Envelope, event: e.PromptQueued) -> None:
    name = _word(event.queued)
    state.queued[name] = QueuedPrompt(
        id=name,
        by=_word(event.by),
        text=clip(event.text, KEPT_REASON),
        at=envelope.at,
        seq=envelope.seq,
        command=_word(event.command),
        pictures=sum(block.get("type") == "image" for block in event.content),
    )
    keep_last(state.queued, KEPT_QUEUED)


def _out_of_queue(state: SessionState, envelope: e.Envelope, event: e.PromptSubmitted | e.PromptWithdrawn) -> None:
    state.queued.pop(_word(event.queued), None)


STEPS: dict[type, Callable[[SessionState, e.Envelope, Any], None]] = {
    e.WheelAsked: _asked,
    e.WheelPassed: _passed,
    e.ClientLeft: _left,
    e.Shared: _shared,
    e.ShareEnded: _share_ended,
    e.PromptQueued: _queued,
    e.PromptSubmitted: _out_of_queue,
    e.PromptWithdrawn: _out_of_queue,
    e.Suggested: _suggested,
    e.SuggestionTaken: _taken,
}
