"""The talk as it stands: a journal without the parts that rewinds took back. The journal itself keeps everything."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from workbench.protocol import events as e
from workbench.protocol.codec import decode_envelope
from workbench.session.journal import Reader

# Where such an event stands in a line. Anchored: what a model wrote may hold the same words further on.
_REWOUND = re.compile(rb'\{"seq":\d+,"session":"[^"\\]*","at":[^,"]*,"event":\{"type":"rewound"')


class Span(NamedTuple):
    """Events that a rewind took back: START <= seq < END, where END is the rewind's own event."""

    start: int
    end: int


def after(spans: tuple[Span, ...], seq: int, event: e.Rewound) -> tuple[Span, ...]:
    """SPANS after the rewind EVENT of number SEQ."""
    left = tuple(span for span in spans if span.end != event.undone)
    return (*left, Span(event.seq, seq)) if event.talk and not event.undone else left


def taken_back(spans: Iterable[Span], seq: int) -> bool:
    """Whether event SEQ lies in one of SPANS."""
    return any(start <= seq < end for start, end in spans)


class Rewinds:
    """What the rewinds of a journal take back, read on as the journal grows."""

    def __init__(self, journal: Reader) -> None:
        self._journal = journal
        self._seq = self._at = 0
        self._spans: tuple[Span, ...] = ()

    def spans(self) -> tuple[Span, ...]:
        """The spans up to the journal's last line."""
        for seq, event in self.read_on(self._journal.seq):
            self._spans = after(self._spans, seq, event)
        return self._spans

    def read_on(self, until: int) -> Iterator[tuple[int, e.Rewound]]:
        """The rewinds from where this stands to event UNTIL. Only their lines are decoded."""
        with self._journal.path.open("rb") as file:
            file.seek(self._at)
            while self._seq < until and (line := file.readline()).endswith(b"\n"):
                self._seq, self._at = self._seq + 1, self._at + len(line)
                if _REWOUND.match(line) and isinstance(event := decode_envelope(line).event, e.Rewound):
                    yield self._seq, event


def spans_at(journal: Reader, until: int) -> tuple[Span, ...]:
    """What was taken back as of event UNTIL."""
    spans: tuple[Span, ...] = ()
    for seq, event in Rewinds(journal).read_on(until):
        spans = after(spans, seq, event)
    return spans


def talk(journal: Reader, until: int) -> Iterator[e.Envelope]:
    """The events up to UNTIL that still count as of then. Raises JournalError."""
    spans = spans_at(journal, until)
    for envelope in journal.read(until=until):
        if not taken_back(spans, envelope.seq):
            yield envelope
