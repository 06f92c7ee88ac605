"""Secrets in text that comes in pieces: what may be the beginning of one is held back until more of it is there."""

import re
from collections.abc import Iterator

import msgspec

from workbench.protocol import events as e
from workbench.session.redact import Redactor, mark

_CONTEXT = 400  # characters of what was shown that a secret may be known by
_MOST = 4_096  # characters held back without a blank among them
_MOST_KEY = 32_768  # of a block that begins as a private key does
_KEY = "private key"
_KEY_BEGINS = re.compile(
    r"-----BEGIN(?: [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----| [A-Z0-9 ]{0,50}-{0,4}\Z|\Z)"  # whole, or not yet whole
)
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,50}-----")
_LONGEST_END = 70
_LAST_BLANK = re.compile(r"\s(?=\S*\Z)")
_AFTER = re.compile(r"[\s\"'\\]")

ANSWER = ""  # the place of an answer's texts; a command's is the id of its call
_Delta = e.TextDelta | e.ThinkingDelta | e.CallDelta | e.CallProgress


class Stream:
    """One text that comes in pieces. All that `add` and `rest` return together is the text without its secrets."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._before = ""  # the end of what was shown, before it was redacted
        self._held = ""
        self._inside = ""  # what is being left out: a secret that was too long to be held

    def add(self, piece: str) -> str:
        """PIECE comes; what may be shown now."""
        self._held += piece
        if self._inside and not self._left_out():
            return ""
        key = self._open_key()
        safe, most = self._safe(), _MOST
        if key is not None and key <= safe:
            safe, most = key, _MOST_KEY
        if len(self._held) - safe <= most:
            return self._shown(safe)
        return self._shown(len(self._held) - (0 if most == _MOST_KEY else _MOST // 2), forced=True)

    def rest(self) -> str:
        """There is no more; what was held back."""
        if self._inside and not self._left_out():
            self._held = ""
        return self._shown(len(self._held))

    def _left_out(self) -> bool:
        """Drops what belongs to the secret that is left out; whether it has ended."""
        end = (_KEY_ENDS if self._inside == _KEY else _AFTER).search(self._held)
        if end is None:
            self._held = self._held[-_LONGEST_END:] if self._inside == _KEY else ""
            return False
        self._held = self._held[end.end() if self._inside == _KEY else end.start() :]
        self._before, self._inside = "", ""
        return True

    def _safe(self) -> int:
        """How much of what is held cannot be the beginning of a secret, keys in blocks left aside."""
        held = self._held
        blank = _LAST_BLANK.search(held)
        safe = blank.end() if blank else 0
        for form in self._redactor.spaced:
            begun = next((n for n in range(min(len(form) - 1, len(held)), 0, -1) if held.endswith(form[:n])), 0)
            safe = min(safe, len(held) - begun)
        return safe

    def _open_key(self) -> int | None:
        """Where a private key begins that has not ended, or what may be one."""
        at = self._held.rfind("-----BEGIN")
        if at < 0 or not _KEY_BEGINS.match(self._held, at) or _KEY_ENDS.search(self._held, at):
            return None
        return at

    def _shown(self, safe: int, forced: bool = False) -> str:
        """The first SAFE characters of what is held, redacted; FORCED: a secret that reaches the end may go on."""
        whole, at = self._before + self._held, len(self._before)
        end, parts = at + safe, []
        for span in self._redactor.spans(whole) if safe else ():
            if span.end <= at:
                continue
            if span.start >= end:
                break
            parts += [whole[at : max(at, span.start)], mark(span.name)]
            at = span.end
            if forced and at == len(whole):
                self._inside = span.name
        parts.append(whole[at:end])
        done = max(at, end)
        self._before, self._held = whole[max(0, done - _CONTEXT) : done], whole[done:]
        return "".join(parts)


class Deltas:
    """The deltas of a session, without secrets. The texts of an answer follow one another; commands print beside them,
    the agent's and a person's at once."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._texts: dict[str, _Text] = {}  # those that have begun: the answer's, and each command's by its call

    def take(self, event: _Delta) -> Iterator[_Delta]:
        """What may be sent now that EVENT came. When another text of an answer begins, the one before it has ended."""
        place, key = _place_of(event), _key_of(event)
        if place in self._texts and self._texts[place].key != key:
            yield from self.flush(place)
        text = self._texts.setdefault(place, _Text(key, Stream(self._redactor)))
        text.last = event
        shown = text.stream.add(event.text)
        if shown or not event.text:
            yield event if shown == event.text else msgspec.structs.replace(event, text=shown)

    def flush(self, *places: str) -> Iterator[_Delta]:
        """What is held back of the texts at PLACES, or of all, because they have ended."""
        for place in places or tuple(self._texts):
            text = self._texts.pop(place, None)
            if text is not None and text.last is not None and (rest := text.stream.rest()):
                yield msgspec.structs.replace(text.last, text=rest)


class _Text:
    """A text that has begun: what tells it from others, and the last delta of it."""

    def __init__(self, key: tuple[object, ...], stream: Stream) -> None:
        self.key, self.stream = key, stream
        self.last: _Delta | None = None


def _place_of(event: _Delta) -> str:
    return event.call_id if isinstance(event, e.CallProgress) else ANSWER


def _key_of(event: _Delta) -> tuple[object, ...]:
    return () if isinstance(event, e.CallProgress) else (type(event), event.turn, event.index)
