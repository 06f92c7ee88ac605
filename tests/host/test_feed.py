"""The stream to a client: every journalled envelope once and in order, deltas while there is room, and an end."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from workbench.host.hub import QUEUE, Feed
from workbench.protocol.events import CallProgress, Envelope, Notice, SessionEnded, TextDelta
from workbench.protocol.result import Result

END = SessionEnded(result=Result(subtype="success", is_error=False, session_id="s-1"))


def journalled(seq: int) -> Envelope:
    return Envelope(seq=seq, session="s-1", at=0.0, event=Notice(level="info", text=str(seq)))


def delta() -> Envelope:
    return Envelope(seq=0, session="s-1", at=0.0, event=TextDelta(turn=1, index=0, text="x"))


def ended(seq: int) -> Envelope:
    return Envelope(seq=seq, session="s-1", at=0.0, event=END)


class Log:
    """Stands for the journal: what was appended can be read again."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.feed: Feed | None = None

    def read(self, after: int):
        return iter([one for one in self.envelopes if one.seq > after])

    def append(self, envelope: Envelope, *, write: bool = True) -> None:
        if envelope.seq and write:
            self.envelopes.append(envelope)
        if self.feed:
            self.feed.push(envelope)


async def collect(feed: Feed) -> list[Envelope]:
    return [envelope async for envelope in feed.envelopes()]


def test_a_late_client_gets_what_came_before_and_nothing_twice():
    log = Log()
    for seq in range(1, 6):
        log.append(journalled(seq))
    log.feed = Feed(log.read, after=2)
    log.append(journalled(6))
    log.append(ended(7))
    assert [one.seq for one in asyncio.run(collect(log.feed))] == [3, 4, 5, 6, 7]


def test_a_client_that_lags_loses_deltas_and_no_journalled_event():
    log = Log()
    log.feed = Feed(log.read)
    last = 0
    for _ in range(3 * QUEUE):
        last += 1
        log.append(journalled(last))
        log.append(delta())
    log.append(ended(last + 1))
    seen = asyncio.run(collect(log.feed))
    assert [one.seq for one in seen if one.seq] == list(range(1, last + 2))
    assert sum(1 for one in seen if not one.seq) <= QUEUE


def test_a_client_that_is_overtaken_while_it_reads_what_it_missed_loses_nothing():
    log = Log()
    for seq in range(1, 11):
        log.append(journalled(seq))
    log.feed = Feed(log.read)

    async def both():
        envelopes = log.feed.envelopes()
        seen = [await anext(envelopes)]
        for seq in range(11, 11 + QUEUE + QUEUE // 2):  # more than waits, and then some that wait again
            log.append(journalled(seq))
        log.append(ended(11 + QUEUE + QUEUE // 2))
        return seen + [envelope async for envelope in envelopes]

    assert [one.seq for one in asyncio.run(both())] == list(range(1, 12 + QUEUE + QUEUE // 2))


@given(st.lists(st.tuples(st.integers(0, 2 * QUEUE), st.integers(1, QUEUE)), max_size=6), st.integers(1, 300))
def test_whatever_the_pace_nothing_journalled_is_lost_or_told_twice(steps: list[tuple[int, int]], most: int):
    log = Log()
    log.feed = Feed(log.read)

    async def both():
        batches, seen, seq = log.feed.batches(most), [], 0
        for pushed, batched in steps:
            for _ in range(pushed):
                seq += 1
                log.append(journalled(seq))
                log.append(delta())
            for _ in range(batched):
                if sum(1 for one in seen if one.seq) == seq:
                    break
                seen += await anext(batches)
        log.append(ended(seq + 1))
        return seen + [one async for batch in batches for one in batch]

    seen = [one.seq for one in asyncio.run(both()) if one.seq]
    assert seen == list(range(1, len(log.envelopes) + 1))


def test_a_client_that_lost_deltas_is_told_the_text_under_way_whole_and_the_next_piece_once():
    log, text = Log(), ""

    def drafts() -> list[Envelope]:
        return [Envelope(seq=0, session="s-1", at=0.0, event=TextDelta(turn=1, index=0, text=text, whole=True))]

    log.feed = Feed(log.read, drafts=drafts)
    log.append(journalled(1))

    async def both():
        nonlocal text
        seen: list[Envelope] = []
        batches = log.feed.batches(8)
        seen += await anext(batches)  # nothing is under way yet but an empty text
        for number in range(3 * QUEUE):  # two texts by turns: they are not put together
            text += "x"
            log.append(delta())
            log.append(Envelope(seq=0, session="s-1", at=0.0, event=CallProgress(call_id="c", text=str(number))))
        log.append(journalled(2))
        while not any(one.seq == 2 for one in seen):
            seen += await anext(batches)
        text += "y"
        log.append(Envelope(seq=0, session="s-1", at=0.0, event=TextDelta(turn=1, index=0, text="y")))
        log.append(ended(3))
        seen += [one async for batch in batches for one in batch]
        return seen

    shown = ""
    for event in (one.event for one in asyncio.run(both()) if isinstance(one.event, TextDelta)):
        shown = event.text if event.whole else shown + event.text
    assert shown == text


def test_a_client_that_keeps_up_gets_the_deltas_in_their_place():
    log = Log()
    log.feed = Feed(log.read)

    async def both():
        watching = asyncio.create_task(collect(log.feed))
        for envelope in (journalled(1), delta(), journalled(2), delta(), ended(3)):
            log.append(envelope)
            await asyncio.sleep(0)
        return await watching

    assert [one.seq for one in asyncio.run(both())] == [1, 0, 2, 0, 3]


def test_an_end_that_could_not_be_journalled_is_told_all_the_same():
    log = Log()
    log.feed = Feed(log.read)
    for seq in range(1, 2 * QUEUE):
        log.append(journalled(seq))
    log.append(ended(2 * QUEUE), write=False)
    seen = asyncio.run(asyncio.wait_for(collect(log.feed), 5))
    assert isinstance(seen[-1].event, SessionEnded) and len(seen) == 2 * QUEUE


def test_a_closed_feed_ends():
    log = Log()
    log.feed = Feed(log.read)

    async def close_while_waiting():
        watching = asyncio.create_task(collect(log.feed))
        await asyncio.sleep(0)
        log.feed.close()
        return await asyncio.wait_for(watching, 5)

    assert asyncio.run(close_while_waiting()) == []
