"""Sessions in a list: found by their beginnings, summed up without being read whole."""

import itertools
import os
import re
import time

import pytest

from support.sample_events import answer, clock, result, resumed, session_events, started, text, write_journal
from workbench import places
from workbench.protocol import events as e
from workbench.session import store
from workbench.session.journal import EVENTS, Journal


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return places.sessions()


def test_ids_are_short_and_readable():
    assert store.new_id(lambda size: bytes(size)) == "s-00000000"
    assert store.new_id(lambda size: b"\xff" * size) == "s-zzzzzzzz"
    ids = {store.new_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(re.fullmatch("s-[0-9a-hjkmnp-tv-z]{8}", one) for one in ids)


def test_no_sessions_at_all():
    assert store.list_sessions() == []
    with pytest.raises(store.UnknownSessionError, match="there is no session 'x'"):
        store.find("x")


def test_a_summary_tells_the_session(home):
    write_journal(home / "s-abcd1234", session_events(), "s-abcd1234")
    (one,) = store.list_sessions()
    assert (one.id, one.title, one.state, one.subtype) == ("s-abcd1234", "Lower the loss", "done", "success")
    assert (one.turns, one.cost_usd, one.agent, one.workspace) == (2, 0.5, "ml-engineer", "/data/project")
    assert one.started < one.updated


def test_the_newest_is_first(home):
    for number in (2, 1, 3):
        with Journal.create(home / f"s-{number}", f"s-{number}", clock(1000.0 * number)) as journal:
            journal.append(started(title=f"t{number}"))
    assert [one.title for one in store.list_sessions()] == ["t3", "t2", "t1"]


def test_states(home):
    live = Journal.create(home / "s-live", "s-live", clock())
    live.append(started())
    write_journal(home / "s-killed", session_events(ended=False))
    write_journal(home / "s-turns", [started(), e.SessionEnded(result=result("error_max_turns"))])
    write_journal(home / "s-again", [*session_events(), resumed()])
    write_journal(home / "s-bound", [started(), e.SessionEnded(result=result("error_system_boundary"))])
    states = {one.id: one.state for one in store.list_sessions()}
    assert states == {
        "s-live": "live",
        "s-killed": "resumable",
        "s-turns": "resumable",
        "s-again": "resumable",
        "s-bound": "done",
    }
    live.close()
    assert store.summary(home / "s-live").state == "resumable"


def test_a_summary_follows_its_journal(home):
    folder = home / "s-1"
    with Journal.create(folder, "s-1", clock()) as journal:
        journal.append(started())
        assert store.summary(folder).turns == 0
        journal.append(e.RequestStarted(turn=1, model="m"))
        journal.append(answer(1, text("x")))
        journal.append(e.Renamed(title="Another\ntitle"))
        now = store.summary(folder)
        assert (now.turns, now.cost_usd, now.title) == (1, 0.25, "Another\ntitle")
        assert store.summary(folder) == now
        journal.append(answer(2, text("x"), cost_usd=None))
        journal.append(answer(3, text("x")))
        assert store.summary(folder).cost_usd is None  # a price that is not known stays unknown
    # A kept summary that is damaged, or tells more than there is, is made anew.
    (folder / "summary.json").write_text("{")
    assert store.summary(folder).title == "Another\ntitle"
    with (folder / EVENTS).open("r+b") as file:
        file.truncate(len(file.readline()))
    assert store.summary(folder).turns == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_summaries_need_not_be_kept(home):
    write_journal(home / "s-1", session_events())
    (home / "s-1").chmod(0o500)
    assert store.summary(home / "s-1").turns == 2
    (home / "s-1").chmod(0o700)


def test_what_cannot_be_read_is_listed_with_the_reason(home):
    write_journal(home / "s-new", [started(protocol="2.0")])
    (home / "s-empty").mkdir()
    (home / "s-empty" / EVENTS).touch()
    (home / "no-session").mkdir()
    (home / "file").touch()
    problems = {one.id: one.problem for one in store.list_sessions()}
    assert set(problems) == {"s-new", "s-empty"}
    assert "newer mlwb" in problems["s-new"]
    assert "never began" in problems["s-empty"]


def test_a_session_is_found_by_its_beginning(home):
    for name in ("s-abcd1234", "s-abzz9999", "s-ab"):
        write_journal(home / name, [started()])
    assert store.find("s-abc").name == store.find("abcd").name == store.find("abcd1234").name == "s-abcd1234"
    assert store.find("s-ab").name == store.find("ab").name == "s-ab"  # exact wins
    with pytest.raises(store.UnknownSessionError, match="not one session: s-ab, s-abcd1234, s-abzz9999"):
        store.find("s-")
    with pytest.raises(store.UnknownSessionError, match=r"did you mean s-abcd1234\?"):
        store.find("s-abcd1243")
    for wrong in ("", ".", "..", "/", "../sessions/s-ab", "s-ab/", "s-ab\0"):
        with pytest.raises(store.UnknownSessionError):
            store.find(wrong)


def test_remove(home):
    write_journal(home / "s-abcd1234", [started()])
    with pytest.raises(store.UnknownSessionError, match="give its whole id: s-abcd1234"):
        store.remove("s-abc")
    with (
        Journal.open(home / "s-abcd1234", clock()),
        pytest.raises(store.StoreError, match=r"in use by process .* live"),
    ):
        store.remove("s-abcd1234")
    assert store.remove("s-abcd1234") == "s-abcd1234"
    assert list(home.iterdir()) == []


@pytest.mark.slow
def test_a_thousand_sessions_are_listed_quickly(home):
    home.mkdir(parents=True)
    write_journal(home / "s-0", session_events())
    data = (home / "s-0" / EVENTS).read_bytes()
    for number in range(1, 1000):
        (home / f"s-{number}").mkdir()
        (home / f"s-{number}" / EVENTS).write_bytes(data)
    times = []
    for _ in range(2):
        begin = time.process_time()
        assert len(store.list_sessions()) == 1000
        times.append(time.process_time() - begin)
    assert times[1] < 2.0
    assert all(one.turns == 2 for one in itertools.islice(store.list_sessions(), 5))
