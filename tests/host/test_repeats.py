"""Commands that come twice are done once, per client; what is begun is done, whoever listens; memory is bounded."""

import asyncio

from workbench.host import repeats
from workbench.host.repeats import Repeats
from workbench.protocol.commands import Ack, AnyCommand, Interrupt


def test_a_command_is_done_once_for_each_client() -> None:
    done: list[str] = []

    async def carry_out(command: AnyCommand) -> Ack:
        await asyncio.sleep(0)
        done.append(command.id)
        return Ack(id=command.id, ok=True, value=str(len(done)))

    async def run() -> None:
        host = Repeats(carry_out)
        one, two = host.came("c-1", "", "li"), host.came("c-2", "", "ana")
        first = await asyncio.gather(*(host.done(one, Interrupt(id="i-1", by="li")) for _ in range(3)))
        assert first == [Ack(id="i-1", ok=True, value="1")] * 3 and host.knows(one, "i-1")
        assert not host.knows(two, "i-1")
        assert (await host.done(two, Interrupt(id="i-1", by="ana"))).value == "2"
        assert host.came("c-3", "c-1", "li") == "c-1"
        assert host.came("c-4", "c-1", "ana") == "c-4", "nobody takes the place of another user's client"
        assert host.came("c-5", "c-none", "li") == "c-5"

    asyncio.run(run())
    assert done == ["i-1", "i-1"]


def test_what_is_begun_is_done_though_its_connection_is_gone() -> None:
    go, done = asyncio.Event(), []

    async def carry_out(command: AnyCommand) -> Ack:
        await go.wait()
        done.append(command.id)
        return Ack(id=command.id, ok=True)

    async def run() -> None:
        host = Repeats(carry_out)
        host.came("c-1", "", "li")
        waiting = asyncio.create_task(host.done("c-1", Interrupt(id="i-1", by="li")))
        await asyncio.sleep(0.01)
        waiting.cancel()
        go.set()
        assert (await host.done("c-1", Interrupt(id="i-1", by="li"))).ok
        await host.close()

    asyncio.run(run())
    assert done == ["i-1"]


def test_a_fault_is_an_answer_and_little_is_kept() -> None:
    async def carry_out(command: AnyCommand) -> Ack:
        raise KeyError(command.id)

    async def run() -> None:
        host = Repeats(carry_out)
        host.came("c-1", "", "li")
        ack = await host.done("c-1", Interrupt(id="i-1", by="li"))
        assert not ack.ok and "KeyError" in ack.error
        for number in range(repeats.COMMANDS):
            await host.done("c-1", Interrupt(id=f"j-{number}", by="li"))
        assert not host.knows("c-1", "i-1") and host.knows("c-1", "j-0")
        for number in range(repeats.CLIENTS):
            host.came(f"d-{number}", "", "li")
        assert host.came("c-9", "c-1", "li") == "c-9", "one that was forgotten is new"
        assert not (await host.done("c-1", Interrupt(id="k-1", by="li"))).ok

    asyncio.run(run())
