"""Words that were taken while the agent worked outlive the process that took them, and come when somebody speaks."""

import os
import signal

import pytest

from support.endpoint import Endpoint, say, turn, use
from support.hosts import Fold, Hosts, Seat, number, prompt, resting, same
from support.mlwb import Place
from workbench.protocol import events as e
from workbench.protocol.commands import SubmitPrompt, Withdraw
from workbench.protocol.state import KEPT_QUEUED
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
            assert [one.text for one in again.client.state.queued.values()] == [WORDS, "never mind"]
            assert len(endpoint.requests) == 1, "nobody has spoken yet"
            assert again.do(prompt(again.client, "go on")).ok
            again.until(lambda state: state.turns >= 2 and resting(state))
            fold = Fold(again.folder)
            said = [one.text for one in fold.events(e.PromptSubmitted) if one.origin == "person"]
            fold.close()
            assert said == ["train it", WORDS, "never mind", "go on"]
        body = endpoint.requests[-1].body["messages"]
        assert WORDS in str(body) and "a mistake" not in str(body)


def test_every_client_sees_what_waits_and_another_terminal_takes_it_back_whole(place: Place) -> None:
    sleeps = turn(use("Bash", command="sleep 1000"))
    long = "and a long one: " + "word " * 2_000
    with Endpoint([sleeps], after=say("All of it.")) as endpoint, Hosts(place, endpoint.url) as hosts:
        with Seat(hosts) as seat:
            begun(seat)
            assert seat.do(prompt(seat.client, long)).ok
            other = Seat(hosts, joins=seat.client.session)
            with other:
                seat.until(lambda state: len(state.queued) == 3)
                fold = Fold(seat.folder)
                other.do(same(fold, other.watching))
                fold.close()
                *kept, last = other.client.state.queued.values()
                assert [one.text for one in kept] == [WORDS, "never mind"] and long.startswith(last.text[:1_000])
                taken = other.send(Withdraw(id=number(), prompt=last.id, by=""))
                assert taken.ok and taken.value == long
                assert not other.send(Withdraw(id=number(), prompt=last.id, by="")).ok, "it is taken back once"
                for one in (seat, other):
                    one.until(lambda state: [q.text for q in state.queued.values()] == [WORDS, "never mind"])
            hosts.kill(seat.pid)
        with Seat(hosts, resume=seat.client.session) as again:
            left = list(again.client.state.queued.values())[-1]
            assert again.send(Withdraw(id=number(), prompt=left.command, by="")).ok, "by the id it was sent by"
            assert again.do(prompt(again.client, "go on")).ok
            again.until(lambda state: state.turns >= 2 and resting(state))
            assert not again.client.state.queued
            fold = Fold(again.folder)
            said = [one.text for one in fold.events(e.PromptSubmitted) if one.origin == "person"]
            fold.close()
            assert said == ["train it", WORDS, "go on"]


def test_no_more_wait_than_every_client_can_be_shown(place: Place) -> None:
    sleeps = turn(use("Bash", command="sleep 1000"))
    with Endpoint([sleeps]) as endpoint, Hosts(place, endpoint.url) as hosts, Seat(hosts) as seat:
        assert seat.do(prompt(seat.client, "train it")).ok
        seat.until(lambda state: any(item.status == "running" for item in state.items))
        for at in range(KEPT_QUEUED):
            assert seat.do(prompt(seat.client, f"and {at}")).ok
        refused = seat.do(prompt(seat.client, "and one more"))
        assert not refused.ok and "wait for the agent already" in refused.error


def test_a_fork_takes_no_queued_words_along(place: Place) -> None:
    turns = [turn(use("Bash", command="sleep 1000"))]
    with Endpoint(turns, after=say("Yes.")) as endpoint, Hosts(place, endpoint.url) as hosts, Seat(hosts) as seat:
        begun(seat)
        hosts.kill(seat.pid)
        fold = Fold(place.session(fork.fork(seat.folder)))
        assert not fold.events(e.PromptQueued, e.PromptWithdrawn)
        fold.close()
