"""Calling a person back: a notification where the terminal may take one, the bell, or nothing."""

import pytest

from support.sample_events import result
from support.workbench import playing, until
from workbench.protocol import events as e
from workbench.tui import attention
from workbench.tui.attention import notification, words


def seq(*events):
    return [e.Envelope(seq=at + 1, session="s", at=1.0, event=event) for at, event in enumerate(events)]


def test_words_are_of_the_last_thing_that_needs_a_person():
    assert words(seq(e.Idle(reason="done"))) == "the agent is done"
    assert words(seq(e.Idle(reason="done"), e.PromptSubmitted(text="x", origin="person", by="a"))) is None
    assert words(seq(e.Idle(reason="interrupted"))) is None
    assert words(seq(e.Notice(level="info", text="x"))) is None
    for subtype, said in (
        ("success", "the session ended"),
        ("error_retryable", "the session stopped; it can go on"),
        ("error_max_budget", "the session ended: max budget"),
    ):
        assert words(seq(e.SessionEnded(result=result(subtype)))) == said


@pytest.mark.parametrize(
    ("env", "begins"),
    [
        ({"TERM": "xterm-256color"}, "\x1b]9;mlwb: "),
        ({"TERM": "xterm-kitty"}, "\x1b]777;notify;mlwb;"),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x,1,0"}, "\x1bPtmux;\x1b\x1b]9;mlwb: "),
        ({"TERM": "linux"}, ""),
        ({}, ""),
    ],
)
def test_the_sequence_fits_the_terminal(env, begins):
    told = notification("done; \x1b]0;x\x07", env)
    assert told.startswith(begins) and bool(told) == bool(begins)
    body = told[len(begins) :]
    assert ";" not in body and body.count("\x07") <= 1 and "\x1b]0" not in body


@pytest.mark.parametrize(("way", "wrote", "rang"), [("auto", 1, 1), ("bell", 0, 1), ("off", 0, 0)])
def test_who_looks_elsewhere_is_called_in_the_way_that_was_chosen(tmp_path, way, wrote, rang):
    async def play(pilot, opener):
        app, sent, bells = pilot.app, [], []
        app.write, app.bell = sent.append, lambda: bells.append(1)
        app.do("notify", way)
        app.app_focus = False
        opener.client.give(e.Idle(reason="done"))
        await until(pilot, lambda: app.state.waiting == "done" and (len(sent), len(bells)) == (wrote, rang))
        await pilot.pause(0.2)
        assert (len(sent), len(bells)) == (wrote, rang)
        app.app_focus = True
        opener.client.give(e.Idle(reason="done"))
        await pilot.pause(0.2)
        assert (len(sent), len(bells)) == (wrote, rang)

    async def again(pilot, opener):
        assert pilot.app.prefs.notify == way

    playing(play, tmp_path)
    playing(again, tmp_path)
    assert attention.AWAY > 10
