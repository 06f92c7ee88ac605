"""A history that fills the window is replaced by a summary, and nothing that matters is lost with it."""

from support.endpoint import Endpoint, fault, say, turn, use
from support.live import run, texts, workspace
from workbench.protocol import events as e
from workbench.protocol.commands import Compact, Stop, SubmitPrompt

__all__ = ["workspace"]
NEAR = {"input_tokens": 980_000}


def test_task_list_and_files_in_hand_outlive_the_summary(workspace):
    (workspace / "train.py").write_text("lr = 0.5\n")
    (workspace / "AGENTS.md").write_text("Seeds are 0 to 4.\n")
    todos = [{"content": "tune lr", "status": "in_progress", "activeForm": "tuning"}]
    turns = [
        turn(use("TodoWrite", todos=todos), use("Read", file_path="train.py"), usage=NEAR),
        say("SUMMARY: lr looked too high"),
        say("done"),
    ]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint, "Lower the loss below 0.4.")
    assert ran.result.subtype == "success" and ran.result.num_turns == 2
    [compacted] = ran.events(e.Compacted)
    assert compacted.tokens_before > 900_000
    asked = endpoint.requests[1].body
    assert "about to be shortened" in list(texts(asked["messages"][-1]))[-1]
    after = endpoint.requests[2].body["messages"]
    words = "\n".join(texts(after[0]))
    assert len(after) == 1
    for kept in (
        "Lower the loss below 0.4.",
        "SUMMARY: lr looked too high",
        "tune lr",
        "lr = 0.5",
        "Seeds are 0 to 4.",
    ):
        assert kept in words
    assert ran.result.usage.output_tokens > 0


def test_a_prompt_that_the_service_calls_too_long_is_compacted_and_sent_again(workspace):
    too_long = {"fault": {"status": 400, "headers": {}, "message": "prompt is too long: 1200000 tokens > 1000000"}}
    turns = [turn(use("LS", path=".")), too_long, say("in short: nothing yet"), say("done")]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint)
    assert ran.result.subtype == "success" and len(ran.events(e.Compacted)) == 1
    assert "in short: nothing yet" in "\n".join(texts(endpoint.requests[3].body["messages"][0]))


def test_what_a_broken_attempt_at_the_summary_had_used_is_counted(workspace):
    turns = [
        turn(use("LS", path="."), usage=NEAR),
        {**say("SUMMARY " * 50), "fault": {"cut_after": 6}, "usage": {"input_tokens": 5000}, "times": 1},
        say("SUMMARY"),
        say("done"),
    ]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint)
    [retried] = ran.events(e.RequestRetried)
    assert retried.usage is not None and retried.usage.input_tokens == 5000 and retried.cost_usd
    counted = [
        *(answer.usage for answer in ran.events(e.AnswerCompleted)),
        retried.usage,
        ran.events(e.Compacted)[0].usage,
    ]
    assert ran.result.usage.input_tokens == sum(usage.input_tokens for usage in counted)


def test_what_the_last_attempts_before_giving_up_had_used_is_counted(workspace):
    """Of an answer here, and of a summary: budgets count what is paid, and the list of sessions tells it."""
    broken = {**say("words " * 50), "usage": {"input_tokens": 5000}}
    refused = {"fault": {"error_after": 6, "kind": "invalid_request_error"}}
    for before in ([], [turn(use("LS", path="."), usage=NEAR)]):
        with Endpoint([*before, {**broken, **refused}]) as endpoint:
            ran = run(workspace, endpoint)
        [left] = ran.events(e.AnswerDiscarded)
        assert left.usage is not None and left.usage.input_tokens == 5000 and left.cost_usd
        assert ran.result.is_error
        counted = [left.usage, *(answer.usage for answer in ran.events(e.AnswerCompleted))]
        assert ran.result.usage.input_tokens == sum(usage.input_tokens for usage in counted)


TOO_LONG = {"fault": {"status": 400, "headers": {}, "message": "prompt is too long: 1200000 tokens > 1000000"}}


def test_without_a_summary_what_the_agent_has_not_answered_is_kept(workspace):
    (workspace / "loss.txt").write_text("epoch 7: 0.123\n")
    turns = [turn(use("Read", file_path="loss.txt")), TOO_LONG, TOO_LONG, say("done")]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint)
    words = "\n".join(texts(endpoint.requests[3].body["messages"][0]))
    assert "No summary could be written" in words and "1→epoch 7: 0.123" in words
    assert ran.result.subtype == "success"


def test_without_a_summary_why_a_check_failed_is_kept(workspace):
    turns = [say("done", usage=NEAR), TOO_LONG, say("mended")]
    with Endpoint(turns) as endpoint:
        ran = run(workspace, endpoint, checks=["test -e mended || { touch mended; echo not yet; exit 3; }"])
    assert ran.result.subtype == "success" and ran.result.verified
    words = "\n".join(texts(endpoint.requests[2].body["messages"][0]))
    assert "No summary could be written" in words and "exited with 3" in words and "not yet" in words


def test_a_summary_that_was_asked_for_is_tried_again_when_the_service_is_there_again(workspace):
    idle = []

    async def steer(client, envelope):
        if isinstance(envelope.event, e.SessionStarted):
            await client.send(SubmitPrompt(id="p", text="Go.", by="ana"))
        if isinstance(envelope.event, e.Idle):
            idle.append(envelope.event.reason)
            if len(idle) == 1:
                await client.send(Compact(id="c", by="ana"))
            if len(idle) < 3:
                await client.send(SubmitPrompt(id="p", text="go on", by="ana"))
            else:
                await client.send(Stop(id="s", reason="signal", by="ana"))

    with Endpoint([say("first"), fault(400), say("SUMMARY"), say("third")]) as endpoint:
        ran = run(workspace, endpoint, "", steer=steer, interactive=True)
    assert idle == ["done", "error_during_execution", "done"]
    assert [compacted.summary for compacted in ran.events(e.Compacted)] == ["SUMMARY"]
