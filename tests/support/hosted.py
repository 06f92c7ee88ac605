"""A session in a host process of its own, for tests that are its clients over real sockets.

with hosted(tmp_path, monkeypatch, [say("Hello.")]) as place:
    async def run() -> None:
        client = await begin(place)
        ...
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from support.left import end_hosts
from support.mlwb import Place
from workbench.host import sockets
from workbench.host.asked import Asked
from workbench.host.remote import LIMIT, RemoteClient
from workbench.host.spawn import Spawned
from workbench.protocol import wire
from workbench.protocol.events import Envelope
from workbench.protocol.task import Task


@contextlib.contextmanager
def hosted(
    root: Path, monkeypatch: pytest.MonkeyPatch, turns: Sequence[Any], settings: str = "", **endpoint: Any
) -> Iterator[Place]:
    """A place whose environment is this process's own, so that hosts and clients begun here are at home there."""
    place = Place(root, {"train.py": "lr = 0.5\n"})
    config = place.home / ".config/mlwb/config.yaml"
    config.write_text(config.read_text() + settings)
    with place.endpoint(turns, **endpoint) as (_, env):
        for name in list(os.environ):
            if name.startswith(("XDG_", "MLWB_", "ANTHROPIC_")):
                monkeypatch.delenv(name)
        for name, value in {**env, "MLWB_LINGER": "5"}.items():
            monkeypatch.setenv(name, value)
        try:
            yield place
        finally:
            end_hosts(place.home)


async def begin(place: Place, resume: str = "") -> RemoteClient:
    """A client of a session that a new host process has begun, or taken up again."""
    task = Task(prompt="", workspace=str(place.repo), agent="ml-engineer", interactive=True)
    asked = Asked(resume=resume) if resume else Asked(task=task)
    return await Spawned(place.repo, dict(os.environ)).begin(asked)


class Followed:
    """CLIENT's events, taken in as they come, inside an `async with`; `seen` are all of them."""

    def __init__(self, client: RemoteClient) -> None:
        self.client, self.seen = client, list[Envelope]()
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        await asyncio.wait_for(self._task, 60)

    async def _follow(self) -> None:
        async for envelope in self.client.events():
            self.seen.append(envelope)
            self._news.set()
        self._news.set()

    async def until(self, true: Any, most: float = 60.0) -> None:
        """Returns when TRUE holds after something came."""
        async with asyncio.timeout(most):
            while not true():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.05)

    @property
    def seqs(self) -> list[int]:
        """The seqs of the journalled envelopes that came."""
        return [envelope.seq for envelope in self.seen if envelope.seq]


class Relay:
    """Stands between clients and the socket of SESSION, inside an `async with`: it is cut, shut, or made deaf."""

    def __init__(self, place: Place, session: str) -> None:
        self.path, self.session, self.folder = place.home / "relay.sock", session, place.session(session)
        self.shut = False  # no new connection comes through
        self.deaf = False  # what the host says is lost
        self._through: set[asyncio.StreamWriter] = set()
        self._copying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in list(self._copying):
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.shut:
            writer.transport.abort()
            return
        try:
            to_host, host = await asyncio.open_unix_connection(str(sockets.path_of(self.session)))
        except OSError:
            writer.transport.abort()
            return
        self._through |= {writer, host}
        for one, other, back in ((reader, host, False), (to_host, writer, True)):
            task = asyncio.create_task(self._copy(one, other, back))
            self._copying.add(task)
            task.add_done_callback(self._copying.discard)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if not (back and self.deaf):
                    writer.write(data)
                    await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Breaks every connection that goes through here now."""
        for writer in self._through:
            writer.transport.abort()
        self._through.clear()

    async def client(self) -> RemoteClient:
        """A client whose connections go through here, and which comes back for as long as it takes."""

        async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_unix_connection(str(self.path), limit=LIMIT)

        client = RemoteClient(dial, lambda: wire.Hello(token=sockets.token_of(self.folder)), None)
        await client.begin()
        return client


class Raw:
    """A client that writes and reads lines of JSON by itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def say(self, **frame: Any) -> None:
        """Writes a frame."""
        self._writer.write(json.dumps(frame).encode() + b"\n")

    async def hears(self, kind: str) -> dict[str, Any]:
        """The next frame of KIND; others are passed over. Fails at the end of the connection."""
        async with asyncio.timeout(60):
            while line := await self._reader.readline():
                frame: dict[str, Any] = json.loads(line)
                if frame["type"] == kind:
                    return frame
        raise AssertionError(f"no {kind}, and the host has closed the connection")


@contextlib.asynccontextmanager
async def raw(session: str) -> AsyncIterator[Raw]:
    """A connection to the socket of SESSION on which nothing was said yet."""
    reader, writer = await asyncio.open_unix_connection(str(sockets.path_of(session)), limit=1 << 24)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
