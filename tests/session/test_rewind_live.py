"""A rewind in a live session: what the model is sent next, what lies on the disk, what a client sees."""

import asyncio

from support.endpoint import Endpoint, say, turn, use
from support.live import texts, workspace
from workbench import places
from workbench.host import local
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.commands import Approve, Fork, Rewind, Stop, SubmitPrompt, UndoRewind
from workbench.protocol.task import Caps, Task
from workbench.session.journal import Reader

__all__ = ["workspace"]


def test_the_model_never_hears_of_what_was_taken_back(workspace, tmp_path):
    begun = {}

    async def whole(endpoint):
        env = {"ANTHROPIC_BASE_URL": endpoint.url, "ANTHROPIC_API_KEY": "k", "PATH": "/usr/bin:/bin"}
        options = local.Options(env=env)
        client = await local.start(Task(prompt="", workspace=str(workspace), interactive=True), options)
        idle = asyncio.Queue()

        async def follow():
            async for envelope in client.events():
                event = envelope.event
                if isinstance(event, e.PromptSubmitted) and event.origin == "person":
                    begun[event.text] = envelope.seq
                if isinstance(event, e.ApprovalRequested):
                    await client.send(Approve(id="a", request_id=event.request_id, digest=event.digest,
                                              decision="once", by="ana"))  # fmt: skip
                if isinstance(event, e.Idle | e.SessionEnded):
                    idle.put_nowait(event)

        async def say_it(words):
            await client.send(SubmitPrompt(id="p", text=words, by="ana"))
            return await idle.get()

        following = asyncio.create_task(follow())
        await say_it("keep this")
        await say_it("break it")
        assert (workspace / "made").exists()
        page = await client.query(q.ChangedFiles(since=f"rewind:{begun['break it']}"))
        assert [(x.path, x.change) for x in page.files] == [("made", "created")]
        ack = await client.send(Rewind(id="r", seq=begun["break it"], by="ana"))
        assert ack.ok, ack.error
        assert not (workspace / "made").exists()
        assert (await client.send(UndoRewind(id="u", by="ana"))).ok and (workspace / "made").exists()
        assert (await client.send(Rewind(id="r", seq=begun["break it"], by="ana"))).ok
        await say_it("do it well")
        forked = await client.send(Fork(id="f", seq=begun["do it well"], by="ana"))
        assert forked.ok, forked.error
        other = await client.send(Fork(id="o", agent="devops", brief="go on", by="ana"))
        assert other.ok, other.error
        with Reader(places.sessions() / other.value) as journal:
            begun_there = next(journal.read()).event
        assert (begun_there.parent, begun_there.task.brief) == (client.session, "go on")
        await client.send(Stop(id="s", reason="signal", by="ana"))
        await idle.get()
        await following
        await client.close()
        again = await local.resume(forked.value, Caps(), None, options)
        await again.send(SubmitPrompt(id="p", text="in the fork", by="ana"))
        async for envelope in again.events():
            if isinstance(envelope.event, e.Idle):
                await again.send(Stop(id="s", reason="signal", by="ana"))
        await again.close()

    script = [
        say("kept"), turn(use("Bash", command="touch made")), say("broken"), say("well done"), say("forked"),
    ]  # fmt: skip
    with Endpoint(script) as endpoint:
        asyncio.run(asyncio.wait_for(whole(endpoint), 60))
    before, last, fork = (request.body["messages"] for request in endpoint.requests[-4:][1:])
    told = [words for message in last for words in texts(message)]
    assert "do it well" in told and "keep this" in told and "break it" not in told
    assert [m["role"] for m in last] == ["user", "assistant", "user"]
    assert fork[:-1] == last[:-1] and "in the fork" in list(texts(fork[-1]))
    assert before[: len(last) - 1] == last[:-1]
