"""What the model gets of an answer that a person stopped: its words, at the next prompt and nowhere else."""

import asyncio
import json

from support.endpoint import Endpoint, say
from support.live import texts, workspace
from workbench.host import local
from workbench.protocol import events as e
from workbench.protocol.commands import Interrupt, Stop, SubmitPrompt
from workbench.protocol.result import Usage
from workbench.protocol.task import Task
from workbench.session.messages import STOPPED, Messages

__all__ = ["workspace"]


def history(*events):
    """The folded history, decoded."""
    messages = Messages(lambda blob: b"")
    for seq, event in enumerate(events, 1):
        messages.apply(e.Envelope(seq=seq, session="s-1", at=0.0, event=event))
    return messages, [json.loads(message) for message in messages.sent]


def asked(text):
    return e.PromptSubmitted(text=text, origin="prompt", by="ana")


def request(turn=1):
    return e.RequestStarted(turn=turn, model="m", estimate=1)


def stopped(text, turn=1):
    return e.AnswerDiscarded(turn=turn, reason="", text=text)


def answered(text, turn=1):
    content = ({"type": "text", "text": text},)
    return e.AnswerCompleted(
        turn=turn, message_id="msg", model="m", content=content, stop_reason="end_turn", usage=Usage()
    )


def test_what_it_had_said_stands_before_the_next_prompt_as_its_own_words():
    _, sent = history(asked("one"), request(), stopped("half of \n"), asked("go on"), request(2), answered("whole", 2))
    assert [message["role"] for message in sent] == ["user", "assistant", "user", "assistant"]
    assert sent[1]["content"] == [{"type": "text", "text": "half of"}]  # the service refuses blanks at the end
    assert [block["text"] for block in sent[2]["content"]] == [STOPPED, "go on"]


def test_without_a_new_prompt_the_history_never_ends_with_its_words():
    messages, sent = history(asked("one"), request(), stopped("half"), request(1))
    assert [message["role"] for message in sent] == ["user"] and messages.wants_answer
    _, sent = history(asked("one"), request(), stopped("half"), request(1), answered("whole"), asked("two"), request(2))
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert STOPPED not in str(sent)


def test_an_answer_that_was_stopped_twice_is_told_once_each_time():
    _, sent = history(
        asked("a"), request(), stopped("first"), asked("b"), request(2), stopped("second", 2), asked("c"), request(3)
    )
    assert [message["content"][0]["text"] for message in sent] == ["a", "first", STOPPED, "second", STOPPED]


def test_a_summary_is_made_of_it_too_and_ends_it():
    messages, _ = history(asked("one"), request(), stopped("half"), asked("two"))
    tail = [json.loads(message) for message in messages.with_pending({"type": "text", "text": "sum up"})][1:]
    assert [message["role"] for message in tail] == ["assistant", "user"]
    assert [block["text"] for block in tail[1]["content"]] == [STOPPED, "two", "sum up"]
    compacted = e.Compacted(
        summary="s",
        messages=({"role": "user", "content": [{"type": "text", "text": "s"}]},),
        tokens_before=1,
        usage=Usage(),
    )
    _, sent = history(asked("one"), request(), stopped("half"), compacted, asked("two"), request(2))
    assert "half" not in str(sent) and STOPPED not in str(sent)


def test_the_service_gets_it_and_what_was_sent_stays_as_it_was(workspace):
    said = []

    async def whole():
        env = {"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k", "PATH": "/usr/bin:/bin"}
        client = await local.start(Task(prompt="", workspace=str(workspace), interactive=True), local.Options(env=env))
        prompts = iter(["shorter", "thanks"])
        async for envelope in client.events():
            event = envelope.event
            if isinstance(event, e.SessionStarted):
                await client.send(SubmitPrompt(id="p", text="tell me", by="ana"))
            elif isinstance(event, e.TextDelta) and not said:
                said.append(event.text)
                await client.send(Interrupt(id="i", by="ana"))
            elif isinstance(event, e.Idle):
                words = next(prompts, None)
                send = SubmitPrompt(id="p", text=words, by="ana") if words else Stop(id="s", reason="signal", by="ana")
                await client.send(send)
        await client.close()

    with Endpoint([say("half of it and much more " * 50, pace=0.02), say("short"), say("welcome")]) as endpoint:
        asyncio.run(asyncio.wait_for(whole(), 60))
    first, second, third = [one.body["messages"] for one in endpoint.requests]
    assert [message["role"] for message in second] == ["user", "assistant", "user"]
    assert second[0]["content"][0]["text"] == first[0]["content"][0]["text"]
    assert " ".join(texts(second[1])).startswith("half of it")
    assert list(texts(second[2]))[:2] == [STOPPED, "shorter"]
    assert [list(texts(message)) for message in third[:3]] == [list(texts(message)) for message in second]
