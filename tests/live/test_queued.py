"""Words that were taken while the agent worked outlive the process that took them, and come when somebody speaks."""

import os
import signal

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.hosts import Fold, Hosts, Seat, number, prompt, resting
from support.mlwb import Place
from workbench.protocol import events as e
from workbench.protocol.commands import SubmitPrompt, Withdraw
from workbench.session import fork

WORDS = "and then plot it"


def begun(seat: Seat) -> None:
    """The agent is at work, and three more prompts wait for it; one of them is taken back."""
    assert seat.do(prompt(seat.client, "train it")).ok
    seat.until(lambda state: any(item.status == "running" for item in state.items))
    for text in (WORDS, "never mind"):
        assert seat.do(prompt(seat.client, text)).ok
    name = number()
    assert seat.send(SubmitPrompt(id=name, text="a mistake", by="")).ok
    queued = Fold(seat.folder)
    by = queued.events(e.PromptQueued)[-1].by
    queued.close()
    assert seat.send(Withdraw(id=number(), prompt=name, by=by)).ok


@pytest.mark.parametrize("number_", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_queued_goes_with_the_next_prompt(place: Place, number_: signal.Signals) -> None:
    sleeps = turn(use("Bash", command="sleep 1000"))
    with Endpoint([sleeps], after=say("All of it.")) as endpoint, Hosts(place, endpoint.url) as hosts:
        with Seat(hosts) as seat:
            begun(seat)
            os.kill(seat.pid, number_)
            hosts.gone(seat.pid)
        with Seat(hosts, resume=seat.client.session) as again:
            (told,) = [item.text for item in again.client.state.items if "prompt(s) that were queued" in item.text]
            assert told.startswith("2 ") and WORDS in told
            assert len(endpoint.requests) == 1, "nobody has spoken yet"
            assert again.do(prompt(again.client, "go on")).ok
            again.until(lambda state: state.turns >= 2 and resting(state))
            fold = Fold(again.folder)
            said = [one.text for one in fold.events(e.PromptSubmitted) if one.origin == "person"]
            fold.close()
            assert said == ["train it", WORDS, "never mind", "go on"]
        body = endpoint.requests[-1].body["messages"]
        assert WORDS in str(body) and "a mistake" not in str(body)


def test_a_fork_takes_no_queued_words_along(place: Place) -> None:
    turns = [turn(use("Bash", command="sleep 1000"))]
    with Endpoint(turns, after=say("Yes.")) as endpoint, Hosts(place, endpoint.url) as hosts, Seat(hosts) as seat:
        begun(seat)
        hosts.kill(seat.pid)
        fold = Fold(place.session(fork.fork(seat.folder)))
        assert not fold.events(e.PromptQueued, e.PromptWithdrawn)
        fold.close()
