"""What no session says of itself: what happened since one looked, who else is here, the way back from the boundary."""

import json
import time

import msgspec

from support.sample_events import result
from support.screens import text_of
from support.workbench import playing, until
from workbench.protocol import events as e
from workbench.tui.opening import NeighbourRow, SessionRow, TurnRow
from workbench.tui.surroundings import clock, neighbouring

OTHER = NeighbourRow(id="s-otherone", agent="devops", title="Serve it", user="ben", pid=7)
PROMPT = TurnRow(seq=3, turn=1, at=1.0, text="delegate it")


def looked(tmp_path) -> dict[str, float]:
    """What is kept of when each session was looked at."""
    return json.loads((tmp_path / "state/mlwb/looked.json").read_text())


def test_leaving_keeps_when_it_was_looked_at_and_coming_back_says_what_happened(tmp_path):
    async def leave(pilot, opener):
        await pilot.press("ctrl+q")
        await until(pilot, lambda: opener.client.closed)

    async def again(pilot, opener):
        opener.phrases["s-00000000"] = ("1 approval waiting", "3 files changed by the agent")
        pilot.app.do("sessions", "s-elsewhere")
        await until(pilot, lambda: pilot.app.state.session == "s-elsewhere")
        keep({"s-00000000": kept})
        pilot.app.do("sessions", "s-00000000")
        await until(pilot, lambda: "1 approval waiting, 3 files changed by the agent" in text_of(pilot.app))
        assert f"since {clock(kept, time.time())}: " in text_of(pilot.app)
        opener.client.give(e.RequestStarted(turn=1, model="m"))
        await until(pilot, lambda: "since" not in text_of(pilot.app))

    def keep(moments):
        (tmp_path / "state/mlwb/looked.json").write_text(json.dumps(moments))

    playing(leave, tmp_path)
    assert abs(looked(tmp_path)["s-00000000"] - time.time()) < 60
    kept = looked(tmp_path)["s-00000000"] - 600
    playing(again, tmp_path)


def test_what_was_kept_of_looking_may_be_broken(tmp_path):
    (tmp_path / "state/mlwb").mkdir()
    (tmp_path / "state/mlwb/looked.json").write_text("[")

    async def play(pilot, opener):
        await pilot.press("ctrl+q")
        await until(pilot, lambda: opener.client.closed)

    playing(play, tmp_path)
    assert "s-00000000" in looked(tmp_path)


def test_the_session_that_was_last_here_tells_what_it_did_meanwhile(tmp_path):
    (tmp_path / "state/mlwb").mkdir()
    (tmp_path / "state/mlwb/looked.json").write_text('{"s-old": 50.0}')
    row = SessionRow(id="s-old", title="Lower it", workspace=str(tmp_path), state="done", updated=90.0, turns=4)

    async def play(pilot, opener):
        opener.rows, opener.phrases = [row], {"s-old": ("2 files changed by the agent",)}
        pilot.app.do("model", "local-7b")  # another session, opened with the list there
        await until(pilot, lambda: "Lower it: was left" in text_of(pilot.app))
        assert "2 files changed by the agent" in text_of(pilot.app)
        assert ("happened", "s-old", 50.0) in opener.asked

    playing(play, tmp_path, (160, 40))


def test_another_session_here_is_said_and_stands_in_the_header(tmp_path):
    async def play(pilot, opener):
        opener.beside = [OTHER]
        opener.client.give(e.PromptSubmitted(text="hi", origin="person", by="ana"))
        await until(pilot, lambda: "2 here" in text_of(pilot.app).splitlines()[0])
        pilot.app.do("model", "local-7b")
        await until(pilot, lambda: "s-otherone (devops) is at work in this folder too: Serve it" in text_of(pilot.app))
        opener.beside = []
        opener.client.give(e.PromptSubmitted(text="hi", origin="person", by="ana"))
        await until(pilot, lambda: "2 here" not in text_of(pilot.app))

    playing(play, tmp_path)


def test_one_that_only_waits_for_somebody_to_come_back_is_not_told_as_at_work(tmp_path):
    resting = msgspec.structs.replace(OTHER, id="s-restings", rests=True)
    assert neighbouring([resting]) == []
    assert neighbouring([resting, OTHER]) == neighbouring([OTHER])

    async def play(pilot, opener):
        opener.beside = [OTHER, resting]
        opener.client.give(e.PromptSubmitted(text="hi", origin="person", by="ana"))
        await until(pilot, lambda: "2 here" in text_of(pilot.app).splitlines()[0])

    playing(play, tmp_path)


def test_an_edit_of_a_file_that_the_other_session_changed_is_told_once(tmp_path):
    edit = e.CallFinished(call_id="a", tool="Edit", status="ok", changed=(str(tmp_path / "train.py"),))

    async def play(pilot, opener):
        opener.beside = [msgspec.structs.replace(OTHER, changed={str(tmp_path / "train.py"): 2e9})]
        opener.client.give(edit)
        await until(pilot, lambda: "train.py was edited here, and s-otherone (devops)" in _flat(pilot.app))
        opener.client.give(edit, e.PromptSubmitted(text="on", origin="person", by="ana"))
        await until(pilot, lambda: pilot.app.state.seq == 4)
        await pilot.pause(0.2)
        assert _flat(pilot.app).count("was edited here") == 1

    playing(play, tmp_path)


def test_a_file_that_was_changed_before_this_session_began_is_not_told(tmp_path):
    async def play(pilot, opener):
        opener.beside = [msgspec.structs.replace(OTHER, changed={str(tmp_path / "train.py"): 1.0})]
        opener.client.give(e.CallFinished(call_id="a", tool="Edit", status="ok", changed=("train.py",)))
        await until(pilot, lambda: pilot.app.facts.others == 1)
        await pilot.pause(0.2)
        assert "was edited here" not in _flat(pilot.app)

    playing(play, tmp_path)


def test_a_stop_at_the_boundary_offers_a_fork_from_before_it(tmp_path):
    async def play(pilot, opener):
        opener.prompts["s-00000000"] = [PROMPT]
        opener.client.give(e.SessionEnded(result=result("error_system_boundary")))
        await until(pilot, lambda: "forks it from before that" in text_of(pilot.app))
        await pilot.press("ctrl+n")
        await until(pilot, lambda: pilot.app.state.session == "s-forked00")
        assert ("fork", "s-00000000", "3") in opener.done
        await until(pilot, lambda: pilot.app.focused.value == "delegate it")

    playing(play, tmp_path)


def test_without_a_prompt_there_is_nothing_to_fork_from_before(tmp_path):
    async def play(pilot, opener):
        pilot.app.do("fork_before")
        await until(pilot, lambda: "no prompt yet" in text_of(pilot.app))

    playing(play, tmp_path)


def _flat(app) -> str:
    return " ".join(text_of(app).replace("▌", " ").split())
