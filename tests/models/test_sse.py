"""Events out of bytes, however they are cut."""

import time

from workbench.models.sse import Events

STREAM = (
    b'event: a\ndata: {"n":1}\n\n: comment\n\ndata:{"n":2}\r\n\r\nid: 7\ndata: first\ndata: second\n\n'
    b"event: empty\n\ndata: \xe2\x82\xac\r\rdata: last\n\n"
)
WANTED = [b'{"n":1}', b'{"n":2}', b"first\nsecond", "€".encode(), b"last"]


def test_events_are_the_same_for_every_cut() -> None:
    for size in range(1, len(STREAM) + 1):
        events = Events()
        found = [data for at in range(0, len(STREAM), size) for data in events.feed(STREAM[at : at + size])]
        assert found == WANTED, size


def test_an_event_that_was_not_ended_is_not_given() -> None:
    assert Events().feed(b"data: half\n") == []


def test_the_pieces_of_a_long_event_are_not_read_again_and_again() -> None:
    """A piece of it costs the same wherever it comes: so much longer an event costs not its square."""

    def spent(pieces: int) -> float:
        events = Events()
        began = time.process_time()
        given = [events.feed(piece) for piece in [b"data: ", *[b"x" * 1000] * pieces, b"\n", b"\n"]]
        assert given[-1] == [b"x" * 1000 * pieces] and not any(given[:-1])
        return time.process_time() - began

    assert spent(8000) < 1.0  # 50 s where each piece reads all of it
