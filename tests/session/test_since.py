"""What happened since a moment, and who else is at work in a folder."""

import pytest

from support.sample_events import clock, result, started
from workbench import places
from workbench.protocol import events as e
from workbench.protocol.result import CheckResult
from workbench.protocol.task import Task
from workbench.session import fork, store
from workbench.session.journal import Journal
from workbench.session.neighbours import Neighbourhood
from workbench.session.since import happened


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return places.sessions()


def asked(request: str) -> e.ApprovalRequested:
    return e.ApprovalRequested(
        request_id=request, call_id="c", tool="Edit", input={}, rule=None, reason="", digest=""
    )  # fmt: skip


def edited(*paths: str) -> e.CallFinished:
    return e.CallFinished(call_id="c", tool="Edit", status="ok", changed=paths)


def journal(home, *events, name="s-aaaaaaaa"):
    """Journal with EVENTS, the first at 1001 and each a second later; open, so that it is live."""
    home.mkdir(parents=True, exist_ok=True)
    made = Journal.create(home / name, name, clock(1000.0))
    for event in (started(), *events):
        made.append(event)
    return made


def test_it_is_said_in_phrases_what_needs_a_person_first(home):
    with journal(
        home, e.RequestStarted(turn=1, model="m"), edited("a.py"), edited("a.py", "b.py"), asked("r1"), asked("r2"),
        e.ApprovalResolved(request_id="r1", decision="once", by="ada"), e.ShellFinished(shell_id="b-2", exit_code=1),
        e.CheckFinished(check=CheckResult(command="pytest", exit_code=1, output=""), attempt=1), e.RunLinked(run="r-1"),
    ) as made:  # fmt: skip
        assert happened(made.folder, 1001.0) == (
            "1 approval waiting",
            "2 files changed by the agent",
            "1 run linked",
            "background shell b-2 ended with exit code 1",
            "check pytest failed with exit code 1",
            "1 turn",
        )
        assert happened(made.folder, 1008.0)[0] == "1 run linked" or "background" in happened(made.folder, 1007.0)[0]
        assert happened(made.folder, 2000.0) == ()
        assert happened(made.folder, 1001.0, until=1002.0) == ("1 turn",)


def test_an_end_leaves_nothing_waiting(home):
    with journal(home, asked("r1"), e.SessionEnded(result=result("error_max_turns"))) as made:
        assert happened(made.folder, 0.0) == ("it ended: error max turns", "0 turns")


def test_live_sessions_of_the_folder_are_found_and_read_on(home, tmp_path):
    here = tmp_path / "project"
    here.mkdir()
    other = Journal.create(home / "s-other000", "s-other000", clock(2000.0))
    other.append(started(workspace=str(here), agent="devops", title="Serve"))
    with journal(home, name="s-stranger"), other:
        around = Neighbourhood(here, "s-own00000")
        (one,) = around.look()
        assert (one.id, one.agent, one.title, one.changed) == ("s-other000", "devops", "Serve", {})
        other.append(edited("train.py"))
        (one,) = around.look()
        assert one.changed == {str(here.resolve() / "train.py"): 2002.0}
        assert Neighbourhood(here, "s-other000").look() == ()
    assert around.look() == ()  # its process let go of it
    around.close()


def test_one_that_nobody_is_at_and_that_has_nothing_to_do_rests(home, tmp_path):
    here = tmp_path / "project"
    here.mkdir()
    told = Task(prompt="", interactive=True)
    steps = [
        (e.ClientJoined(client="c-1", user="ana", role="driver", owner=True, place="pts/1"), False),
        (e.ClientLeft(client="c-1", user="ana", why=""), True),
        (e.PromptQueued(queued="q-1", text="go on", by="ana"), False),
        (e.RequestStarted(turn=1, model="m"), False),
        (e.Idle(reason="done"), True),
        (e.ClientJoined(client="c-2", user="ana", role="driver", owner=True, place="pts/1"), False),
        (
            e.SessionResumed(host="h", boot_id="b", user="ana", pid=7, mode="default", caps=told.caps),
            True,
        ),  # its host was killed, and c-2 with it
    ]
    other = Journal.create(home / "s-other000", "s-other000", clock(2000.0))
    other.append(started(workspace=str(here), task=told))
    with other:
        around = Neighbourhood(here, "s-own00000")
        assert around.look()[0].rests
        for event, rests in steps:
            other.append(event)
            assert around.look()[0].rests is rests, event
        around.close()


def test_a_session_is_titled_by_what_was_asked_first(home):
    with journal(home, e.PromptSubmitted(text="memo", origin="memory", by="w")) as made:
        made.append(e.PromptSubmitted(text="\nlower it\nplease", origin="person", by="ada"))
    assert store.summary(made.folder).title == "Lower the loss"
    with Journal.create(home / "s-bbbbbbbb", "s-bbbbbbbb", clock()) as plain:
        from workbench.protocol.task import Task

        plain.append(started(task=Task(prompt="", interactive=True)))
        plain.append(e.PromptSubmitted(text="\nlower it\nplease", origin="person", by="ada"))
        plain.append(e.PromptSubmitted(text="more", origin="person", by="ada"))
    assert store.summary(plain.folder).title == "lower it"


def test_prompts_are_where_a_session_can_be_forked(home):
    with journal(
        home, e.PromptSubmitted(text="one", origin="person", by="ada"), e.RequestStarted(turn=1, model="m"),
        e.RequestStarted(turn=2, model="m"), e.PromptSubmitted(text="two", origin="person", by="ada"),
        e.PromptSubmitted(text="no", origin="check", by="mlwb"),
    ) as made:  # fmt: skip
        found = fork.prompts(made.folder)
    assert [(one.seq, one.turn, one.text) for one in found] == [(2, 1, "one"), (5, 3, "two")]
    with pytest.raises(fork.ForkError, match="cannot be read"):
        fork.prompts(home / "s-none")
