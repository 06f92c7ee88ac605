"""The talk as it stands: a journal without the parts that rewinds took back. The journal itself keeps everything."""

from collections.abc import Iterator

from workbench.protocol import events as e
from workbench.protocol.fold import rewound_after
from workbench.session.blobs import Blobs
from workbench.session.journal import Reader
from workbench.session.messages import Messages
from workbench.session.tally import Tally

Spans = tuple[tuple[int, int], ...]  # each from a prompt's seq up to before the rewind's own event


def is_prompt(event: e.JournalEvent | e.EphemeralEvent) -> bool:
    """Whether EVENT are words of a person, to which the session can go back."""
    return isinstance(event, e.PromptSubmitted) and event.origin in ("task", "person", "answer")


class Rewinds:
    """What the rewinds of a journal take back, read on as the journal grows."""

    def __init__(self, journal: Reader) -> None:
        self._journal = journal
        self._seq = 0
        self._spans: Spans = ()

    def spans(self) -> Spans:
        """The spans up to the journal's last line."""
        return self.spans_at(self._journal.seq)

    def spans_at(self, until: int) -> Spans:
        """The spans as of event UNTIL, or of a later one that was asked about before."""
        for seq in self._journal.find("rewound", self._seq, until):
            event = next(self._journal.read(seq - 1, seq)).event
            if isinstance(event, e.Rewound):
                self._spans = rewound_after(self._spans, seq, event)
        self._seq = max(self._seq, until)
        return self._spans


def spans_at(journal: Reader, until: int) -> Spans:
    """What was taken back as of event UNTIL."""
    return Rewinds(journal).spans_at(until)


def talk(journal: Reader, until: int) -> Iterator[e.Envelope]:
    """The events up to UNTIL that still count as of then. Raises JournalError."""
    spans = spans_at(journal, until)
    for envelope in journal.read(until=until):
        if not any(start <= envelope.seq < end for start, end in spans):
            yield envelope


def refolded(journal: Reader, until: int, blobs: Blobs, tally: Tally) -> tuple[Messages, Tally]:
    """The API's history and the tally of the talk as it stands after event UNTIL, a rewind.

    What was spent stays spent: counts, denials, checks and runs are those of TALLY. Messages are encoded as they were,
    byte for byte, so that caches and thinking stay valid up to the point that the talk went back to.
    """
    messages, anew = Messages(lambda blob: blobs.get(blob)), Tally()
    for envelope in talk(journal, until):
        messages.apply(envelope)
        anew.apply(envelope)
    anew.answers, anew.denials, anew.checks = tally.answers, tally.denials, tally.checks
    anew.runs = tally.runs
    return messages, anew
