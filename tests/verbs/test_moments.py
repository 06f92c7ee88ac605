"""Times of day as people write them: on the next day, and the day before, by the clock on the wall."""

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from workbench.protocol.inviting import until
from workbench.verbs.session_brief import moment_of


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """There the night before 2026-03-29 has an hour less."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.usefixtures("berlin")
def test_a_time_of_day_is_that_of_the_wall_clock_where_a_day_has_23_hours() -> None:
    assert until("18:00", at("2026-03-28T20:00")) == at("2026-03-29T18:00")
    assert moment_of("20:00", at("2026-03-29T10:00")) == at("2026-03-28T20:00")


@pytest.mark.parametrize("text", ["25:00", "yesterday", "9999999999999h", "0001-01-01T00:00"])
def test_what_is_no_moment_is_a_value_error_or_long_ago(text: str) -> None:
    try:
        assert moment_of(text, time.time()) < time.time()
    except ValueError as error:
        assert text in str(error)
