"""The host is killed at any moment, again and again: what was acknowledged is there, and nothing ran twice."""

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from support.endpoint import Endpoint, Turn, say, turn, use
from support.hosts import LONG, Fold, Hosts, Watching, number, resting, same
from support.mlwb import Place
from support.running import Exp
from workbench.experiments.launch.alive import alive
from workbench.experiments.ledger import Ledger
from workbench.host.remote import RemoteClient
from workbench.host.spawn import NotBegunError
from workbench.protocol import events as e
from workbench.protocol import queries as q
from workbench.protocol.commands import Approve, SubmitPrompt
from workbench.sandbox.tree import alive as lives

KILLS = 20  # of one session
SEEDS = range(1, 11) if LONG else (1,)
MOST_RUNS = 3
ASKED = "permissions: {allow: [Bash, Write, Edit, Read], ask: ['Bash(touch *)']}\n"


@pytest.fixture
def kept(place: Place) -> Iterator[Place]:
    """A place whose runs are ended with the test; `touch` asks."""
    config = place.home / ".config/mlwb/config.yaml"
    config.write_text(config.read_text().partition("permissions:")[0] + ASKED)
    yield place
    Exp(place.repo).stop_all()


def agent(dice: random.Random, place: Place) -> Callable[[dict[str, Any]], Turn]:
    """A model that edits, runs commands that say so once, begins runs, and asks; each call has a name of its own."""
    runs = 0
    written: list[str] = []

    def call() -> dict[str, Any]:
        nonlocal runs
        name = f"{dice.getrandbits(48):012x}"
        kind = dice.choices(("echo", "write", "edit", "run", "ask"), (6, 3, 3, 1, 2))[0]
        if kind == "run" and runs < MOST_RUNS:
            runs += 1
            script = f"echo {name} >> ran; while [ ! -e stop ]; do sleep 0.2; done"
            return use("Bash", call_id=f"toolu_r{name}", command=f"mlwb exp run --detach -- sh -c '{script}'")
        if kind == "write":
            written.append(name)
            return use("Write", call_id=f"toolu_w{name}", file_path=f"w-{name}", content=f"{name} is written\n")
        if kind == "edit" and written:
            old = written.pop()
            given = {"file_path": f"w-{old}", "old_string": "written", "new_string": "changed"}
            return use("Edit", call_id=f"toolu_e{name}", **given)
        if kind == "ask":
            return use("Bash", call_id=f"toolu_a{name}", command=f"touch a-{name}")
        pause = dice.choice(("0", "0", "0.05", "0.3"))
        return use("Bash", call_id=f"toolu_b{name}", command=f"echo {name} >> ran; sleep {pause}; echo {name}")

    def answers(body: dict[str, Any]) -> Turn:
        last = body["messages"][-1]["content"]
        asked = isinstance(last, str) or last[-1]["type"] == "text"
        if not asked and dice.random() < 0.12:
            return say("That is done.", chunk=5, pace=0.002)
        return turn(*(call() for _ in range(dice.choice((1, 1, 1, 2)))), pace=0.001)

    return answers


class Killing:
    """One session that is killed again and again, and what its hosts promised meanwhile."""

    def __init__(self, hosts: Hosts, session: str, dice: random.Random) -> None:
        self.hosts, self.session, self.dice = hosts, session, dice
        self.repo, self.folder = hosts.place.repo, hosts.place.session(session)
        self.prompts: set[str] = set()  # texts that were acknowledged
        self.approvals: set[str] = set()  # requests that were
        self.seen: Counter[str] = Counter()

    async def steer(self, watching: Watching) -> None:
        """A person who approves what is asked, and always wants more."""
        client = watching.client
        sent: set[str] = set()
        while True:
            for one in list(client.state.approvals.values()):
                if one.request_id not in sent:
                    sent.add(one.request_id)
                    answer = Approve(
                        id=number(), request_id=one.request_id, digest=one.digest, decision="once", by="me"
                    )
                    if (await client.send(answer)).ok:
                        self.approvals.add(one.request_id)
            if resting(client.state) or self.dice.random() < 0.05 or not client.state.items:
                text = f"more {number()}"
                if (await client.send(SubmitPrompt(id=number(), text=text, by="me"))).ok:
                    self.prompts.add(text)
            await asyncio.sleep(0.02)

    async def round(self, client: RemoteClient, moment: float) -> None:
        """Works for MOMENT seconds; then its host is killed, whatever it does."""
        watching = Watching(client)
        steering = asyncio.create_task(self.steer(watching))
        await asyncio.sleep(moment)
        self.seen[f"killed while {client.state.phase}"] += 1
        self.hosts.kill(client.state.pid)
        steering.cancel()
        await asyncio.gather(steering, return_exceptions=True)
        await watching.stop()

    async def resumed(self) -> RemoteClient:
        """The session taken up; every third time its new host is killed while it does so, too."""
        while self.dice.random() < 0.3:
            self.seen["killed while it is taken up"] += 1
            begins = asyncio.create_task(self.hosts.resume(self.session))
            await asyncio.sleep(0.1 + self.dice.random() * 0.9)
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    if "workbench.host" in child.cmdline():
                        self.hosts.kill(child.pid)
            with contextlib.suppress(NotBegunError):
                await (await begins).close()
        return await self.hosts.resume(self.session)

    def check(self, fold: Fold) -> None:
        """What holds after each kill."""
        prompts = Counter(one.text for one in fold.events(e.PromptSubmitted) if one.origin == "person")
        queued = {one.text for one in fold.events(e.PromptQueued)}
        lost = self.prompts - queued
        assert not lost, f"prompts that were acknowledged are lost: {lost}"
        assert max(prompts.values(), default=1) == 1
        resolved = {one.request_id for one in fold.events(e.ApprovalResolved) if one.decision == "once"}
        assert not self.approvals - resolved, "approvals that were acknowledged are lost"
        ran = Counter((self.repo / "ran").read_text().split()) if (self.repo / "ran").exists() else Counter()
        assert max(ran.values(), default=1) == 1, "a command has run twice"
        for one in fold.events(e.CallFinished):
            name = one.call_id[-12:]
            if one.status == "ok" and one.call_id.startswith("toolu_b"):
                assert ran[name] == 1, f"{one.call_id} was told to have run, and did not"
            elif one.status == "ok" and one.call_id.startswith("toolu_w"):
                assert (self.repo / f"w-{name}").exists(), one.call_id
            elif one.status == "ok" and one.call_id.startswith("toolu_a"):
                assert (self.repo / f"a-{name}").exists(), one.call_id

    def edits(self, fold: Fold) -> None:
        """Every edit that was told as done is in its file; what a kill left is the old text or the new, whole."""
        inputs = {one.call_id: one.input for one in fold.events(e.CallDecided)}
        for one in fold.events(e.CallFinished):
            if one.status == "ok" and one.call_id.startswith("toolu_e"):
                path = self.repo / os.path.basename(inputs[one.call_id]["file_path"])
                assert "changed" in path.read_text(), one.call_id
        for path in self.repo.glob("w-*"):
            assert path.read_text() in (f"{path.name[2:]} is {word}\n" for word in ("written", "changed")), path

    def runs(self) -> list[str]:
        """The runs that went on, whatever was killed."""
        ledger = Ledger(self.repo)
        began = ledger.ids()
        for one in began:
            record = ledger.get(one)
            if record.status == "running":
                assert alive(ledger.path(one)) and record.pid and lives(record.pid), f"{one} died with a host"
        return began

    async def settles(self, watching: Watching, fold: Fold) -> None:
        """After the last kill: the agent works on, every call has a result, every run is followed to its end."""
        state = watching.client.state
        steering = asyncio.create_task(self.approve(watching))
        text = f"more {number()}"  # what a killed host had queued goes with it
        assert (await watching.client.send(SubmitPrompt(id=number(), text=text, by="me"))).ok
        await watching.until(lambda state: any(item.text == text for item in state.items), 30)
        await watching.until(resting, 60)
        began, ledger = self.runs(), Ledger(self.repo)
        assert set(began) <= set(state.runs), f"{set(began) - set(state.runs)} are followed by nobody"
        page: Any = await watching.client.query(q.ListRuns())
        going = {row.id for row in page.rows if row.status == "running"}
        assert going == {one for one in began if alive(ledger.path(one))}
        self.seen["runs that went on"] += len(going)
        (self.repo / "stop").touch()
        end = time.monotonic() + 60
        while not (told := {one for event in fold.events(e.RunsTold) for one in _ended(event)}) >= going:
            assert time.monotonic() < end, f"nobody was told of the end of {going - told}"
            if resting(watching.client.state) and watching.client.state.waiting != "done":
                await watching.client.send(SubmitPrompt(id=number(), text=f"more {number()}", by="me"))
            await asyncio.sleep(0.1)
        await watching.until(resting, 60)
        steering.cancel()
        await asyncio.gather(steering, return_exceptions=True)
        delivered = {one.text for one in fold.events(e.PromptSubmitted)}
        assert self.prompts <= delivered, f"never delivered: {self.prompts - delivered}"
        finished = {one.call_id for one in fold.events(e.CallFinished)}
        assert {one.call_id for one in fold.events(e.CallStarted)} <= finished
        await same(fold, watching)

    async def approve(self, watching: Watching) -> None:
        """Approves what is asked, and wants nothing more."""
        while True:
            for one in list(watching.client.state.approvals.values()):
                answer = Approve(id=number(), request_id=one.request_id, digest=one.digest, decision="no", by="me")
                await watching.client.send(answer)
            await asyncio.sleep(0.05)


def _ended(event: Any) -> list[str]:
    return [one.run for one in event.runs if one.status]


async def killed(place: Place, endpoint: Endpoint, seed: int) -> Counter[str]:
    """All of it; says at which moments hosts were killed."""
    dice = random.Random(seed)
    with Hosts(place, endpoint.url) as hosts:
        client = await hosts.begin()
        killing = Killing(hosts, client.session, dice)
        fold = Fold(killing.folder)
        for _ in range(KILLS):
            await killing.round(client, 0.02 + dice.random() ** 2 * 1.5)
            client = await killing.resumed()
            killing.check(fold)
            killing.edits(fold)
            killing.runs()
        watching = Watching(client)
        await killing.settles(watching, fold)
        killing.check(fold)
        await watching.stop()
        killing.seen["events"] = fold.seq
        fold.close()
    return killing.seen


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_host_that_is_killed_loses_nothing_and_does_nothing_twice(kept: Place, seed: int) -> None:
    dice = random.Random(seed)
    with Endpoint(after=agent(dice, kept)) as endpoint:
        seen = asyncio.run(killed(kept, endpoint, seed))
    print(dict(seen))
    assert sum(count for words, count in seen.items() if words.startswith("killed")) >= KILLS
