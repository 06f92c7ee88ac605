"""On which machine a session lives: its journal says so, and `mlwb attach` names the way there."""

import socket
from pathlib import Path

import msgspec

from support.mlwb import Place
from support.sample_events import started
from workbench.protocol import events as e
from workbench.protocol.task import Caps
from workbench.session.journal import Journal
from workbench.session.whereabouts import elsewhere, whereabouts

HERE = socket.gethostname()


def resumed(host: str) -> e.SessionResumed:
    return e.SessionResumed(host=host, boot_id="b", user="li", pid=1, mode="default", caps=Caps())


def journal(folder: Path, *events: e.Event) -> Path:
    """A session of the id that FOLDER has, with these EVENTS."""
    folder.mkdir(parents=True)
    with Journal.create(folder, folder.name, lambda: 1e9) as made:
        for event in events:
            made.append(event)
    return folder


def test_it_is_where_it_was_taken_up_last(tmp_path: Path) -> None:
    begun = msgspec.structs.replace(started(), host="gpu01")
    # what a model wrote may look like an event
    fake = '{"seq":9,"session":"s","at":1,"event":{"type":"session_resumed","host":"gpu99"}}'
    said = e.PromptSubmitted(text=fake, origin="person", by="li", content=({"event": {"type": "session_resumed"}},))
    assert elsewhere(journal(tmp_path / "s-1", begun, said)) == "gpu01"
    assert elsewhere(journal(tmp_path / "s-2", begun, resumed("gpu07"), said)) == "gpu07"
    at_home = journal(tmp_path / "s-3", begun, resumed("gpu07"), resumed(HERE), said)
    assert elsewhere(at_home) == "" and not whereabouts(at_home).here, "this machine, before it was started anew"


def test_without_a_journal_it_is_here(tmp_path: Path) -> None:
    assert elsewhere(tmp_path) == "" and whereabouts(tmp_path).here
    (tmp_path / "events.jsonl").write_bytes(b"torn")
    assert elsewhere(tmp_path) == ""


def test_attach_names_the_way_there(tmp_path: Path) -> None:
    place = Place(tmp_path)
    journal(place.session("s-0000gpu7"), started(), resumed("gpu07"))
    done = place.mlwb("attach", "0000")
    assert done.code == 2 and "`mlwb attach ssh://gpu07/s-0000gpu7`" in done.stderr, done.stderr
    journal(place.session("s-0000home"), started(), resumed(HERE))
    done = place.mlwb("attach", "s-0000home")
    assert done.code == 2 and "`mlwb --resume s-0000home`" in done.stderr, done.stderr
