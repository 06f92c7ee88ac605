"""Events out of bytes, however they are cut."""

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
