"""`mlwb share --list` reads a journal that its host is just writing."""

from pathlib import Path

from support.sample_events import session_events, write_journal
from workbench.protocol import events as e
from workbench.session.journal import EVENTS
from workbench.verbs.share import shares_of


def test_a_line_that_is_not_yet_whole_costs_the_others_nothing(tmp_path: Path) -> None:
    shared = e.Shared(share="g1", who=("bob",), role="viewer", until=4e9, by="ana")
    write_journal(tmp_path / "s-abcd1234", [*session_events(ended=False), shared], "s-abcd1234")
    journal = tmp_path / "s-abcd1234" / EVENTS
    journal.write_bytes(journal.read_bytes() + journal.read_bytes().splitlines()[-1][:-20])
    assert [share.who for share in shares_of(tmp_path / "s-abcd1234")] == [("bob",)]
