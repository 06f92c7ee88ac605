"""Whatever happens between a host and its clients, each shows what the journal says, and no command is done twice."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.endpoint import Endpoint, Turn, say, turn, use
from support.hosts import LONG, Fold, Hosts, Watching, number, resting, same
from support.mlwb import Place
from support.wires import Relay, Second
from workbench.host import sockets
from workbench.host.remote import RemoteClient
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol import wire
from workbench.protocol.commands import Interrupt, Rename, SubmitPrompt, Withdraw
from workbench.protocol.state import SessionState, state_digest

MOST_AT_ONCE = 5
STEPS = 700 if LONG else 150
SEEDS = (1, 2, 3) if LONG else (1,)


def agent(dice: random.Random) -> Callable[[dict[str, Any]], Turn]:
    """A model that does a little of everything, in small pieces; it never grows tired."""

    def answers(body: dict[str, Any]) -> Turn:
        last, given = body["messages"][-1], {"chunk": 7, "pace": 0.0005}
        asked = isinstance(last["content"], str) or last["content"][0]["type"] == "text"
        if not asked and dice.random() < 0.15:
            words = "so it is. " * dice.choice((1, 5, 40, 2_500 if dice.random() < 0.2 else 20))
            return say(words, **{**given, "chunk": max(7, len(words) // 40)})
        unique = f"{dice.getrandbits(60):x}"
        calls = [
            use("Bash", call_id=f"toolu_{unique}a", command=f"echo {unique} | tee -a ran; seq {dice.choice((1, 400))}"),
            use("Write", call_id=f"toolu_{unique}b", file_path=f"f{dice.randrange(6)}.txt", content=f"{unique}\n" * 9),
            use("TodoWrite", call_id=f"toolu_{unique}c", todos=[{"content": unique, "status": "pending"}]),
            use("Bash", call_id=f"toolu_{unique}d", command="sleep 0.02; false"),
        ]
        return turn({"type": "text", "text": "now "}, *dice.sample(calls, dice.choice((1, 1, 2))), **given)

    return answers


class Walk:
    """One session, its clients, and what is done to them."""

    def __init__(self, hosts: Hosts, first: RemoteClient, seed: int) -> None:
        self.dice = random.Random(seed)
        self.hosts, self.first, self.session = hosts, Watching(first), first.session
        self.folder = hosts.place.session(first.session)
        self.sleeper = Sleeper(hosts.place, self.folder)
        self.fold = Fold(self.folder)
        self.relay = Relay(lambda: sockets.path_of(self.session))
        self.clients: list[Watching] = []
        self.past: list[tuple[int, bytes]] = []  # states as of then, with which a client may come back
        self.prompts: dict[str, bool] = {}  # those that were sent, and whether they were acknowledged
        self.sending: set[asyncio.Task[None]] = set()
        self.failures: list[BaseException] = []
        self.done: Counter[str] = Counter()

    async def connect(self) -> None:
        """One more client, whose connection may break at any byte: in the middle of hello, welcome, an event."""
        if len(self.clients) >= MOST_AT_ONCE:
            await self.leave()
        self._wounds()
        client = RemoteClient(
            self.relay.dial, lambda: wire.Hello(token=sockets.token_of(self.folder), program="walk"), 60.0
        )
        with contextlib.suppress(Exception):
            await client.begin()
            self.clients.append(Watching(client))

    def _wounds(self) -> None:
        """What befalls the connection that is made next."""
        kind = self.dice.randrange(5)
        if kind == 0:
            self.relay.up = self.dice.choice((0, 1, 40, self.dice.randrange(600)))
        elif kind < 3:
            self.relay.down = int(self.dice.choice((0, 1, 200)) + self.dice.random() ** 3 * 300_000)
        elif kind == 3:
            self.relay.pause = 0.002

    async def leave(self) -> None:
        """A client leaves on purpose; it showed a state that the journal once came to."""
        if self.clients:
            watching = self.clients.pop(self.dice.randrange(len(self.clients)))
            self.shows(watching)
            await watching.stop()

    async def cut(self) -> None:
        """All connections break at once; each client comes back by itself, to another accident."""
        self._wounds()
        self.relay.cut()

    async def kill(self) -> None:
        """The host is killed and another one takes the session up; clients come back to it by themselves."""
        self.hosts.kill(self.first.client.state.pid)
        await self.first.stop()
        self.sleeper.end()
        self.first = Watching(await self.hosts.resume(self.session))
        self.sleeper = await asyncio.to_thread(Sleeper, self.hosts.place, self.folder)

    async def ask(self) -> None:
        """A prompt, whose answer may get lost; or the title, an interrupt, one taken back."""
        client = self.dice.choice([one.client for one in (self.first, *self.clients)])
        kind = self.dice.randrange(8)
        name = number()
        if kind < 5:
            command: Any = SubmitPrompt(id=name, text=f"prompt {name}", by="x")
            self.prompts[name] = False
        elif kind == 5:
            command = Rename(id=name, title=f"title {name}", by="x")
        elif kind == 6:
            command = Withdraw(id=name, prompt=self.dice.choice(list(self.prompts) or ["none"]), by="x")
        else:
            command = Interrupt(id=name, by="x")
        self._beside(self._sent(client, command))

    async def _sent(self, client: Any, command: Any) -> None:
        ack = await client.send(command)
        if isinstance(command, SubmitPrompt):
            self.prompts[command.id] = ack.ok
        elif isinstance(command, Withdraw) and ack.ok:
            self.prompts.pop(command.prompt, None)

    def _beside(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.sending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)

    async def page(self) -> None:
        """A page through a connection that may break; where nothing happened meanwhile, it is true."""
        client = self.dice.choice([one.client for one in (self.first, *self.clients)])
        items = client.state.items
        before = self.dice.choice([0, 1, *(item.id for item in items)])
        self._beside(self._true(client, q.ItemsBefore(before=before, n=self.dice.choice((1, 30, 300)))))

    async def _true(self, client: Any, query: q.ItemsBefore) -> None:
        seq = self.fold.seq
        with contextlib.suppress(ConnectionError):
            found = await client.query(query)
            if self.fold.seq == seq:
                self.holds(query, found)

    def holds(self, query: q.ItemsBefore, found: Any) -> None:
        """A page of items is what the fold of the whole journal has there."""
        items = [item for item in self.fold.items if not query.before or item.id < query.before]
        assert list(found.items) == items[-query.n :] and found.more == (len(items) > query.n)

    async def wait(self) -> None:
        """Time passes."""
        await asyncio.sleep(self.dice.random() ** 2 * 0.2)

    async def come_back(self) -> None:
        """A client of another make comes back with the state of long ago, or with a seq that never was."""
        seq, state = self.dice.choice(self.past) if self.past else (-1, b"")
        wrong = self.dice.random() < 0.3
        after = self.dice.choice((self.fold.seq + 1_000, 1 << 62, -5)) if wrong else seq
        held = msgspec.json.decode(state, type=SessionState) if state and not wrong else None
        until = self.fold.seq

        def whole() -> Second:
            with Second(sockets.path_of(self.session), self.folder, after, held) as client:
                client.until(until)
            return client

        client = await asyncio.to_thread(whole)
        assert state_digest(client.state) == self.fold.digest(client.state.seq)
        assert not wrong or client.welcome.state, "a seq that never was is no place to go on from"
        assert client.seqs == list(range(client.seqs[0], client.seqs[0] + len(client.seqs))) if client.seqs else True
        if held is not None and not client.welcome.state:
            assert client.welcome.seq == after and (not client.seqs or client.seqs[0] == after + 1)

    def shows(self, watching: Watching) -> None:
        """What a client shows now is what the journal came to at that seq."""
        state = watching.client.state
        assert state_digest(state) == self.fold.digest(state.seq), f"at {state.seq} of {self.fold.seq}"

    async def step(self) -> None:
        """One fault, or something that people do meanwhile."""
        for failure in self.failures:
            raise failure
        kinds: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self.connect, 6), (self.cut, 6), (self.leave, 2), (self.ask, 5), (self.page, 5), (self.wait, 6),
            (self.come_back, 6), (self.kill, 1),
        ]  # fmt: skip
        if self.dice.random() < 0.05:
            self.sleeper.turn()
            self.done["stop or go on"] += 1
        (kind,) = self.dice.choices([one for one, _ in kinds], [weight for _, weight in kinds])
        self.done[kind.__name__] += 1
        await kind()
        if self.first.client.state.waiting and not self.sending:
            await self.ask()  # it is never idle for long
        if self.dice.random() < 0.2:
            for watching in (self.first, *self.clients):
                self.shows(watching)
        if self.dice.random() < 0.1:
            self.past.append((self.fold.seq, msgspec.json.encode(self.fold.state)))

    async def settle(self) -> None:
        """When it has become quiet: every client shows the same, and every page is the journal's."""
        self.relay.up = self.relay.down = None
        await asyncio.wait_for(asyncio.gather(*self.sending), 60)
        text = f"prompt {number()}"  # what a killed host had queued goes with it, and then it rests
        assert (await self.first.client.send(SubmitPrompt(id=number(), text=text, by="x"))).ok
        await self.first.until(lambda state: any(item.text == text for item in state.items), 60)
        await self.first.until(resting, 60)
        everybody = [one for one in (self.first, *self.clients) if not one.client.ended]
        for watching in everybody:
            await same(self.fold, watching)
            for query in (q.ItemsBefore(n=1_000), q.ItemsBefore(before=watching.client.state.items[0].id, n=200)):
                seq = self.fold.seq
                page = await watching.client.query(query)
                if seq == self.fold.seq:
                    self.holds(query, page)
        await self._same_pages([one.client for one in everybody])

    async def _same_pages(self, clients: list[Any]) -> None:
        cut = [item.id for item in self.fold.items if item.cut][-3:]
        for query in (
            *(q.ItemText(item=one) for one in cut),
            *(q.DiffPage(path=f"f{n}.txt") for n in range(6)),
            q.ChangedFiles(),
        ):
            pages = [msgspec.json.encode(await client.query(query)) for client in clients]
            assert len(set(pages)) == 1, query

    def check_commands(self) -> None:
        """Nothing that was acknowledged is missing, nothing was said or run twice."""
        said = Counter(event.text for event in self.fold.events(e.PromptSubmitted) if event.text.startswith("prompt "))
        assert max(said.values(), default=1) == 1
        taken = {event.text for event in self.fold.events(e.PromptQueued)}
        missing = [name for name, ok in self.prompts.items() if ok and f"prompt {name}" not in taken]
        assert not missing, missing
        ran = Counter((self.hosts.place.repo / "ran").read_text().split())
        assert max(ran.values()) == 1


class Sleeper:
    """A client process that is stopped and goes on, again and again."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.watcher", str(folder)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            cwd=place.repo,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None and self.process.stdout.readline()
        self.stopped = False

    def turn(self) -> None:
        """Stopped, if it went; else it goes on."""
        self.process.send_signal(signal.SIGCONT if self.stopped else signal.SIGSTOP)
        self.stopped = not self.stopped

    def digest(self, seq: int) -> tuple[int, str]:
        """What it shows once it holds all up to SEQ."""
        if self.stopped:
            self.turn()
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{seq}\n")
        self.process.stdin.flush()
        ((at, digest, _),) = json.loads(self.process.stdout.readline())
        return at, digest

    def end(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.communicate()


async def walk(place: Place, endpoint: Endpoint, steps: int, seed: int) -> Counter[str]:
    """STEPS steps, most of them faults; says what was done."""
    with Hosts(place, endpoint.url) as hosts:
        going = Walk(hosts, await hosts.begin(), seed)
        try:
            for count in range(1, steps + 1):
                await going.step()
                if count % 100 == 0 or count == steps:
                    await going.settle()
            at, digest = await asyncio.to_thread(going.sleeper.digest, going.fold.seq)
            assert digest == going.fold.digest(at)
            going.check_commands()
            going.done["connections that broke"] = going.relay.cuts
            going.done["clients' states that were made anew"] = sum(one.client.renewed for one in going.clients)
            going.done["events"] = going.fold.seq
        finally:
            going.sleeper.end()
            for one in (going.first, *going.clients):
                await one.stop()
            await going.relay.close()
            going.fold.close()
    return going.done


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_every_client_shows_the_fold_of_the_journal(place: Place, seed: int) -> None:
    with Endpoint(after=agent(random.Random(seed))) as endpoint:
        done = asyncio.run(walk(place, endpoint, STEPS, seed))
    print(dict(done))
    assert done["connections that broke"] > STEPS // 10 and done["events"] > STEPS
