"""Sessions that real processes host, as the workbench begins them, and the truth that their clients are held to.

with Hosts(place, endpoint.url) as hosts:
    client = await hosts.begin()
    ...
    hosts.kill(client)
    client = await hosts.resume(client.session)
"""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import pytest

from support.left import not_ended
from support.mlwb import KEY, Place
from workbench.host import sockets
from workbench.host.asked import Asked
from workbench.host.client import Client
from workbench.host.remote import RemoteClient, attach
from workbench.host.spawn import Spawned
from workbench.protocol.commands import Ack, AnyCommand, SubmitPrompt
from workbench.protocol.fold import apply
from workbench.protocol.state import Item, SessionState, state_digest
from workbench.protocol.task import Task
from workbench.session.journal import Reader

LONG = bool(os.environ.get("MLWB_LIVE"))  # all that was asked for, which takes minutes: `make test-live`
ALLOWED = "permissions: {allow: [Bash, Write, Edit, Read]}\n"
_KEPT = ("PYTEST_CURRENT_TEST", "PYTHONPATH")  # pytest takes the first one away itself


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A home of its own, which this process lives in, too; commands and edits are allowed there."""
    made = Place(tmp_path)
    with (made.home / ".config/mlwb/config.yaml").open("a") as file:
        file.write(ALLOWED)
    lives_in(made, monkeypatch)
    return made


def lives_in(place: Place, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    """Makes the environment of PLACE this process's own: hosts get it from here."""
    env = place.env(MLWB_LINGER="600", **more)
    for name in set(os.environ) - set(env) - set(_KEPT):
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)


class Hosts:
    """Begins hosts in PLACE, whose model is at URL; what of them still lives is ended with the block."""

    def __init__(self, place: Place, url: str) -> None:
        self.place, self._seen = place, set[int]()
        self._env = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY}

    async def begin(self, **task: Any) -> RemoteClient:
        """The first client of a new session with a person at it."""
        return await self._of(Asked(task=Task(prompt="", workspace=str(self.place.repo), interactive=True, **task)))

    async def resume(self, session: str) -> RemoteClient:
        """The first client of a session that is taken up."""
        return await self._of(Asked(resume=session))

    async def _of(self, asked: Asked) -> RemoteClient:
        client = await Spawned(self.place.repo, {**os.environ, **self._env}).begin(asked)
        self._seen.add(client.state.pid)
        return client

    def kill(self, pid: int) -> None:
        """SIGKILL for the host PID; returns when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.gone(pid)

    def gone(self, pid: int) -> None:
        """Returns when the host PID is gone."""
        with contextlib.suppress(psutil.NoSuchProcess):
            not_ended([psutil.Process(pid)], 30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self._seen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            self.kill(pid)


class Fold:
    """The one truth: what the journal in FOLDER comes to, at each seq. Looks at the file and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader: Reader | None = None
        self._state, self._whole = SessionState(), SessionState()
        self._digests = {0: state_digest(self._state)}

    @property
    def seq(self) -> int:
        """The last seq of the journal now."""
        self._catch_up()
        return self._state.seq

    @property
    def items(self) -> list[Item]:
        """All items that the session ever had, as of now."""
        self._catch_up()
        return self._whole.items

    @property
    def state(self) -> SessionState:
        """The state as of now; not to be changed."""
        self._catch_up()
        return self._state

    def digest(self, seq: int) -> str:
        """What a client that was told all up to SEQ must show."""
        self._catch_up()
        return self._digests[seq]

    def _catch_up(self) -> None:
        if self._reader is None:
            self._reader = Reader(self._folder)
        self._reader.refresh()
        for envelope in self._reader.read(self._state.seq):
            apply(self._state, envelope)
            apply(self._whole, envelope, kept=1 << 60)
            self._digests[envelope.seq] = state_digest(self._state)

    def events(self, *kinds: type) -> list[Any]:
        """The events of these kinds, from the file."""
        with Reader(self._folder) as reader:
            return [one.event for one in reader.read() if isinstance(one.event, kinds)]

    def close(self) -> None:
        """Lets go of the file."""
        if self._reader is not None:
            self._reader.close()


class Watching:
    """Takes in what CLIENT is told, in the background, as a screen does. EACH sees every envelope after its fold."""

    def __init__(self, client: Client, each: Callable[[Any], None] = lambda _: None) -> None:
        self.client = client
        self._each = each
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async for envelope in self.client.events():
            self._each(envelope)

    async def until(self, true: Callable[[SessionState], object], within_s: float = 60.0) -> None:
        """Until TRUE holds for the state that it shows. Fails after WITHIN_S, or where the client ends before."""
        end = time.monotonic() + within_s
        while not true(self.client.state):
            if self._task.done():
                self._task.result()
                raise AssertionError(f"the client ended: {getattr(self.client, 'why', '')}")
            assert time.monotonic() < end, f"not within {within_s} s: {_told(self.client.state)}"
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Leaves."""
        await self.client.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _told(state: SessionState) -> str:
    last = [f"{item.kind}:{item.tool}:{item.status}:{item.text[:80]}" for item in state.items[-4:]]
    return f"seq {state.seq}, phase {state.phase}, waiting {state.waiting!r}, last {last}"


_numbers = iter(range(1, 1 << 60))


def number() -> str:
    """An id that no other command of this process has."""
    return f"t-{os.getpid()}-{next(_numbers)}"


async def prompt(client: Client, text: str) -> Ack:
    """Sends TEXT to the agent."""
    return await client.send(SubmitPrompt(id=number(), text=text, by="me"))


def resting(state: SessionState) -> bool:
    """Whether the agent waits for a person."""
    return state.phase == "idle" and bool(state.waiting)


async def same(fold: Fold, watching: Watching, within_s: float = 60.0) -> None:
    """Until the client holds all of the journal; its state is then the journal's fold."""
    end = time.monotonic() + within_s
    while watching.client.state.seq < fold.seq:
        assert time.monotonic() < end, f"{watching.client.state.seq} of {fold.seq}"
        await asyncio.sleep(0.01)
    state = watching.client.state
    assert state_digest(state) == fold.digest(state.seq), f"at {state.seq}"


def rss(pid: int) -> int:
    """Bytes of memory that PID holds."""
    return int(psutil.Process(pid).memory_info().rss)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """PID is stopped by SIGSTOP for as long as the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


class Seat:
    """The owner of a session, new, resumed or joined, who sits at it in a thread while a test does something else."""

    def __init__(self, hosts: Hosts, resume: str = "", joins: str = "") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        joined = attach(hosts.place.session(joins)) if joins else None
        self.client: RemoteClient = self.do(joined or (hosts.resume(resume) if resume else hosts.begin()))
        self.watching: Watching = self.do(self._watch())
        self.folder = hosts.place.session(self.client.session)
        self.socket = sockets.path_of(self.client.session)
        self.pid = self.client.state.pid

    async def _watch(self) -> Watching:
        return Watching(self.client)

    def do(self, work: Coroutine[Any, Any, Any], within_s: float = 100.0) -> Any:
        """What comes of WORK in the owner's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within_s)

    def send(self, command: AnyCommand) -> Ack:
        """What became of COMMAND."""
        found: Ack = self.do(self.client.send(command))
        return found

    def until(self, true: Callable[[SessionState], object], within_s: float = 60.0) -> None:
        """Until TRUE holds for what the owner sees."""
        self.do(self.watching.until(true, within_s), within_s + 10)

    def works(self) -> None:
        """The session does as it is told: the host is at work, and the owner is here."""
        before = self.client.state.turns
        assert self.do(prompt(self.client, "still there?")).ok
        self.until(lambda state: state.turns > before and resting(state))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.watching.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
