"""The talk as it stands: a journal without the parts that rewinds took back. The journal itself keeps everything."""

import re
from collections.abc import Iterator

from workbench.protocol import events as e
from workbench.protocol.codec import decode_envelope
from workbench.protocol.fold import rewound_after
from workbench.session.blobs import Blobs
from workbench.session.journal import Reader
from workbench.session.messages import Messages
from workbench.session.tally import Tally

# Where such an event stands in a line. Anchored: what a model wrote may hold the same words further on.
_REWOUND = re.compile(rb'\{"seq":\d+,"session":"[^"\\]*","at":[^,"]*,"event":\{"type":"rewound"')


Spans = tuple[tuple[int, int], ...]  # each from a prompt's seq up to before the rewind's own event


def is_prompt(event: e.JournalEvent | e.EphemeralEvent) -> bool:
    """Whether EVENT are words of a person, to which the session can go back."""
    return isinstance(event, e.PromptSubmitted) and event.origin in ("task", "person", "answer")


class Rewinds:
    """What the rewinds of a journal take back, read on as the journal grows."""

    def __init__(self, journal: Reader) -> None:
        self._journal = journal
        self._seq = self._at = 0
        self._spans: Spans = ()

    def spans(self) -> Spans:
        """The spans up to the journal's last line."""
        for seq, event in self.read_on(self._journal.seq):
            self._spans = rewound_after(self._spans, seq, event)
        return self._spans

    def read_on(self, until: int) -> Iterator[tuple[int, e.Rewound]]:
        """The rewinds from where this stands to event UNTIL. Only their lines are decoded."""
        with self._journal.path.open("rb") as file:
            file.seek(self._at)
            while self._seq < until and (line := file.readline()).endswith(b"\n"):
                self._seq, self._at = self._seq + 1, self._at + len(line)
                if _REWOUND.match(line) and isinstance(event := decode_envelope(line).event, e.Rewound):
                    yield self._seq, event


def spans_at(journal: Reader, until: int) -> Spans:
    """What was taken back as of event UNTIL."""
    spans: Spans = ()
    for seq, event in Rewinds(journal).read_on(until):
        spans = rewound_after(spans, seq, event)
    return spans


def talk(journal: Reader, until: int) -> Iterator[e.Envelope]:
    """The events up to UNTIL that still count as of then. Raises JournalError."""
    spans = spans_at(journal, until)
    for envelope in journal.read(until=until):
        if not any(start <= envelope.seq < end for start, end in spans):
            yield envelope


def refolded(journal: Reader, until: int, blobs: Blobs, tally: Tally) -> tuple[Messages, Tally]:
    """The API's history and the tally of the talk as it stands after event UNTIL, a rewind.

    What was spent stays spent: counts, denials and checks are those of TALLY. Messages are encoded as they were, byte
    for byte, so that caches and thinking stay valid up to the point that the talk went back to.
    """
    messages, anew = Messages(lambda blob: blobs.get(blob)), Tally()
    for envelope in talk(journal, until):
        messages.apply(envelope)
        anew.apply(envelope)
    anew.answers, anew.denials, anew.checks = tally.answers, tally.denials, tally.checks
    return messages, anew
