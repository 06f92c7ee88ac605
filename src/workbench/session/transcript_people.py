"""What a transcript says of the people at a session: who came, who drove, what they said to each other."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from workbench.protocol import events as e
from workbench.protocol.items import share_line, wheel_line
from workbench.protocol.visible import visible

_WORDS = 300


def _line(text: str) -> str:
    shown = visible(" ".join(text.split()))
    return shown if len(shown) <= _WORDS else shown[: _WORDS - 1] + "…"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in visible(text.strip(), newlines=True).split("\n"))


def _single(words: Callable[[Any], str]) -> Callable[[Any], Iterator[str]]:
    def tell(event: Any) -> Iterator[str]:
        yield f"- {words(event)}"

    return tell


def _joined(event: e.ClientJoined) -> str:
    whose = "owner" if event.owner else "guest"
    return f"{_line(event.user)} came as {_line(event.role)} ({whose}{', ' * bool(event.place)}{_line(event.place)})"


def _left(event: e.ClientLeft) -> str:
    return f"{_line(event.user)} left{': ' * bool(event.why)}{_line(event.why)}"


def _shared(event: e.Shared) -> str:
    end = datetime.fromtimestamp(event.until, UTC).strftime(", until %Y-%m-%dT%H:%MZ") if event.until else ""
    return _line(share_line(event)) + end


def _suggested(event: e.Suggested) -> Iterator[str]:
    about = f" about {_line(event.path)}" if event.path else ""
    yield f"- {_line(event.by)} suggested{about} ({_line(event.suggestion)}):"
    yield _quoted(event.text)


def _taken(event: e.SuggestionTaken) -> str:
    return f"{_line(event.by)} {'put aside' if event.dropped else 'took'} the suggestion {_line(event.suggestion)}"


def _said(event: e.Said) -> Iterator[str]:
    yield f"- {_line(event.by)} said to the others, not to the agent:"
    yield _quoted(event.text)


PEOPLE: dict[type, Callable[[Any], Iterator[str]]] = {
    e.ClientJoined: _single(_joined),
    e.ClientLeft: _single(_left),
    e.WheelAsked: _single(lambda event: f"{_line(event.by)} asked for the wheel"),
    e.WheelPassed: _single(lambda event: _line(wheel_line(event))),
    e.Shared: _single(_shared),
    e.ShareEnded: _single(lambda event: f"an invitation ended: {_line(event.why)}"),
    e.Suggested: _suggested,
    e.SuggestionTaken: _single(_taken),
    e.Said: _said,
}


def spoken(event: Any) -> str:
    """What the transcript says of EVENT, in one line of its own."""
    head, *quoted = PEOPLE[type(event)](event)
    words = " ".join(line.removeprefix(">").strip() for text in quoted for line in text.split("\n"))
    return _line(f"{head.removeprefix('- ')} {words}")
