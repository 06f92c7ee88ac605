"""A client of a host that does as it is told: whatever breaks when, what the client has is what the journal says."""

import asyncio
import contextlib
import selectors
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.host.remote import LIMIT, RemoteClient
from workbench.protocol import wire
from workbench.protocol.commands import Ack, Rename, Say, SubmitPrompt
from workbench.protocol.events import Envelope, Presence, Renamed, Said
from workbench.protocol.fold import PLACES, apply
from workbench.protocol.state import SessionState, state_digest


class Skipping(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Waits for nothing: where nothing is ready, the time until something is due has passed."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout:
            self.skipped += timeout
        return found or (super().select(timeout) if timeout is None else found)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Runs WORK in a loop whose clock waits for nobody."""
    selector = Skipping()

    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return super().time() + selector.skipped

    with asyncio.Runner(loop_factory=lambda: Loop(selector)) as runner:
        runner.run(work)


class Host:
    """Lets a client in and tells it TELLING envelopes at once; the rest when it is told to."""

    def __init__(self, telling: int = 0) -> None:
        self.state, self.journal = SessionState(), list[Envelope]()
        self.parting = "left"
        self.telling, self.shown = telling, dict[str, Any]()
        self.known, self.done, self.deaf = "c-1", list[str](), False
        self._writer: asyncio.StreamWriter | None = None
        self._at = 0

    def grow(self, number: int) -> None:
        """NUMBER events more, of which every third is an item."""
        for _ in range(number):
            seq = len(self.journal) + 1
            event = Said(text=f"{seq}", by="li") if seq % 3 == 0 else Renamed(title=f"{seq}")
            self.journal.append(Envelope(seq=seq, session="s-1", at=0.0, event=event))
            apply(self.state, self.journal[-1])

    def tell(self, number: int) -> None:
        """Tells the next NUMBER envelopes, where somebody is here."""
        if self._writer is not None:
            for envelope in self.journal[self._at : self._at + number]:
                self._writer.write(wire.line(wire.Told(envelope=wire.raw(envelope))))
                self._at = envelope.seq

    def say(self, *frames: wire.Frame) -> None:
        """Sends FRAMES."""
        if self._writer is not None:
            self._writer.write(b"".join(map(wire.line, frames)))

    def hears(self, again: int) -> None:
        """Answers no command, until it hears AGAIN."""
        self.deaf = not again

    def gone(self) -> None:
        """Another process hosts the session from here on."""
        self.known = f"c-{int(self.known[2:]) + 1}"
        self.cut()

    def cut(self) -> None:
        """Breaks the connection."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to it."""
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=theirs, limit=1 << 26)
        self._serving = asyncio.create_task(self._serve(reader, writer))
        return await asyncio.open_unix_connection(sock=ours, limit=LIMIT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                frame = wire.from_client(line[:-1])
                if isinstance(frame, wire.Hello):
                    self._welcome(frame, writer)
                elif isinstance(frame, wire.Do):
                    name = msgspec.json.decode(frame.command)["id"]
                    self.done.append(f"{self.known} {name}")
                    if not self.deaf:
                        writer.write(wire.line(wire.Done(ack=wire.raw(Ack(id=name, ok=True)))))
                elif isinstance(frame, wire.Bye):
                    writer.write(wire.line(wire.Bye(code=self.parting)))
                    break
        writer.close()

    def _welcome(self, hello: wire.Hello, writer: asyncio.StreamWriter) -> None:
        self._writer, items = writer, self.state.items
        anew = hello.after < 0 or (hello.again != "" and hello.again != self.known)
        first = items[0].id // PLACES - 1 if items else len(self.journal)
        self._at = first if anew else hello.after
        state = wire.raw(self.shown or self.state) if anew else wire.NOTHING
        seq = len(self.journal) if anew else self._at
        self.say(
            wire.Welcome(session="s-1", client=self.known, user="li", role="driver", owner=True, seq=seq, state=state)
        )
        self.tell(self.telling)


class View:
    """What a view of CLIENT takes in, as far as it is let: `seqs` since it was begun anew the last time."""

    def __init__(self, client: RemoteClient) -> None:
        self.client, self.seqs, self.seen = client, list[int](), list[Envelope]()
        self._room = asyncio.Semaphore(0)
        self._renewed = 0
        self._task = asyncio.create_task(self._follow())

    def take(self, number: int) -> None:
        """Lets it take NUMBER envelopes more."""
        for _ in range(number):
            self._room.release()

    async def _follow(self) -> None:
        async for envelope in self.client.events():
            if self._renewed != self.client.renewed:
                self._renewed, self.seqs = self.client.renewed, []
            self.seen.append(envelope)
            if envelope.seq:
                self.seqs.append(envelope.seq)
            await self._room.acquire()


async def settled() -> None:
    """What was written is read by now."""
    for _ in range(20):
        await asyncio.sleep(0)


def renamed(number: int) -> Rename:
    return Rename(id=f"r-{number}", title="x", by="li")


async def client_of(host: Host) -> RemoteClient:
    client = RemoteClient(host.dial, wire.Hello, None)
    await client.begin()
    return client


STEPS = st.one_of(
    st.tuples(st.sampled_from(["grow", "tell", "take"]), st.integers(1, 40)),
    st.tuples(st.sampled_from(["cut", "behind", "forget", "send", "deaf", "back"]), st.integers(0, 1)),
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.lists(STEPS, max_size=40))
def test_whatever_breaks_when_it_has_what_the_journal_says(before: int, steps: list[tuple[str, int]]) -> None:
    async def work() -> None:
        host = Host()
        host.grow(before)
        client = await client_of(host)
        view, sent = View(client), list[asyncio.Task[Ack]]()
        does: dict[str, Callable[[int], object]] = {
            "grow": host.grow,
            "tell": host.tell,
            "take": view.take,
            "cut": lambda _: host.cut(),
            "behind": lambda _: host.say(wire.Bye(code="behind")),
            "forget": lambda _: host.gone(),
            "deaf": host.hears,
            "send": lambda _: sent.append(asyncio.create_task(client.send(renamed(len(sent))))),
        }
        for step, number in steps:
            if step == "back":  # long enough to come back
                await asyncio.sleep(11.0)
            else:
                does[step](number)
            await settled()
        host.deaf, host.telling = False, 1_000_000
        host.cut()
        view.take(1_000_000)
        await asyncio.sleep(60.0)
        host.grow(1)
        host.tell(1)
        await settled()
        assert client.lost_since is None and not client.ended
        assert state_digest(client.state) == state_digest(host.state)
        assert view.seqs == sorted(set(view.seqs)), "in order, and none twice"
        assert view.seqs == list(range(view.seqs[0], len(host.journal) + 1)), "and none is missing"
        if client.renewed and client.state.items:
            assert view.seqs[0] <= max(client.state.items[0].id // PLACES, 1)
        errors = {(await asyncio.wait_for(one, 1.0)).error for one in sent}
        assert errors <= {"", "the connection broke before it was answered, so it may have been done or not"}
        asked = [name.split()[1] for name in set(host.done)]
        assert len(asked) == len(set(asked)), "none was asked of two hosts"
        await client.close()
        assert client.lives

    run(work())


def test_what_its_items_were_made_from_comes_though_the_connection_breaks_before_it_has() -> None:
    async def work() -> None:
        host = Host(telling=10)
        host.grow(30)
        client = await client_of(host)
        view = View(client)
        view.take(100)
        await settled()
        assert view.seqs == list(range(3, 13))
        host.telling = 100
        host.cut()
        await asyncio.sleep(5.0)
        assert view.seqs == list(range(3, 31)) and not client.renewed
        await client.close()

    run(work())


def test_a_prompt_that_no_host_would_read_is_refused_here() -> None:
    async def work() -> None:
        host = Host()
        client = await client_of(host)
        ack = await client.send(SubmitPrompt(id="p", text="x" * wire.MOST_FROM_CLIENT, by="li"))
        assert not ack.ok and "33.6 MB" in ack.error
        assert client.lost_since is None and not host.done
        assert (await client.send(Say(id="s", text="Hello.", by="li"))).ok
        await client.close()

    run(work())


def test_a_state_of_a_newer_minor_version_is_taken() -> None:
    async def work() -> None:
        host = Host()
        host.grow(3)
        host.shown = msgspec.to_builtins(host.state)
        host.shown["items"][0]["display"] = [{"type": "chart", "points": [1]}, {"type": "text", "text": "a"}]
        client = await client_of(host)
        shown = [getattr(block, "text", "") for block in client.state.items[0].display]
        assert shown == ["(chart: made by a newer version)", "a"]
        await client.close()

    run(work())


@pytest.mark.parametrize("answer", ["left", "behind", "ended"])
def test_who_leaves_at_once_is_told_whether_the_session_goes_on(answer: str) -> None:
    async def work() -> None:
        host = Host()
        host.parting = answer  # behind: it was sent away just then
        client = await client_of(host)
        await client.close()
        assert client.lives == (answer != "ended")

    run(work())


def test_more_of_what_has_no_text_is_passed_over() -> None:
    async def work() -> None:
        host = Host()
        client = await client_of(host)
        view = View(client)
        view.take(100)
        host.say(wire.Passing(event=wire.raw(Presence(driver="li"))), wire.More(text="x"))
        await settled()
        host.grow(1)
        host.tell(1)
        await settled()
        assert view.seqs == [1]
        await client.close()

    run(work())
